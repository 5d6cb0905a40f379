"""Scenes before a level array, scatterers off any lattice: points, a wall, a corner reflector."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr.ranges import WholeNumber, checked

Scene = Literal["room", "points", "reflector"]
"""Points before a rough wall, points alone, or one corner reflector."""

DEPTH = (1.4, 2.6)
"""Distances from the array that the scene spans, along x in metres."""
WIDTH = (-0.6, 0.6)
"""Its sides along y in metres."""
REFLECTOR = (2.0, 0.13, 0.0)
"""Where a corner reflector stands, in metres."""
POINTS = 6
"""Points of a scene."""
APART = 0.2
"""Least distance between two points in metres."""
WALL = 400
"""Scatterers of a wall."""


class Targets(NamedTuple):
    """Scatterers and their amplitudes."""

    places: Tensor
    """(n, 3) in metres, float64."""
    amplitudes: Tensor
    """(n,) complex128."""


@checked
def targets(scene: Scene = "room", seed: WholeNumber = 0) -> Targets:
    """Draw a scene in the plane of the array.

    Args:
        scene: "points": six of moduli 0.5 to 1 and any phase, at least 0.2 m apart; "room": the
            same before a wall of 400 scatterers across, whose amplitudes are circular Gaussian and
            which sends back as much as the points; "reflector": a unit point at `REFLECTOR`.
        seed: Seed of the drawing.

    Returns:
        The scatterers.
    """
    if scene == "reflector":
        place = torch.tensor([REFLECTOR], dtype=torch.float64)
        return Targets(place, torch.ones(1, dtype=torch.complex128))
    generator = torch.Generator().manual_seed(seed)
    places = _apart(generator)
    drawn = torch.rand(2, POINTS, dtype=torch.float64, generator=generator)
    points = torch.polar(0.5 + 0.5 * drawn[0], 2 * math.pi * drawn[1])
    if scene == "points":
        return Targets(places, points)
    along = torch.rand(WALL, dtype=torch.float64, generator=generator)
    tilt = 0.3 * float(torch.rand(1, generator=generator)) - 0.15
    y = 0.9 * (WIDTH[0] + along * (WIDTH[1] - WIDTH[0]))
    wall = torch.stack([DEPTH[1] - 0.2 + tilt * y, y, torch.zeros_like(y)], 1)
    rough = torch.randn(WALL, dtype=torch.complex128, generator=generator)
    rough = rough * (points.abs().square().sum() / rough.abs().square().sum()).sqrt()
    return Targets(torch.cat([places, wall]), torch.cat([points, rough]))


def _apart(generator: torch.Generator) -> Tensor:
    """Points (POINTS, 3) no two of which are closer than `APART`, before the wall."""
    low = torch.tensor([DEPTH[0] + 0.1, WIDTH[0] + 0.1], dtype=torch.float64)
    high = torch.tensor([DEPTH[1] - 0.4, WIDTH[1] - 0.1], dtype=torch.float64)
    found: list[Tensor] = []
    while len(found) < POINTS:
        place = low + (high - low) * torch.rand(2, dtype=torch.float64, generator=generator)
        if all(float(torch.linalg.vector_norm(place - other)) >= APART for other in found):
            found.append(place)
    level = torch.stack(found)
    return torch.cat([level, torch.zeros(POINTS, 1, dtype=torch.float64)], 1)
