"""Blur on images against blur of fields: kernels on the lattice, boundaries, conformance."""

import itertools
import math
from typing import Any

import pytest
import torch
from cases.mask import BOX, some
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, as_linear_map, predict
from inverse_inr.operators import Blur, Convolution, Downsample, psf_kernel
from inverse_inr.operators.optics import integrated
from inverse_inr.operators.optics.lattice_kernel import lattice_kernel
from inverse_inr.operators.optics.psf import Airy, Defocus, Gaussian, Measured, Motion, Pixel
from inverse_inr.testing import OperatorTests

BOUNDARIES = ("reflect", "circular", "zero")
SIZES = [(8, 8), (9, 9), (6, 11)]
PSFS: dict[str, Any] = {
    "gaussian": Gaussian(0.25),
    "narrow": Gaussian(0.03),
    "covariance": Gaussian(
        covariance=torch.tensor([[0.06, 0.02], [0.02, 0.05]], dtype=torch.float64)
    ),
    "pixel": Pixel(0.31),
    "motion": Motion(torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.2, 0.4]], dtype=torch.float64)),
    "defocus": Defocus(0.35),
    "airy": Airy(0.15, rings=2),
    "measured": Measured(
        torch.tensor([[0.1, 0.2, 0.1], [0.3, 0.2, 0.1]], dtype=torch.float64), (0.05, 0.04)
    ),
}
each = pytest.mark.parametrize("name", PSFS)


def polynomial(degree: int) -> Any:
    def field(p: Tensor) -> Tensor:
        x, y = p[..., :1], p[..., 1:] - 3
        return sum((0.7 - 0.2 * k) * x ** (degree - k) * y**k for k in range(degree + 1))

    return field


# a sampled Gaussian is cut at five deviations
TRUNCATED = {("gaussian", 5): 1e-5, ("covariance", 5): 1e-5}


@each
@pytest.mark.parametrize("degree", [1, 5])
def test_polynomials_are_exact_on_the_lattice_without_a_boundary(name: str, degree: int):
    """Lagrange's polynomials are exact up to degree 5."""
    where = Grid(BOX, (9, 11))
    operator = Blur(PSFS[name], where, nodes=24)
    grid = operator.reach()
    assert grid.spacing == pytest.approx(where.spacing)
    image = SampledField(polynomial(degree)(grid.points(torch.float64)), grid)
    seen = predict(operator.on(grid, "valid"), image)
    truth = predict(operator, polynomial(degree))
    bound = TRUNCATED.get((name, degree), 1e-10)
    assert (seen - truth).abs().max() < bound * truth.abs().max()


@each
def test_smooth_fields_on_the_lattice(name: str):
    """A wave of 12 pixels is right to 2e-5 by interpolation of order 5."""
    where = Grid(BOX, (18, 24))
    k = torch.tensor([1.0, 0.3], dtype=torch.float64)

    def wave(p: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * (p @ k.to(p))[..., None])

    operator = Blur(PSFS[name], where, nodes=24)
    grid = operator.reach()
    seen = predict(operator.on(grid, "valid"), SampledField(wave(grid.points(torch.float64)), grid))
    assert (seen - predict(operator, wave)).abs().max() < 1e-4


def test_a_measured_kernel_on_its_own_lattice_is_itself():
    taps = some((5, 4)).abs()
    h = Measured(taps / taps.sum(), (0.1, 0.2), center=(1, 2))
    kernel, center = psf_kernel(h, (0.1, 0.2))
    assert center == (1, 2)
    assert torch.allclose(kernel, h.kernel, atol=1e-15)
    positive, _ = psf_kernel(PSFS["defocus"], (0.1, 0.2), order=1)
    assert (positive >= 0).all()
    assert float(positive.sum()) == pytest.approx(1)


def test_a_lattice_kernel_of_even_order_is_refused():
    with pytest.raises(ValueError, match="order must be odd"):
        lattice_kernel(torch.zeros(1, 2), torch.ones(1), 2)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, (3, 2)])
@pytest.mark.parametrize(
    "psf", [None, PSFS["gaussian"], PSFS["defocus"]], ids=["pixel alone", "gaussian", "defocus"]
)
def test_downsampling_an_image_is_registered(factor: Any, psf: Any):
    """A ramp is itself at the stated positions on images too, for even and odd factors."""
    fine = Grid(BOX, (12, 12))
    operator = Downsample(fine, factor, psf)
    grid, x = operator.reach(factor), operator.positions()
    assert grid.spacing == pytest.approx(fine.spacing)
    points = grid.points(torch.float64)
    image = SampledField(2 * points[..., :1] - points[..., 1:], grid)
    seen = predict(operator.on(grid, "valid"), image)
    assert (seen - (2 * x[:, 0] - x[:, 1])).abs().max() < 1e-11


def test_positions_off_the_lattice_see_the_image_between_its_pixels():
    grid = Grid(BOX, (24, 32))
    points = torch.tensor([[0.1, 2.8], [-0.33, 3.1]], dtype=torch.float64)
    image = SampledField(2 * grid.points(torch.float64)[..., :1] + 1, grid)
    for operator in (Blur(Pixel(0.3), points), Blur(lambda p: Pixel(0.1 + 0 * p[:, :1]), points)):
        assert torch.allclose(predict(operator.on(grid), image), 2 * points[:, 0] + 1)
        with pytest.raises(ValueError, match="reaches beyond the grid"):
            Blur(operator.psf, points - 0.9).on(grid, "valid")
    edge = torch.tensor([[-1.0, 3.0]], dtype=torch.float64)
    step = SampledField(torch.ones(24, 32, 1, dtype=torch.float64), grid)
    at_edge = Blur(Pixel(0.3), edge, nodes=8)
    seen = [float(predict(at_edge.on(grid, boundary), step)[0]) for boundary in BOUNDARIES]
    assert seen == pytest.approx([1, 1, 0.5])
    # 0.48 pixels apart: still a convolution
    shifted = Blur(Gaussian(0.1), Grid(Box((-0.97, 2.0), (0.53, 4.0)), (24, 32)))
    assert isinstance(shifted.on(grid).map, Convolution)


def test_a_sparse_blur_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(integrated, "MEMORY_LIMIT", 1e3)
    with pytest.raises(MemoryError, match="its sparse matrix would take"):
        Blur(Pixel(0.3), torch.zeros(10, 2)).on(Grid(BOX, (8, 8)))


class OnImages(OperatorTests):
    tolerance = 1e-12

    @pytest.fixture(autouse=True, params=SIZES, ids=str)
    def size(self, request: Any):
        self.grid = Grid(BOX, request.param)


class TestBlurOnImages(OnImages):
    @pytest.fixture(
        autouse=True,
        params=list(itertools.product(("gaussian", "motion", "measured"), BOUNDARIES)),
        ids=str,
    )
    def choose(self, request: Any):
        self.name, self.boundary = request.param

    def make(self):
        return Blur(PSFS[self.name], self.grid).on(self.grid, self.boundary)


class TestValidBlurOnImages(OnImages):
    channels = 2

    def make(self):
        operator = Blur(PSFS["defocus"], self.grid)
        return operator.on(operator.reach(), "valid")


class TestDownsampleOnImages(OnImages):
    def make(self):
        fine = self.grid.refined(2)
        return Downsample(fine, 2, PSFS["gaussian"], draws=2, sets=2).on(fine)


class TestVaryingBlurOnImages(OnImages):
    channels = 2

    def make(self):
        return Blur(lambda p: Gaussian(0.1 + 0.05 * p[:, :1].abs()), self.grid).on(self.grid)


def test_classical_methods_see_the_same_physics():
    """The linear map is made by `on`; its norm is that of a mean."""
    grid = Grid(BOX, (16, 16))
    linear = as_linear_map(Downsample(grid, 2), grid, dtype=torch.float64)
    assert linear(torch.ones(16, 16, 1, dtype=torch.float64)) == pytest.approx(torch.ones(64))
    assert linear.norm() == pytest.approx(0.5, rel=0.02)  # four pixels make one: 1 / sqrt(4)
