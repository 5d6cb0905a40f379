"""Slice and add: bands laid on a detector, each at its own shift, and the Gram matrix of that sum.

Bands come first, (bands, H, W), and the dispersed axis last. A shift of k + f pixels lays 1 - f of
each value on pixel k and f on the next, as square pixels overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr import with_adjoint


def overlap(start: int, length: int, width: int) -> tuple[slice, slice]:
    """Return which pixels of a band fall on which pixels of the detector.

    Args:
        start: Detector pixel on which the band's first pixel is laid; may be negative.
        length: Pixels of the band.
        width: Pixels of the detector.

    Returns:
        Slices of the detector and of the band, of one length, which may be 0.
    """
    low = max(0, start)
    high = max(low, min(width, start + length))
    return slice(low, high), slice(low - start, high - start)


def shear_sum(bands: Tensor, starts: Sequence[int], width: int) -> Tensor:
    """Return Σ_l of band l laid at starts[l]. Light that leaves the detector is lost.

    Args:
        bands: (bands, H, W).
        starts: Detector pixel of each band's first pixel.
        width: Pixels of the detector along the dispersion.

    Returns:
        (H, width).
    """
    count, height, length = bands.shape
    places = [overlap(start, length, width) for start in starts]

    def lay(x: Tensor) -> Tensor:
        total = x.new_zeros(height, width)
        for band, (there, here) in zip(x, places, strict=True):
            total[:, there] += band[:, here]
        return total

    def pick(y: Tensor) -> Tensor:
        bands = y.new_zeros(count, height, length)
        for band, (there, here) in zip(bands, places, strict=True):
            band[:, here] = y[:, there]
        return bands

    return with_adjoint(lay, pick)(bands)


def split_shifts(shifts: Tensor) -> tuple[list[int], Tensor]:
    """Split shifts into whole pixels and the fraction of the next, which is differentiable.

    A shift within 1e-6 of a whole number counts as that number.

    Args:
        shifts: (L,) in px.

    Returns:
        Whole pixels, and fractions (L,).
    """
    whole = (shifts.detach() + 1e-6).floor()
    fraction = shifts - whole
    if not fraction.requires_grad:
        fraction = torch.where(fraction.abs() < 2e-6, 0.0, fraction)
    return [int(k) for k in whole.tolist()], fraction


def gaussian_kernels(sigma: Tensor) -> Tensor:
    """Return Gaussians that are integrated over pixels, each with sum 1.

    Args:
        sigma: (bands,) standard deviations in px. All kernels reach to four times the widest.

    Returns:
        (bands, 2 r + 1).
    """
    radius = max(1, math.ceil(4 * float(sigma.detach().max())))
    at = torch.arange(-radius - 0.5, radius + 1, dtype=sigma.dtype, device=sigma.device)
    steps = torch.erf(at / (math.sqrt(2) * sigma[:, None].clamp(min=1e-3)))
    kernel = 0.5 * steps.diff(dim=-1)
    return kernel / kernel.sum(-1, keepdim=True)


def blur_bands(bands: Tensor, kernels: Tensor) -> Tensor:
    """Blur each band along both axes. Light that leaves across H is lost.

    Args:
        bands: (bands, H, W).
        kernels: (bands, 2 r + 1), the same along both axes.

    Returns:
        (bands, H, W + 2 r).
    """
    count, size = kernels.shape
    along = torch.nn.functional.conv2d(
        bands[None], kernels[:, None, None], padding=(0, size - 1), groups=count
    )
    return torch.nn.functional.conv2d(
        along, kernels[:, None, :, None], padding=(size // 2, 0), groups=count
    )[0]


REPEATED = 1e-6
"""A row of which less than this is new, as a fraction of its own size, repeats the one before."""


def tridiagonal(diagonal: Tensor, beside: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the solver of symmetric, semi-definite tridiagonal systems, one per line, in float64.

    Thomas' algorithm, along columns in memory, so that each of its 2 m steps is one vector
    operation. An equation that repeats the one before it is left out, and its unknown is zero.

    Args:
        diagonal: (n, m), positive.
        beside: (n, m - 1), the entries next to the diagonal.

    Returns:
        A function that maps right-hand sides (n, m) to solutions (n, m).
    """
    d = diagonal.double().T.contiguous()
    e = beside.double().T.contiguous()
    pivots = [d[0]]
    ratio = []
    for k in range(1, len(d)):
        ratio.append(e[k - 1] / pivots[-1])
        pivot = d[k] - ratio[-1] * e[k - 1]
        pivots.append(torch.where(pivot > REPEATED * d[k], pivot, math.inf))

    def solve(r: Tensor) -> Tensor:
        z = list(r.double().T.unbind())
        for k in range(1, len(z)):
            z[k] = z[k] - ratio[k - 1] * z[k - 1]
        z[-1] = z[-1] / pivots[-1]
        for k in range(len(z) - 2, -1, -1):
            z[k] = (z[k] - e[k] * z[k + 1]) / pivots[k]
        return torch.stack(z, -1).to(r.dtype)

    return solve


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor], r: Tensor, tolerance: float = 1e-10, iterations: int = 500
) -> Tensor:
    """Return apply⁻¹ r by conjugate gradients in float64.

    Args:
        apply: A symmetric positive semi-definite map of tensors of the shape of r.
        r: The right-hand side, of any shape.
        tolerance: Norm of the residual, relative to that of r, at which to stop.
        iterations: The most iterations.

    Returns:
        A tensor of the shape and type of r.
    """
    rest = r.double()
    z = torch.zeros_like(rest)
    direction = rest
    size = first = float(rest.square().sum())
    for _ in range(iterations):
        if size <= tolerance**2 * first:
            break
        image = apply(direction)
        step = size / max(float((direction * image).sum()), 1e-300)
        z = z + step * direction
        rest = rest - step * image
        before = size
        size = float(rest.square().sum())
        direction = rest + (size / before) * direction
    return z.to(r.dtype)
