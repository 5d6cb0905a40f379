"""Two-way amplitudes of points: spreading, the extent of a voxel, and antenna patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.ranges import Positive, checked

Spreading = Literal["product", "none"] | Callable[[Tensor, Tensor], Tensor]
"""Loss over range: "product" for 1 / (R_T R_R), "none", or a function of both ranges in metres."""
Pattern = Callable[[Tensor, Tensor], Tensor]
"""Antenna pattern: (pulses (b,), unit vectors from the antennas' middle to the points (b, n, 3))
-> two-way amplitude (b, n)."""


def spread(spreading: Spreading, to: Tensor, back: Tensor, dtype: torch.dtype) -> Tensor:
    """Two-way amplitude that is left over range.

    Args:
        spreading: See `Spreading`.
        to: (b, n) ranges to the transmitter in metres.
        back: (b, n) ranges to the receiver in metres.
        dtype: Real dtype of the result.

    Returns:
        (b, n), or (1, 1) for no loss.
    """
    if callable(spreading):
        return spreading(to, back).to(dtype)
    if spreading == "product":
        return (1 / (to * back)).to(dtype)
    return to.new_ones((1, 1), dtype=dtype)


@checked
def cell_amplitude(
    away: tuple[Tensor, Tensor], spacing: Sequence[Positive], wavelength: Positive
) -> Tensor:
    """Amplitude of voxels that scatter uniformly from all of their volume.

    Π sinc(2 h d / λ), with d the gradient of half the path and h the voxel's sides.

    Args:
        away: Unit vectors (b, n, 3) from transmitter and receiver to the voxels.
        spacing: Sides h of a voxel in metres.
        wavelength: λ in metres.

    Returns:
        (b, n) factors of the echoes, 1 for a voxel much smaller than the wavelength.
    """
    slope = 0.5 * (away[0] + away[1])
    cell = 2 * slope.new_tensor(spacing) * slope / wavelength
    return torch.sinc(cell).prod(-1)
