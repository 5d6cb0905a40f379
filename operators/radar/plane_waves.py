"""The far field of a radar: ranges of plane waves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.ranges import Finite, NonNegative, checked


class PlaneWaves(RadarGeometry):
    """The far field: ranges R(c) - u·(x - c) of plane waves.

    u is the unit vector from the scene's centre c to the antenna, so that each pulse is a line of
    the scene's spatial spectrum. `curvature` says what is neglected.

    Args:
        geometry: Antennas of each pulse; what it learns is not learnt here.
        center: The scene's centre c, three coordinates in metres.
    """

    @checked
    def __init__(self, geometry: RadarGeometry, center: Sequence[Finite]) -> None:
        receivers = None if geometry.monostatic else geometry.receivers.detach()
        super().__init__(
            geometry.transmitters.detach(), receivers, geometry.sign, geometry.reference_path
        )
        self.center = nn.Buffer(torch.tensor(list(center), dtype=torch.float64))

    def ranges(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        to = self._plane(points, self.transmitters[rows])
        if self.monostatic:
            return to, to
        return to, self._plane(points, self.receivers[rows])

    def _plane(self, points: Tensor, antennas: Tensor) -> Tensor:
        """Ranges (b, n) of points (n, 3) from antennas (b, 3) by plane waves."""
        away = antennas - self.center
        distance = torch.linalg.vector_norm(away, dim=-1, keepdim=True)
        return distance - (away / distance) @ (points - self.center).T

    @checked
    def curvature(self, half: NonNegative, frequency: NonNegative) -> float:
        """Largest phase error of the far field, 2π f h² / (c R).

        Args:
            half: Transverse half-size h of the scene in metres.
            frequency: f in Hz.

        Returns:
            In rad, for the nearest antenna.
        """
        nearest = min(
            float(torch.linalg.vector_norm(a - self.center, dim=-1).min())
            for a in (self.transmitters, self.receivers)
        )
        return 2 * math.pi * frequency * half**2 / (SPEED_OF_LIGHT * nearest)

    def _again(self, geometry: RadarGeometry) -> RadarGeometry:
        return PlaneWaves(geometry, self.center.tolist())
