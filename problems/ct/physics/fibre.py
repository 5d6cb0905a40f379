"""A fibre with inserts, in its attenuation and in the phase that it gives to a wave."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.ct.beam.materials import (
    ALUMINIUM,
    BONE,
    WATER,
    Material,
    attenuation,
    phase_per_length,
)
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.problems.ct.physics.materials_phantom import Ellipse, MaterialPhantom, ellipses
from inverse_inr.ranges import Positive

RADIUS = 0.11
"""Radius of the fibre, in mm."""
PER_MM = 0.1
"""From 1/cm to 1/mm."""


class Channels:
    """Fields of one channel as one of several.

    Args:
        fields: Each of one channel.
    """

    def __init__(self, fields: list[Ellipsoids]) -> None:
        self.fields = fields

    def __call__(self, points: Tensor) -> Tensor:
        return torch.cat([f(points) for f in self.fields], -1)


def fibre(seed: int) -> MaterialPhantom:
    """Draw a fibre of water with two inserts of bone and two of aluminium.

    Args:
        seed: Of the places and sizes.
    """
    u = torch.rand(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    start = 2 * math.pi * u[0]
    places = [start + 0.5 * math.pi * k + 0.5 * (u[1 + k] - 0.5) for k in range(4)]
    inserts = [
        Ellipse(0.06 * math.cos(t), 0.06 * math.sin(t), 0.018 + 0.01 * u[5 + k], 0.022)
        for k, t in enumerate(places)
    ]
    body = Ellipse(0, 0, RADIUS, RADIUS)
    amounts = [
        ellipses([body, *inserts], [1.0, *(-1.0 for _ in inserts)]),
        ellipses(inserts[::2], [1.0, 1.0]),
        ellipses(inserts[1::2], [1.0, 1.0]),
    ]
    return MaterialPhantom([WATER, BONE, ALUMINIUM], amounts)


def refraction_ratio(material: Material, energy: Positive) -> float:
    """δ/β of a material, 2 k δ / μ.

    Args:
        material: The material.
        energy: In keV.
    """
    mu = float(attenuation(material, torch.tensor([energy])))
    return 2 * phase_per_length(material, energy) / mu


def channel(truth: MaterialPhantom, energy: float, ratio: float, phase: bool) -> Ellipsoids:
    """One channel of the field: the attenuation, or the phase per length over ratio/2.

    Args:
        truth: The phantom.
        energy: In keV.
        ratio: δ/β where both channels are equal.
        phase: Which of the two.

    Returns:
        The field, in 1/mm.
    """
    at = torch.tensor([energy])
    values = [float(attenuation(m, at)) for m in truth.materials]
    if phase:
        values = [2 * phase_per_length(m, energy) / ratio for m in truth.materials]
    parts = [(a, PER_MM * v) for a, v in zip(truth.amounts, values, strict=True)]
    return Ellipsoids(
        torch.cat([a.centers for a, _ in parts]),
        torch.cat([a.semi_axes for a, _ in parts]),
        torch.cat([a.rotations for a, _ in parts]),
        torch.cat([v * a.values for a, v in parts]),
    )
