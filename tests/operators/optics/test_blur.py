"""Blur of continuous fields against closed forms; adjoints; stochastic nodes; bad input."""

import math
from typing import Any

import pytest
import torch
from cases.blur import BOX, COVARIANCE, GRIDS, PATH, PSFS, K, blurred_wave, each, kernel, wave
from torch import Tensor, nn

from inverse_inr import Grid, as_linear_map, predict, priors
from inverse_inr.fidelity import L2, TwoSets
from inverse_inr.operators import Blur, Downsample
from inverse_inr.operators.optics import psf
from inverse_inr.operators.optics.psf import Airy, Defocus, Gaussian, Measured, Motion, Pixel
from inverse_inr.phantoms import GaussianBlobs
from inverse_inr.term import Term
from inverse_inr.testing import OperatorTests

# --- blur of continuous fields ------------------------------------------------------------------


@each
def test_plane_waves_are_damped_by_the_transfer_function(name: str):
    h = PSFS[name]()
    x = GRIDS[2].points(torch.float64).reshape(-1, 2)
    for k in K:
        seen = predict(Blur(h, GRIDS[2], nodes=40), wave(k))
        assert (seen - blurred_wave(k, x, h.transfer(k[None])[0])).abs().max() < 1e-10


def test_gaussian_blur_of_a_gaussian():
    def double(*numbers: float) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float64)

    center = double(-0.2, 3.1)[None]
    wide = (0.3**2 + 0.15**2) ** 0.5
    truth = GaussianBlobs(center, double(wide), double((0.3 / wide) ** 2))
    field = GaussianBlobs(center, double(0.3), torch.ones(1))
    for grid in GRIDS:  # the frame cuts the blob: no boundary condition is needed
        seen = predict(Blur(Gaussian(0.15), grid, nodes=20), field)
        assert (seen - truth(grid.points(torch.float64)).flatten()).abs().max() < 1e-8


@pytest.mark.parametrize(("quadrature", "bound"), [("gauss", 1e-8), ("sobol", 2e-2)])
def test_default_nodes_are_enough_for_smooth_fields(quadrature: str, bound: float):
    seen = predict(Blur(Gaussian(0.1), GRIDS[0], quadrature=quadrature), wave(K[1]))
    x = GRIDS[0].points(torch.float64).reshape(-1, 2)
    truth = blurred_wave(K[1], x, Gaussian(0.1).transfer(K[1:2])[0])
    assert (seen - truth).abs().max() < bound


def test_a_psf_that_changes_with_the_position():
    """The width grows along the first axis; channels are blurred alike."""
    x = GRIDS[2].points(torch.float64).reshape(-1, 2)
    sigma = 0.1 + 0.05 * (x[:, :1] + 1)
    operator = Blur(lambda p: Gaussian(0.1 + 0.05 * (p[:, :1] + 1)), x, nodes=16)
    damping = torch.exp(-2 * math.pi**2 * sigma[:, 0] ** 2 * (K[1] @ K[1]))
    truth = torch.sin(2 * math.pi * x @ K[1] + 0.4) * damping
    both = predict(operator, lambda p: torch.cat([wave(K[1])(p), -wave(K[1])(p)], -1))
    assert (both - torch.stack([truth, -truth], -1)).abs().max() < 1e-10
    swept = Blur(lambda p: Motion(PATH * p[:, :1, None]), x, nodes=16)
    truth = torch.stack([blurred_wave(K[3], p, Motion(PATH * p[0]).transfer(K[3:4])[0]) for p in x])
    assert (predict(swept, wave(K[3])) - truth).abs().max() < 1e-8


def test_downsampling_is_registered_and_averages():
    """A linear ramp is itself at the stated positions; a wave is the mean over large pixels."""
    grid = Grid(BOX, (12, 12))
    for factor in (1, 2, 3, 4, (3, 4)):
        operator = Downsample(grid, factor)
        x = operator.positions()
        ramp = predict(operator, lambda p: p @ torch.tensor([[2.0], [-1.0]], dtype=p.dtype) + 1)
        assert torch.allclose(ramp, 2 * x[:, 0] - x[:, 1] + 1, rtol=0, atol=1e-13)
        assert float(x[:, 0].mean()) == pytest.approx(BOX.center[0])
    large = Pixel(torch.tensor(BOX.lengths).double() * torch.tensor([3, 4]) / 12)
    exact = blurred_wave(K[2], x, large.transfer(K[2:3])[0])
    assert (predict(Downsample(grid, (3, 4), nodes=12), wave(K[2])) - exact).abs().max() < 1e-10


# --- conformance --------------------------------------------------------------------------------


class Tight(OperatorTests):
    tolerance = 1e-12


class TestBlur(Tight):
    @pytest.fixture(autouse=True, params=[*PSFS, "varying"])
    def choose(self, request: Any):
        self.name = request.param

    def make(self):
        if self.name == "varying":
            return Blur(lambda p: Gaussian(0.1 + 0.05 * p[:, :1].abs()), GRIDS[1], nodes=3)
        return Blur(PSFS[self.name](), GRIDS[2], nodes=3)


class TestBlurOfChannelsAtPoints(Tight):
    channels = 3

    def make(self):
        generator = torch.Generator().manual_seed(0)
        points = BOX.random_points(12, dtype=torch.float64, generator=generator).reshape(3, 4, 2)
        return Blur(Pixel(0.2), points, quadrature="sobol", nodes=16, draws=4, sets=2)


class TestDownsample(Tight):
    def make(self):
        return Downsample(Grid(BOX, (8, 9)), (2, 3))


class TestLearntSizes(OperatorTests):
    """Gradients of sizes, paths and kernels against finite differences."""

    @pytest.fixture(
        autouse=True,
        params=["gaussian", "scalar", "covariance", "pixel", "motion", "defocus", "airy", "taps"],
    )
    def choose(self, request: Any):
        self.name = request.param

    def make(self):
        learnt: dict[str, Any] = {
            "gaussian": lambda: Gaussian(nn.Parameter(torch.tensor([0.2, 0.3]).double())),
            "scalar": lambda: Gaussian(nn.Parameter(torch.tensor(0.2).double())),
            "covariance": lambda: Gaussian(covariance=nn.Parameter(COVARIANCE.clone())),
            "pixel": lambda: Pixel(nn.Parameter(torch.tensor([0.4]).double())),
            "motion": lambda: Motion(nn.Parameter(PATH.clone())),
            "defocus": lambda: Defocus(nn.Parameter(torch.tensor(0.3).double())),
            "airy": lambda: Airy(nn.Parameter(torch.tensor(0.2).double()), 1),
            "taps": lambda: Measured(nn.Parameter(kernel()), 0.1),
        }
        return Blur(learnt[self.name](), GRIDS[0], nodes=3)


# --- random nodes -------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("varying", [False, True])
def test_random_nodes_are_unbiased(name: str, varying: bool):
    h = PSFS[name]()
    x = torch.tensor([[0.1, 2.4], [-0.3, 3.0], [0.4, 3.9]], dtype=torch.float64)
    given: Any = h
    if varying:
        given = lambda p: h  # noqa: E731
    operator: Any = Blur(given, x.repeat(400, 1), draws=8)
    assert torch.equal(predict(operator, wave(K[1])), predict(operator, wave(K[1])))
    operator.train()
    torch.manual_seed(0)
    seen = predict(operator, wave(K[1])).reshape(400, 3)
    truth = blurred_wave(K[1], x, h.transfer(K[1:2])[0])
    assert seen.std(0).max() > 1e-3
    assert ((seen.mean(0) - truth).abs() < 5 * seen.std(0) / 400**0.5).all()


def test_two_sets_remove_the_variance_from_a_squared_loss():
    """At the truth the squared loss of few draws is half their variance; that of two sets is 0."""
    h = Gaussian(0.25)
    field = wave(K[2])
    operator = Blur(h, Grid(BOX, (24, 30)), draws=1, sets=2)
    y = operator.repeat(predict(Blur(h, Grid(BOX, (24, 30)), nodes=20), field))
    operator.train()
    torch.manual_seed(0)
    draws = [predict(operator, field) for _ in range(60)]
    squared = torch.stack([L2()(p, y) for p in draws])
    product = torch.stack([TwoSets()(p, y) for p in draws])
    # Var sin(φ - k·u), averaged over the phase φ: (1 - exp(-k²)) / 2
    k = 2 * math.pi * K[2].norm() * 0.25
    assert float(squared.mean()) == pytest.approx(0.25 * (1 - math.exp(-(float(k) ** 2))), rel=0.02)
    assert abs(float(product.mean())) < 4 * float(product.std()) / 60**0.5
    assert abs(float(product.mean())) < 0.02 * float(squared.mean())
    off = y + 0.5  # away from the truth it is the squared distance
    product = torch.stack([TwoSets(2.0)(p, off) for p in draws])
    chance = 5 * float(product.std()) / 60**0.5
    assert float(product.mean()) == pytest.approx(0.5 * 0.25 / 4, abs=chance)
    Term(operator, y, TwoSets()).loss(field, torch.arange(4))


def test_two_sets_of_one_set_are_refused():
    with pytest.raises(ValueError, match=r"must both be \(b, 2, ...\)"):
        TwoSets()(torch.zeros(4), torch.zeros(4))


def test_a_prior_is_deblurred_by_random_nodes():
    """The solver's way: training mode, seeded draws, gradients to the prior and to sigma."""
    field = priors.create("siren", BOX, width=16, depth=2)
    sigma = nn.Parameter(torch.tensor([0.1]))
    operator = Blur(Gaussian(sigma), GRIDS[0], draws=4).train()
    predict(operator, field, torch.arange(8)).square().mean().backward()
    assert sigma.grad is not None
    assert bool(torch.isfinite(sigma.grad).all())
    assert all(p.grad is not None for p in field.parameters())


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(-0.1), "sigma=-0.1 must be a number above 0"),
        (lambda: Gaussian(math.nan), "sigma=nan must be"),
        (lambda: Gaussian(), "give sigma or covariance"),
        (lambda: Gaussian(torch.ones(3)), "sigma has 3 values for 2 axes"),
        (lambda: Gaussian(covariance=-torch.eye(2)), "positive definite"),
        (lambda: Pixel(0.0), "Pixel: size=0.0 must be a number above 0"),
        (lambda: Motion(torch.zeros(1, 2)), "points >= 2"),
        (lambda: Motion(PATH, torch.zeros(4)), "times must be 4 rising numbers"),
        (lambda: Defocus(-1.0), "Defocus: radius=-1.0 must be"),
        (lambda: Airy(0.1, rings=0), "rings=0 must be"),
        (lambda: Measured(torch.zeros(3, 3), 0.1), "holds only zeros"),
        (lambda: Measured(kernel(), (0.1, 0.1, 0.1)), "spacing="),
        (lambda: Measured(kernel(), 0.1, center=(5, 0)), r"center=\(5, 0\) is no index"),
        (
            lambda: Blur(Gaussian(0.1, ndim=3), GRIDS[0]),
            "the PSF has 3 dimensions, the measured positions 2",
        ),
        (
            lambda: Blur(Gaussian(0.1), torch.zeros(0, 2)),
            "positions must be a Grid or finite points",
        ),
        (
            lambda: Blur(Gaussian(0.1), GRIDS[0], quadrature="simpson"),
            "must be 'gauss' or 'sobol'",
        ),
        (lambda: Blur(Gaussian(0.1), GRIDS[0], nodes=0), "nodes=0 must be"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0], sets=2), "sets=2 needs draws"),
        (lambda: Downsample(GRIDS[2], 2), r"factor=2 must divide the grid's shape \(6, 9\)"),
        (lambda: Blur(Gaussian(0.1), torch.zeros(2, 2)).reach(), "needs measurements on a grid"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0]).on(GRIDS[0], "mirror"), "boundary must be one of"),
    ],
)
def test_wrong_psfs_and_blurs_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_moments_of_the_measured_kernel_follow_its_centre():
    ramp = predict(Blur(Measured(kernel(), (0.1, 0.15), (1, 2)), GRIDS[0]), lambda p: p[..., :1])
    mean = (kernel().sum(1) * (torch.arange(5) - 1)).sum() * 0.1
    assert torch.allclose(ramp, GRIDS[0].points(torch.float64)[..., 0].flatten() - mean)
    assert psf.Measured is Measured
    linear = as_linear_map(Blur(Measured(kernel(), 0.1), GRIDS[0].points()), GRIDS[0])
    assert linear.zeros().shape == (8, 8, 1)
