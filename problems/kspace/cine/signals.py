"""When readouts are measured: phases of the heart, and how full the lungs are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.ranges import Count, FiniteTensor, Positive, checked

BEAT = 37.3
"""Readouts during a mean heartbeat; no whole number, so that phases do not repeat."""
BREATH = 61.7
"""Readouts during a mean breath."""
VARIES = 0.08
"""Relative range of the length of beats, and four times that of the depth of breaths."""


def _turns(readouts: int, length: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Phase of each readout in its turn, and a number in [-1, 1] that belongs to the turn."""
    count = math.ceil(readouts / (length * (1 - VARIES))) + 1
    drawn = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
    ends = (length * (1 + VARIES * drawn[:, 0])).cumsum(0)
    moment = torch.arange(readouts, dtype=torch.float64)
    turn = torch.searchsorted(ends, moment, right=True)
    starts = torch.cat([ends.new_zeros(1), ends])
    return (moment - starts[turn]) / (starts[turn + 1] - starts[turn]), drawn[turn, 1]


@checked
def heart_phases(readouts: Count, generator: torch.Generator) -> Tensor:
    """Phases of the heart at successive readouts: an electrocardiogram tells them.

    Args:
        readouts: Number of readouts, over several beats of different lengths.
        generator: Of the lengths.

    Returns:
        (readouts,) in [0, 1), float64.
    """
    return _turns(readouts, BEAT, generator)[0]


@checked
def breathing(readouts: Count, generator: torch.Generator) -> Tensor:
    """How full the lungs are at successive readouts, with breaths of different lengths and depths.

    Args:
        readouts: Number of readouts.
        generator: Of lengths and depths.

    Returns:
        (readouts,) from 0 (exhaled) to about 1, float64.
    """
    phase, depth = _turns(readouts, BREATH, generator)
    return (0.5 - 0.5 * (2 * math.pi * phase).cos()) ** 1.5 * (0.85 + 2 * VARIES * depth)


@checked
def ranks(signal: FiniteTensor) -> Tensor:
    """Rank the values of a signal, evenly from 0 to 1.

    It is the gauge of a respiratory signal: the images of any other signal that orders the readouts
    alike are the same, and frames of equal length hold equally many readouts.

    Args:
        signal: (n,) values.

    Returns:
        (n,) in (0, 1).
    """
    order = signal.argsort(stable=True).argsort(stable=True)
    return (order.to(signal.dtype) + 0.5) / len(signal)


@checked
def self_gating(y: FiniteTensor, window: Positive = 5.0) -> Tensor:
    """A respiratory signal from the centre of k-space, which every spoke passes.

    The first principal component of the coils' moduli there, smoothed in time. Its sign is free: it
    rises or falls as the lungs fill.

    Args:
        y: (spokes, samples, coils) with the centre at samples // 2.
        window: Standard deviation of the smoothing in spokes.

    Returns:
        (spokes,) of standard deviation 1.

    Source:
        Larson et al., MRM 51, 2004; Feng et al., MRM 75, 2016, XD-GRASP.
    """
    if y.ndim != 3 or len(y) < 3:
        raise ValueError(
            f"self_gating: y has shape {tuple(y.shape)}; expected (spokes, samples, coils), three "
            "spokes at least."
        )
    centre = y[:, y.shape[1] // 2].abs().double()
    moment = torch.arange(len(y), dtype=torch.float64, device=y.device)
    kernel = torch.exp(-0.5 * ((moment[:, None] - moment) / window).square())
    smooth = kernel @ (centre / centre.mean(0)) / kernel.sum(1, keepdim=True)
    smooth = smooth - smooth.mean(0)
    signal = smooth @ torch.linalg.svd(smooth, full_matrices=False).Vh[0]
    return signal / signal.std()
