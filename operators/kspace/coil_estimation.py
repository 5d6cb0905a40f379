"""Coil maps from the calibration region, the central block of k-space that is fully sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.operators.kspace.centred_fft import centred_inverse, centred_padding
from inverse_inr.operators.kspace.coils import tiny
from inverse_inr.ranges import Count, FiniteTensor, Fraction, checked


@checked
def central_block(mask: Tensor) -> tuple[slice, ...]:
    """The largest block around n // 2 that is fully sampled, grown from there in equal steps.

    Args:
        mask: (*shape) bool, zero frequency at n // 2.

    Returns:
        One slice per axis. Zero frequency is at the block's own n // 2.

    Raises:
        ValueError: If not even the centre is sampled.
    """
    middle = [n // 2 for n in mask.shape]
    low = list(middle)
    high = [m + 1 for m in middle]

    def sampled() -> bool:
        block = tuple(slice(i, j) for i, j in zip(low, high, strict=True))
        return bool(mask[block].all())

    if not sampled():
        raise ValueError("The centre of k-space is not sampled: there is no calibration region.")
    growing = True
    while growing:
        growing = False
        for axis, n in enumerate(mask.shape):
            for end, step in ((low, -1), (high, 1)):
                end[axis] += step
                if low[axis] >= 0 and high[axis] <= n and sampled():
                    growing = True
                else:
                    end[axis] -= step
    before = [min(m - a, b - m) for m, a, b in zip(middle, low, high, strict=True)]
    after = [min(b - m, k + 1) for m, b, k in zip(middle, high, before, strict=True)]
    return tuple(slice(m - k, m + n) for m, k, n in zip(middle, before, after, strict=True))


@checked
def low_resolution_maps(calibration: FiniteTensor, grid: Grid) -> Tensor:
    """Smooth images of the coils over their root sum of squares, whose phase includes the image's.

    A Hann window keeps ringing away.

    Args:
        calibration: (coils, *n) fully sampled central k-space, zero frequency at n // 2.
        grid: The grid of the maps.

    Returns:
        (coils, *grid.shape) complex.

    Source:
        McKenzie et al., MRM 47, 2002.
    """
    _check_calibration("low_resolution_maps", calibration, grid)
    windowed = calibration * _hann(calibration.shape[1:], calibration)
    images = centred_inverse(centred_padding(windowed, grid.shape), grid.ndim)
    return images / images.abs().square().sum(0).sqrt().clamp(min=tiny(images))


@checked
def espirit_maps(
    calibration: FiniteTensor, grid: Grid, *, kernel: Count = 6, threshold: Fraction = 0.02
) -> Tensor:
    """Maps by ESPIRiT: one set, of unit length at every pixel.

    Patches of kernel^d samples span the row space of a calibration matrix. The reconstruction
    operator that they define is a coils x coils matrix at each pixel, and its eigenvector of
    eigenvalue 1 holds the sensitivities; outside the object it is arbitrary. Phase is relative to
    the coils' first principal component.

    Noise must not count as row space: if it did, every vector would be an eigenvector of
    eigenvalue 1. So singular values up to the edge of those of white noise are left out too. The
    edge follows from the singular values below it, and rises with the region, as that of a noisy
    one soon exceeds any fixed fraction of the largest.

    Args:
        calibration: (coils, *n) fully sampled central k-space, zero frequency at n // 2.
        grid: The grid of the maps.
        kernel: Samples per side of a patch.
        threshold: Singular values below this fraction of the largest are left out, whatever the
            noise.

    Returns:
        (coils, *grid.shape) complex.

    Raises:
        ValueError: For a region that is not larger than the kernel.

    Source:
        Uecker et al., MRM 71, 2014; the edge of white noise is that of Marchenko and Pastur 1967.
    """
    _check_calibration("espirit_maps", calibration, grid)
    coils = len(calibration)
    if min(calibration.shape[1:]) <= kernel:
        raise ValueError(
            f"ESPIRiT: a calibration region of {tuple(calibration.shape[1:])} is too small for a "
            f"kernel of {kernel}. Fewer calibration lines than promised?"
        )
    filters = _row_space(calibration, kernel, threshold)
    at = _matrix_at_pixels(filters, kernel, grid)
    maps = torch.linalg.eigh(0.5 * (at + at.mH))[1][..., -1]
    flat = calibration.flatten(1)
    main = torch.linalg.eigh(flat @ flat.mH)[1][:, -1]
    maps = maps * torch.exp(-1j * (maps * main.conj()).sum(-1, keepdim=True).angle())
    return maps.T.reshape(coils, *grid.shape)


def _row_space(calibration: Tensor, kernel: int, threshold: float) -> Tensor:
    """Patches that span the calibration matrix' row space: (filters, coils, *(kernel,) * d)."""
    coils = len(calibration)
    d = calibration.ndim - 1
    patches = calibration
    for axis in range(1, d + 1):
        patches = patches.unfold(axis, kernel, 1)
    matrix = patches.movedim(0, d).reshape(-1, coils * kernel**d)
    gram, vectors = torch.linalg.eigh(matrix.mH @ matrix)
    values = gram.clamp(min=0).sqrt()
    least = max(threshold * float(values[-1]), _noise_edge(values, len(matrix)))
    kept = vectors[:, values >= min(least, float(values[-1]))]  # of mere noise the first at least
    return kept.T.reshape(-1, coils, *(kernel,) * d)


def _noise_edge(values: Tensor, rows: int) -> float:
    """The largest singular value that white noise makes in a matrix.

    Noise of variance s² has singular values of mean square s² max(rows, columns), up to
    s (sqrt(rows) + sqrt(columns)). Values below an edge tell s, s tells the edge: in turn from the
    largest value down, until none is left out any more.

    Args:
        values: (columns,) singular values, ascending; of fewer rows the first are zero.
        rows: Rows of the matrix.

    Returns:
        The edge; 0 where every value is signal.
    """
    fewer, more = sorted((len(values), rows))
    squares = values[-fewer:].double().square()
    factor = (1 + math.sqrt(fewer / more)) ** 2
    below = fewer
    while below:
        edge = factor * squares[:below].mean()
        left = int((squares <= edge).sum())
        if left >= below:
            return float(edge.sqrt())
        below = left
    return 0.0


def _matrix_at_pixels(filters: Tensor, kernel: int, grid: Grid) -> Tensor:
    """The reconstruction operator, (pixels, coils, coils).

    It is a trigonometric polynomial of position: 2 kernel - 1 coefficients per axis say it
    everywhere.
    """
    d = grid.ndim
    axes = tuple(range(-d, 0))
    wide = torch.fft.fftn(filters, s=(2 * kernel - 1,) * d, dim=axes)
    products = torch.einsum("kc...,ke...->ce...", wide.conj(), wide)
    lags = torch.fft.fftshift(torch.fft.ifftn(products, dim=axes), axes)
    lags = torch.fft.ifftshift(centred_padding(lags, grid.shape), axes)
    at = torch.fft.fftshift(torch.fft.fftn(lags, dim=axes), axes)
    return at.flatten(2).movedim(-1, 0)


def _hann(shape: Sequence[int], like: Tensor) -> Tensor:
    window = torch.ones((), dtype=like.dtype.to_real(), device=like.device)
    for n in shape:
        t = (torch.arange(n, dtype=window.dtype, device=like.device) - n // 2) / (n + 2)
        window = window[..., None] * (0.5 + 0.5 * torch.cos(2 * math.pi * t))
    return window


def _check_calibration(name: str, calibration: Tensor, grid: Grid) -> None:
    """Raise ValueError unless central k-space has the coils first and the grid's axes then."""
    if calibration.ndim != grid.ndim + 1 or not calibration.numel():
        raise ValueError(
            f"{name}: calibration {tuple(calibration.shape)} for a grid of {grid.ndim} axes; "
            "(coils, *n) was expected."
        )
