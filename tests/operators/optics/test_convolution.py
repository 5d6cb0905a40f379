"""Convolution of sampled arrays against its definition, and blur on images against blur of fields."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, as_linear_map, predict
from inverse_inr.operators import Blur, Convolution, Downsample, psf_kernel
from inverse_inr.operators.optics import integrated
from inverse_inr.operators.optics.fft_sizes import fast_size
from inverse_inr.operators.optics.lattice_kernel import lattice_kernel
from inverse_inr.operators.optics.psf import Airy, Defocus, Gaussian, Measured, Motion, Pixel
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
MODES = {"reflect": "symmetric", "circular": "wrap", "zero": "constant"}
SIZES = [(8, 8), (9, 9), (6, 11)]
TAPS = [(3, 3), (4, 4), (2, 5), (13, 7)]


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def definition(
    x: Tensor,
    kernel: Tensor,
    center: tuple[int, ...],
    mode: str,
    origin: Any,
    stride: Any,
    outputs: Any,
):
    """Σ_j kernel[j] x[origin + stride m + center - j], one tap at a time, on an array padded by numpy."""
    margin = 40
    padded = torch.from_numpy(np.pad(x.numpy(), margin, mode=mode))
    y = torch.zeros(outputs, dtype=x.dtype)
    for tap in itertools.product(*map(range, kernel.shape)):
        window = tuple(
            slice(margin + o + c - j, margin + o + c - j + s * (m - 1) + 1, s)
            for o, c, j, s, m in zip(origin, center, tap, stride, outputs, strict=True)
        )
        y += kernel[tap] * padded[window]
    return y


LAYOUTS = [
    {},
    {"center": (0, 1)},
    {"center": (1, -2)},  # u = 0 outside the kernel, as of a long motion
    {"origin": (1, -2), "outputs": (4, 7)},
    {"origin": (0, 1), "stride": (2, 3), "outputs": (3, 2)},
    {"origin": (-3, 4), "outputs": (12, 14)},  # more than the array
]


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("taps", TAPS, ids=str)
@pytest.mark.parametrize("boundary", MODES)
def test_the_definition_and_the_adjoint(
    shape: tuple[int, int], taps: tuple[int, int], boundary: str
):
    x, kernel = some(*shape), some(*taps, seed=1)
    for layout, method in itertools.product(LAYOUTS, ("fft", "direct")):
        a = Convolution(kernel, shape, boundary=boundary, method=method, **layout)
        full = {
            "center": tuple(n // 2 for n in taps),
            "origin": (0, 0),
            "stride": (1, 1),
            "outputs": shape,
        } | layout
        y = a(x)
        truth = definition(x, kernel, mode=MODES[boundary], **full)
        assert (y - truth).abs().max() < 1e-13 * kernel.abs().sum(), (layout, method)
        z = some(*y.shape, seed=2)
        back = torch.func.vjp(a, x)[1](z)[0]
        assert abs((y * z).sum() - (x * back).sum()) < 1e-12 * y.norm() * z.norm(), (layout, method)


@pytest.mark.parametrize("taps", TAPS, ids=str)
def test_valid_looks_only_at_the_array(taps: tuple[int, int]):
    x, kernel = some(16, 15), some(*taps, seed=1)
    out = tuple(n - k + 1 for n, k in zip(x.shape, taps, strict=True))
    origin = tuple(k - 1 - k // 2 for k in taps)
    truth = definition(x, kernel, tuple(k // 2 for k in taps), "constant", origin, (1, 1), out)
    for method in ("fft", "direct"):
        a = Convolution(
            kernel, x.shape, boundary="valid", origin=origin, outputs=out, method=method
        )
        assert (a(x) - truth).abs().max() < 1e-12
        if method == "fft":
            assert all(
                p <= fast_size(n) for p, n in zip(a.padded, x.shape, strict=True)
            )  # no padding for the kernel
    with pytest.raises(ValueError, match="boundary='valid' needs samples"):
        Convolution(kernel, x.shape, boundary="valid")


@pytest.mark.parametrize("boundary", ["reflect", "zero", "circular"])
def test_scipy_agrees(boundary: str):
    mode: Any = {"reflect": "reflect", "zero": "constant", "circular": "wrap"}[boundary]
    for shape, taps in (((17,), (5,)), ((9, 12), (3, 5)), ((5, 6, 7), (3, 3, 5))):
        x, kernel = some(*shape), some(*taps, seed=1)
        truth = torch.from_numpy(ndimage.convolve(x.numpy(), kernel.numpy(), mode=mode))
        for method in ("fft", "direct", "auto"):
            assert (
                Convolution(kernel, shape, boundary=boundary, method=method)(x) - truth
            ).abs().max() < 1e-12


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_channels_complex_precision_and_second_derivatives(method: str):
    a = Convolution(some(3, 4), (7, 6), boundary="reflect", method=method)
    x = some(7, 6, 3)
    assert torch.allclose(a(x)[..., 1], a(x[..., 1]), atol=1e-14)
    z = torch.complex(x, some(7, 6, 3, seed=4))
    assert torch.allclose(a(z), torch.complex(a(z.real), a(z.imag)), atol=1e-14)
    assert torch.allclose(a(z[..., 0]), a(z)[..., 0], atol=1e-14)
    assert a(x.float()).dtype == torch.float32
    assert torch.allclose(a(x.float()).double(), a(x), atol=1e-5)
    assert a.to(torch.float32)(x).dtype == torch.float64
    small = Convolution(some(2, 3), (4, 3), boundary="zero", method=method)
    start = some(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: small(v.square()), start)
    assert torch.autograd.gradgradcheck(lambda v: small(v.square()), start)


def test_the_method_follows_the_size():
    assert Convolution(torch.ones(31, 31), (256, 256)).method == "fft"
    assert Convolution(torch.ones(3, 3), (64, 64)).method == "direct"
    assert Convolution(torch.ones(31), (4096,)).method == "direct"
    assert [fast_size(n) for n in (1, 7, 11, 271, 287)] == [1, 7, 12, 280, 288]


def test_a_changed_kernel_changes_the_answer():
    a = Convolution(some(5, 5), (8, 8), method="fft")
    x, before = some(8, 8), a(some(8, 8))
    with torch.no_grad():
        a.kernel.mul_(2)
    assert torch.allclose(a(x), 2 * before)


# --- lattice kernels ------------------------------------------------------------------------------------------------

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


@each
@pytest.mark.parametrize("degree", [1, 5])
def test_polynomials_are_exact_on_the_lattice_without_a_boundary(name: str, degree: int):
    """Degree 5 by Lagrange's polynomials; a sampled Gaussian up to its truncation at five deviations."""
    where = Grid(BOX, (9, 11))
    operator = Blur(PSFS[name], where, nodes=24)
    grid = operator.reach()
    assert grid.spacing == pytest.approx(where.spacing)
    image = SampledField(polynomial(degree)(grid.points(torch.float64)), grid)
    seen, truth = predict(operator.on(grid, "valid"), image), predict(operator, polynomial(degree))
    bound = 1e-5 if name in ("gaussian", "covariance") and degree > 1 else 1e-10
    assert (seen - truth).abs().max() < bound * truth.abs().max()


@each
def test_smooth_fields_on_the_lattice(name: str):
    """A wave of 12 pixels: 2e-5 by interpolation of order 5."""
    where = Grid(BOX, (18, 24))
    k = torch.tensor([1.0, 0.3], dtype=torch.float64)

    def wave(p: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * (p @ k.to(p))[..., None])

    operator = Blur(PSFS[name], where, nodes=24)
    grid = operator.reach()
    seen = predict(operator.on(grid, "valid"), SampledField(wave(grid.points(torch.float64)), grid))
    assert (seen - predict(operator, wave)).abs().max() < 1e-4


def test_a_measured_kernel_on_its_own_lattice_is_itself():
    taps = some(5, 4).abs()
    h = Measured(taps / taps.sum(), (0.1, 0.2), center=(1, 2))
    kernel, center = psf_kernel(h, (0.1, 0.2))
    assert center == (1, 2)
    assert torch.allclose(kernel, h.kernel, atol=1e-15)
    positive, _ = psf_kernel(PSFS["defocus"], (0.1, 0.2), order=1)
    assert (positive >= 0).all()
    assert float(positive.sum()) == pytest.approx(1)
    with pytest.raises(ValueError, match="order must be odd"):
        lattice_kernel(torch.zeros(1, 2), torch.ones(1), 2)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, (3, 2)])
@pytest.mark.parametrize("name", [None, "gaussian", "defocus"])
def test_downsampling_an_image_is_registered(factor: Any, name: str | None):
    """A ramp is itself at the stated positions on images too, for even and odd factors."""
    fine = Grid(BOX, (12, 12))
    operator = Downsample(fine, factor, None if name is None else PSFS[name])
    grid, x = operator.reach(factor), operator.positions()
    assert grid.spacing == pytest.approx(fine.spacing)
    image = SampledField(
        (2 * grid.points(torch.float64)[..., :1] - grid.points(torch.float64)[..., 1:]), grid
    )
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
    seen = [float(predict(Blur(Pixel(0.3), edge, nodes=8).on(grid, b), step)[0]) for b in MODES]
    assert seen == pytest.approx([1, 1, 0.5])
    shifted = Blur(
        Gaussian(0.1), Grid(Box((-0.97, 2.0), (0.53, 4.0)), (24, 32))
    )  # 0.48 pixels: still a convolution
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
        params=list(itertools.product(("gaussian", "motion", "measured"), MODES)),
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
        return Downsample(self.grid.refined(2), 2, PSFS["gaussian"], draws=2, sets=2).on(
            self.grid.refined(2)
        )


class TestVaryingBlurOnImages(OnImages):
    channels = 2

    def make(self):
        return Blur(lambda p: Gaussian(0.1 + 0.05 * p[:, :1].abs()), self.grid).on(self.grid)


def test_classical_methods_see_the_same_physics():
    """as_linear_map finds `on`; its norm is that of a mean, one."""
    grid = Grid(BOX, (16, 16))
    linear = as_linear_map(Downsample(grid, 2), grid, dtype=torch.float64)
    assert linear(torch.ones(16, 16, 1, dtype=torch.float64)) == pytest.approx(torch.ones(64))
    assert linear.norm() == pytest.approx(0.5, rel=0.02)  # four pixels make one: 1 / sqrt(4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundary": "replicate"}, "boundary must be one of"),
        ({"method": "winograd"}, "method one of"),
        ({"kernel": torch.ones(3)}, "a finite kernel in 2 dimensions"),
        ({"kernel": torch.full((3, 3), math.nan)}, "a finite kernel"),
    ],
)
def test_refusals(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Convolution(**{"kernel": torch.ones(3, 3), "shape": (8, 8)} | options)


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"the array has shape \(8, 7\); expected \(8, 8\)"):
        Convolution(torch.ones(3, 3), (8, 8))(torch.ones(8, 7))
