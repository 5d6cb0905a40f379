"""Phantoms of several materials, whose line integrals are exact: a cylinder, bone, metal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr import phantoms
from inverse_inr.operators.ct.beam.materials import (
    BONE,
    TITANIUM,
    WATER,
    Material,
    Tables,
    attenuation,
)
from inverse_inr.phantoms import Ellipsoids

Kind = Literal["water", "bone", "metal"]
"""A cylinder of water, one with bone inserts, or a body with bones and titanium rods."""

CONTRASTS = (0.03, -0.04, 0.05, -0.03)
"""Soft tissue in the body of the metal phantom, as changes of the amount of water."""


class Ellipse(NamedTuple):
    """An ellipse: its centre, semi-axes (cm) and turn (radians)."""

    x0: float
    x1: float
    a0: float
    a1: float
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class MaterialPhantom:
    """Amounts of materials in the plane.

    Args:
        materials: The materials.
        amounts: A field of amounts for each.
    """

    materials: Sequence[Material]
    amounts: Sequence[Ellipsoids]

    def lines(self, origin: Tensor, direction: Tensor) -> Tensor:
        """Exact integrals of the amounts along rays.

        Args:
            origin: (*s, 2) points on the rays, in cm.
            direction: (*s, 2) unit directions.

        Returns:
            (*s, materials) in cm.
        """
        return torch.stack([a.line_integral(origin, direction) for a in self.amounts], -1)

    def attenuation(self, energy: float, tables: Tables = "analytic") -> phantoms.Ellipsoids:
        """The attenuation at one energy as a field of one channel.

        Args:
            energy: In keV.
            tables: Where the materials' attenuation comes from.

        Returns:
            The field, in 1/cm.
        """
        at = torch.tensor([energy], dtype=torch.float64)
        parts = [
            (a, float(attenuation(m, at, tables)))
            for m, a in zip(self.materials, self.amounts, strict=True)
        ]
        return Ellipsoids(
            torch.cat([a.centers for a, _ in parts]),
            torch.cat([a.semi_axes for a, _ in parts]),
            torch.cat([a.rotations for a, _ in parts]),
            torch.cat([mu * a.values for a, mu in parts]),
        )


def material_phantom(kind: Kind, seed: int) -> MaterialPhantom:
    """Draw a phantom in a square of 20 cm.

    Args:
        kind: "water" for a cylinder of 8.5 cm radius; "bone" for one with four bone inserts;
            "metal" for an oval body with three bones, four soft tissues and two titanium rods.
        seed: Of the places and sizes.
    """
    draws = torch.rand(40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    u = draws.tolist()
    if kind == "water":
        return MaterialPhantom([WATER], [ellipses([Ellipse(0, 0, 8.5, 8.5)], [1.0])])
    if kind == "bone":
        start = 2 * math.pi * u[0]
        places = [start + 0.5 * math.pi * k + 0.4 * (u[1 + k] - 0.5) for k in range(4)]
        bones = [
            Ellipse(5 * math.cos(t), 5 * math.sin(t), 0.9 + 0.4 * u[5 + k], 0.9 + 0.4 * u[9 + k])
            for k, t in enumerate(places)
        ]
        return _filled(Ellipse(0, 0, 8.5, 8.5), bones, [], [])
    bones = [
        Ellipse(-4 + u[0], -3 + u[1], 1.2 + 0.4 * u[2], 1.0, u[3]),
        Ellipse(-3.5 + u[4], 3 + u[5], 1.0, 1.3, u[6]),
        Ellipse(3.5, u[7], 0.8, 1.6, u[8]),
    ]
    metal = [Ellipse(1 + u[9], -4 + u[10], 0.6, 0.6), Ellipse(u[11], 3.5 + u[12], 0.5, 0.6)]
    soft = [
        Ellipse(
            4 * (u[13 + k] - 0.5),
            4 * (u[18 + k] - 0.5),
            0.4 + 0.6 * u[23 + k],
            0.4 + 0.6 * u[28 + k],
            3 * u[33 + k],
        )
        for k in range(4)
    ]
    return _filled(Ellipse(0, 0, 8.5, 7), bones, metal, soft)


def _filled(
    body: Ellipse, bones: list[Ellipse], metal: list[Ellipse], soft: list[Ellipse]
) -> MaterialPhantom:
    """Water in a body, but not where bones and metal are."""
    inserts = [*bones, *metal]
    signs = [1.0, *(-1.0 for _ in inserts), *CONTRASTS[: len(soft)]]
    amounts = [ellipses([body, *inserts, *soft], signs), ellipses(bones, [1.0] * len(bones))]
    if not metal:
        return MaterialPhantom([WATER, BONE], amounts)
    amounts.append(ellipses(metal, [1.0] * len(metal)))
    return MaterialPhantom([WATER, BONE, TITANIUM], amounts)


def ellipses(shapes: Sequence[Ellipse], values: Sequence[float]) -> Ellipsoids:
    """A sum of ellipses.

    Args:
        shapes: The ellipses, in cm.
        values: What each adds inside.
    """
    table = torch.tensor(shapes, dtype=torch.float64)
    cos, sin = table[:, 4].cos(), table[:, 4].sin()
    turns = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return Ellipsoids(table[:, :2], table[:, 2:4], turns, torch.tensor(values).double())
