"""`Ellipsoids`: sums of uniform ellipses or ellipsoids."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.phantoms.shapes import Shapes, off_line
from inverse_inr.ranges import FiniteTensor, checked

BALL_TERMS = 9
"""Terms of the ball's series: below u = 1 the next one is under the precision of float64."""


@checked
@dataclass(frozen=True, eq=False)
class Ellipsoids(Shapes):
    """A sum of n uniform ellipses (d = 2) or ellipsoids (d = 3).

    A point exactly on a boundary counts as inside. In 2-D, `fourier` is differentiable once. All
    parameters are kept in float64.

    Args:
        centers: (n, d) centres, in the box's unit.
        semi_axes: (n, d) semi-axes, in the box's unit.
        rotations: (n, d, d) matrices whose columns are the local axes.
        values: (n,) what each adds inside.

    Raises:
        ValueError: The shapes disagree, a parameter is not finite, a semi-axis is not positive, or
            a rotation is not orthogonal.
    """

    centers: FiniteTensor
    semi_axes: FiniteTensor
    rotations: FiniteTensor
    values: FiniteTensor

    def __post_init__(self) -> None:
        n, d = self._store("centers").shape
        self._store("semi_axes", (n, d), positive=True)
        self._store("values", (n,))
        axes = self._store("rotations", (n, d, d))
        if not torch.allclose(axes.mT @ axes, torch.eye(d, dtype=axes.dtype), rtol=0, atol=1e-6):
            raise ValueError(
                "Ellipsoids: the columns of each of the rotations must be orthonormal axes."
            )

    def _in_unit_frames(self, points: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Points where each ellipsoid is the unit ball, the (d, d) map to there, and its value."""
        maps = (self.rotations / self.semi_axes[:, None, :]).to(points)
        centers = self.centers.to(points)
        for center, to_unit, value in zip(centers, maps, self.values.tolist(), strict=True):
            yield (points - center) @ to_unit, to_unit, value

    def _point_terms(self, points: Tensor) -> Iterator[Tensor]:
        for local, _, value in self._in_unit_frames(points):
            yield value * (local.square().sum(-1) <= 1).to(points.dtype)

    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]:
        """Chords of the unit ball, 2 sqrt(1 - distance^2), over the stretch of lengths there."""
        for local, to_unit, value in self._in_unit_frames(origin):
            along = unit @ to_unit
            stretch = along.norm(dim=-1)
            gap = 1 - off_line(local, along / stretch[..., None]).square().sum(-1)
            # sqrt has no slope at 0: lines that miss take it at 1, so their gradient is 0, not NaN
            chord = 2 * torch.where(gap > 0, gap, 1).sqrt() / stretch
            yield value * torch.where(gap > 0, chord, 0)

    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        """The unit ball's transform, by the change of variables that makes it the ellipsoid."""
        maps = (self.rotations * self.semi_axes[:, None, :]).to(frequency)
        volume = math.pi
        ball = _disc
        if self.ndim == 3:
            volume = 4 / 3 * math.pi
            ball = _ball
        masses = volume * self.semi_axes.prod(-1) * self.values
        for mass, to_unit in zip(masses.tolist(), maps, strict=True):
            yield mass * ball(2 * math.pi * (frequency @ to_unit).norm(dim=-1))


def _disc(u: Tensor) -> Tensor:
    """2 J1(u) / u: the transform of a disc over its area, u = 2π radius |k| >= 0."""
    small = u < 1e-4
    # torch has no gradient of J1: the slope is given by hand
    v = torch.where(small, 1, u).detach()
    jinc = 2 * torch.special.bessel_j1(v) / v
    value = torch.where(small, 1 - u.detach().square() / 8, jinc)
    slope = torch.where(small, -u.detach() / 4, 2 * (torch.special.bessel_j0(v) - jinc) / v)
    return value + slope * (u - u.detach())


def _ball(u: Tensor) -> Tensor:
    """3 (sin u - u cos u) / u^3: the transform of a ball over its volume, u = 2π radius |k|."""
    # below 1 the terms cancel: the series serves there
    small = u < 1
    square = u.clamp(max=1).square()
    series = torch.zeros_like(u)
    for n in reversed(range(BALL_TERMS)):
        series = series * -square + 6 * (n + 1) / math.factorial(2 * n + 3)
    safe = torch.where(small, 1, u)
    return torch.where(small, series, 3 * (safe.sin() - safe * safe.cos()) / safe**3)
