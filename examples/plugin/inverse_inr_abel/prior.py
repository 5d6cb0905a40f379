"""A polynomial in even powers of the radius: it is smooth through the axis."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import Box


class EvenChebyshev(nn.Module):
    """f(r) = Σ c_k T_2k(r / R) on a box from the axis to R."""

    def __init__(self, box: Box, channels: int, degree: int) -> None:
        super().__init__()
        if box.ndim != 1:
            raise ValueError(f"even_chebyshev: a field of the radius has one axis, not {box.ndim}.")
        self.radius = box.upper[0]
        self.coefficients = nn.Parameter(torch.zeros(degree + 1, channels))

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the field at radii (*s, 1): (*s, channels)."""
        even = 2 * torch.arange(len(self.coefficients), device=points.device)
        angle = (points / self.radius).clamp(-1, 1).acos()
        return torch.cos(even * angle).to(self.coefficients.dtype) @ self.coefficients

    def param_groups(self) -> list[dict[str, Any]]:
        """Say what the parameters are and at which rate they learn where nobody says otherwise."""
        return [{"role": "linear", "params": [self.coefficients], "lr": 2e-2}]


def even_chebyshev(box: Box, channels: int = 1, *, degree: int = 8) -> EvenChebyshev:
    """Make a polynomial of even powers of the radius.

    Args:
        box: From the axis to the largest radius.
        channels: Number of channels.
        degree: Half of the highest power.

    Returns:
        The prior, zero everywhere.
    """
    return EvenChebyshev(box, channels, degree)
