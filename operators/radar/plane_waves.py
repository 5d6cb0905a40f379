"""The far field of a radar: ranges of plane waves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry


class PlaneWaves(RadarGeometry):
    """The far field: ranges R(c) - u·(x - c) of plane waves, u the unit vector from the scene's centre to the antenna.

    Each pulse then is a line of the scene's spatial spectrum. `curvature` says what is neglected.
    """

    def __init__(self, geometry: RadarGeometry, center: Sequence[float]) -> None:
        receivers = None if geometry.monostatic else geometry.receivers.detach()
        super().__init__(
            geometry.transmitters.detach(), receivers, geometry.sign, geometry.reference_path
        )
        self.center = nn.Buffer(torch.tensor(list(center), dtype=torch.float64))

    def ranges(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        to = self._plane(points, self.transmitters[rows])
        return to, to if self.monostatic else self._plane(points, self.receivers[rows])

    def _plane(self, points: Tensor, antennas: Tensor) -> Tensor:
        away = antennas - self.center
        distance = torch.linalg.vector_norm(away, dim=-1, keepdim=True)
        return distance - (away / distance) @ (points - self.center).T

    def curvature(self, half: float, frequency: float) -> float:
        """Largest phase error in rad, 2π f h² / (c R), of a scene of transverse half-size `half` (m)."""
        nearest = min(
            float(torch.linalg.vector_norm(a - self.center, dim=-1).min())
            for a in (self.transmitters, self.receivers)
        )
        return 2 * math.pi * frequency * half**2 / (SPEED_OF_LIGHT * nearest)

    def _again(self, geometry: RadarGeometry) -> RadarGeometry:
        return PlaneWaves(geometry, self.center.tolist())
