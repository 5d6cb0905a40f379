"""Point-spread functions and blur of continuous fields against closed forms; adjoints; stochastic nodes; bad input."""

import math
import warnings
from typing import Any

import pytest
import torch
from scipy import special
from torch import Tensor, nn

from inverse_inr import Box, Grid, as_linear_map, predict, priors
from inverse_inr.fidelity import L2, TwoSets
from inverse_inr.operators import Blur, Downsample, psf, quadrature
from inverse_inr.operators.psf import Airy, Defocus, Gaussian, Measured, Motion, Pixel, blurred_features
from inverse_inr.phantoms import GaussianBlobs
from inverse_inr.problem import Term
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
GRIDS = [Grid(BOX, (8, 8)), Grid(BOX, (7, 7)), Grid(BOX, (6, 9))]
PATH = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.2, 0.4], [-0.1, 0.5]], dtype=torch.float64)
K = torch.tensor([[0.0, 0.0], [0.8, -0.3], [-1.1, 1.7], [2.1, 0.4]], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.09, 0.03], [0.03, 0.05]], dtype=torch.float64)


def kernel(shape: tuple[int, ...] = (5, 4)) -> Tensor:
    taps = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return taps / taps.sum()


PSFS: dict[str, Any] = {
    "gaussian": lambda: Gaussian(torch.tensor([0.2, 0.3])),
    "covariance": lambda: Gaussian(covariance=COVARIANCE),
    "pixel": lambda: Pixel(torch.tensor([0.4, 0.25])),
    "motion": lambda: Motion(PATH, torch.tensor([0.0, 1.0, 1.5, 4.0])),
    "defocus": lambda: Defocus(0.35),
    "airy": lambda: Airy(0.2, rings=2),
    "measured": lambda: Measured(kernel(), (0.1, 0.15), center=(1, 2)),
}
each = pytest.mark.parametrize("name", PSFS)


def wave(k: Tensor, phase: float = 0.4) -> Any:
    return lambda x: torch.sin(2 * math.pi * (x @ k.to(x))[..., None] + phase)


def blurred_wave(k: Tensor, x: Tensor, transfer: Tensor, phase: float = 0.4) -> Tensor:
    return (transfer * torch.exp(1j * (2 * math.pi * x @ k + phase))).imag


# --- point-spread functions ---------------------------------------------------------------------------------------


@each
def test_nodes_give_the_transfer_function(name: str):
    h = PSFS[name]()
    offsets, weights = h.nodes(40)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    seen = (weights * torch.exp(-2j * math.pi * (K @ offsets.mT))).sum(-1)
    assert (seen - h.transfer(K)).abs().max() < 1e-10
    assert h.transfer(K)[0] == pytest.approx(1)


@each
def test_draws_are_distributed_as_the_psf(name: str):
    h = PSFS[name]()
    u = torch.quasirandom.SobolEngine(h.uniforms, scramble=True, seed=1).draw(2**14, dtype=torch.float64)
    offsets, weights = h.draw(u)
    seen = (weights * torch.exp(-2j * math.pi * (K @ offsets.mT))).sum(-1)
    assert (seen - h.transfer(K)).abs().max() < 2e-3
    inside = (offsets.abs() <= h.half_widths() * (1 + 1e-9)).all(-1)
    assert inside.double().mean() > 1 - 1e-4  # a Gaussian's support is cut where it holds all but 1e-6


def test_transfer_functions_in_closed_form():
    k = torch.tensor([[0.7, 0.0]], dtype=torch.float64)
    straight = Motion(torch.tensor([[-0.5, 0.0], [0.5, 0.0]]) * 0.6)
    assert straight.transfer(k) == pytest.approx(math.sin(math.pi * 0.42) / (math.pi * 0.42))
    assert Gaussian(0.3).transfer(k) == pytest.approx(math.exp(-2 * (math.pi * 0.3 * 0.7) ** 2))
    assert Gaussian(covariance=COVARIANCE).transfer(k) == pytest.approx(math.exp(-2 * math.pi**2 * 0.09 * 0.49))
    # a round aperture's: 2/π (acos ρ - ρ sqrt(1 - ρ²)), ρ = k / cutoff (Goodman, Introduction to Fourier Optics, 6.3)
    rho = torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64)
    cutoff = 3.8317059702075125 / math.pi / 0.2
    truth = 2 / math.pi * (rho.acos() - rho * (1 - rho**2).sqrt())
    errors = []
    for rings in (4, 16, 64):
        seen = Airy(0.2, rings).transfer(torch.stack([rho * cutoff, 0 * rho], -1))
        errors.append(float((seen - truth).abs().max()))
    assert errors[0] < 0.06
    assert errors[2] < errors[1] / 3 < errors[0] / 9  # the light cut off, 2 / (π v), falls with the rings


def test_bessel_functions():
    z = torch.linspace(0, 80, 400, dtype=torch.float64, requires_grad=True)
    j0, j1 = (torch.from_numpy(f(z.detach().numpy())) for f in (special.j0, special.j1))
    assert (quadrature.bessel_j0(z).detach() - j0).abs().max() < 1e-14
    assert (quadrature.jinc(z) - 2 * j1 / z)[1:].detach().abs().max() < 1e-14
    assert float(quadrature.jinc(z[0].detach())) == pytest.approx(1)
    slope = torch.autograd.grad(quadrature.bessel_j0(z).sum(), z)[0]
    assert (slope + j1).abs().max() < 1e-13


def test_fourier_features_average_in_closed_form():
    """sum of sinusoids -> exp(-2π² σ² k²): closed form, features and quadrature agree to 1e-10."""
    generator = torch.Generator().manual_seed(0)
    frequencies = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    coefficients = torch.randn(40, 1, dtype=torch.float64, generator=generator)
    x = BOX.random_points(9, dtype=torch.float64, generator=generator)

    def features(points: Tensor) -> Tensor:
        phase = 2 * math.pi * points @ frequencies.mT
        return torch.cat([phase.sin(), phase.cos()], -1)

    for h in (Gaussian(0.07), Motion(0.3 * PATH), Defocus(0.1), Pixel(0.2)):
        closed = (blurred_features(features(x), frequencies, h) @ coefficients)[:, 0]
        seen = predict(Blur(h, x, nodes=20), lambda p: features(p) @ coefficients)
        assert (closed - seen).abs().max() < 1e-10
    damping = torch.exp(-2 * math.pi**2 * 0.07**2 * frequencies.square().sum(-1))
    gaussian = blurred_features(features(x), frequencies, Gaussian(0.07))
    assert torch.allclose(gaussian, features(x) * torch.cat([damping, damping]), atol=1e-14)
    raw = blurred_features(torch.cat([features(x), x], -1), frequencies, Gaussian(0.07))
    assert torch.equal(raw[:, 40:], x)
    with pytest.raises(ValueError, match="need at least 40 features"):
        blurred_features(x, frequencies, Gaussian(0.07))


# --- blur of continuous fields --------------------------------------------------------------------------------------


@each
def test_plane_waves(name: str):
    h, x = PSFS[name](), GRIDS[2].points(torch.float64).reshape(-1, 2)
    for k in K:
        seen = predict(Blur(h, GRIDS[2], nodes=40), wave(k))
        assert (seen - blurred_wave(k, x, h.transfer(k[None])[0])).abs().max() < 1e-10


def test_gaussian_blur_of_a_gaussian():
    centers, widths = torch.tensor([[-0.2, 3.1]], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64)
    wide = (0.3**2 + 0.15**2) ** 0.5
    truth = GaussianBlobs(
        centers, torch.tensor([wide], dtype=torch.float64), torch.tensor([(0.3 / wide) ** 2], dtype=torch.float64)
    )
    field = GaussianBlobs(centers, widths, torch.ones(1))
    for grid in GRIDS:  # the frame cuts the blob: no boundary condition is needed
        seen = predict(Blur(Gaussian(0.15), grid, nodes=20), field)
        assert (seen - truth(grid.points(torch.float64)).flatten()).abs().max() < 1e-8


@pytest.mark.parametrize("quadrature", ["gauss", "sobol"])
def test_default_nodes_are_enough_for_smooth_fields(quadrature: str):
    seen = predict(Blur(Gaussian(0.1), GRIDS[0], quadrature=quadrature), wave(K[1]))
    truth = blurred_wave(K[1], GRIDS[0].points(torch.float64).reshape(-1, 2), Gaussian(0.1).transfer(K[1:2])[0])
    assert (seen - truth).abs().max() < {"gauss": 1e-8, "sobol": 2e-2}[quadrature]


def test_a_psf_that_changes_with_the_position():
    """sigma grows along the first axis; channels are blurred alike."""
    x = GRIDS[2].points(torch.float64).reshape(-1, 2)
    sigma = 0.1 + 0.05 * (x[:, :1] + 1)
    operator = Blur(lambda p: Gaussian(0.1 + 0.05 * (p[:, :1] + 1)), x, nodes=16)
    truth = torch.sin(2 * math.pi * x @ K[1] + 0.4) * torch.exp(-2 * math.pi**2 * sigma[:, 0] ** 2 * (K[1] @ K[1]))
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
    exact = blurred_wave(
        K[2], x, Pixel(torch.tensor(BOX.lengths).double() * torch.tensor([3, 4]) / 12).transfer(K[2:3])[0]
    )
    assert (predict(Downsample(grid, (3, 4), nodes=12), wave(K[2])) - exact).abs().max() < 1e-10


# --- conformance ----------------------------------------------------------------------------------------------------


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
        points = BOX.random_points(12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        return Blur(Pixel(0.2), points.reshape(3, 4, 2), quadrature="sobol", nodes=16, draws=4, sets=2)


class TestDownsample(Tight):
    def make(self):
        return Downsample(Grid(BOX, (8, 9)), (2, 3))


class TestLearntSizes(OperatorTests):
    """Gradients of sizes, paths and kernels against finite differences."""

    @pytest.fixture(
        autouse=True, params=["gaussian", "scalar", "covariance", "pixel", "motion", "defocus", "airy", "taps"]
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


# --- random nodes -----------------------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("varying", [False, True])
def test_random_nodes_are_unbiased(name: str, varying: bool):
    h = PSFS[name]()
    x = torch.tensor([[0.1, 2.4], [-0.3, 3.0], [0.4, 3.9]], dtype=torch.float64)
    operator: Any = Blur((lambda p: h) if varying else h, x.repeat(400, 1), draws=8)
    assert torch.equal(predict(operator, wave(K[1])), predict(operator, wave(K[1])))
    operator.train()
    torch.manual_seed(0)
    seen = predict(operator, wave(K[1])).reshape(400, 3)
    truth = blurred_wave(K[1], x, h.transfer(K[1:2])[0])
    assert seen.std(0).max() > 1e-3
    assert ((seen.mean(0) - truth).abs() < 5 * seen.std(0) / 400**0.5).all()


def test_two_sets_remove_the_variance_from_a_squared_loss():
    """At the truth the squared loss of few draws is their variance, half of it; that of two sets is zero."""
    h, field = Gaussian(0.25), wave(K[2])
    operator = Blur(h, Grid(BOX, (24, 30)), draws=1, sets=2)
    y = operator.repeat(predict(Blur(h, Grid(BOX, (24, 30)), nodes=20), field))
    operator.train()
    torch.manual_seed(0)
    draws = [predict(operator, field) for _ in range(60)]
    squared = torch.stack([L2()(p, y) for p in draws])
    product = torch.stack([TwoSets()(p, y) for p in draws])
    k = 2 * math.pi * K[2].norm() * 0.25  # Var sin(φ - k·u), averaged over the phase φ: (1 - exp(-k²)) / 2
    assert float(squared.mean()) == pytest.approx(0.25 * (1 - math.exp(-(float(k) ** 2))), rel=0.02)
    assert abs(float(product.mean())) < 4 * float(product.std()) / 60**0.5
    assert abs(float(product.mean())) < 0.02 * float(squared.mean())
    off = y + 0.5  # and away from the truth it is the squared distance
    product = torch.stack([TwoSets(2.0)(p, off) for p in draws])
    assert float(product.mean()) == pytest.approx(0.5 * 0.25 / 4, abs=5 * float(product.std()) / 60**0.5)
    Term(operator, y, TwoSets()).loss(field, torch.arange(4))
    with pytest.raises(ValueError, match=r"must both be \(b, 2, ...\)"):
        TwoSets()(y[:, 0], y[:, 0])


def test_a_prior_is_deblurred_by_random_nodes():
    """The solver's way: training mode, seeded draws, gradients to the prior and to sigma."""
    field = priors.create("siren", BOX, width=16, depth=2)
    sigma = nn.Parameter(torch.tensor([0.1]))
    operator = Blur(Gaussian(sigma), GRIDS[0], draws=4).train()
    predict(operator, field, torch.arange(8)).square().mean().backward()
    assert sigma.grad is not None
    assert bool(torch.isfinite(sigma.grad).all())
    assert all(p.grad is not None for p in field.parameters())


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(-0.1), "sigma must be positive, got -0.1"),
        (lambda: Gaussian(math.nan), "sigma holds NaN"),
        (lambda: Gaussian(), "give sigma or covariance"),
        (lambda: Gaussian(torch.ones(3)), "sigma has 3 values for 2 axes"),
        (lambda: Gaussian(covariance=-torch.eye(2)), "positive definite"),
        (lambda: Pixel(0.0), "Pixel: size must be positive"),
        (lambda: Motion(torch.zeros(1, 2)), "points >= 2"),
        (lambda: Motion(PATH, torch.zeros(4)), "times must be 4 rising numbers"),
        (lambda: Defocus(-1.0), "Defocus: radius must be positive"),
        (lambda: Airy(0.1, rings=0), "rings must be at least 1"),
        (lambda: Measured(torch.zeros(3, 3), 0.1), "holds only zeros"),
        (lambda: Measured(kernel(), (0.1, 0.1, 0.1)), "spacing="),
        (lambda: Measured(kernel(), 0.1, center=(5, 0)), r"center=\(5, 0\) is no index"),
        (lambda: Blur(Gaussian(0.1, ndim=3), GRIDS[0]), "the PSF has 3 dimensions, the measured positions 2"),
        (lambda: Blur(Gaussian(0.1), torch.zeros(0, 2)), "positions must be a Grid or finite points"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0], quadrature="simpson"), "quadrature must be 'gauss' or 'sobol'"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0], nodes=0), "must be at least 1"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0], sets=2), "sets=2 needs draws"),
        (lambda: Downsample(GRIDS[2], 2), r"factor=2 must divide the grid's shape \(6, 9\)"),
        (lambda: Blur(Gaussian(0.1), torch.zeros(2, 2)).reach(), "needs measurements on a grid"),
        (lambda: Blur(Gaussian(0.1), GRIDS[0]).on(GRIDS[0], "mirror"), "boundary must be one of"),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_kernel_that_does_not_sum_to_one_is_named_and_kept():
    with pytest.warns(UserWarning, match=r"Measured: the kernel sums to 2, not 1"):
        h = Measured(2 * kernel(), 0.1)
    assert float(predict(Blur(h, GRIDS[0]), lambda p: 1 + 0 * p[..., :1])[0]) == pytest.approx(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Measured(kernel((4, 4)), 0.1).center == (2, 2)  # an even kernel: the right one of two middles


def test_moments_of_the_measured_kernel_follow_its_centre():
    ramp = predict(Blur(Measured(kernel(), (0.1, 0.15), (1, 2)), GRIDS[0]), lambda p: p[..., :1])
    mean = (kernel().sum(1) * (torch.arange(5) - 1)).sum() * 0.1
    assert torch.allclose(ramp, GRIDS[0].points(torch.float64)[..., 0].flatten() - mean)
    assert psf.Measured is Measured
    assert as_linear_map(Blur(Measured(kernel(), 0.1), GRIDS[0].points()), GRIDS[0]).zeros().shape == (8, 8, 1)
