"""Gaussian mixtures: line integrals, transforms and blurs in closed form."""

import math

import pytest
import torch
from cases.prior import BOXES, F64, SQUARE, points, seeded
from torch import Tensor

from inverse_inr import Box, Grid, phantoms, predict, priors
from inverse_inr.operators import ParallelBeam
from inverse_inr.priors.mixture import GaussianMixture, Gaussians, MixturePrior


def mixture(ndim: int = 2, count: int = 5, channels: int = 1) -> MixturePrior:
    """Sheared narrow Gaussians well inside a box whose centre and scale are not 0 and 1."""
    box = Box((2.0, 1.0, 0.0)[:ndim], (8.0, 5.0, 6.0)[:ndim], ("mm",) * ndim)
    prior = priors.gaussian_mixture(box, channels, count=count, width=0.08, cutoff=None).double()
    with torch.no_grad():
        for name, p in prior.network.named_parameters():
            noise = torch.randn(p.shape, dtype=F64, generator=seeded(1))
            if name == "centers":
                p.copy_(0.15 * noise.clamp(-2, 2))
            else:
                p.add_(0.3 * noise)
    return prior


@pytest.mark.parametrize("ndim", [2, 3])
def test_its_gaussians_in_physical_units_are_the_prior(ndim: int) -> None:
    prior = mixture(ndim, channels=2)
    x = points(prior.box, dtype=F64)
    torch.testing.assert_close(prior.gaussians()(x), prior(x))


@pytest.mark.parametrize("box", BOXES, ids=lambda b: f"{b.ndim}d")
def test_the_cutoff_leaves_out_nothing_that_matters(box: Box) -> None:
    prior = priors.gaussian_mixture(box, 2, count=80, width=0.02)
    x = points(box, 5000)
    with torch.no_grad():
        draws = torch.randn(80, box.ndim, generator=seeded())
        prior.network.get_parameter("log_width").add_(0.3 * draws)
    network = prior.network
    normalized = box.normalize(x)
    assert isinstance(network, GaussianMixture)
    near, _ = network._near(network.gaussians(), 5.0)
    assert len(x) >= 4 * len(network.middles)  # else all are summed, and nothing is tested
    assert near.shape[1] < 40
    every = network.gaussians()(normalized)
    bound = 1e-5 * float(every.detach().abs().max())
    torch.testing.assert_close(network(normalized), every, rtol=0, atol=bound)

    def slopes(values: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(values.square().sum(), list(network.parameters()))

    for got, expected in zip(slopes(network(normalized)), slopes(every), strict=True):
        bound = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=bound)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mixture_integrates_along_lines(ndim: int) -> None:
    """A Riemann sum is the judge, which for Gaussians converges faster than any power.

    The origin of a line is near or far.
    """
    prior = mixture(ndim)
    center = torch.tensor(prior.box.center, dtype=F64)
    direction = torch.randn(20, ndim, dtype=F64, generator=seeded(2))
    unit = direction / direction.norm(dim=-1, keepdim=True)
    origin = center + 0.3 * torch.randn(20, ndim, dtype=F64, generator=seeded(4))
    t = torch.linspace(-8, 8, 4001, dtype=F64)
    expected = prior(origin[:, None] + t[:, None] * unit[:, None]).sum(1) * (t[1] - t[0])
    torch.testing.assert_close(prior.line_integral(origin, direction), expected, rtol=0, atol=1e-9)
    far = prior.line_integral(origin - 1e6 * unit, unit)
    torch.testing.assert_close(far, expected, rtol=0, atol=1e-8)


def test_round_gaussians_are_those_of_the_phantom() -> None:
    """Values, line integrals and transforms agree with another code, `phantoms.GaussianBlobs`."""
    blobs = phantoms.gaussian_blobs(SQUARE, count=7)
    factors = torch.eye(2, dtype=F64) / blobs.widths[:, None, None]
    field = Gaussians(blobs.centers, factors, blobs.values[:, None])
    x = points(SQUARE, dtype=F64)
    u = torch.randn(500, 2, dtype=F64, generator=seeded())
    torch.testing.assert_close(field(x), blobs(x))
    torch.testing.assert_close(field.line_integral(x, u)[:, 0], blobs.line_integral(x, u))
    torch.testing.assert_close(field.fourier(3 * x)[:, 0], blobs.fourier(3 * x))


def test_a_transform_is_the_integral() -> None:
    prior = mixture(2, channels=2)
    grid = Grid(Box((-1, -2), (11, 8)), (480, 400))
    k = torch.tensor([[0.0, 0.0], [0.3, -0.2], [0.0, 0.5]], dtype=F64)
    x = grid.points(F64).reshape(-1, 2)
    wave = torch.exp(-2j * math.pi * (k.to(torch.complex128) @ x.to(torch.complex128).mT))
    expected = wave @ prior(x).to(torch.complex128) * math.prod(grid.spacing)
    torch.testing.assert_close(prior.fourier(k), expected, rtol=0, atol=1e-9)


def test_a_blur_is_a_product_of_transforms() -> None:
    prior = mixture()
    covariance = torch.tensor([[0.05, 0.02], [0.02, 0.09]], dtype=F64)
    k = 0.5 * torch.randn(50, 2, dtype=F64, generator=seeded())
    damped = torch.exp(-2 * math.pi**2 * ((k @ covariance) * k).sum(-1, keepdim=True))
    torch.testing.assert_close(prior.blurred(covariance).fourier(k), damped * prior.fourier(k))
    again = prior.blurred(covariance / 2).blurred(covariance / 2)
    x = points(prior.box, dtype=F64)
    torch.testing.assert_close(again(x), prior.blurred(covariance)(x))


def test_closed_forms_need_a_linear_head() -> None:
    prior = priors.gaussian_mixture(SQUARE, head="softplus", count=3)
    with pytest.raises(TypeError, match="linear head"):
        prior.line_integral(torch.zeros(2), torch.ones(2))


def test_closed_forms_reach_the_parameters() -> None:
    prior = priors.gaussian_mixture(SQUARE, head="complex", count=3)
    value = prior.line_integral(torch.zeros(2), torch.ones(2))
    assert value.is_complex()
    value.abs().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in prior.parameters())


def test_the_radon_transform_of_a_mixture_is_that_of_the_operator() -> None:
    """The prior knows the integrals that `ParallelBeam` takes numerically, ray by ray."""
    prior = priors.gaussian_mixture(SQUARE, count=20, width=0.1)
    with torch.no_grad():
        prior.network.get_parameter("centers").mul_(0.5)
    angle = torch.tensor(0.4)
    operator = ParallelBeam(SQUARE, angles=angle[None], detectors=41).eval()
    with torch.no_grad():
        measured = predict(operator, prior)
        points, _ = operator(torch.arange(41))
        assert isinstance(points, Tensor)
        rays = points.reshape(41, -1, 2)
        direction = rays[20, -1] - rays[20, 0]
        exact = prior.line_integral(rays[:, 0], direction.expand(41, 2))[:, 0]
    assert (measured.flatten()[5:36] - exact[5:36]).abs().max() < 0.02 * exact.abs().max()
