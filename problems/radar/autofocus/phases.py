"""Phases of pulses: what autofocus can and cannot tell of them, and simulated errors."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.ranges import Count, FiniteTensor, NonNegative, WholeNumber, checked

Errors = Literal["walk", "smooth", "white"]
"""A random walk from pulse to pulse, a slow trajectory, or phases independent of each other."""


@checked
def phase_errors(
    pulses: Count, kind: Errors, size: NonNegative, *, seed: WholeNumber = 0
) -> Tensor:
    """Draw phase errors of pulses.

    Args:
        pulses: Number of pulses.
        kind: "walk", "smooth" (a cubic polynomial and two slow waves) or "white".
        size: Their root mean square in rad, once their constant and linear part is removed.
        seed: Seed of the drawing.

    Returns:
        (pulses,) in rad, without a constant and a linear part.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(max(pulses, 8), generator=generator, dtype=torch.float64)
    if kind == "walk":
        errors = drawn[:pulses].cumsum(0)
    elif kind == "smooth":
        t = torch.linspace(-1, 1, pulses, dtype=torch.float64)
        waves = [t**2, t**3, (2 * math.pi * t).sin(), (3 * math.pi * t + drawn[7]).cos()]
        errors = sum((a * wave for a, wave in zip(drawn, waves, strict=False)), torch.zeros(pulses))
    else:
        errors = drawn[:pulses]
    errors = errors - straight_line(errors)
    return errors * (size / errors.square().mean().sqrt().clamp(min=1e-12))


def straight_line(values: Tensor) -> Tensor:
    """The straight line of least squares through (P,) values, a phase that only moves the image."""
    t = torch.linspace(-1, 1, len(values), dtype=values.dtype, device=values.device)
    basis = torch.stack([torch.ones_like(t), t], 1)
    return (basis @ torch.linalg.lstsq(basis, values[:, None]).solution)[:, 0]


@checked
def phases_apart(found: FiniteTensor, true: FiniteTensor) -> Tensor:
    """The difference of two sets of phases, without what no measurement tells.

    A constant turns the whole scene, a linear phase moves it. The linear part of the difference is
    found where the phases' sum is largest, then by least squares.

    Args:
        found: (P,) in rad.
        true: (P,) in rad.

    Returns:
        (P,) in rad, from -π to π.

    Raises:
        ValueError: There are as many of one as of the other.
    """
    if found.shape != true.shape or found.ndim != 1:
        raise ValueError(
            f"phases_apart: found has shape {tuple(found.shape)}, true {tuple(true.shape)}; both "
            "have one phase a pulse."
        )
    turn = torch.polar(torch.ones(len(true), dtype=torch.float64), (found - true).double())
    number = torch.arange(len(true), dtype=torch.float64)
    spectrum = torch.fft.fft(turn, 32 * len(true))
    rate = 2 * math.pi * int(spectrum.abs().argmax()) / len(spectrum)
    for _ in range(3):
        turn = turn * torch.polar(torch.ones_like(number), -rate * number)
        turn = turn * torch.polar(torch.ones(1, dtype=torch.float64), -turn.mean().angle())
        left = turn.angle()
        line = straight_line(left)
        rate = float(line[-1] - line[0]) / max(1, len(true) - 1)
    return (turn * torch.polar(torch.ones(1, dtype=torch.float64), -turn.mean().angle())).angle()


@checked
def contributions(radar: RadarOperator, y: Tensor) -> Tensor:
    """Compute each pulse's own part of the backprojected image.

    The image is their sum; with phases φ taken off, it is Σ_p exp(-j φ_p) b_p(x).

    Args:
        radar: The radar with P pulses of K values and n points.
        y: (P, K) complex echoes.

    Returns:
        (P, n) complex64.

    Raises:
        OutOfMemoryError: P times n numbers do not fit into memory.
    """
    memory.require(
        f"contributions of {len(radar)} pulses to {radar.size} points",
        24.0 * len(radar) * radar.size,
        "Fewer pixels, or fewer pulses.",
    )
    parts = []
    for row in range(len(radar)):
        kernel = radar.kernel(torch.tensor([row], device=y.device))[0]  # (K, n)
        parts.append(kernel.T.conj() @ y[row].to(kernel))
    return torch.stack(parts)
