"""Slice and add: bands laid side by side on a detector, each at its own shift, and what that sum's Gram matrix is.

Bands come first, (bands, H, W), and the dispersed axis last. A shift of k + f pixels lays 1 - f of each value on pixel
k and f on the next, as square pixels overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr import with_adjoint


def overlap(start: int, length: int, width: int) -> tuple[slice, slice]:
    """Where `length` pixels laid at `start` on a detector of `width` fall: (detector, pixels) slices, maybe empty."""
    low, high = max(0, start), min(width, start + length)
    high = max(low, high)
    return slice(low, high), slice(low - start, high - start)


def shear_sum(bands: Tensor, starts: Sequence[int], width: int) -> Tensor:
    """Σ_l band l laid at starts[l]: (bands, H, W) -> (H, width). What leaves the detector is lost."""
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
    """Whole pixels, and the fraction of the next, differentiable: within 1e-6 of a whole number it is that number."""
    whole = (shifts.detach() + 1e-6).floor()
    fraction = shifts - whole
    if not fraction.requires_grad:
        fraction = torch.where(fraction.abs() < 2e-6, 0.0, fraction)
    return [int(k) for k in whole.tolist()], fraction


def gaussian_kernels(sigma: Tensor) -> Tensor:
    """Gaussians of these standard deviations (px) integrated over pixels, to four of the widest: (bands, 2 r + 1)."""
    radius = max(1, math.ceil(4 * float(sigma.detach().max())))
    at = torch.arange(-radius - 0.5, radius + 1, dtype=sigma.dtype, device=sigma.device)
    steps = torch.erf(at / (math.sqrt(2) * sigma[:, None].clamp(min=1e-3)))
    kernel = 0.5 * steps.diff(dim=-1)
    return kernel / kernel.sum(-1, keepdim=True)


def blur_bands(bands: Tensor, kernels: Tensor) -> Tensor:
    """Each band blurred along both axes: (bands, H, W) -> (bands, H, W + 2 r); what leaves across H is lost."""
    count, size = kernels.shape
    along = torch.nn.functional.conv2d(
        bands[None], kernels[:, None, None], padding=(0, size - 1), groups=count
    )
    return torch.nn.functional.conv2d(
        along, kernels[:, None, :, None], padding=(size // 2, 0), groups=count
    )[0]


def tridiagonal(diagonal: Tensor, beside: Tensor) -> Callable[[Tensor], Tensor]:
    """The solver of symmetric tridiagonal systems, one a row: diagonal (n, m), beside (n, m - 1); r (n, m) -> (n, m).

    Thomas' algorithm, along columns in memory so that each of its 2 m steps is one vector operation. Double precision.
    """
    d, e = diagonal.double().T.contiguous(), beside.double().T.contiguous()
    pivots, ratio = [d[0]], []
    for k in range(1, len(d)):
        ratio.append(e[k - 1] / pivots[-1])
        pivots.append(d[k] - ratio[-1] * e[k - 1])

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
    """apply⁻¹ r of a symmetric positive semi-definite map, in double precision, to a relative residual."""
    rest = r.double()
    z, direction = torch.zeros_like(rest), rest
    size = first = float(rest.square().sum())
    for _ in range(iterations):
        if size <= tolerance**2 * first:
            break
        image = apply(direction)
        step = size / max(float((direction * image).sum()), 1e-300)
        z, rest = z + step * direction, rest - step * image
        before, size = size, float(rest.square().sum())
        direction = rest + (size / before) * direction
    return z.to(r.dtype)
