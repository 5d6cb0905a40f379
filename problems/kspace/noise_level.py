"""The noise of receive coils, from the measurements themselves.

Neighbouring samples of all coils are linearly dependent: the image is limited in space, and the
coils see the same one. Patches of k-space therefore span few dimensions, and what lies in the
others is noise, however strong the signal is. A trajectory whose readouts are oversampled has the
same at each readout: the transform of a readout is a projection of the image, and beyond the field
of view there is noise alone. Where neither is there, the samples furthest from the centre give an
upper bound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.kspace.coil_estimation import central_block
from inverse_inr.ranges import checked

FURTHEST = 0.1
"""The part of the samples, those furthest from the centre, in which noise is looked for."""
REGION = 48
"""Samples along each axis of the central block that patches are taken from, at most."""
COLUMNS = 288
"""About as many values has a patch, of all coils together: enough dimensions without signal."""
LEAST_REGION = 12
"""Samples along each axis that a central block needs for patches."""
LEAST_BAND = 0.05
"""Part of a readout's transform that must lie beyond the field of view."""
PASSES = 2
"""Patches are whitened by the levels of the first pass, so that loud coils hide no quiet ones."""


@checked
def noise_of_coils(values: Tensor, mask: Tensor, counts: Tensor | None = None) -> Tensor | None:
    """The noise of each coil, from patches of the fully sampled centre of a matrix.

    A patch matrix M = S + N has a signal part S of low rank. With U and V its leading singular
    vectors, (I - UU*) M (I - VV*) is noise alone. Its size is compared with that of drawn noise,
    patched and projected in the same way, and the rank is the least one at which the largest
    remaining singular value is not larger than that of drawn noise.

    Args:
        values: (coils, *shape) complex, zero frequency at n // 2.
        mask: (*shape) bool, True where something was measured.
        counts: (*shape) how many measurements each is the mean of; None: one.

    Returns:
        (coils,) the square root of E|n|² of one measurement, in the unit of the values; None where
        there is no centre, or no dimension without signal.

    Source:
        The rank: parallel analysis, Horn 1965, Psychometrika 30. Patches of low rank: Uecker et
        al., MRM 71, 2014.
    """
    if not bool(mask[tuple(n // 2 for n in mask.shape)]):
        return None
    block = tuple(_inner(part) for part in central_block(mask))
    region = values[(slice(None), *block)].to(torch.complex128)
    least = min(region.shape[1:])
    if least < LEAST_REGION or not bool((region != 0).any()):
        return None
    kernel = min(least // 2, round((COLUMNS / len(region)) ** (1 / mask.ndim)))
    if kernel < 2:
        return None
    drawn = torch.randn(
        region.shape, dtype=region.dtype, generator=torch.Generator().manual_seed(0)
    ).to(region.device)
    if counts is not None:
        drawn = drawn / counts[block].to(region.device).clamp(min=1).sqrt()
    level = torch.ones(len(region), dtype=torch.float64, device=region.device)
    for _ in range(PASSES):
        white = region / level.reshape(-1, *(1,) * mask.ndim)
        found = _without_signal(_patches(white, kernel), _patches(drawn, kernel), len(region))
        if found is None:
            return None
        level = level * found
    return level


def _inner(block: slice) -> slice:
    """The central `REGION` samples of a block, or all of them."""
    width = min(REGION, block.stop - block.start)
    first = block.start + (block.stop - block.start) // 2 - width // 2
    return slice(first, first + width)


def _patches(region: Tensor, kernel: int) -> Tensor:
    """All patches, (patches, coils · kernel^d), of (coils, *n)."""
    d = region.ndim - 1
    patches = region
    for axis in range(1, d + 1):
        patches = patches.unfold(axis, kernel, 1)
    return patches.movedim(0, d).reshape(-1, len(region) * kernel**d)


def _without_signal(measured: Tensor, drawn: Tensor, coils: int) -> Tensor | None:
    """The level of each coil relative to drawn noise of level one, (coils,)."""
    left, sizes, right = torch.linalg.svd(measured, full_matrices=False)
    squares = sizes.square()

    def projected(rank: int) -> tuple[Tensor, Tensor]:
        """Drawn noise without the first `rank` left vectors, and the projection V V*."""
        u, v = left[:, :rank], right[:rank]
        return drawn - u @ (u.mH @ drawn), v.mH @ v

    def is_noise(rank: int) -> bool:
        rest, inside = projected(rank)
        rest = rest - rest @ inside
        variance = squares[rank:].sum() / rest.abs().square().sum()
        return bool(squares[rank] <= variance * torch.linalg.eigvalsh(rest.mH @ rest)[-1])

    low = 0
    high = int(0.9 * len(sizes))
    if not is_noise(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if is_noise(middle):
            high = middle
        else:
            low = middle + 1
    remaining = (left[:, low:] * sizes[low:]) @ right[low:]
    seen = _energies(remaining, coils)
    rest, inside = projected(low)
    outside = torch.eye(len(inside), dtype=inside.dtype, device=inside.device) - inside
    width = measured.shape[1] // coils
    parts = [slice(k * width, (k + 1) * width) for k in range(coils)]
    # the projection mixes coils: energy that noise of one coil leaves in each of them
    mixing = torch.stack([_energies(rest[:, p] @ outside[p], coils) for p in parts], 1)
    variances = torch.linalg.solve(mixing, seen)
    if not bool((variances > 0).all()):
        return (seen.sum() / mixing.sum()).sqrt().expand(coils)
    return variances.sqrt()


def _energies(matrix: Tensor, coils: int) -> Tensor:
    """The squared norm of each coil's columns, (coils,)."""
    return matrix.abs().square().sum(0).reshape(coils, -1).sum(1)


@checked
def noise_of_readouts(values: Tensor, frequencies: Tensor) -> Tensor | None:
    """The noise of each coil, from what the readouts of a trajectory see beyond the field of view.

    Args:
        values: (coils, readouts, samples) complex.
        frequencies: (readouts, samples, d) in cycles per side of the field of view.

    Returns:
        (coils,) the square root of E|n|² of one measurement, in the unit of the values; None where
        the readouts are sampled too coarsely to see anything there.
    """
    count = values.shape[-1]
    if count < LEAST_REGION:
        return None
    steps = frequencies.diff(dim=1).abs().sum(-1)
    widest = 0.5 * float(steps.max())  # of the field of view's corner, in cycles per sample
    window = torch.hann_window(count, periodic=False, dtype=torch.float64, device=values.device)
    spectrum = torch.fft.fft(values.to(torch.complex128) * window, dim=-1)
    wave = torch.fft.fftfreq(count, dtype=torch.float64, device=values.device).abs()
    beyond = wave > widest + 4 / count  # the window's main lobe is 4 / count wide
    if float(beyond.double().mean()) < LEAST_BAND:
        return None
    powers = spectrum[..., beyond].abs().square().flatten(1)
    return (powers.median(1).values / (math.log(2) * window.square().sum())).sqrt()


@checked
def outermost_noise(y: Tensor, frequencies: Tensor) -> Tensor:
    """An upper bound of the noise of each column, from the samples furthest from the centre.

    There is mostly noise there; where edges reach so far, they count as noise. It comes from the
    median of |n|², which is ln 2 of its mean for complex Gaussian noise.

    Args:
        y: (samples, columns), complex.
        frequencies: (samples, d) relative to Nyquist.

    Returns:
        (columns,) the square root of E|n|², in the unit of y.
    """
    k = frequencies.norm(dim=-1)
    far = k >= k.quantile(1 - FURTHEST) if len(k) < 2**24 else k >= 1 - FURTHEST
    squares = y[far].abs().square()
    middle = squares.median(0).values
    # exact zeros among the measurements would make a coil noiseless
    return (middle.clamp(min=1e-12 * float(squares.mean())) / math.log(2)).sqrt()
