"""The marginal likelihood of a field of variances: its definition, its bound, a sparse scene."""

from dataclasses import replace

import pytest
import torch

from inverse_inr.fidelity import Magnitude
from inverse_inr.problems.radar import fmcw, sar
from inverse_inr.problems.radar.marginal import Marginal
from inverse_inr.problems.radar.variance_field import HasKernel, variance_field

C128 = torch.complex128


def marginal(rows: int = 7, voxels: int = 12) -> Marginal:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(rows, voxels, dtype=C128, generator=generator)
    return Marginal(matrix, torch.randn(rows, dtype=C128, generator=generator), 0.3)


def variances(voxels: int = 12) -> torch.Tensor:
    return (
        torch.rand(voxels, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.05
    )


def test_posterior_is_the_regularised_least_squares_image():
    m, v = marginal(), variances()
    found = m.posterior(v)
    normal = m.matrix.mH @ m.matrix / m.noise + torch.diag(1 / v).to(C128)
    assert torch.allclose(found.mean, torch.linalg.solve(normal, m.matrix.mH @ m.data / m.noise))
    covariance = m.matrix @ torch.diag(v).to(C128) @ m.matrix.mH + m.noise * torch.eye(
        7, dtype=C128
    )
    expected = (
        torch.linalg.slogdet(covariance)[1]
        + (m.data.conj() @ torch.linalg.solve(covariance, m.data)).real
    )
    assert found.evidence == pytest.approx(float(expected))
    h = (m.matrix.conj() * torch.linalg.solve(covariance, m.matrix)).sum(0).real
    assert torch.allclose(found.curvature, h)


def test_little_noise_in_single_precision():
    m = marginal(40, 12)  # more data than voxels: C is noise but in twelve directions
    small = replace(m, noise=1e-9)
    found = Marginal(m.matrix.to(torch.complex64), m.data.to(torch.complex64), 1e-9).posterior(
        variances().float()
    )
    assert found.mean.dtype == torch.complex64
    assert torch.allclose(found.mean.to(C128), small.posterior(variances()).mean, atol=1e-4)


def test_the_bound_touches_and_lies_above():
    """The bound has the evidence's value, up to a constant, and slope; elsewhere it lies above."""
    m, v = marginal(), variances()
    at = m.posterior(v)

    def bound(u: torch.Tensor) -> float:
        return float((at.curvature * u + at.mean.abs().square() / u).sum())

    constant = at.evidence - bound(v)
    generator = torch.Generator().manual_seed(2)
    for _ in range(50):
        u = v * torch.exp(1.5 * torch.randn(12, dtype=torch.float64, generator=generator))
        assert m.posterior(u).evidence <= bound(u) + constant + 1e-9
    for k in range(12):
        step = torch.zeros(12, dtype=torch.float64)
        step[k] = 1e-5
        slope = (m.posterior(v + step).evidence - m.posterior(v - step).evidence) / 2e-5
        assert slope == pytest.approx(
            (bound(v + step) - bound(v - step)) / 2e-5, rel=1e-5, abs=1e-7
        )


def test_compression_loses_nothing_that_a_scene_can_send():
    generator = torch.Generator().manual_seed(3)
    low = torch.randn(60, 9, dtype=C128, generator=generator) @ torch.randn(
        9, 20, dtype=C128, generator=generator
    )
    whole = Marginal(low, torch.randn(60, dtype=C128, generator=generator), 0.5)
    small = whole.compressed(tolerance=1e-9, block=5)
    assert small.matrix.shape == (10, 20)
    v = variances(20)
    a, b = whole.posterior(v), small.posterior(v)
    assert torch.allclose(a.mean, b.mean)
    assert torch.allclose(a.curvature, b.curvature)
    assert marginal().compressed(block=5).matrix.shape == (7, 12)  # no more than there is


def test_noise_becomes_likelier():
    """The steps raise the full likelihood; the noise's true variance is found from far away."""
    generator = torch.Generator().manual_seed(5)
    low = torch.randn(200, 4, dtype=C128, generator=generator) @ torch.randn(
        4, 9, dtype=C128, generator=generator
    )
    v = variances(9)
    draw = torch.randn(9, dtype=C128, generator=generator) * v.sqrt()
    y = low @ draw + 0.5 * torch.randn(200, dtype=C128, generator=generator)
    whole = Marginal(low, y, 4.0)
    small = whole.compressed(block=4)
    for _ in range(30):
        found = whole.posterior(v)
        better = whole.likelier_noise(v, found)
        assert better.posterior(v).evidence <= found.evidence + 1e-9
        small = small.likelier_noise(v, small.posterior(v))
        whole = better
    assert small.noise == pytest.approx(whole.noise, rel=1e-6)
    assert whole.noise == pytest.approx(0.25, rel=0.15)


def test_kernel_is_the_operator():
    operator = sar(azimuths=3, frequencies=32, pitch=0.9).terms[0].operator
    assert isinstance(operator, HasKernel)
    rows = torch.tensor([4, 1])
    x = torch.randn(
        operator.size, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)
    )
    y = operator(rows)[1](x[:, None])
    assert torch.allclose(operator.kernel(rows) @ x, y, atol=1e-4 * float(y.abs().max()))
    operator.matrix = None
    assert torch.allclose(operator.kernel(rows) @ x, y, atol=1e-4 * float(y.abs().max()))


def test_evidence_falls_and_unseen_pulses_are_predicted():
    problem = sar(azimuths=8, frequencies=32, pitch=0.3)
    solution = variance_field(problem, rounds=6, steps=15)
    evidence = solution.details["evidence"]
    assert evidence[-1] < evidence[0]
    assert solution.field.values.is_complex()
    assert solution.details["variance"].shape == (*problem.grid.shape, 1)
    first = variance_field(problem, rounds=1, steps=1)
    assert solution.held_out() < 0.8 * first.held_out()
    again = variance_field(problem, rounds=1, steps=1)
    assert torch.equal(again.field.values, first.field.values)


def test_real_problems():
    """Scatterers of a turntable: real amplitudes, whose data count twice."""
    problem = fmcw(azimuths=6, heights=3, pitch=0.02)
    solution = variance_field(problem, rounds=5, steps=10)
    assert not solution.field.values.is_complex()
    term = problem.terms[0]
    one = variance_field(problem, rounds=1, steps=1)
    v = one.details["variance"].flatten().double()
    fit = torch.isin(torch.arange(18), one.watched[0], invert=True).nonzero()[:, 0]
    kernel = term.operator.kernel(fit).flatten(0, 1).to(C128)
    y = term.y[fit].flatten().to(C128)
    noise = float(term.fidelity.sigma) ** 2
    normal = (kernel.mH @ kernel).real / (0.5 * noise) + torch.diag(1 / v)
    expected = torch.linalg.solve(normal, (kernel.mH @ y).real / (0.5 * noise))
    found = one.field.values.flatten().double()
    assert float((found - expected).abs().max()) < 0.02 * float(
        expected.abs().max()
    )  # what compression loses


def test_problems_of_another_kind():
    problem = sar(azimuths=5, frequencies=32, pitch=0.45)
    term = problem.terms[0]
    with pytest.raises(TypeError, match="one term and one channel, not 2 and 1"):
        variance_field(replace(problem, terms=[term, term]))
    with pytest.raises(TypeError, match="not Magnitude and PhaseHistory"):
        variance_field(replace(problem, terms=[replace(term, fidelity=Magnitude(1.0))]))
