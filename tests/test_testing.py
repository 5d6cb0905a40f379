"""The conformance kit catches what it promises; the README's contract; names; files on disk."""

import json
import re

import pytest
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import Box, Grid, OnGrid, Problem, Solver, priors, solve, with_adjoint
from inverse_inr.solver import load_field, save_field
from inverse_inr.testing import OperatorTests, PriorTests, checks, run_checks

BOX = Box((-1.0, -1.0), (1.0, 1.0))


class Pairs:
    """Ten lines: row r is the sum of the field at two points."""

    def __len__(self) -> int:
        return 9

    def __call__(self, rows: Tensor):
        t = rows / 9
        points = torch.stack([torch.stack([t, -t], -1), torch.stack([t - 1, t * t], -1)], -2)
        return points, lambda values: values.sum(1)[..., 0]


class Shifted(nn.Module):
    """Learns where it looks, and its gain."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([0.1, -0.2]))
        self.gain = nn.Parameter(torch.ones(9))

    def __len__(self) -> int:
        return 9

    def forward(self, rows: Tensor):
        points, measure = Pairs()(rows)
        return points + self.shift, lambda values: self.gain[rows] * measure(values)


class Dependent(Pairs):
    """Rows see each other: their mean is subtracted."""

    def __call__(self, rows: Tensor):
        points, measure = super().__call__(rows)
        return points, lambda values: measure(values) - measure(values).mean()


class Random(Pairs):
    def __call__(self, rows: Tensor):
        points, measure = super().__call__(rows)
        return points + 0.1 * torch.rand(points.shape), measure


class Squared(Pairs):
    def __call__(self, rows: Tensor):
        points, measure = super().__call__(rows)
        return points, lambda values: measure(values).square()


class Detached(Shifted):
    """Its gain has a gradient that is twice too large."""

    def forward(self, rows: Tensor):
        points, measure = Pairs()(rows)
        gain = 2 * self.gain[rows] - self.gain[rows].detach()
        return points + self.shift, lambda values: gain * measure(values)


class Float64(Pairs):
    def __call__(self, rows: Tensor):
        points, measure = super().__call__(rows)
        return points, lambda values: measure(values).double()


def wrong_adjoint() -> OnGrid:
    # the true adjoint rolls the other way
    roll = with_adjoint(lambda x: x.roll(1, 0), lambda y: y.roll(1, 0))
    return OnGrid(roll, Grid(BOX, (5, 4)), (5, 4))


def right_adjoint() -> OnGrid:
    roll = with_adjoint(lambda x: x.roll(1, 0), lambda y: y.roll(-1, 0))
    return OnGrid(roll, Grid(BOX, (5, 4)), (5, 4))


def failures(make) -> dict[str, str]:
    class Kit(OperatorTests):
        def make(self):
            return make()

    return {name: message for name, message in run_checks(Kit()) if message is not None}


class TestPairs(OperatorTests):
    def make(self):
        return Pairs()


FAULTS = {
    "rows are independent": (Dependent, "a batch of rows differs|gave shape"),
    "evaluation is deterministic": (Random, "two calls in eval mode differ"),
    "dot": (wrong_adjoint, r"<Ax, y> = .* but <x, A'y> ="),
    "linear": (Squared, "not additive"),
    "gradients of what it learns": (Detached, "finite difference"),
    "precision follows the field": (
        Float64,
        "a field in torch.float32 was measured as torch.float64",
    ),
    "is an operator": (object, "needs __len__"),
}


@pytest.mark.parametrize("check", FAULTS)
def test_the_kit_reports_each_fault(check):
    make, message = FAULTS[check]
    found = failures(make)
    assert check in found
    assert re.search(message, found[check])


def test_the_kit_does_not_warn_of_its_own():
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        assert failures(Shifted) == {}
    finally:
        torch.set_warn_always(always)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")
def test_healthy_operators_have_nothing_to_report():
    assert [failures(make) for make in (Pairs, Shifted, right_adjoint)] == [{}, {}, {}]
    assert "must define make" in dict(run_checks(OperatorTests()))["dot"]
    assert {name for name, _ in checks(OperatorTests())} >= set(FAULTS)


SMALL = {
    "hash": {"log2_table": 8},
    "grid": {"cells": 9.0},
    "separable": {"rank": 6, "width": 16},
    "tensor": {"rank": 6},
    "cosmo": {"width": 24, "depth": 2},
    "deformed": {"width": 16, "options": {"log2_table": 8}},
    "gaussian_mixture": {"count": 30},
    "offset": {},
    "spectral_basis": {},
    **{name: {"bandwidth": 4.0, "blocks": 2, "width": 8} for name in ("nerv", "hnerv", "hinerv")},
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", priors.names())
def test_every_prior_passes_its_kit(name, channels):
    class Kit(PriorTests):
        def make(self):
            return priors.create(name, self.box, self.channels, **SMALL.get(name, {"width": 24}))

    kit = Kit()
    kit.channels = channels
    assert [r for r in run_checks(kit) if r[1] is not None] == []


def test_the_prior_kit_reports():
    class Kit(PriorTests):
        def make(self):
            return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))  # unseeded

    assert set(dict(r for r in run_checks(Kit()) if r[1])) == {"is deterministic"}


# --- the contract in a dozen lines, names, files ------------------------------------------------


def test_the_contract_in_a_dozen_lines():
    from inverse_inr import baselines, noise, operators, phantoms, regularizers

    box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
    grid = ii.Grid(box, (128, 128))
    A = operators.ParallelBeam(box, angles=torch.arange(60) * torch.pi / 60, detectors=128)
    y = ii.predict(A, phantoms.shepp_logan(box))
    y = noise.Gaussian(0.01).sample(y, generator=torch.Generator().manual_seed(0))

    problem = ii.Problem([ii.Term(A, y, noise.Gaussian(0.01))], box=box, grid=grid)
    smooth = [1e-3 * regularizers.TotalVariation()]
    solution = ii.solve(problem, prior="hash", regularizers=smooth, seed=0, steps=3)
    image = solution.sample(grid, average=4)
    classic = baselines.tv(problem, iterations=3)
    B = A.on(grid)

    assert y.shape == (60 * 128,)
    assert image.shape == (128, 128, 1)
    assert isinstance(classic, ii.Solution)
    assert classic.sample().shape == (128, 128, 1)
    assert isinstance(B, ii.Operator)
    assert len(B) == len(A)
    assert solution.report().startswith("hash: 3 steps in")


@pytest.mark.parametrize(
    ("prior", "options", "error", "message"),
    [
        (
            "grid",
            {"optimizer": "adan"},
            ValueError,
            r"Unknown optimizer 'adan'. Did you mean 'adam'",
        ),
        ("sirens", {}, ValueError, r"Unknown prior 'sirens'. Did you mean 'siren'\?"),
        (
            lambda points: points,
            {},
            TypeError,
            r"Solver: prior=<function .* must be a text, a Module",
        ),
        (
            "grid",
            {"optimizer": ii.optimizers.Adam(), "lr": 0.1},
            ValueError,
            "Give the learning rate once",
        ),
        ("grid", {"steps": 0}, ValueError, "Solver: steps=0 must be a whole number of at least 1"),
    ],
    ids=["optimizer", "prior", "function", "two learning rates", "no steps"],
)
def test_a_solver_of_wrong_parts_offers_the_right_ones(problem, prior, options, error, message):
    with pytest.raises(error, match=message):
        Solver(problem, prior, **options)


def test_a_wrong_option_of_a_prior_offers_the_nearest():
    message = r"prior 'hash' has no option 'level'. Did you mean 'levels'\?"
    with pytest.raises(ValueError, match=message):
        priors.create("hash", BOX, level=3)


def test_solve_names_a_keyword_that_it_does_not_have(problem):
    with pytest.raises(TypeError, match="'regularizer'"):
        solve(problem, regularizer=[])  # type: ignore[call-arg]


def small_run(problem: Problem, *callbacks) -> Solver:
    prior = priors.grid(problem.box, cells=8, order=3)
    return Solver(
        problem,
        prior,
        steps=20,
        batch=64,
        stopping=ii.stopping.HeldOut(every=10),
        callbacks=callbacks,
    )


def test_a_saved_solution_is_read_back(problem, tmp_path):
    solution = small_run(problem).run()
    folder = solution.save(tmp_path / "new" / "folder")
    assert sorted(p.name for p in folder.iterdir()) == [
        "field.safetensors",
        "history.json",
        "image.npz",
    ]
    record = json.loads((folder / "history.json").read_text())
    assert record["best_step"] == solution.best_step
    field = load_field(folder / "field.safetensors")
    # as `Solution.sample` does: with gradients recorded, sums are taken in another order
    with torch.no_grad():
        assert torch.equal(ii.sample(field, problem.grid), solution.sample())
    image, _ = ii.io.read_image(folder / "image.npz")
    assert torch.equal(image, solution.sample())
    save_field(nn.Linear(2, 1), tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="not the recipe of a catalogue prior"):
        load_field(tmp_path / "plain.safetensors")
