"""A whole fit on a make-believe GPU: the values of the CPU, and steps that never wait."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from inverse_inr import (
    Problem,
    Solver,
    Term,
    baselines,
    noise,
    priors,
    regularizers,
    rounds,
    solve,
    uncertainty,
)
from inverse_inr.operators import ParallelBeam
from inverse_inr.priors import bandwidth_of
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Checkpoint, load_field, read_checkpoint
from inverse_inr.stopping import HeldOut, Never
from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA, PINNED

SMALL = {"steps": 4, "batch": 64, "points": 16, "stopping": HeldOut(every=2), "callbacks": ()}
PENALTY = 1e-3 * regularizers.TotalVariation()


def small_hash(problem: Problem, **options) -> nn.Module:
    sizes = {"levels": 2, "coarsest": 4, "finest": 8, "log2_table": 6, "width": 8, "depth": 1}
    return priors.create("hash", problem.box, **sizes, **options)


def small_siren(problem: Problem) -> nn.Module:
    return priors.create("siren", problem.box, width=8, depth=2)


def on_rays(problem: Problem) -> Problem:
    """Rays of a scanner that learns its centre, with a noise level for each of them."""
    term = problem.terms[0]
    operator = ParallelBeam(
        problem.box, term.operator.angles, 16, center=nn.Parameter(torch.tensor(0.01))
    )
    levels = torch.linspace(0.01, 0.02, len(term.y))
    return replace(problem, terms=[Term(operator, term.y, noise.Gaussian(levels))])


def on_lattice(problem: Problem) -> Problem:
    return problem.on_lattice(1)


@pytest.mark.parametrize("seen", [on_rays, on_lattice])
@pytest.mark.parametrize(
    ("made", "optimizer"),
    [
        pytest.param(small_hash, "adam", id="hash"),
        pytest.param(small_siren, "muon", id="siren"),
        pytest.param(
            lambda p: small_hash(p, coarse_to_fine=0.5),
            "adam",
            id="coarse to fine",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_no_step_waits_for_the_host_or_the_device(problem, seen, made, optimizer):
    """Rows, noise levels, corners of the box, learning rates: nothing is sent or read in a step."""
    where = regularizers.TotalVariation(grid=problem.grid)
    with FakeCuda() as gpu:
        solver = Solver(
            seen(problem),
            made(problem),
            regularizers=[PENALTY, 1e-3 * where],
            optimizer=optimizer,
            device="cuda",
            **SMALL | {"steps": 90, "stopping": Never(every=100)},
        )
        solver.step()  # what is remembered is sent once
        gpu.log.clear()
        for _ in range(4):  # over the end of an epoch of 3 batches
            solver.step()
        assert gpu.waits() == {}
        if seen is on_rays:
            assert gpu.count(PINNED) == 1  # the order of the next epoch, beside the work


def test_a_step_that_waits_is_found(problem):
    def dear(field, points):
        return (field(points).abs().max().item() - field(points)).square().mean()

    with FakeCuda() as gpu:
        solver = Solver(problem, small_siren(problem), regularizers=[dear], device="cuda", **SMALL)
        gpu.log.clear()
        solver.step()
        assert [(event.what, n) for event, n in gpu.waits().items()] == [("_local_scalar_dense", 1)]


def test_the_whole_way_of_a_fit_on_the_device(problem, tmp_path):
    """Made, fitted, judged, saved, resumed: with the numbers of the CPU."""
    operator = problem.terms[0].operator
    options = {**SMALL, "regularizers": [PENALTY]}
    expected = Solver(problem, small_hash(problem), **options).run()
    checkpoint = Checkpoint(tmp_path / "state.pt")
    with FakeCuda():
        solver = Solver(
            problem, small_hash(problem), device="auto", **options | {"callbacks": [checkpoint]}
        )
        solution = solver.run()
        assert solution.problem.device == CUDA
        assert solution.image().device == CUDA
        assert solution.held_out() == pytest.approx(expected.held_out(), rel=1e-4)
        assert solution.summary()["PSNR"] == pytest.approx(expected.summary()["PSNR"], rel=1e-4)
        assert "PSNR" in solution.report()
        solution.save(tmp_path / "run")
        resumed = Solver(problem, small_hash(problem), device="cuda", **options)
        resumed.load_state_dict(read_checkpoint(tmp_path / "state.pt"))
        assert resumed.solution().image().device == CUDA
        home = solution.to("cpu")
        assert home.problem.device.type == "cpu"
        assert home.held_out() == pytest.approx(expected.held_out(), rel=1e-4)
        assert home.to("cpu") is home
    assert operator.angles.device.type == "cpu"  # nothing of the user's has moved
    assert problem.terms[0].y.device.type == "cpu"
    points = problem.grid.points()
    loaded = load_field(tmp_path / "run" / "field.safetensors")
    assert torch.allclose(loaded(points), home.field(points))
    here = Solver(problem, small_hash(problem), **options)
    here.load_state_dict(read_checkpoint(tmp_path / "state.pt"))  # gone on with on the CPU
    assert here.step_number == 4
    assert torch.allclose(here.solution().image(), expected.image(), atol=1e-4)


def test_a_prior_by_name_and_a_given_one_stand_where_the_problem_is(problem):
    given = small_siren(problem)
    with FakeCuda():
        there = problem.to("cuda")
        assert there.to("cuda") is there
        for prior in ("grid", given):
            solver = Solver(there, prior, **SMALL)
            assert {p.device for p in solver.objective.parameters()} == {CUDA}
        moved = priors.create("grid", problem.box).to("cuda")
        assert Solver(problem, moved, **SMALL).prior is moved  # a fit is where its prior is
        assert Solver(problem, moved, **SMALL).problem.device == CUDA
    assert next(given.parameters()).device.type == "cpu"


def test_two_terms_share_their_operator_on_the_device_too(problem):
    term = problem.terms[0]
    both = replace(problem, terms=[term, replace(term, weight=0.5)])
    with FakeCuda():
        first, second = both.to("cuda").terms
        assert first.operator is second.operator
        assert first.operator is not term.operator


CLASSICAL = {
    "cgls": lambda p: baselines.cgls(p, maximum=4),
    "tv": lambda p: baselines.tv(p, 1e-3, iterations=4),
    "l1": lambda p: baselines.l1(p, 0.1, weights=(0.3,), iterations=4),
    "wavelets": lambda p: baselines.l1(p, 0.1, weights=(0.3,), iterations=4, wavelets=1),
    "plug and play": lambda p: baselines.plug_and_play(p, strength=1.0, iterations=2),
}


@pytest.mark.parametrize(
    "name", ["cgls", *(pytest.param(k, marks=pytest.mark.slow) for k in CLASSICAL if k != "cgls")]
)
def test_classical_methods_give_the_image_of_the_cpu(problem, name):
    method = CLASSICAL[name]
    expected = method(problem)
    with FakeCuda():
        found = method(problem.to("cuda"))
        assert found.image().device == CUDA
        assert "PSNR" in found.report()
        image = found.image().cpu()
    assert torch.allclose(image, expected.image(), atol=1e-4 * float(expected.image().abs().max()))


def test_a_method_of_the_cpu_serves_a_problem_on_the_device(problem):
    @baselines.on_the_cpu
    def by_numpy(problem):
        values = problem.terms[0].operator.unflatten(problem.terms[0].y).numpy().mean()
        image = torch.full((*problem.grid.shape, 1), float(values))
        return replace(baselines.cgls(problem, 1), field=SampledField(image, problem.grid))

    suggested = replace(problem.suggested, baselines={"mean": by_numpy.__wrapped__})
    with FakeCuda():
        there = replace(problem, suggested=suggested).to("cuda")
        for method in (by_numpy, there.suggested.baselines["mean"]):
            found = method(there)
            assert found.problem is there
            assert found.field.device == CUDA


@pytest.mark.slow
def test_rounds_are_made_where_the_last_one_is(problem):
    options = {"cells": 8.0, "order": 1}
    first = replace(
        problem.suggested, prior="grid", options=options, steps=2, stopping=Never(every=2)
    )
    chain = rounds.refined(replace(problem, suggested=first), 1, 0.1, steps=1, neighbours=8)
    expected = Solver(chain).run()
    with FakeCuda():
        solver = Solver(chain, device="cuda")
        guide = solver.objective.parts[0][1].guide
        assert CUDA in guide._fits
        found = solver.run().image().cpu()
    assert torch.allclose(found, expected.image(), atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_is_on_the_device(problem):
    options = {k: v for k, v in SMALL.items() if k != "stopping"}
    with FakeCuda():
        made = uncertainty.ensemble(
            problem, "grid", count=2, device="cuda", **options | {"steps": 2}
        )
        assert made.scale >= 0
        assert made.deviation().device == CUDA
        assert made.mean.image().device == CUDA


def test_half_precision_is_for_products_alone(problem):
    full = Solver(problem, small_siren(problem), **SMALL).run()
    half = Solver(problem, small_siren(problem), dtype="bfloat16", **SMALL)
    found = half.run()
    assert {p.dtype for p in half.objective.parameters()} == {torch.float32}
    assert half.objective.terms[0].y.dtype == torch.float32
    assert not torch.equal(found.image(), full.image())
    assert torch.allclose(found.image(), full.image(), atol=0.05 * float(full.image().abs().max()))
    with pytest.raises(TypeError, match=r"Term\.to: measurements and coordinates in bfloat16"):
        problem.to(dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="Gradients underflow"):
        Solver(problem, "grid", dtype="float16")


def test_the_precision_of_a_fit_is_that_of_its_prior_and_its_measurements(problem):
    given = small_siren(problem)
    solver = Solver(problem, given, dtype="float64", **SMALL)
    assert {p.dtype for p in solver.prior.parameters()} == {torch.float64}
    assert solver.objective.terms[0].y.dtype == torch.float64
    assert next(given.parameters()).dtype == torch.float32
    assert solver.run().image().dtype == torch.float64
    assert problem.to(dtype=torch.float64).terms[0].y.dtype == torch.float64
    assert problem.to("cpu", torch.float32) is problem


def test_a_device_that_is_not_there_is_refused_before_work_starts(problem, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no cuda device here"):
        solve(problem, "grid", device="cuda")


def test_a_deterministic_run_allows_nothing_else_while_it_steps(problem, monkeypatch):
    seen = []

    def noticing(field, points):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return field(points).square().mean()

    solver = Solver(
        problem, small_siren(problem), regularizers=[noticing], deterministic=True, **SMALL
    )
    seen.clear()
    solver.step()
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with FakeCuda(), pytest.raises(ValueError, match="CUBLAS_WORKSPACE_CONFIG=:4096:8"):
        Solver(problem, "grid", device="cuda", deterministic=True)


def test_a_bandwidth_needs_no_device(problem):
    with FakeCuda():
        assert bandwidth_of(problem.to("cuda").grid) == bandwidth_of(problem.grid)
