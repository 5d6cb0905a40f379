"""A chest that beats and breathes: ellipses that move, with closed-form k-space at every time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.phantoms import Ellipsoids

Motion = Literal["cardiac", "breathing"]
"""What time means: a phase of the heart in [0, 1), or how full the lungs are, from 0 to 1."""

DISC = Ellipsoids(torch.zeros(1, 2), torch.ones(1, 2), torch.eye(2)[None], torch.ones(1))
"""The unit disc."""

Shape = tuple[tuple[float, float], tuple[float, float], float, float]
"""Centre, semi-axes, turn in degrees and value of an ellipse; lengths of a box of half side 1."""


@dataclass(frozen=True)
class MovingEllipses:
    """A field of (x, y, t) that is a sum of ellipses at each time.

    Args:
        at: The ellipses at a time.
    """

    at: Callable[[float], Ellipsoids]

    def __call__(self, points: Tensor) -> Tensor:
        """The values at points (*s, 3): (*s, 1)."""
        flat = points.reshape(-1, 3)
        moments, which = flat[:, 2].double().unique(return_inverse=True)
        values = flat.new_zeros(len(flat), 1)
        for number, moment in enumerate(moments.tolist()):
            here = which == number
            values[here] = self.at(moment)(flat[here, :2])
        return values.reshape(*points.shape[:-1], 1)

    def fourier(self, frequency: Tensor, times: Tensor) -> Tensor:
        """The Fourier transform over space at many times: an ellipse's is that of the unit disc.

        Args:
            frequency: (n, samples, 2) in cycles per unit of the box.
            times: (n,) the time of each row of frequencies.

        Returns:
            (n, samples) complex.
        """
        moments = [self.at(t) for t in times.tolist()]
        centers, axes, turns, values = (
            torch.stack([getattr(m, name) for m in moments]).to(frequency)
            for name in ("centers", "semi_axes", "rotations", "values")
        )
        total = torch.zeros(frequency.shape[:-1], dtype=frequency.dtype.to_complex())
        for j in range(centers.shape[1]):
            local = (frequency @ turns[:, j]) * axes[:, j, None]
            size = (values * axes.prod(-1))[:, j, None]
            phase = -2 * math.pi * (frequency @ centers[:, j, :, None])[..., 0]
            total = total + size * DISC.fourier(local) * torch.polar(torch.ones_like(phase), phase)
        return total


def contraction(phase: float) -> float:
    """How far the heart is contracted at a phase of its beat: from 0 at rest to 1.

    The contraction takes a third of the beat, and the return the rest, with a pause at its end.

    Args:
        phase: In periods, any real number.
    """
    turn = 2 * math.pi * (phase - 0.08 * math.sin(2 * math.pi * phase) - 0.05)
    bump = 0.5 - 0.5 * math.cos(turn)
    return bump**1.5


def chest(motion: Motion, seed: int = 0) -> MovingEllipses:
    """A slice through a chest, short axis, whose places and contrasts are drawn.

    Args:
        motion: What moves it.
        seed: Of places, sizes and contrasts.

    Returns:
        The field on a box of half side 1.
    """
    u = torch.rand(16, generator=torch.Generator().manual_seed(7000 + seed), dtype=torch.float64)
    draw = (2 * u - 1).tolist()

    def at(time: float) -> Ellipsoids:
        beat, breath = 0.0, 0.0
        if motion == "cardiac":
            beat = contraction(time)
        else:
            breath = time
        return _ellipses([*_torso(draw, breath), *_heart(draw, beat, breath)])

    return MovingEllipses(at)


def _torso(draw: list[float], breath: float) -> list[Shape]:
    """Skin, fat, lungs, liver and spine; the lungs fill towards the liver, axis 0 points down."""
    wall = 1 + 0.05 * breath
    down = 0.16 * breath
    fat, muscle = 0.9 + 0.05 * draw[0], 0.45 + 0.05 * draw[1]
    lungs = 0.02 * draw[2]
    liver = 0.05 * draw[3]
    return [
        ((0.0, 0.0), (0.72 * wall, 0.88), 0.0, fat),
        ((0.0, 0.0), (0.64 * wall, 0.81), 0.0, muscle - fat),
        ((-0.08 + 0.4 * down, -0.42 + lungs), (0.40 + 0.5 * down, 0.27), 6.0, 0.08 - muscle),
        ((-0.08 + 0.4 * down, 0.50 + lungs), (0.36 + 0.5 * down, 0.22), -8.0, 0.08 - muscle),
        ((0.30 + down, -0.26), (0.18, 0.27), 12.0 + 3 * draw[4], 0.62 + liver - muscle),
        ((0.32 + down, -0.34 + 0.5 * liver), (0.035, 0.05), 0.0, 0.3),
        ((0.27 + down, -0.14 + 0.5 * liver), (0.025, 0.035), 30.0, 0.3),
        ((0.53, 0.10), (0.09, 0.10), 0.0, 0.15),
        ((0.51, 0.10), (0.035, 0.035), 0.0, 0.3),
    ]


def _heart(draw: list[float], beat: float, breath: float) -> list[Shape]:
    """Two ventricles: cavities shrink, walls thicken, and the whole turns and moves a little."""
    x = 0.02 + 0.03 * draw[5] + 0.05 * beat + 0.10 * breath
    y = 0.10 + 0.03 * draw[6] - 0.02 * beat
    turn = 20.0 + 5 * draw[7] - 12 * beat
    size = 1 + 0.08 * draw[8]
    outer = (size * (0.27 - 0.025 * beat), size * (0.24 - 0.02 * beat))
    inner = (size * (0.18 - 0.085 * beat), size * (0.155 - 0.075 * beat))
    right = (size * (0.22 - 0.05 * beat), size * (0.14 - 0.05 * beat))
    wall = 0.5 + 0.05 * draw[9]
    blood = 0.95 + 0.05 * draw[10]
    muscle = 0.45 + 0.05 * draw[1]
    papillary = 0.5 * inner[0]
    return [
        ((x - 0.03, y - 0.34 * size + 0.03 * beat), right, turn, blood - muscle),
        ((x, y), outer, turn, wall - muscle),
        ((x, y), inner, turn, blood - wall),
        ((x + papillary, y + 0.02), (0.03, 0.03), 0.0, wall - blood),
        ((x - 0.7 * papillary, y - 0.04), (0.025, 0.03), 0.0, wall - blood),
    ]


def _ellipses(shapes: list[Shape]) -> Ellipsoids:
    centers, axes, degrees, values = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*shapes, strict=True)
    )
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    turns = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return Ellipsoids(centers, axes, turns, values)


def retimed(body: MovingEllipses, signal: Tensor) -> MovingEllipses:
    """The same body where time is a rank among the values of a signal instead of its value.

    Args:
        body: A body whose time is the signal.
        signal: (n,) its values.

    Returns:
        A body whose time runs from 0 to 1; at (k + 1/2) / n it is the body at the k-th least value.
    """
    values = signal.sort().values.tolist()

    def at(rank: float) -> Ellipsoids:
        place = min(max(rank * len(values) - 0.5, 0.0), len(values) - 1.0)
        left = min(int(place), len(values) - 2)
        share = place - left
        return body.at((1 - share) * values[left] + share * values[left + 1])

    return MovingEllipses(at)
