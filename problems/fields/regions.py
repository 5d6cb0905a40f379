"""Regions of the plane between closed curves: which points lie inside, and points on the rims.

    r(θ) = radius (1 + Σ_n a_n cos nθ + b_n sin nθ)      a curve, around its own centre

A region is what lies inside one such curve and outside of others, its holes. Nothing is meshed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inverse_inr import Box, Field
from inverse_inr.ranges import Count, Positive, WholeNumber, checked

NODES = 4096
"""Nodes of angle by which lengths and extents of a curve are found."""

MARGIN = 0.02
"""How far the box of a region reaches beyond it, as a fraction of the region's sides."""


@checked
@dataclass(frozen=True)
class Curve:
    """A closed curve that each ray from its centre meets once.

    Args:
        centre: The centre, (2,).
        radius: The mean distance from it.
        waves: For a number of waves n ≥ 1 around the curve the amplitudes (a_n, b_n) of their
            cosine and sine, as fractions of the radius.

    Raises:
        ValueError: The curve meets its own centre, or a number of waves is below 1.
    """

    centre: tuple[float, float]
    radius: Positive
    waves: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.waves):
            raise ValueError(f"Curve: waves={dict(self.waves)} must be numbered from 1 on.")
        least = float(self._radii(self._angles()).min())
        if not least > 0:
            raise ValueError(
                f"Curve: waves={dict(self.waves)} bring the curve to {least / self.radius:.3g} "
                "radii from its centre; it must stay above 0. Smaller amplitudes?"
            )

    def _angles(self) -> Tensor:
        return torch.arange(NODES, dtype=torch.float64) * (2 * math.pi / NODES)

    def _radii(self, angles: Tensor) -> Tensor:
        """The distance r from the centre at angles (*s), in their precision."""
        total = torch.ones_like(angles)
        for n, (a, b) in self.waves.items():
            total = total + a * torch.cos(n * angles) + b * torch.sin(n * angles)
        return self.radius * total

    def _slopes(self, angles: Tensor) -> Tensor:
        """The derivative of r by the angle, (*s)."""
        total = torch.zeros_like(angles)
        for n, (a, b) in self.waves.items():
            total = total + n * (b * torch.cos(n * angles) - a * torch.sin(n * angles))
        return self.radius * total

    def _polar(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the centre and angles of points (*s, 2)."""
        x, y = (points - points.new_tensor(self.centre)).unbind(-1)
        return torch.hypot(x, y), torch.atan2(y, x)

    def relative(self, points: Tensor) -> Tensor:
        """Distances from the centre in units of the curve's own in that direction.

        Args:
            points: (*s, 2).

        Returns:
            (*s,), 1 on the curve and less inside.
        """
        distance, angles = self._polar(points)
        return distance / self._radii(angles)

    def steepness(self, points: Tensor) -> Tensor:
        """The length of the gradient of `relative`, the same along a ray, at points: (*s,)."""
        angles = self._polar(points)[1]
        radii = self._radii(angles)
        return torch.hypot(radii, self._slopes(angles)) / radii**2

    def at(self, angles: Tensor) -> Tensor:
        """The points of the curve in some directions from its centre.

        Args:
            angles: (*s,) in radians, from axis 0 towards axis 1.

        Returns:
            (*s, 2).
        """
        unit = torch.stack([torch.cos(angles), torch.sin(angles)], -1)
        return angles.new_tensor(self.centre) + self._radii(angles)[..., None] * unit

    def below(self, points: Tensor) -> Tensor:
        """The points of the curve that lie in the directions of given points, (*s, 2)."""
        return self.at(self._polar(points)[1])

    def normals(self, angles: Tensor) -> Tensor:
        """The unit normals that point away from the centre's side, (*s, 2)."""
        unit = torch.stack([torch.cos(angles), torch.sin(angles)], -1)
        across = torch.stack([-unit[..., 1], unit[..., 0]], -1)
        normals = self._radii(angles)[..., None] * unit - self._slopes(angles)[..., None] * across
        return torch.nn.functional.normalize(normals, dim=-1)

    @property
    def length(self) -> float:
        """The length of the curve."""
        return float(self._speeds().mean()) * 2 * math.pi

    def _speeds(self) -> Tensor:
        angles = self._angles()
        return torch.hypot(self._radii(angles), self._slopes(angles))

    def spread(self, count: int, shift: float = 0.0) -> Tensor:
        """Angles of points that share the curve's length evenly.

        Args:
            count: The number of points.
            shift: Where the first point lies, as a fraction of the distance of two.

        Returns:
            (count,) float64.
        """
        speeds = self._speeds()
        speeds = torch.cat([speeds, speeds[:1]])
        travelled = torch.cat([torch.zeros(1), 0.5 * (speeds[1:] + speeds[:-1])]).double().cumsum(0)
        wanted = (torch.arange(count, dtype=torch.float64) + shift) / count * travelled[-1]
        upper = torch.searchsorted(travelled, wanted).clamp(1, NODES)
        low, high = travelled[upper - 1], travelled[upper]
        return (upper - 1 + (wanted - low) / (high - low)) * (2 * math.pi / NODES)


@checked
@dataclass(frozen=True)
class Region:
    """The places inside one curve and outside of others.

    Args:
        outer: The curve all around.
        holes: Curves inside it that neither meet it nor each other.

    Raises:
        ValueError: A hole meets another curve.
    """

    outer: Curve
    holes: tuple[Curve, ...] = ()

    def __post_init__(self) -> None:
        for k, hole in enumerate(self.holes):
            rim = hole.at(hole._angles())
            others = [h for i, h in enumerate(self.holes) if i != k]
            if bool((self.outer.relative(rim) >= 1).any()):
                raise ValueError(f"Region: hole {k} reaches beyond the outer curve.")
            if any(bool((other.relative(rim) <= 1).any()) for other in others):
                raise ValueError(f"Region: hole {k} meets another hole.")

    @property
    def curves(self) -> tuple[Curve, ...]:
        """All rims, the outer one first."""
        return (self.outer, *self.holes)

    @property
    def box(self) -> Box:
        """The box around the region, a little wider."""
        rim = self.outer.at(self.outer._angles())
        lower, upper = rim.amin(0), rim.amax(0)
        slack = MARGIN * (upper - lower)
        return Box(tuple((lower - slack).tolist()), tuple((upper + slack).tolist()))

    def contains(self, points: Tensor, slack: float = 0.0) -> Tensor:
        """Say which points lie inside.

        Args:
            points: (*s, 2).
            slack: How far beyond the rims counts as inside, relative to distances from centres.

        Returns:
            (*s,) boolean.
        """
        inside = self.outer.relative(points) < 1 + slack
        for hole in self.holes:
            inside = inside & (hole.relative(points) > 1 - slack)
        return inside

    @checked
    def inside(self, count: Count, *, seed: WholeNumber = 0) -> Tensor:
        """Draw points inside: the first of a Sobol sequence of the box that lie there.

        Args:
            count: The number of points.
            seed: Seed of the sequence's scrambling.

        Returns:
            (count, 2) float64.
        """
        box = self.box
        sides = torch.tensor(box.lengths, dtype=torch.float64)
        engine = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed)
        found = torch.zeros(0, 2, dtype=torch.float64)
        while len(found) < count:
            unit = engine.draw(count, dtype=torch.float64)
            points = torch.tensor(box.lower, dtype=torch.float64) + unit * sides
            found = torch.cat([found, points[self.contains(points)]])
        return found[:count]

    @checked
    def rim(
        self, count: Count, curves: Sequence[int] | None = None, *, seed: WholeNumber = 0
    ) -> tuple[Tensor, Tensor]:
        """Spread points over rims, evenly by length, from a random start on each.

        Args:
            count: The number of points.
            curves: Which rims, 0 the outer one; all by default.
            seed: Seed of the starts.

        Returns:
            The points and the unit normals that point out of the region, (count, 2) each, float64.

        Raises:
            ValueError: There is no such rim, or there are fewer points than rims.
        """
        if curves is None:
            curves = range(len(self.curves))
        if not curves or not all(0 <= k < len(self.curves) for k in curves) or count < len(curves):
            raise ValueError(
                f"Region.rim: curves={list(curves)} must name some of {len(self.curves)} rims, of "
                f"which each needs one of count={count} points at least."
            )
        lengths = [self.curves[k].length for k in curves]
        ends = [round(count * sum(lengths[: i + 1]) / sum(lengths)) for i in range(len(lengths))]
        generator = torch.Generator().manual_seed(seed)
        points, normals = [], []
        for k, begin, end in zip(curves, [0, *ends[:-1]], ends, strict=True):
            shift = float(torch.rand((), generator=generator))
            angles = self.curves[k].spread(max(1, end - begin), shift)
            points.append(self.curves[k].at(angles))
            outward = self.curves[k].normals(angles)
            if k:
                outward = -outward
            normals.append(outward)
        return torch.cat(points)[:count], torch.cat(normals)[:count]

    def known_inside(self, known: Field) -> Field:
        """The field inside, NaN elsewhere: a reference whose outside no metric counts.

        Args:
            known: The field.
        """

        def masked(points: Tensor) -> Tensor:
            values = known(points)
            return torch.where(self.contains(points)[..., None], values, torch.nan)

        return masked


FLOWER = Region(
    Curve((0.0, 0.0), 0.8, {5: (0.2, 0.0)}),
    (
        Curve((0.42, 0.0), 0.13),
        Curve((-0.18, 0.33), 0.14, {2: (0.25, 0.1)}),
        Curve((-0.15, -0.3), 0.12, {3: (0.0, 0.2)}),
    ),
)
"""A flower of five petals with three holes."""

SHAPES = {
    "flower": FLOWER,
    "annulus": Region(Curve((0.0, 0.0), 1.0), (Curve((0.2, 0.1), 0.35),)),
    "kidney": Region(Curve((0.0, 0.0), 0.8, {1: (0.35, 0.0), 2: (-0.25, 0.0)})),
}
"""Regions by name."""
