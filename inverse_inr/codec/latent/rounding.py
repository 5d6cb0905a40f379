"""Rounding that gradients can pass: soft rounding and its noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def soft_round(values: Tensor, temperature: float) -> Tensor:
    """Round softly: the identity at a high temperature, a staircase at a low one.

    Args:
        values: Any shape.
        temperature: Above 0.

    Returns:
        The same shape.

    Source:
        Agustsson and Theis 2020; with a temperature, Kim et al. 2024 (C3, arXiv:2312.02753).
    """
    floor = torch.floor(values)
    middle = floor + 0.5
    return middle + torch.tanh((values - middle) / temperature) / (2 * math.tanh(0.5 / temperature))


def kumaraswamy(count: int, sharpness: float, generator: torch.Generator) -> Tensor:
    """Draw noise between -1/2 and 1/2 by Kumaraswamy's distribution with its mode at 0.

    Args:
        count: How many numbers.
        sharpness: 1 for uniform noise; the larger, the nearer to 0.
        generator: Source of the random numbers.

    Returns:
        (count,).

    Source:
        Kim et al. 2024 (C3, arXiv:2312.02753), section 3.
    """
    other = (2**sharpness * (sharpness - 1) + 1) / sharpness
    uniform = torch.rand(count, generator=generator).clamp(1e-6, 1 - 1e-6)
    return (1 - (1 - uniform) ** (1 / other)) ** (1 / sharpness) - 0.5
