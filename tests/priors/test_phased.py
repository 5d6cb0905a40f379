"""Phases in closed form for a given amplitude: exact where possible, never worse, in a solve."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solver, Term, noise, priors
from inverse_inr.compose import OnGrid
from inverse_inr.priors.networks.phasors import FreePhase
from inverse_inr.priors.phased import PhaseProjection
from inverse_inr.problems.radar import sar
from inverse_inr.stopping import Never
from inverse_inr.testing import FakeCuda

C128 = torch.complex128


def linear(matrix: Tensor, y: Tensor) -> Problem:
    n = matrix.shape[1]
    grid = Grid(Box((0.0,), (float(n),)), (n,))
    operator = OnGrid(lambda x: matrix @ x.to(matrix.dtype), grid, (len(y),))
    return Problem([Term(operator, y, noise.ComplexGaussian(1.0))], grid.box, grid, is_complex=True)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=C128, generator=torch.Generator().manual_seed(seed))


def projection(matrix: Tensor, y: Tensor) -> PhaseProjection:
    return PhaseProjection.of(linear(matrix, y), [torch.arange(len(y))])


def slope(project: PhaseProjection, image: Tensor) -> Tensor:
    system = project.system
    pairs = zip(system.whitened(image), system.data(), strict=True)
    return system.adjoint([a - b for a, b in pairs])


def test_one_sweep_is_exact_where_columns_are_orthonormal():
    """Then each phase is that of A* y: nothing else may be better."""
    matrix = torch.linalg.qr(random(9, 4))[0]
    y = random(9, seed=1)
    amplitude = torch.tensor([2.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    project = projection(matrix, y)
    found = project(amplitude[:, None].to(C128), sweeps=1)
    assert torch.allclose(found[:, 0], amplitude * torch.sgn(matrix.mH @ y), atol=1e-6)


def test_phases_are_the_best_of_all():
    """Three coupled voxels against every triple of phases, 3 degrees apart."""
    matrix = random(7, 3)
    y = random(7, seed=2)
    amplitude = torch.tensor([1.0, 0.7, 0.4], dtype=torch.float64)
    project = projection(matrix, y)
    start = amplitude * torch.sgn(matrix.mH @ y)
    found = project(start[:, None], sweeps=300)
    assert torch.allclose(found.abs()[:, 0], amplitude)
    angles = torch.arange(0, 360, 3, dtype=torch.float64).deg2rad()
    triples = amplitude * torch.exp(1j * torch.cartesian_prod(angles, angles, angles))
    losses = 0.5 * (triples @ matrix.T - y).abs().square().sum(1) / len(y)
    best = float(losses.min())
    weight = project.loss(triples[0][:, None]) / float(losses[0])  # of the noise model
    assert project.loss(found) <= weight * best * (1 + 1e-9)


def test_no_sweep_raises_the_loss_and_the_last_is_stationary():
    matrix = random(20, 12)
    y = random(20, seed=3)
    project = projection(matrix, y)
    image = before = random(12, 1, seed=4)
    losses = []
    for _ in range(300):
        losses.append(project.loss(image))
        image = project(image, sweeps=1)
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(losses))
    turn, first = ((x.conj() * slope(project, x)).imag.abs().max() for x in (image, before))
    assert turn < 1e-3 * first


def test_slope_of_the_projected_loss():
    """The slope of the least loss over phases is the partial derivative at the best phases.

    This is the envelope theorem.
    """
    matrix = random(8, 3)
    y = random(8, seed=5)
    amplitude = torch.tensor([1.0, 0.8, 0.5], dtype=torch.float64)
    project = projection(matrix, y)

    def least(a: Tensor, z: Tensor) -> tuple[float, Tensor]:
        image = project((a * z)[:, None], sweeps=800)
        return project.loss(image), torch.sgn(image[:, 0])

    value, z = least(amplitude, torch.sgn(matrix.mH @ y))
    down = (z.conj() * slope(project, (amplitude * z)[:, None])[:, 0]).real
    for k in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[k] = 1e-4
        rise = (least(amplitude + step, z)[0] - least(amplitude - step, z)[0]) / 2e-4
        assert rise == pytest.approx(float(down[k]), rel=1e-3, abs=1e-4 * abs(value))


def test_a_solve_sets_phases_and_learns_amplitudes():
    problem = sar(azimuths=5, frequencies=32, pitch=0.45)
    prior = priors.create("phased", problem.box, cells=12.0, finest=12.0, projected=True)
    solver = Solver(problem, prior, steps=12, batch=10, stopping=Never(every=6))
    projection = prior.projection
    assert projection is not None
    phases = [p for n, p in prior.named_parameters() if not p.requires_grad]
    assert len(phases) == 1
    solver.run(1)
    image = prior.sample(problem.grid)
    better = projection(image)
    assert projection.loss(better) <= projection.loss(image)
    at_five = phases[0].clone()
    solver.run(4)
    assert torch.equal(phases[0], at_five)  # Adam does not touch them
    assert not torch.equal(prior.sample(problem.grid).abs(), image.abs())
    solver.run(1)
    assert not torch.equal(phases[0], at_five)
    assert math.isfinite(solver.run().history[-1]["loss"])


def test_a_real_field_has_no_phases():
    problem = replace(sar(azimuths=5, frequencies=32, pitch=0.45), is_complex=False)
    with pytest.raises(TypeError, match="field is real"):
        PhaseProjection.of(problem, [torch.arange(20)])


def test_speckle_and_projected_phases_exclude_each_other():
    problem = sar(azimuths=5, frequencies=32, pitch=0.45)
    with pytest.raises(ValueError, match="speckle=True frees moduli"):
        priors.create("phased", problem.box, speckle=True, projected=True)


def test_phases_are_looked_up_where_the_image_is():
    box = Box((-1.0, -1.0), (1.0, 1.0))
    image = random(6, 5, 1)

    def table(device: str) -> Tensor:
        phase = FreePhase(box, 8.0, 1, torch.Generator().manual_seed(0)).to(device)
        phase.set_phases(image.to(device))
        return phase.table.detach().cpu()

    with FakeCuda():
        torch.testing.assert_close(table("cuda"), table("cpu"))
