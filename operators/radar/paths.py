"""Path lengths between the antennas of each pulse and points of the scene.

One quantity carries all of radar's physics here, the path of pulse p to a point x and back,

    L_p(x) = |x - t_p| + |x - r_p|        (metres; bistatic, near field, exact)

whose delay is tau = L / c.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Box
from inverse_inr.operators.radar.geometry_checks import (
    antenna_positions,
    check_box,
    check_outside,
    check_step,
    coarseness,
    reference_paths,
)
from inverse_inr.operators.radar.kinds import Sign
from inverse_inr.operators.radar.precision import KeepsPrecision
from inverse_inr.operators.radar.unit_checks import check_wavelength
from inverse_inr.ranges import Finite, Positive, checked


class AntennaPaths(KeepsPrecision):
    """Antennas of each pulse and their paths; `RadarGeometry` describes the parameters."""

    transmitters: Tensor
    receivers: Tensor
    reference_path: Tensor

    @checked
    def __init__(
        self,
        transmitters: Tensor,
        receivers: Tensor | None = None,
        sign: Sign = +1,
        reference_path: Tensor | float | None = None,
    ) -> None:
        super().__init__()
        if sign not in (1, -1):
            raise ValueError(
                f"RadarGeometry: sign must be +1 (beat signal) or -1 (phase history), got {sign!r}."
            )
        self.sign = int(sign)
        self.monostatic = receivers is None
        self.coarseness = max(coarseness(v) for v in (transmitters, receivers, reference_path))
        self.transmitters = antenna_positions(transmitters, "transmitters")
        if receivers is None:
            self.receivers = self.transmitters
        else:
            self.receivers = antenna_positions(receivers, "receivers")
        pulses = len(self.transmitters)
        if len(self.receivers) != pulses:
            raise ValueError(
                f"RadarGeometry: {pulses} transmitters but {len(self.receivers)} receivers: one of "
                "each a pulse. A MIMO array? Use RadarGeometry.mimo(transmitters, receivers), "
                "which pairs all of them."
            )
        self.reference_path = nn.Buffer(reference_paths(reference_path, pulses))

    def __len__(self) -> int:
        return len(self.transmitters)

    @property
    def learnable(self) -> bool:
        """True if an antenna position is learnt."""
        return any(p.requires_grad for p in self.parameters())

    def ranges(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Distances of points from the transmitter and the receiver of some pulses.

        Args:
            points: (n, 3) in metres.
            rows: (b,) numbers of pulses.

        Returns:
            Ranges to the transmitter and to the receiver, both (b, n) in metres.
        """
        to = _distance(points, self.transmitters[rows])
        if self.monostatic:
            return to, to
        return to, _distance(points, self.receivers[rows])

    def path(self, points: Tensor, rows: Tensor) -> Tensor:
        """Two-way paths of points relative to the reference.

        Args:
            points: (n, 3) in metres.
            rows: (b,) numbers of pulses.

        Returns:
            (b, n) in metres, float64.
        """
        to, back = self.ranges(points, rows)
        return to + back - self.reference_path[rows, None]

    @checked
    def look(self, center: Sequence[Finite]) -> Tensor:
        """Directions from the scene's centre to the radar, half-way between its two antennas.

        Args:
            center: Three coordinates in metres.

        Returns:
            (P, 3) unit vectors.
        """
        middle = self.transmitters.new_tensor(list(center))
        to_transmitter = nn.functional.normalize(self.transmitters - middle, dim=-1)
        to_receiver = nn.functional.normalize(self.receivers - middle, dim=-1)
        return nn.functional.normalize(to_transmitter + to_receiver, dim=-1)

    @checked
    def path_limits(self, box: Box) -> tuple[Tensor, Tensor]:
        """Bounds of each pulse's absolute two-way path over a box.

        Args:
            box: In metres.

        Returns:
            A lower bound of the least path and the largest path, both (P,) in metres.
        """
        lower, upper = (self.transmitters.new_tensor(v) for v in (box.lower, box.upper))
        # a convex function is largest at a corner
        corners = torch.cartesian_prod(*torch.stack([lower, upper], 1))
        to, back = self.ranges(corners, torch.arange(len(self)))
        gap = [
            torch.maximum(lower - a, a - upper).clamp(min=0)
            for a in (self.transmitters, self.receivers)
        ]
        near = torch.stack([torch.linalg.vector_norm(g, dim=-1) for g in gap]).sum(0)
        return near.detach(), (to + back).amax(1).detach()

    @checked
    def check(self, box: Box, wavelength: Positive) -> None:
        """Check that box and geometry can be meant together.

        Args:
            box: The scene's box.
            wavelength: In metres.

        Raises:
            ValueError: If the box is not 3-D in metres, an antenna lies inside it, the wavelength
                is far longer than all paths, or the positions were given too coarsely for it.
        """
        check_box(box)
        check_outside(box, {"transmitter": self.transmitters, "receiver": self.receivers})
        longest = float(self.path_limits(box)[1].max())
        check_wavelength(wavelength, longest)
        check_step(self.coarseness, longest, wavelength)


def _distance(points: Tensor, antennas: Tensor) -> Tensor:
    """|x - a| of (n, 3) points and (b, 3) antennas, without the (b, n, 3) differences in memory."""
    squared = sum((points[None, :, k] - antennas[:, None, k]).square() for k in range(3))
    assert isinstance(squared, Tensor)
    return squared.sqrt()
