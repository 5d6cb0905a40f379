"""Kernels on a lattice of samples that do what a point-spread function does to the field.

A field is integrated against a point-spread function; a sampled image is convolved with a kernel.
The functions here turn the first into the second, to the accuracy of Lagrange interpolation between
samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.optics.psf import PSF, Gaussian, Measured
from inverse_inr.ranges import Count, checked

NARROWEST_SAMPLED = 0.8
"""Deviation in pixels from which on a Gaussian is sampled: aliasing is then below 1e-5."""

GAUSSIAN_ORDER = 16
"""Order of the Gauss-Hermite rule for a Gaussian too narrow to be sampled."""


@checked
def psf_kernel(
    psf: PSF,
    spacing: tuple[float, ...],
    fraction: list[float] | tuple[float, ...] | None = None,
    order: Count = 5,
) -> tuple[Tensor, tuple[int, ...]]:
    """The kernel that does what `psf` does, on samples `spacing` apart.

    A Gaussian that the lattice resolves is sampled (aliasing below 1e-5). Every other PSF is
    integrated against Lagrange polynomials of `order`.

    Args:
        psf: One point-spread function for all positions.
        spacing: Distance of the samples along each axis, in the unit of the PSF's sizes.
        fraction: Results are registered this fraction of a pixel beyond the sample at the centre;
            default 0.
        order: Odd order of the interpolation, as in `lattice_kernel`.

    Returns:
        The taps in float64, one axis per dimension, and the index of the centre (u = 0) among them.
    """
    device = psf.half_widths().device
    h = torch.tensor(spacing, dtype=torch.float64, device=device)
    shift = torch.zeros_like(h)
    if fraction is not None:
        shift = torch.tensor(fraction, dtype=torch.float64, device=device)
    with torch.no_grad():
        if isinstance(psf, Gaussian) and _resolved(psf, h):
            return _sampled_gaussian(psf, h, shift)
        offsets, weights = psf.nodes(_order_of_nodes(psf, h))
        return lattice_kernel(offsets / h - shift, weights, order)


def _order_of_nodes(psf: PSF, h: Tensor) -> int:
    """Order of quadrature: 8 nodes per pixel of half-width, at most 2^15 nodes in all."""
    if isinstance(psf, Gaussian):
        return GAUSSIAN_ORDER
    if isinstance(psf, Measured):
        return 1  # its nodes are its samples, whatever the order
    extent = float((psf.half_widths() / h).max())
    most = int((2**15) ** (1 / psf.ndim))
    return min(most, max(16, math.ceil(8 * extent)))


def _resolved(psf: Gaussian, h: Tensor) -> bool:
    """Whether the narrowest deviation spans `NARROWEST_SAMPLED` pixels or more."""
    if psf.covariance is not None:
        narrowest = torch.linalg.eigvalsh(psf.covariance / (h[:, None] * h)).min()
        return float(narrowest) >= 0.64  # a variance: the square of NARROWEST_SAMPLED
    return float((psf.half_widths() / 5 / h).min()) >= NARROWEST_SAMPLED


def _sampled_gaussian(psf: Gaussian, h: Tensor, shift: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    half = (psf.half_widths() / h).ceil().long().tolist()
    axes = [torch.arange(-n, n + 1, dtype=torch.float64, device=h.device) for n in half]
    lattice = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    v = (lattice + shift) * h
    taps = psf.density(v)
    taps = taps / taps.sum()
    # The cut at five deviations is not centred on the PSF, which moves its mean by 1e-6. The mean
    # is put back, so that linear ramps are exact.
    mean = (taps[..., None] * v).flatten(0, -2).sum(0)
    spread = torch.einsum("...,...i,...j->ij", taps, v, v)
    taps = taps * (1 - v @ torch.linalg.solve(spread, mean))
    return taps / taps.sum(), tuple(half)


@checked
def lattice_kernel(
    offsets: Tensor, weights: Tensor, order: Count = 5
) -> tuple[Tensor, tuple[int, ...]]:
    """The kernel that stands for Σ_q w_q f(x - v_q) on a lattice of samples.

    Each node is shared out to the samples around it by Lagrange interpolation: fields that are
    polynomials of degree `order` on the support are exact. Order 1 (linear) keeps a positive PSF
    positive, as Richardson-Lucy needs.

    Args:
        offsets: (q, d) nodes v_q, in pixels.
        weights: (q,) weights w_q.
        order: Order of the interpolation, odd.

    Returns:
        The taps in float64, one axis per dimension, and the index of the centre (v = 0), which may
        lie outside them.

    Raises:
        ValueError: If the order is not an odd positive number.
    """
    if order < 1 or order % 2 == 0:
        raise ValueError(f"lattice_kernel: order must be odd, got {order}.")
    offsets = offsets.double()
    weights = weights.double()
    offsets = torch.where((offsets - offsets.round()).abs() < 1e-9, offsets.round(), offsets)
    base = offsets.floor()
    stencil = torch.arange(
        -(order // 2), order // 2 + 2, dtype=torch.float64, device=offsets.device
    )
    low = base.amin(0).long() + int(stencil[0])
    size = (base.amax(0).long() + int(stencil[-1]) - low + 1).tolist()
    index = base.new_zeros(len(base), 1).long()  # flat index of each node's taps, axis by axis
    share = weights[:, None]
    for k, n in enumerate(size):
        tap = (base[:, k : k + 1] + stencil - low[k]).long()
        part = _lagrange(offsets[:, k] - base[:, k], stencil)
        index = (index[:, :, None] * n + tap[:, None]).flatten(1)
        share = (share[:, :, None] * part[:, None]).flatten(1)
    flat = base.new_zeros(math.prod(size)).index_add(0, index.flatten(), share.flatten())
    return _trimmed(flat.reshape(size), [-int(n) for n in low])


def _lagrange(t: Tensor, nodes: Tensor) -> Tensor:
    """Lagrange basis at (q,) fractions: (q, nodes)."""
    gap = nodes[:, None] - nodes
    keep = ~torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
    factors = torch.where(keep, (t[:, None, None] - nodes) / torch.where(keep, gap, 1), 1.0)
    return factors.prod(-1)


def _trimmed(kernel: Tensor, center: list[int]) -> tuple[Tensor, tuple[int, ...]]:
    """The kernel without outer layers of zeros, which nodes on the lattice leave.

    The centre may then lie outside the kernel, as for a long motion.
    """
    for axis in range(kernel.ndim):
        used = (kernel.abs().movedim(axis, 0).flatten(1).amax(1) > 0).nonzero()[:, 0]
        kernel = kernel.narrow(axis, int(used[0]), int(used[-1] - used[0]) + 1)
        center[axis] -= int(used[0])
    return kernel.contiguous(), tuple(center)
