"""Terms and problems: measurements, rows, weights and parts that do not fit are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases.solver import run
from torch import Tensor

from inverse_inr import Box, Grid, OnGrid, Problem, Term, fidelity, memory, noise, predict, priors
from inverse_inr.operators import ParallelBeam
from inverse_inr.solver import Solver

BOX = Box((-1.0, -1.0), (1.0, 1.0))
BEAM = ParallelBeam(BOX, torch.arange(12) * torch.pi / 12, detectors=16)
ROWS = len(BEAM)
Y = torch.zeros(ROWS)
NAME = r"ParallelBeam\(shape=\(12, 16\)\)"


# --- terms --------------------------------------------------------------------------------------


def spoilt(value: float) -> Tensor:
    y = Y.clone()
    y[[3, 7]] = value
    return y


WRONG_Y = {
    "nan": (
        spoilt(float("nan")),
        ValueError,
        r"y holds 2 NaN or Inf among 192 values.*rows=torch.isfinite\(y\)",
    ),
    "inf": (spoilt(float("inf")), ValueError, "y holds 2 NaN or Inf among 192 values"),
    "short": (
        Y[:-1],
        ValueError,
        NAME + r" has 192 rows; y has shape \(191,\)\. One value .* belongs to each row",
    ),
    "scalar": (Y[0], ValueError, r"y has shape \(\)"),
    "natural": (
        Y.reshape(12, 16),
        ValueError,
        r"y has shape \(12, 16\)\. .*flat along rows: pass operator.flatten",
    ),
    "transposed": (
        Y.reshape(16, 12),
        ValueError,
        r"y has shape \(16, 12\)\. Transposed\? Pass y.T.reshape\(-1\)",
    ),
    "integer": (Y.int(), TypeError, "got torch.int32. Pass torch.as_tensor"),
    "numpy": (
        np.zeros(ROWS),
        TypeError,
        "must be a floating or complex tensor, got ndarray. Pass torch.as_tensor",
    ),
    "list": ([0.0] * ROWS, TypeError, "got list"),
}


@pytest.mark.parametrize("case", WRONG_Y)
def test_wrong_measurements_are_refused(case):
    y, error, message = WRONG_Y[case]
    with pytest.raises(error, match=message):
        Term(BEAM, y, fidelity.L2())


WRONG_ROWS = {
    "mask": (torch.ones(ROWS, dtype=torch.bool), ValueError, "boolean mask; pass indices"),
    "float": (torch.zeros(3), ValueError, "integer tensor, got torch.float32"),
    "two axes": (torch.zeros(3, 2, dtype=torch.long), ValueError, r"of shape \(3, 2\)"),
    "empty": (torch.zeros(0, dtype=torch.long), ValueError, "rows is empty"),
    "negative": (
        torch.tensor([-1, 4]),
        IndexError,
        "rows run from -1 to 4, but ParallelBeam has 192 rows",
    ),
    "beyond": (torch.tensor([0, ROWS]), IndexError, r"192 rows \(0 to 191\)"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_wrong_rows_are_refused(case):
    rows, error, message = WRONG_ROWS[case]
    with pytest.raises(error, match=message):
        Term(BEAM, Y, fidelity.L2(), rows=rows)


@pytest.mark.parametrize("weight", [-1.0, 0.0, float("nan"), float("inf")])
def test_wrong_weights_are_refused(weight):
    with pytest.raises(ValueError, match=r"Term: weight=.* must be a number above 0"):
        Term(BEAM, Y, fidelity.L2(), weight)


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match="function is no operator: it needs __len__ and __call__"):
        Term(lambda rows: (rows, rows), Y, fidelity.L2())  # type: ignore[arg-type]


def test_rows_that_are_not_trusted_may_hold_nan_and_are_never_seen(problem):
    term = problem.terms[0]
    bad = torch.tensor([0, 5, 100])
    good = torch.ones(ROWS, dtype=torch.bool).index_fill(0, bad, False).nonzero()[:, 0]
    images = []
    for value in (float("nan"), 1e9):
        y = term.y.index_fill(0, bad, value)
        partly = Term(term.operator, y, term.fidelity, rows=good)
        images.append(run(replace(problem, terms=[partly])).sample())
    assert torch.isfinite(images[0]).all()
    assert torch.equal(*images)
    assert torch.equal(Term(BEAM, Y, fidelity.L2(), rows=good.repeat(2).flip(0)).trusted, good)


# --- problems -----------------------------------------------------------------------------------


class KeepsChannels:
    def __len__(self) -> int:
        return 5

    def __call__(self, rows: Tensor):
        return torch.zeros(len(rows), 3, 2), lambda values: values.sum(1)


GRID = Grid(BOX, (16, 16))
CUBE = Box((0, 0, 0), (1, 1, 1))
VOXELS = Grid(CUBE, (4, 4, 4))
TERM = Term(BEAM, Y, fidelity.L2())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Problem([], BOX, GRID), r"terms is empty; pass at least one Term"),
        (lambda: Problem([TERM], BOX, VOXELS), "the grid has 3 axes and the box 2"),
        (
            lambda: Problem([TERM], CUBE, VOXELS),
            r"ParallelBeam.* looks at 2-D points; the box has 3 axes",
        ),
        (
            lambda: Problem([TERM], BOX, GRID, channels=0),
            "Problem: channels=0 must be",
        ),
        (
            lambda: Problem([Term(KeepsChannels(), torch.zeros(5), fidelity.L2())], BOX, GRID),
            r"shape \(1, 1\) for one row; y has \(1,\) a row.*Take values\[\.\.\., 0\]",
        ),
        (
            lambda: Solver(Problem([TERM], BOX, GRID), priors.grid(CUBE, cells=4)),
            "The prior's box has 3 axes, the problem's 2",
        ),
    ],
    ids=["no terms", "grid", "operator", "no channels", "channels kept", "prior"],
)
def test_problems_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fidelity": None}, r"Term: fidelity=None is no fidelity: .*\(prediction, y\)"),
        ({"fidelity": fidelity.L2}, r"Term: fidelity=<class .*L2.* is no fidelity"),
        ({"fidelity": 3}, "Term: fidelity=3 is no fidelity"),
        ({"fidelity": fidelity.L2(), "weight": "1"}, "Term: weight='1' .* quotes"),
        ({"fidelity": fidelity.L2(), "weight": True}, "Term: weight=True .* flag"),
    ],
)
def test_terms_of_another_kind_are_refused(given, message):
    with pytest.raises(TypeError, match=message):
        Term(BEAM, Y, **given)


def test_negative_counts_are_refused_with_the_likely_slip():
    with pytest.raises(ValueError, match=r"2 of 192 counts are negative, the least -4.*dark field"):
        Term(BEAM, spoilt(-4.0), noise.Poisson(1e4))


def test_negative_counts_of_rows_that_are_not_trusted_may_stay():
    rows = torch.isfinite(Y).nonzero()[8:, 0]
    assert len(Term(BEAM, spoilt(-4.0), noise.Poisson(1e4), rows=rows).trusted) == ROWS - 8


class Looks:
    """Looks at given places, one a row."""

    def __init__(self, places: Tensor) -> None:
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, rows: Tensor):
        return self.places[rows], lambda values: values[..., 0]


def looking_at(places: Tensor, box: Box = BOX) -> Problem:
    term = Term(Looks(places), torch.zeros(len(places)), fidelity.L2())
    return Problem([term], box, Grid(box, (16, 16)))


def test_a_box_that_the_operator_never_looks_at_is_refused_with_both_extents():
    places = 40 + 20 * torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        ValueError, match=r"Looks looks at points from \(40.*none inside the box from \(-1, -1\)"
    ):
        looking_at(places)


def test_a_grid_beside_the_box_is_looked_at_in_vain():
    elsewhere = Grid(Box((5.0, 5.0), (6.0, 6.0)), (8, 8))
    operator = OnGrid(lambda image: image, elsewhere, (8, 8))
    with pytest.raises(ValueError, match=r"OnGrid.* none inside the box"):
        Problem([Term(operator, torch.zeros(64), fidelity.L2())], BOX, GRID)


def test_one_measurement_in_a_hundred_that_sees_the_box_is_enough():
    places = torch.full((300, 2), 50.0)
    places[::100] = 0.5
    assert len(looking_at(places).terms) == 1


def test_points_on_the_rim_of_the_box_are_inside():
    assert len(looking_at(torch.full((3, 2), 1.0)).terms) == 1


def test_results_cannot_be_shown_beside_the_box():
    with pytest.raises(ValueError, match=r"the grid.* and the box.* have nothing in common"):
        Problem([TERM], BOX, Grid(Box((5.0, 5.0), (6.0, 6.0)), (8, 8)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"terms": TERM}, "Problem: terms=Term.* must be a sequence"),
        ({"box": (0, 1)}, r"Problem: box=\(0, 1\) must be a Box"),
        ({"grid": (16, 16)}, r"Problem: grid=\(16, 16\) must be a Grid"),
        ({"channels": 1.0}, "Problem: channels=1.0 .* Write 1"),
        ({"average": True}, "Problem: average=True"),
        ({"reference": 3}, "Problem: reference=3 must be a function"),
    ],
)
def test_problems_of_another_kind_are_refused(given, message):
    with pytest.raises(TypeError, match=message):
        Problem(**{"terms": [TERM], "box": BOX, "grid": GRID, **given})


def test_a_grid_whose_image_would_not_fit_is_refused_before_any_work() -> None:
    """The result would be lost otherwise: it is sampled on the grid when the fit is over."""
    term = Term(BEAM, Y, noise.Gaussian(1.0))
    with pytest.raises(memory.OutOfMemoryError, match=r"image .* would fit"):
        Problem([term], BOX, Grid(BOX, (10**7, 10**7)))


def test_on_a_lattice_the_operators_see_its_nodes_only() -> None:
    from inverse_inr.problems.ct import ct

    problem = ct("gaussian_blobs", size=16, views=6)
    seen = problem.on_lattice(3)
    assert seen.terms[0].operator.grid == problem.grid.refined(3)
    assert seen.grid == problem.grid
    assert (seen.finer, seen.origin) == (3, problem)
    rows = torch.arange(len(problem.terms[0].operator))
    on_nodes = predict(seen.terms[0].operator, problem.reference, rows)
    along_rays = predict(problem.terms[0].operator, problem.reference, rows)
    torch.testing.assert_close(on_nodes, along_rays, atol=0.03 * float(along_rays.max()), rtol=0)


def test_a_solution_on_a_lattice_is_shown_as_the_mean_of_its_nodes() -> None:
    from inverse_inr import SampledField, Solution
    from inverse_inr.problems.ct import ct

    problem = ct("gaussian_blobs", size=16, views=6).on_lattice(2)
    fine = torch.randn(32, 32, 1, generator=torch.Generator().manual_seed(0))
    solution = Solution(SampledField(fine, problem.grid.refined(2)), problem, "noise")
    means = fine.reshape(16, 2, 16, 2, 1).mean((1, 3))
    torch.testing.assert_close(solution.image(), means)


def test_an_operator_without_a_grid_map_has_no_lattice() -> None:
    with pytest.raises(TypeError, match="Looks offers no map of a sampled image"):
        looking_at(torch.zeros(4, 2)).on_lattice()
