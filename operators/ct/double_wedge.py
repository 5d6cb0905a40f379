"""Half a turn made a full one by its own mirror image, judged in the Fourier domain (Vo 2014)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

EVEN = 0.25
"""Largest difference between steps of evenly spaced views, as part of a step."""


def even_half_turn(views: Tensor, angles: Tensor, name: str) -> Tensor:
    """Choose views that make half a turn, evenly spaced, from those of a scan.

    Args:
        views: (n, detectors).
        angles: (n,) in [0, 2π), ascending and distinct.
        name: The function, for the message.

    Returns:
        (m, detectors), in the order of their angles, the view at half a turn left out.

    Raises:
        ValueError: The views do not cover half a turn, or not evenly.
    """
    gaps = torch.cat([angles[1:], angles[:1] + 2 * math.pi]) - angles
    first = (int(gaps.argmax()) + 1) % len(angles)
    order = torch.arange(first, first + len(angles), device=angles.device) % len(angles)
    turned = (angles[order] - angles[first]).remainder(2 * math.pi)
    step = float(turned.diff().median())
    half = turned < math.pi - 0.5 * step
    if float(turned[half][-1]) < math.pi - 1.5 * step:
        raise ValueError(
            f"{name}: the views cover {math.degrees(float(turned[-1])):.1f} degrees in steps of "
            f"{math.degrees(step):.3g}; it takes half a turn. Give center."
        )
    steps = turned[half].diff()
    if float((steps - step).abs().max()) > EVEN * step:
        raise ValueError(
            f"{name}: the views of half a turn are {math.degrees(float(steps.min())):.3g} to "
            f"{math.degrees(float(steps.max())):.3g} degrees apart; they must be evenly spaced. "
            "Use center_of_rotation."
        )
    return views[order][half]


def wedge_energy(views: Tensor, center: float) -> float:
    """The energy of a joined full turn where no object leaves any: outside the double wedge.

    Args:
        views: (n, detectors), half a turn, evenly spaced.
        center: The axis about which the second half is mirrored, in bins from the middle.

    Returns:
        The mean magnitude of the spectrum there.
    """
    count = views.shape[1]
    frequency = torch.fft.rfftfreq(2 * count, dtype=views.dtype, device=views.device)
    padded = torch.nn.functional.pad(views.flip(1), (0, count))
    shift = torch.exp(-4j * math.pi * frequency * center)
    moved = torch.fft.irfft(torch.fft.rfft(padded) * shift, 2 * count)
    turn = torch.cat([views, moved[:, :count]])
    spectrum = torch.fft.fft2(turn).abs()
    per_turn = torch.fft.fftfreq(len(turn), 1 / len(turn), dtype=views.dtype, device=views.device)
    v = per_turn[:, None].abs()  # cycles per turn
    u = torch.fft.fftfreq(count, dtype=views.dtype, device=views.device)[None].abs()  # per bin
    radius = 0.5 * count
    outside = (v > 2 * math.pi * u * radius + 2) & (v > 2)
    return float(spectrum[outside].mean())
