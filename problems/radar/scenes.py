"""Radar scenes as scatterers off any lattice, so that no reconstruction grid holds the truth."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.ranges import Count, Positive, WholeNumber, checked

Point = tuple[float, float, float]
"""Three coordinates."""


class _Plate(NamedTuple):
    """A swept trapezoid; all lengths are fractions of the aeroplane's."""

    start: Point
    """Leading edge at the root."""
    root: float
    """Chord at the root, backwards along x."""
    span: Point
    """From the root's leading edge to the tip's."""
    tip: float
    """Chord at the tip."""


PLATES = (
    _Plate((0.10, 0.0, 0.0), 0.26, (-0.16, 0.46, 0.02), 0.10),
    _Plate((0.10, 0.0, 0.0), 0.26, (-0.16, -0.46, 0.02), 0.10),
    _Plate((-0.34, 0.0, 0.02), 0.14, (-0.08, 0.19, 0.0), 0.07),
    _Plate((-0.34, 0.0, 0.02), 0.14, (-0.08, -0.19, 0.0), 0.07),
    _Plate((-0.30, 0.0, 0.02), 0.18, (-0.12, 0.0, 0.20), 0.08),
)
"""Two wings, two halves of the tailplane, and the fin."""


@checked
def aeroplane(count: Count = 6000, length: Positive = 0.16, seed: WholeNumber = 0) -> Tensor:
    """Points on the surface of a toy aeroplane along x, wings along y, uniform by area.

    It has a fuselage (an ellipsoid), swept wings and tailplane, and a fin, which are thin plates
    seen from both sides.

    Args:
        count: Number of points.
        length: Length of the aeroplane in metres.
        seed: Seed of the draw.

    Returns:
        (count, 3) in metres, float64.
    """
    _require_memory(count)
    generator = torch.Generator().manual_seed(seed)
    thickness = 0.02 * length
    areas = [2 * 0.5 * (p.root + p.tip) * math.hypot(p.span[1], p.span[2]) for p in PLATES]
    fuselage = _ellipsoid(20 * count, (0.5 * length, 0.06 * length, 0.06 * length), generator)
    share = [math.pi * 0.5 * 0.12 * math.pi / 2, *areas]
    numbers = [round(count * a / sum(share)) for a in share]
    numbers[0] += count - sum(numbers)
    parts = [fuselage[: numbers[0]]]
    parts += [
        length * _on_plate(n, plate, thickness / length, generator)
        for plate, n in zip(PLATES, numbers[1:], strict=True)
    ]
    return torch.cat(parts)


def _require_memory(count: int) -> None:
    """Refuse more scatterers than the memory at hand has room for."""
    memory.require(f"{count} scatterers", 8 * 3 * 6 * count, "Fewer.")


def _ellipsoid(tries: int, radii: Point, generator: torch.Generator) -> Tensor:
    """Uniform on an ellipsoid's surface, by rejection; about a tenth of `tries` or more."""
    u = torch.nn.functional.normalize(
        torch.randn(tries, 3, dtype=torch.float64, generator=generator), dim=-1
    )
    r = u.new_tensor(radii)
    stretch = torch.linalg.vector_norm(u / r, dim=-1)
    keep = torch.rand(tries, dtype=torch.float64, generator=generator) < stretch / stretch.max()
    return (u * r)[keep]


def _on_plate(count: int, plate: _Plate, thickness: float, generator: torch.Generator) -> Tensor:
    """Points on both faces of a plate, uniform by area; its leading edge is at start + s · span."""
    s, c, side = torch.rand(3, count, dtype=torch.float64, generator=generator).unbind(0)
    taper = plate.tip / plate.root
    if taper != 1:  # the width along s falls from 1 to taper
        s = (1 - (1 - s * (1 - taper**2)).sqrt()) / (1 - taper)
    along = s.new_tensor(plate.span)
    points = s.new_tensor(plate.start) + s[:, None] * along
    points[:, 0] -= c * (plate.root + s * (plate.tip - plate.root))
    normal = torch.linalg.cross(along, along.new_tensor([1.0, 0, 0]))
    return points + (side.round() - 0.5)[:, None] * thickness * normal / torch.linalg.vector_norm(
        normal
    )


@checked
def car(count: Count = 1200, seed: WholeNumber = 0) -> Tensor:
    """Scatterers along the edges of a car body with a cabin, 4.4 x 1.8 x 1.5 m, along x.

    Args:
        count: Number of scatterers.
        seed: Seed of the draw.

    Returns:
        (count, 3) in metres, float64, about the origin.
    """
    _require_memory(count)
    generator = torch.Generator().manual_seed(seed)
    body = [(x, y, z) for x in (-2.2, 2.2) for y in (-0.9, 0.9) for z in (0.0, 0.8)]
    cabin = [(x, y, 1.5) for x in (-0.9, 0.6) for y in (-0.75, 0.75)]
    foot = [(x, y, 0.8) for x in (-1.4, 1.2) for y in (-0.9, 0.9)]
    edges = [
        *_edges(body),
        *_edges(cabin),
        *zip(cabin, foot, strict=True),
        (foot[0], foot[1]),
        (foot[2], foot[3]),
    ]
    start, end = (torch.tensor([e[k] for e in edges], dtype=torch.float64) for k in (0, 1))
    lengths = torch.linalg.vector_norm(end - start, dim=-1)
    edge = torch.multinomial(lengths, count, replacement=True, generator=generator)
    s = torch.rand(count, 1, dtype=torch.float64, generator=generator)
    return start[edge] + s * (end - start)[edge] - start.new_tensor([0, 0, 0.75])


def _edges(corners: list[Point]) -> list[tuple[Point, Point]]:
    """Pairs of corners that differ in one coordinate."""
    pairs = [(a, b) for i, a in enumerate(corners) for b in corners[i + 1 :]]
    return [(a, b) for a, b in pairs if sum(u != v for u, v in zip(a, b, strict=True)) == 1]
