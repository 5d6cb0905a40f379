"""Radar scenes as scatterers off any lattice, so that no reconstruction grid holds the truth."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def aeroplane(count: int = 6000, length: float = 0.16, seed: int = 0) -> Tensor:
    """Points on the surface of a toy aeroplane along x, wings along y: (count, 3) in m, uniform by area.

    A fuselage (ellipsoid), swept wings and tailplane, and a fin, as thin plates seen from both sides.
    """
    generator = torch.Generator().manual_seed(seed)
    thickness = 0.02 * length
    plates = [  # root leading edge, root chord, span vector, tip chord, all over the length
        ((0.10, 0.0, 0.0), 0.26, (-0.16, 0.46, 0.02), 0.10),
        ((0.10, 0.0, 0.0), 0.26, (-0.16, -0.46, 0.02), 0.10),
        ((-0.34, 0.0, 0.02), 0.14, (-0.08, 0.19, 0.0), 0.07),
        ((-0.34, 0.0, 0.02), 0.14, (-0.08, -0.19, 0.0), 0.07),
        ((-0.30, 0.0, 0.02), 0.18, (-0.12, 0.0, 0.20), 0.08),
    ]
    areas = [2 * 0.5 * (root + tip) * math.hypot(span[1], span[2]) for _, root, span, tip in plates]
    fuselage = _ellipsoid(20 * count, (0.5 * length, 0.06 * length, 0.06 * length), generator)
    share = [math.pi * 0.5 * 0.12 * math.pi / 2, *areas]
    numbers = [round(count * a / sum(share)) for a in share]
    numbers[0] += count - sum(numbers)
    parts = [fuselage[: numbers[0]]]
    for (start, root, span, tip), n in zip(plates, numbers[1:], strict=True):
        parts.append(length * _plate(n, start, root, span, tip, thickness / length, generator))
    return torch.cat(parts)


def _ellipsoid(tries: int, radii: tuple[float, float, float], generator: torch.Generator) -> Tensor:
    """Uniform on an ellipsoid's surface, by rejection; about a tenth of `tries` or more."""
    u = torch.nn.functional.normalize(
        torch.randn(tries, 3, dtype=torch.float64, generator=generator), dim=-1
    )
    r = u.new_tensor(radii)
    stretch = torch.linalg.vector_norm(u / r, dim=-1)
    keep = torch.rand(tries, dtype=torch.float64, generator=generator) < stretch / stretch.max()
    return (u * r)[keep]


def _plate(
    count: int,
    start: tuple[float, ...],
    root: float,
    span: tuple[float, ...],
    tip: float,
    thickness: float,
    generator: torch.Generator,
) -> Tensor:
    """Both faces of a swept trapezoid, uniform by area: leading edge at start + s · span, chord backwards along x."""
    s, c, side = torch.rand(3, count, dtype=torch.float64, generator=generator).unbind(0)
    taper = tip / root
    if taper != 1:  # the width along s falls from 1 to taper
        s = (1 - (1 - s * (1 - taper**2)).sqrt()) / (1 - taper)
    along, begin = s.new_tensor(span), s.new_tensor(start)
    points = begin + s[:, None] * along
    points[:, 0] -= c * (root + s * (tip - root))
    normal = torch.linalg.cross(along, along.new_tensor([1.0, 0, 0]))
    return points + (side.round() - 0.5)[:, None] * thickness * normal / torch.linalg.vector_norm(
        normal
    )


def car(count: int = 1200, seed: int = 0) -> Tensor:
    """Scatterers along the edges of a car body with a cabin, 4.4 x 1.8 x 1.5 m, x along it: (count, 3) in m."""
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


def _edges(
    corners: list[tuple[float, float, float]],
) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Pairs of corners that differ in one coordinate."""
    pairs = [(a, b) for i, a in enumerate(corners) for b in corners[i + 1 :]]
    return [(a, b) for a, b in pairs if sum(u != v for u, v in zip(a, b, strict=True)) == 1]
