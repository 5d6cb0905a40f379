"""Radar geometry: where each pulse is sent from and received, its variations and usual apertures.

Axes are right-handed, z is up, and coordinates are those of the box in metres (axis k of an array
is coordinate k). `sign` is that of the phase: +1 for a beat signal tx · conj(rx) (FMCW),
exp(+j 2π f tau); -1 for SAR phase history, exp(-j 2π f tau).
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.constants import SPEED_OF_LIGHT as SPEED_OF_LIGHT
from inverse_inr.operators.radar.geometry_checks import pulse_numbers
from inverse_inr.operators.radar.kinds import Sign
from inverse_inr.operators.radar.paths import AntennaPaths
from inverse_inr.operators.radar.unit_checks import check_angles
from inverse_inr.ranges import Finite, FiniteTensor, Positive, checked


class RadarGeometry(AntennaPaths):
    """Antenna positions for each pulse, float64 from here on.

    Positions given as `nn.Parameter` (float64) are learnt.

    Args:
        transmitters: (P, 3) in metres, one per pulse.
        receivers: (P, 3) in metres; None for the transmitters' positions (monostatic).
        sign: Sign of the phase, +1 (beat signal) or -1 (phase history).
        reference_path: (P,) or a scalar in metres: the two-way path that the receiver subtracted
            (2 r0 of a deramped SAR pulse). It changes phases only, never the amplitude.

    Attributes:
        monostatic: True if each pulse is received where it was sent.
        coarseness: Relative step of the numbers as given; 0 for float64.

    Raises:
        ValueError: If shapes or numbers of pulses disagree, a number is not finite, or the sign is
            not ±1.
    """

    # --- variations -------------------------------------------------------------------------------

    @checked
    def subset(self, rows: Tensor) -> RadarGeometry:
        """The same geometry with some of its pulses.

        Args:
            rows: (b,) numbers of the pulses to keep.

        Raises:
            IndexError: There is no such pulse.
            ValueError: There are none, or they are no whole numbers.
        """
        rows = pulse_numbers(rows, len(self))
        receivers = None if self.monostatic else self.receivers[rows].detach()
        return self._again(
            RadarGeometry(
                self.transmitters[rows].detach(), receivers, self.sign, self.reference_path[rows]
            )
        )

    def reversed(self) -> RadarGeometry:
        """The same paths under the opposite phase sign."""
        return self._again(
            RadarGeometry(
                self.transmitters.detach(),
                self._own_receivers(),
                -self.sign,
                self.reference_path,
            )
        )

    @checked
    def referenced(self, reference_path: FiniteTensor | Finite) -> RadarGeometry:
        """The same pulses with another path subtracted.

        Args:
            reference_path: (P,) or a scalar, two-way, in metres.
        """
        return self._again(
            RadarGeometry(
                self.transmitters.detach(), self._own_receivers(), self.sign, reference_path
            )
        )

    def _own_receivers(self) -> Tensor | None:
        """The receivers, detached; None if monostatic."""
        if self.monostatic:
            return None
        return self.receivers.detach()

    def _again(self, geometry: RadarGeometry) -> RadarGeometry:
        """A variation as the same kind of geometry."""
        return geometry

    # --- the usual apertures ----------------------------------------------------------------------

    @classmethod
    @checked
    def cylinder(
        cls, radius: Positive, azimuths: FiniteTensor, heights: FiniteTensor, sign: Sign = +1
    ) -> RadarGeometry:
        """A monostatic antenna on a cylinder about z: all azimuths at each height.

        Args:
            radius: In metres.
            azimuths: (A,) in radians.
            heights: (H,) in metres; the slowest index of the pulses.
            sign: Sign of the phase.

        Returns:
            A geometry of H · A pulses.
        """
        check_angles("RadarGeometry.cylinder", azimuths)
        _require_memory(len(heights) * len(azimuths))
        h, a = torch.meshgrid(heights.double(), azimuths.double(), indexing="ij")
        return cls(
            torch.stack([radius * a.cos(), radius * a.sin(), h], -1).reshape(-1, 3), sign=sign
        )

    @classmethod
    @checked
    def planar(
        cls, first: FiniteTensor, second: FiniteTensor, distance: Finite, sign: Sign = +1
    ) -> RadarGeometry:
        """A monostatic gantry in the plane x = -distance that looks along +x.

        Args:
            first: (Y,) y coordinates in metres; the slower index of the pulses.
            second: (Z,) z coordinates in metres.
            distance: In metres.
            sign: Sign of the phase.

        Returns:
            A geometry of Y · Z pulses, at all pairs (y, z).
        """
        _require_memory(len(first) * len(second))
        y, z = torch.meshgrid(first.double(), second.double(), indexing="ij")
        return cls(torch.stack([torch.full_like(y, -distance), y, z], -1).reshape(-1, 3), sign=sign)

    @classmethod
    @checked
    def mimo(
        cls,
        transmitters: FiniteTensor,
        receivers: FiniteTensor,
        poses: FiniteTensor | None = None,
        sign: Sign = +1,
    ) -> RadarGeometry:
        """Every pair of a transmitter and a receiver, receiver fastest, at each rigid pose.

        Pairs are not collapsed to their midpoints: that is wrong by d² / (4 R) of path for a
        spacing d.

        Args:
            transmitters: (T, 3) in metres.
            receivers: (R, 3) in metres.
            poses: (B, 4, 4) homogeneous matrices of the array; None for one, as given.
            sign: Sign of the phase.

        Returns:
            A geometry of T · R pulses per pose.

        Raises:
            ValueError: Positions are not (count, 3), or poses not (B, 4, 4).
        """
        if transmitters.shape[1:] != (3,) or receivers.shape[1:] != (3,):
            raise ValueError(
                "RadarGeometry.mimo: transmitters and receivers must be (count, 3) in metres, got "
                f"{tuple(transmitters.shape)} and {tuple(receivers.shape)}."
            )
        if poses is not None and poses.shape[1:] != (4, 4):
            raise ValueError(
                "RadarGeometry.mimo: poses must be (B, 4, 4) homogeneous matrices, got shape "
                f"{tuple(poses.shape)}."
            )
        poses_count = 1 if poses is None else len(poses)
        _require_memory(len(transmitters) * len(receivers) * poses_count)
        t = transmitters.double().repeat_interleave(len(receivers), 0)
        r = receivers.double().repeat(len(transmitters), 1)
        if poses is None:
            return cls(t, r, sign)
        turn = poses.double()[:, :3, :3]
        shift = poses.double()[:, None, :3, 3]
        t, r = ((a @ turn.transpose(1, 2) + shift).reshape(-1, 3) for a in (t, r))
        return cls(t, r, sign)

    @classmethod
    @checked
    def spotlight(
        cls,
        distance: Positive,
        azimuths: FiniteTensor,
        elevations: FiniteTensor,
        center: tuple[Finite, Finite, Finite] = (0, 0, 0),
        sign: Sign = -1,
    ) -> RadarGeometry:
        """A pass around a centre, referenced to it: all azimuths at each elevation.

        Args:
            distance: From the centre, in metres.
            azimuths: (A,) in radians.
            elevations: (E,) in radians; the slowest index of the pulses.
            center: Three coordinates in metres.
            sign: Sign of the phase.

        Returns:
            A geometry of E · A pulses.
        """
        check_angles("RadarGeometry.spotlight", azimuths, elevations)
        _require_memory(len(elevations) * len(azimuths))
        e, a = torch.meshgrid(elevations.double(), azimuths.double(), indexing="ij")
        unit = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], -1).reshape(-1, 3)
        return cls(
            distance * unit + unit.new_tensor(list(center)),
            sign=sign,
            reference_path=2.0 * distance,
        )


def _require_memory(pulses: int) -> None:
    """Refuse more pulses than the memory at hand has room for, and for what is made of them."""
    memory.require(f"RadarGeometry: {pulses} pulses", 8 * 3 * 6 * pulses, "Fewer pulses.")
