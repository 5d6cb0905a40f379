"""Autofocus by phase gradients: bright pixels tell how the phase goes from pulse to pulse."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.autofocus.phases import contributions, straight_line
from inverse_inr.ranges import Count, FiniteTensor, checked

BRIGHT = 4
"""Pixels of each range cell that count as points; found on three simulated cars (seeds 5 to 7)."""


@checked
def phase_gradient(
    radar: RadarOperator,
    y: Tensor,
    start: FiniteTensor | None = None,
    *,
    rounds: Count = 12,
) -> Tensor:
    """Find the phases of pulses by phase gradient autofocus on a backprojected image.

    In each round, the brightest pixels of every range cell are taken for points. The pulses of
    each, low-pass filtered to what lies within a window around it across range, have the phase
    error and a constant. The phases' steps are those of the sum over all points of products of
    neighbouring pulses, and the window shrinks from round to round. Pulses are in the order of the
    aperture.

    Args:
        radar: The radar, whose own points are the image.
        y: (P, K) complex echoes.
        start: (P,) phases in rad; default zero.
        rounds: Number of rounds.

    Returns:
        (P,) phases in rad, to be taken off the pulses.

    Source:
        Wahl, Eichel, Ghiglia & Jakowatz, Phase gradient autofocus, 1994.
    """
    parts = contributions(radar, y)
    cells = range_cells(radar)
    phases = torch.zeros(len(radar), device=parts.device)
    if start is not None:
        phases = start.detach().to(phases)
    pulses = len(radar)
    for number in range(rounds):
        focused = parts * torch.polar(torch.ones_like(phases), -phases)[:, None]
        image = focused.sum(0).abs()
        points = brightest(image, cells, BRIGHT)
        width = max(4, round(pulses * 0.65**number))
        signal = _low_pass(focused[:, points], width)
        steps = (signal[1:] * signal[:-1].conj()).sum(1).angle()
        error = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        phases = phases + error - straight_line(error)
    return phases


def range_cells(radar: RadarOperator) -> Tensor:
    """The range cell of each pixel, as the middle pulse sees it: (n,) whole numbers.

    Args:
        radar: The radar, whose own points are the pixels.
    """
    middle = torch.tensor([len(radar) // 2], device=radar.geometry.transmitters.device)
    path = radar.geometry.path(radar.points, middle)[0]
    cell = SPEED_OF_LIGHT / max(radar.bandwidth, 1.0)  # of the two-way path
    return ((path - path.min()) / cell).floor().long()


def brightest(image: Tensor, cells: Tensor, count: int) -> Tensor:
    """The numbers of the brightest pixels of each range cell.

    Args:
        image: (n,) moduli.
        cells: (n,) range cell of each pixel.
        count: Pixels of a cell, at most.
    """
    found = []
    for cell in cells.unique():
        inside = (cells == cell).nonzero()[:, 0]
        found.append(inside[image[inside].argsort(descending=True)[:count]])
    return torch.cat(found)


def _low_pass(signal: Tensor, width: int) -> Tensor:
    """Keep `width` of the frequencies along the pulses about zero, of (P, m) signals.

    The pulses are mirrored at their end, so that the filter does not ring there.
    """
    mirrored = torch.cat([signal, signal.flip(0)])
    cycles = torch.fft.fftfreq(len(mirrored), 1 / len(signal), device=signal.device).abs()
    spectrum = torch.fft.fft(mirrored, dim=0) * (cycles <= width / 2)[:, None]
    return torch.fft.ifft(spectrum, dim=0)[: len(signal)]
