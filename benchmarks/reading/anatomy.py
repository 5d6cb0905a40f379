"""Generated heads with labels: skull, brain, ventricles, nuclei, of any place, size and tilt.

Neither intensity nor place alone tells the classes apart. Nuclei have the grey value of lesions
that lie in the brain and are labelled brain. A smooth bias of the coil changes all values, and the
noise is a third of the smallest step between two tissues.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CLASSES = 5
"""Background, skull, brain, ventricles, nuclei."""
SIDE = 48


class Draw:
    """Random numbers of one head."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))


def head(seed: int, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """A head's image and labels.

    Args:
        seed: Its number.
        side: Pixels per axis.

    Returns:
        (side, side) grey values, noise included, and (side, side) labels.
    """
    draw = Draw(seed)
    axis = (torch.arange(side) + 0.5) * 2 / side - 1
    x = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    turn = math.radians(draw.between(-20, 20))
    scale = draw.between(0.85, 1.05)
    shift = torch.tensor([draw.between(-0.08, 0.08), draw.between(-0.08, 0.08)])
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    p = (x - shift) @ rotation.T / scale
    label = torch.zeros(side, side, dtype=torch.long)
    outer = (draw.between(0.82, 0.92), draw.between(0.66, 0.78))
    label[_inside(p, (0, 0), outer, 0)] = 1
    thickness = draw.between(0.07, 0.12)
    inner = (outer[0] - thickness, outer[1] - thickness)
    brain = _inside(p, (0, 0), inner, 0)
    label[brain] = 2
    for sign in (-1, 1):
        place = (draw.between(-0.2, 0.0), sign * draw.between(0.14, 0.22))
        size = (draw.between(0.2, 0.32), draw.between(0.07, 0.12))
        label[_inside(p, place, size, sign * draw.between(0.1, 0.4)) & brain] = 3
        place = (draw.between(0.28, 0.42), sign * draw.between(0.16, 0.28))
        size = (draw.between(0.1, 0.16), draw.between(0.08, 0.13))
        label[_inside(p, place, size, draw.between(-0.5, 0.5)) & brain] = 4
    grey = torch.tensor([0.0, 0.95, 0.5, 0.22, 0.72]) + torch.tensor(
        [0.0] + [draw.between(-0.06, 0.06) for _ in range(4)]
    )
    image = grey[label]
    for _ in range(2):  # lesions, as bright as nuclei
        place = (draw.between(-0.6, 0.1), draw.between(-0.5, 0.5))
        size = (draw.between(0.04, 0.08), draw.between(0.04, 0.08))
        image[_inside(p, place, size, 0) & (label == 2)] = grey[4]
    bias = 1 + draw.between(-0.15, 0.15) * x[..., 0] + draw.between(-0.15, 0.15) * x[..., 1]
    noise = 0.06 * torch.randn(side, side, generator=draw.generator)
    return image * bias + noise, label


def _inside(
    p: Tensor, place: tuple[float, float], size: tuple[float, float], turn: float
) -> Tensor:
    """Which points lie in an ellipse."""
    d = p - torch.tensor(place)
    c, s = math.cos(turn), math.sin(turn)
    u = torch.stack([c * d[..., 0] + s * d[..., 1], -s * d[..., 0] + c * d[..., 1]], -1)
    return (u / torch.tensor(size)).square().sum(-1) < 1


def heads(first: int, count: int) -> tuple[list[Tensor], list[Tensor]]:
    """Images and labels of the heads first, first + 1, ..."""
    pairs = [head(first + k) for k in range(count)]
    return [image for image, _ in pairs], [label for _, label in pairs]
