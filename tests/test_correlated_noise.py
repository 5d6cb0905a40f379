"""Noise of channels: one sigma each, or a covariance; closed forms, rows, baselines, stopping."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import Box, Grid, OnGrid, Problem, Term, baselines
from inverse_inr.fidelity import at_rows, decorrelated, least_squares
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import ComplexGaussian, Gaussian
from inverse_inr.stopping import Discrepancy, HeldOut

F64, C128 = torch.float64, torch.complex128
COUNT, CHANNELS = 40_000, 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def covariance(dtype: torch.dtype, rows: int | None = None) -> Tensor:
    lead = () if rows is None else (rows,)
    root = torch.randn(*lead, CHANNELS, CHANNELS, dtype=dtype, generator=generator(3))
    return root @ root.mH + 0.1 * torch.eye(CHANNELS, dtype=dtype)


MODELS = [(Gaussian, F64), (ComplexGaussian, C128)]
models = pytest.mark.parametrize(("model", "dtype"), MODELS, ids=["real", "complex"])


@models
def test_draws_have_the_covariance_and_whitened_residuals_have_none(model, dtype: torch.dtype):
    c = covariance(dtype)
    noise = model(0.5, covariance=c)
    mean = torch.zeros(COUNT, CHANNELS, dtype=dtype)
    y = noise.sample(mean, generator())
    torch.testing.assert_close(y.T @ y.conj() / COUNT, 0.25 * c, rtol=0.05, atol=0.02)
    z = noise.standardized(mean, y)
    one = torch.eye(CHANNELS, dtype=dtype)
    torch.testing.assert_close(z.T @ z.conj() / COUNT, one, rtol=0, atol=0.03)


def test_a_covariance_is_its_density():
    c = covariance(F64)
    p, y = (torch.randn(7, CHANNELS, dtype=F64, generator=generator(k)) for k in (0, 1))
    density = torch.distributions.MultivariateNormal(torch.zeros(CHANNELS, dtype=F64), c)
    lost = density.log_prob(torch.zeros(CHANNELS, dtype=F64)) - density.log_prob(p - y)
    torch.testing.assert_close(Gaussian(1.0, covariance=c)(p, y), lost.sum() / p.numel())


def test_a_complex_covariance_is_its_quadratic_form():
    c = covariance(C128)
    p, y = (torch.randn(7, CHANNELS, dtype=C128, generator=generator(k)) for k in (0, 1))
    r = p - y
    form = torch.einsum("ni,ij,nj->n", r.conj(), torch.linalg.inv(c), r).real
    torch.testing.assert_close(ComplexGaussian(1.0, covariance=c)(p, y), form.sum() / p.numel())


@models
def test_a_diagonal_covariance_is_one_sigma_per_channel(model, dtype: torch.dtype):
    sigma = torch.tensor([[0.3, 1.0, 2.5]], dtype=F64)
    c = torch.diag(sigma[0] ** 2)
    p, y = (torch.randn(7, CHANNELS, dtype=dtype, generator=generator(k)) for k in (0, 1))
    per_channel, full = model(sigma), model(1.0, covariance=c)
    torch.testing.assert_close(per_channel(p, y), full(p, y))
    rows = torch.tensor([5, 0])
    torch.testing.assert_close(at_rows(per_channel, rows)(p[rows], y[rows]), full(p[rows], y[rows]))
    for ours, theirs in zip(per_channel.least_squares(y), full.least_squares(y), strict=True):
        torch.testing.assert_close(ours, theirs)


@models
def test_each_row_may_have_a_covariance_of_its_own(model, dtype: torch.dtype):
    c = covariance(dtype, rows=4)
    p, y = (torch.randn(4, 2, CHANNELS, dtype=dtype, generator=generator(k)) for k in (0, 1))
    noise = model(2.0, covariance=c)
    single = torch.stack(
        [model(2.0, covariance=c[k])(p[k : k + 1], y[k : k + 1]) for k in (0, 1, 2, 3)]
    )
    torch.testing.assert_close(noise(p, y), single.mean())
    rows = torch.tensor([3, 1])
    torch.testing.assert_close(at_rows(noise, rows)(p[rows], y[rows]), single[rows].mean())
    assert noise.sample(p, generator()).shape == p.shape


def problem(noise) -> Problem:
    """Eight pixels seen through a matrix with three channels per row."""
    grid = Grid(Box((0.0,), (8.0,)), (8,))
    matrix = torch.randn(20, CHANNELS, 8, dtype=F64, generator=generator(5)).float()
    truth = torch.linspace(1, 2, 8)
    operator = OnGrid(
        lambda x: torch.einsum("rcn,n->rc", matrix, x), grid, (20, CHANNELS), trailing=1
    )
    y = noise.sample(torch.einsum("rcn,n->rc", matrix, truth), generator(1))
    return Problem([Term(operator, y, noise)], grid.box, grid)


def test_least_squares_under_a_covariance_are_generalized_least_squares():
    c = covariance(F64)
    noise = Gaussian(0.1, covariance=c)
    posed = problem(noise)
    term = posed.terms[0]
    solution = baselines.cgls(posed, 60)
    basis = torch.stack([term.operator.map(e) for e in torch.eye(8)], -1).double()
    inverse = torch.linalg.inv(c)
    normal = torch.einsum("rcn,cd,rdm->nm", basis, inverse, basis)
    right = torch.einsum("rcn,cd,rd->n", basis, inverse, term.y.double())
    exact = torch.linalg.solve(normal, right)
    torch.testing.assert_close(solution.sample()[:, 0].double(), exact, rtol=1e-3, atol=1e-3)
    system = LeastSquares.of(posed, [term.trusted])
    x = solution.sample()
    assert system.value(x) == pytest.approx(
        float(noise(term.operator.map(x[:, 0]), term.y)), rel=1e-4
    )


def test_discrepancy_and_held_out_rows_judge_whitened_residuals():
    posed = problem(Gaussian(0.05, covariance=covariance(F64)))
    for rule in (Discrepancy(), HeldOut(fraction=0.2)):
        solution = ii.solve(posed, "grid", steps=400, lr=0.05, stopping=rule, callbacks=[])
        term = posed.terms[0]
        z = term.fidelity.standardized(term.operator.map(solution.sample()[:, 0]), term.y)
        assert float(z.square().mean()) < 2.0


def test_a_fidelity_without_correlations_needs_no_map():
    rows = torch.tensor([1])
    assert decorrelated(Gaussian(1.0), rows)[0] is None
    assert decorrelated(lambda p, y: (p - y).abs().mean(), rows)[0] is None
    whiten, rest = decorrelated(Gaussian(2.0, covariance=covariance(F64)), rows)
    assert whiten is not None
    assert least_squares(rest, torch.zeros(1, 3))[1].tolist() == [[0.25] * 3]
    assert replace(Gaussian(1.0), sigma=2.0).sigma == 2.0


REFUSED = {
    "no tensor": (lambda: Gaussian(1.0, covariance=2.0), TypeError, "must be a tensor"),  # pyright: ignore
    "complex for real": (
        lambda: Gaussian(1.0, covariance=covariance(C128)),
        TypeError,
        "ComplexGaussian",
    ),
    "not square": (lambda: Gaussian(1.0, covariance=torch.ones(3, 2)), ValueError, "must be"),
    "one axis": (lambda: Gaussian(1.0, covariance=torch.ones(3)), ValueError, "must be"),
    "NaN": (lambda: Gaussian(1.0, covariance=torch.full((2, 2), torch.nan)), ValueError, "NaN"),
    "not Hermitian": (
        lambda: Gaussian(1.0, covariance=torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        ValueError,
        "not Hermitian",
    ),
    "singular": (
        lambda: Gaussian(1.0, covariance=torch.ones(2, 2)),
        ValueError,
        "not positive definite",
    ),
    "other channels": (
        lambda: Gaussian(1.0, covariance=torch.eye(2))(torch.zeros(4, 3), torch.zeros(4, 3)),
        ValueError,
        "covariance of 2 channels",
    ),
    "sigma of other rows": (
        lambda: Gaussian(torch.ones(5))(torch.zeros(4, 3), torch.zeros(4, 3)),
        ValueError,
        "One value per row",
    ),
    "sigma of too many axes": (
        lambda: Gaussian(torch.ones(1, 3))(torch.zeros(4), torch.zeros(4)),
        ValueError,
        "One value per row",
    ),
    "fewer rows": (
        lambda: at_rows(Gaussian(torch.ones(2)), torch.tensor([4])),
        IndexError,
        "2 values, one per row, but row 4",
    ),
}


@pytest.mark.parametrize("slip", REFUSED)
def test_a_covariance_or_sigma_that_does_not_fit_is_refused(slip: str):
    make, kind, message = REFUSED[slip]
    with pytest.raises(kind, match=message):
        make()
