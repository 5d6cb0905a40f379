"""A head of five tissues whose relaxation, fat and off-resonance are known everywhere."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

SequenceName = Literal["spin_echo", "inversion_recovery", "gradient_echoes"]
"""The sequences by the names that configurations use."""

TISSUES = {
    "air": (0.0, 1.0, 0.1, 0.05, 0.0),
    "scalp": (0.9, 0.35, 0.070, 0.030, 0.85),
    "grey": (0.85, 1.30, 0.100, 0.060, 0.0),
    "white": (0.70, 0.85, 0.070, 0.048, 0.02),
    "fluid": (1.00, 3.00, 0.250, 0.120, 0.0),
    "lesion": (0.90, 1.60, 0.150, 0.080, 0.1),
}
"""Proton density, T1, T2 and T2* in s, and the part that is fat; about those at 3 T.

Source:
    Stanisz et al., MRM 54, 2005; rounded, fluid and fat made less extreme.
"""
ELLIPSES = (
    ("scalp", (0.0, 0.0), (0.88, 0.74), 0.0),
    ("fluid", (0.0, 0.0), (0.79, 0.65), 0.0),
    ("grey", (0.0, 0.0), (0.74, 0.60), 0.0),
    ("white", (0.02, -0.27), (0.48, 0.20), -8.0),
    ("white", (0.02, 0.27), (0.48, 0.20), 8.0),
    ("fluid", (-0.08, -0.10), (0.24, 0.07), -12.0),
    ("fluid", (-0.08, 0.10), (0.24, 0.07), 12.0),
    ("lesion", (0.30, 0.28), (0.12, 0.10), 0.0),
    ("lesion", (-0.30, -0.30), (0.08, 0.06), 30.0),
    ("grey", (0.42, 0.0), (0.13, 0.16), 0.0),
)
"""Tissue, centre, semi-axes and turn in degrees; a later ellipse covers an earlier one."""
FARTHEST = 40.0
"""Largest off-resonance in Hz."""


class Tissues:
    """The maps of a sequence as a field on a box of half side 1.

    Args:
        sequence: The sequence.
        seed: Of places, sizes and of up to 8 % of change of each tissue's numbers.
    """

    def __init__(self, sequence: SequenceName, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(9000 + seed)

        def drawn(*shape: int) -> Tensor:
            return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1

        self.sequence: SequenceName = sequence
        self.moves = 0.02 * drawn(len(ELLIPSES), 2)
        self.moves[:3] = 0
        numbers = torch.tensor(list(TISSUES.values()), dtype=torch.float64)
        self.numbers = numbers * (1 + 0.08 * drawn(*numbers.shape))
        self.off = drawn(3)

    def labels(self, points: Tensor) -> Tensor:
        """The number of the tissue at points (*s, 2): (*s,), 0 for air."""
        names = list(TISSUES)
        label = torch.zeros(points.shape[:-1], dtype=torch.long, device=points.device)
        for (name, center, axes, degrees), move in zip(ELLIPSES, self.moves, strict=True):
            cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            x = points[..., 0] - center[0] - float(move[0])
            y = points[..., 1] - center[1] - float(move[1])
            along, across = (cos * x + sin * y) / axes[0], (cos * y - sin * x) / axes[1]
            label[along.square() + across.square() <= 1] = names.index(name)
        return label

    def off_resonance(self, points: Tensor) -> Tensor:
        """A smooth off-resonance in Hz at points (*s, 2): (*s,)."""
        x, y = points.unbind(-1)
        a, b, c = self.off.tolist()
        shape = (
            0.5 * a * x + 0.5 * b * y + torch.exp(-4 * ((x + 0.6).square() + (y - 0.1 * c) ** 2))
        )
        return FARTHEST * shape / 1.6

    def __call__(self, points: Tensor) -> Tensor:
        """The sequence's maps at points (*s, 2): (*s, channels)."""
        density, t1, t2, t2_star, fat = self.numbers.to(points)[self.labels(points)].unbind(-1)
        if self.sequence == "spin_echo":
            return torch.stack([density, 1 / t2], -1)
        if self.sequence == "inversion_recovery":
            return torch.stack([density, 1 / t1], -1)
        water, off = density * (1 - fat), self.off_resonance(points)
        return torch.stack([water, density * fat, 1 / t2_star, off], -1)
