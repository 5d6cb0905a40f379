"""Convolution of sampled arrays against its definition and scipy."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from inverse_inr.operators import Convolution
from inverse_inr.operators.optics.fft_sizes import fast_size

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
    """The sum Σ_j kernel[j] x[origin + stride m + center - j], one tap at a time.

    The array is padded by numpy.
    """
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
    {"center": (1, -2)},  # u = 0 outside the kernel, as in a long motion
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
    x = some(*shape)
    kernel = some(*taps, seed=1)
    default = {
        "center": tuple(n // 2 for n in taps),
        "origin": (0, 0),
        "stride": (1, 1),
        "outputs": shape,
    }
    for layout, method in itertools.product(LAYOUTS, ("fft", "direct")):
        a = Convolution(kernel, shape, boundary=boundary, method=method, **layout)
        full = default | layout
        y = a(x)
        truth = definition(x, kernel, mode=MODES[boundary], **full)
        assert (y - truth).abs().max() < 1e-13 * kernel.abs().sum(), (layout, method)
        z = some(*y.shape, seed=2)
        back = torch.func.vjp(a, x)[1](z)[0]
        assert abs((y * z).sum() - (x * back).sum()) < 1e-12 * y.norm() * z.norm(), (layout, method)


@pytest.mark.parametrize("taps", TAPS, ids=str)
def test_valid_looks_only_at_the_array(taps: tuple[int, int]):
    x = some(16, 15)
    kernel = some(*taps, seed=1)
    out = tuple(n - k + 1 for n, k in zip(x.shape, taps, strict=True))
    origin = tuple(k - 1 - k // 2 for k in taps)
    truth = definition(x, kernel, tuple(k // 2 for k in taps), "constant", origin, (1, 1), out)
    options: Any = {"boundary": "valid", "origin": origin, "outputs": out}
    direct = Convolution(kernel, x.shape, method="direct", **options)
    assert (direct(x) - truth).abs().max() < 1e-12
    fft = Convolution(kernel, x.shape, method="fft", **options)
    assert (fft(x) - truth).abs().max() < 1e-12
    # no padding for the kernel
    assert all(p <= fast_size(n) for p, n in zip(fft.padded, x.shape, strict=True))


@pytest.mark.parametrize("taps", TAPS, ids=str)
def test_valid_convolution_beyond_the_array_is_refused(taps: tuple[int, int]):
    with pytest.raises(ValueError, match="boundary='valid' needs samples"):
        Convolution(some(*taps, seed=1), (16, 15), boundary="valid")


@pytest.mark.parametrize(
    ("boundary", "mode"),
    [("reflect", "reflect"), ("zero", "constant"), ("circular", "wrap")],
    ids=["reflect", "zero", "circular"],
)
def test_scipy_agrees(boundary: str, mode: Any):
    for shape, taps in (((17,), (5,)), ((9, 12), (3, 5)), ((5, 6, 7), (3, 3, 5))):
        x = some(*shape)
        kernel = some(*taps, seed=1)
        truth = torch.from_numpy(ndimage.convolve(x.numpy(), kernel.numpy(), mode=mode))
        for method in ("fft", "direct", "auto"):
            a = Convolution(kernel, shape, boundary=boundary, method=method)
            assert (a(x) - truth).abs().max() < 1e-12


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
    x = some(8, 8)
    before = a(x)
    with torch.no_grad():
        a.kernel.mul_(2)
    assert torch.allclose(a(x), 2 * before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundary": "replicate"}, "boundary must be one of"),
        ({"method": "winograd"}, "method one of"),
        ({"kernel": torch.ones(3)}, "a finite kernel in 2 dimensions"),
        ({"kernel": torch.full((3, 3), math.nan)}, "a finite kernel"),
    ],
)
def test_wrong_kernels_and_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Convolution(**{"kernel": torch.ones(3, 3), "shape": (8, 8)} | options)


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"the array has shape \(8, 7\); expected \(8, 8\)"):
        Convolution(torch.ones(3, 3), (8, 8))(torch.ones(8, 7))
