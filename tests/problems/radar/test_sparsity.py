"""L1 by FISTA, fidelities of magnitudes, smoothness, errors of shapes, and the phased prior."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, noise, priors, sample, solve
from inverse_inr.baselines import l1
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.compose import OnGrid
from inverse_inr.fidelity import LogMagnitude, Magnitude, MagnitudeAndComplex, WarmUp
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problems.radar import fmcw
from inverse_inr.regularizers import Smoothness
from inverse_inr.stopping import Never
from inverse_inr.surfaces import best, occupied, shape_errors, volume_errors

SMALL = {"azimuths": 6, "heights": 3, "pitch": 0.02}


def denoising(y: Tensor, sigma: float = 1.0) -> Problem:
    box = Box((0.0,), (float(len(y)),))
    grid = Grid(box, (len(y),))
    model = noise.ComplexGaussian(sigma) if y.is_complex() else noise.Gaussian(sigma)
    return Problem(
        [Term(OnGrid(lambda x: x, grid, (len(y),)), y, model)], box, grid, is_complex=y.is_complex()
    )


def test_l1_of_the_identity_is_soft_thresholding():
    y = torch.tensor([3.0, -2.0, 0.5, 0.0, -0.1, 4.0])
    for nonnegative, pull in ((False, y.abs()), (True, y.clamp(min=0))):
        solution = l1(denoising(y), 0.25, nonnegative=nonnegative, iterations=50)
        assert torch.allclose(
            solution.sample()[:, 0], shrink(y, 0.25 * float(pull.max()), nonnegative), atol=1e-4
        )
    z = torch.tensor([3.0 + 4.0j, 0.1j, -2.0, 1.0 - 1.0j])
    found = l1(denoising(z), 0.2, iterations=50).sample()[:, 0]
    assert torch.allclose(found, shrink(z, 0.2 * 5.0), atol=1e-4)
    assert float(found[1].abs()) == 0.0


def test_l1_satisfies_its_optimality_conditions():
    """|A*(A x - y)| <= λ, with equality and opposite phase where x is not zero."""
    problem = fmcw(**SMALL)
    rows = [torch.arange(len(problem.terms[0].y))]
    system = LeastSquares.of(problem, rows)
    x = system.maps[0].zeros()
    pull = system.adjoint(system.data())
    weight = 0.05 * float(pull.max())
    x = fista(
        system, weight, x, 400, 0.97 / system.norm(20) ** 2, partial(shrink, nonnegative=True)
    )
    slope = system.adjoint([a - b for a, b in zip(system.whitened(x), system.data(), strict=True)])
    assert float((slope + weight).min()) > -0.02 * weight
    assert float((slope + weight)[x > 0].abs().max()) < 0.02 * weight
    assert 0 < int((x > 0).sum()) < x.numel()


def test_l1_rules():
    problem = fmcw(**SMALL)
    solution = l1(
        problem, "residual", nonnegative=True, weights=(0.3, 0.1, 0.03, 0.01), iterations=40
    )
    assert "(residual)" in str(solution.stopped)
    chosen = l1(problem, nonnegative=True, weights=(0.3, 0.1, 0.03), iterations=20)
    assert chosen.held_out() is not None
    assert chosen.details["weight"] in (0.3, 0.1, 0.03)
    with pytest.raises(ValueError, match=r"weight=1\.5 must be a number above 0 and below 1"):
        l1(problem, 1.5)


def test_l1_residual_stops_at_the_noise():
    """Where all is noise as stated, the largest weight suffices; a lower claim fits more."""
    z = 2.0 * torch.randn(400, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    z[7] = 100.0
    weights = (0.9, 0.5, 0.1, 0.02, 0.005)
    fits = [
        l1(denoising(z, s), "residual", weights=weights, iterations=30).details["weight"]
        for s in (6.0, 2.2, 0.5)
    ]
    assert fits[0] > fits[1] > fits[2]


def test_fidelities():
    p, y = torch.tensor([2.0 + 0j, 1j, -3.0]), torch.tensor([1j * 2, 1.0 + 0j, 1.0])
    assert float(Magnitude(2.0)(p, y)) == pytest.approx(4 / 3 / 4)
    complex_part = (8 + 2 + 16) / 3
    assert float(MagnitudeAndComplex()(p, y)) == pytest.approx(4 / 3 + 0.5 * complex_part)
    assert float(LogMagnitude(1e-6)(p, y)) == pytest.approx(2 * math.log(3) / 3, rel=1e-4)
    assert float(Magnitude()(p * 1j, y)) == pytest.approx(float(Magnitude()(p, y)))


def test_warm_up_follows_the_run():
    warm = WarmUp(Magnitude(), noise.ComplexGaussian(1.0), 0.5)
    p, y = torch.ones(3, dtype=torch.complex64) * 1j, torch.ones(3, dtype=torch.complex64)
    for progress, expected in ((0.0, 0.0), (0.49, 0.0), (0.5, 2.0), (1.0, 2.0)):
        warm.anneal(progress)
        assert float(warm(p, y)) == pytest.approx(expected)
    warm.anneal(0.0)
    with torch.no_grad():
        assert float(warm(p, y)) == pytest.approx(2.0)  # held-out checks compare
    with pytest.raises(ValueError, match="fraction"):
        WarmUp(Magnitude(), Magnitude(), 1.5)
    problem = fmcw(**SMALL)
    term = problem.terms[0]
    seen: list[float] = []

    class Spy(WarmUp):
        def anneal(self, progress: float) -> None:
            seen.append(progress)
            super().anneal(progress)

    spied = Problem(
        [Term(term.operator, term.y, Spy(Magnitude(), term.fidelity))], problem.box, problem.grid
    )
    solve(
        spied,
        priors.create("grid", problem.box, cells=6.0),
        steps=4,
        stopping=Never(),
        callbacks=[],
    )
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_smoothness_of_a_slope():
    """E |δ g·d| = δ |g| / 2 for directions uniform on the sphere."""
    points = torch.zeros(200_000, 3)
    torch.manual_seed(0)
    value = Smoothness(0.1)(lambda x: 3.0 * x[..., :1] - 4.0 * x[..., 2:], points)
    assert float(value) == pytest.approx(0.1 * 5.0 / 2, rel=0.01)


def test_shape_errors():
    a = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    found = shape_errors(a, torch.tensor([[0.0, 0.5], [3.0, 0.0]]), reach=1.0)
    assert found.chamfer == pytest.approx(0.5 * ((0.5 + math.hypot(1, 0.5)) / 2 + (0.5 + 2.0) / 2))
    assert found.f1 == pytest.approx(2 * 0.5 * 0.5 / 1.0)
    assert shape_errors(a[:0], a, 1.0).f1 == 0.0
    grid = Grid(Box((0.0, 0.0), (2.0, 1.0)), (2, 1))
    volume = torch.tensor([[[1.0]], [[0.1]]])
    assert occupied(volume, grid, 0.5).tolist() == [[0.5, 0.5]]
    errors = volume_errors(volume, grid, torch.tensor([[0.5, 0.5]]), 0.1, (0.05, 0.5))
    assert best(errors).chamfer == 0.0


def test_free_phase_is_a_voxel_s_own():
    box = Box((0.0, 0.0, 0.0), (0.6, 0.3, 0.2), ("m",) * 3)
    grid = Grid(box, (12, 6, 4))
    prior = priors.create("phased", box, cells=12.0, coarsest=4, finest=12.0)
    image = torch.randn(
        12, 6, 4, 1, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)
    )
    prior.condition(image)
    values = sample(prior, grid)
    assert values.is_complex()
    assert torch.allclose(values / values.abs(), image / image.abs(), atol=1e-5)
    assert torch.allclose(values, prior(grid.points()), atol=1e-5)
    plane = Grid(Box((0.0, 0.0, -0.1), (2.0, 1.0, 0.1)), (10, 5, 1))
    flat = priors.create("phased", plane.box, cells=10.0, coarsest=4, finest=10.0)
    flat.condition(image[:10, :5, :1])
    values = sample(flat, plane)
    assert torch.allclose(
        values / values.abs(), image[:10, :5, :1] / image[:10, :5, :1].abs(), atol=1e-5
    )


def test_speckle_penalty():
    from inverse_inr.regularizers import PriorPenalty

    box = Box((0.0,) * 3, (1.0,) * 3)
    prior = priors.create("phased", box, cells=4.0, coarsest=2, finest=4.0, speckle=True)
    assert float(PriorPenalty()(prior, torch.zeros(1, 3)).detach()) == pytest.approx(1.0)
