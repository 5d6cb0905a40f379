"""Radar geometry: where each pulse is sent from and received, and the path lengths that follow.

One quantity carries all of radar's physics here, the path of pulse p to a point x and back,

    L_p(x) = |x - t_p| + |x - r_p|        (metres; bistatic, near field, exact)        delay  tau = L / c

Metres, right-handed axes, z up; coordinates are those of the box (axis k of an array is coordinate k). `sign` is that
of the phase: +1 for a beat signal tx · conj(rx) (FMCW), exp(+j 2π f tau); -1 for SAR phase history, exp(-j 2π f tau).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Box
from inverse_inr.constants import SPEED_OF_LIGHT as SPEED_OF_LIGHT


class KeepsPrecision(nn.Module):
    """A module whose float64 numbers stay float64 under `.float()`, `.half()` and `.to(dtype)`; devices follow.

    A carrier's phase counts 10^4 to 10^8 radians: float32 geometry is wrong by 0.25 rad at 10 km and is noise from
    orbit.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> KeepsPrecision:
        def keep(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(keep, recurse)


class RadarGeometry(KeepsPrecision):
    """Antenna positions a pulse: transmitters and receivers (P, 3) in metres, float64 from here on.

    receivers       the transmitters' places where None (monostatic)
    sign            of the phase, +1 or -1 (see above)
    reference_path  (P,) two-way path lengths that the receiver subtracted, in metres (2 r0 of a deramped SAR pulse);
                    it changes phases only, never the amplitude

    Positions given as `nn.Parameter` (float64) are learnt. Raises ValueError for shapes or pulse counts that disagree,
    NaN, a sign that is not ±1.
    """

    transmitters: Tensor
    receivers: Tensor
    reference_path: Tensor

    def __init__(
        self,
        transmitters: Tensor,
        receivers: Tensor | None = None,
        sign: int = +1,
        reference_path: Tensor | float | None = None,
    ) -> None:
        super().__init__()
        if sign not in (1, -1):
            raise ValueError(
                f"RadarGeometry: sign must be +1 (beat signal) or -1 (phase history), got {sign!r}."
            )
        self.sign, self.monostatic = int(sign), receivers is None
        self.coarseness = max(_coarseness(v) for v in (transmitters, receivers, reference_path))
        self.transmitters = _positions(transmitters, "transmitters")
        self.receivers = (
            self.transmitters if receivers is None else _positions(receivers, "receivers")
        )
        pulses = len(self.transmitters)
        if len(self.receivers) != pulses:
            raise ValueError(
                f"RadarGeometry: {pulses} transmitters but {len(self.receivers)} receivers: one of each a pulse. "
                "A MIMO array? Use RadarGeometry.mimo(transmitters, receivers), which pairs all of them."
            )
        given = 0.0 if reference_path is None else reference_path
        given = (
            given.detach().double()
            if isinstance(given, Tensor)
            else torch.tensor(given, dtype=torch.float64)
        )
        if given.ndim > 1 or (given.ndim == 1 and len(given) != pulses):
            raise ValueError(
                f"RadarGeometry: reference_path has shape {tuple(given.shape)}; there are {pulses} pulses. Pass one "
                "two-way path in metres for each."
            )
        if not torch.isfinite(given).all():
            raise ValueError("RadarGeometry: reference_path holds NaN or Inf.")
        self.reference_path = nn.Buffer(given.expand(pulses).clone())

    def __len__(self) -> int:
        return len(self.transmitters)

    @property
    def learnable(self) -> bool:
        return any(p.requires_grad for p in self.parameters())

    def ranges(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Transmitter and receiver ranges of (n, 3) points for some pulses: both (b, n) in metres."""
        to = _distance(points, self.transmitters[rows])
        return to, to if self.monostatic else _distance(points, self.receivers[rows])

    def path(self, points: Tensor, rows: Tensor) -> Tensor:
        """Two-way path of (n, 3) points relative to the reference: (b, n) in metres, float64."""
        to, back = self.ranges(points, rows)
        return to + back - self.reference_path[rows, None]

    def look(self, center: Sequence[float]) -> Tensor:
        """Unit vectors from the scene's centre towards the radar, half-way between its antennas: (P, 3)."""
        middle = self.transmitters.new_tensor(list(center))
        unit = nn.functional.normalize
        return unit(
            unit(self.transmitters - middle, dim=-1) + unit(self.receivers - middle, dim=-1), dim=-1
        )

    def path_limits(self, box: Box) -> tuple[Tensor, Tensor]:
        """Least (a lower bound) and largest absolute path of a pulse over the box: both (P,) in metres."""
        lower, upper = (self.transmitters.new_tensor(v) for v in (box.lower, box.upper))
        corners = torch.cartesian_prod(
            *torch.stack([lower, upper], 1)
        )  # a convex function is largest at a corner
        to, back = self.ranges(corners, torch.arange(len(self)))
        gap = [
            torch.maximum(lower - a, a - upper).clamp(min=0)
            for a in (self.transmitters, self.receivers)
        ]
        near = torch.stack([torch.linalg.vector_norm(g, dim=-1) for g in gap]).sum(0)
        return near.detach(), (to + back).amax(1).detach()

    def check(self, box: Box, wavelength: float) -> None:
        """Raises ValueError where box and geometry cannot be meant: see the messages."""
        if box.ndim != 3:
            raise ValueError(
                f"Radar geometry is 3-D; the box has {box.ndim} axes. A plane is a thin box."
            )
        if set(box.units) - {"", "m"}:
            raise ValueError(
                f"Radar geometry is in metres; the box has units {box.units}. Convert the box to metres."
            )
        lower, upper = (self.transmitters.new_tensor(v) for v in (box.lower, box.upper))
        for name, antenna in (("transmitter", self.transmitters), ("receiver", self.receivers)):
            inside = ((antenna > lower) & (antenna < upper)).all(-1).nonzero()[:, 0]
            if len(inside):
                k = int(inside[0])
                raise ValueError(
                    f"RadarGeometry: the {name} of pulse {k} at {antenna[k].tolist()} m lies inside the box "
                    f"{box.lower} to {box.upper}. Are positions and box in the same frame and unit (metres)?"
                )
        if self.coarseness > 0:
            step = self.coarseness * float(self.path_limits(box)[1].max())
            if 2 * math.pi * step / wavelength > 2.0:
                raise ValueError(
                    f"RadarGeometry was given in float32, whose steps at this range are {step:.3g} m of path, "
                    f"{step / wavelength:.2g} wavelengths: phases would be noise. Pass float64 positions and "
                    "reference_path, or positions relative to the scene's centre."
                )

    # --- variations ----------------------------------------------------------------------------------------------

    def subset(self, rows: Tensor) -> RadarGeometry:
        """Some of the pulses."""
        receivers = None if self.monostatic else self.receivers[rows].detach()
        return self._again(
            RadarGeometry(
                self.transmitters[rows].detach(), receivers, self.sign, self.reference_path[rows]
            )
        )

    def reversed(self) -> RadarGeometry:
        """The same paths under the opposite phase sign."""
        receivers = None if self.monostatic else self.receivers.detach()
        return self._again(
            RadarGeometry(self.transmitters.detach(), receivers, -self.sign, self.reference_path)
        )

    def referenced(self, reference_path: Tensor | float) -> RadarGeometry:
        """The same pulses with another path subtracted."""
        receivers = None if self.monostatic else self.receivers.detach()
        return self._again(
            RadarGeometry(self.transmitters.detach(), receivers, self.sign, reference_path)
        )

    def _again(self, geometry: RadarGeometry) -> RadarGeometry:
        """A variation as the same kind of geometry."""
        return geometry

    # --- the usual apertures --------------------------------------------------------------------------------------

    @classmethod
    def cylinder(
        cls, radius: float, azimuths: Tensor, heights: Tensor, sign: int = +1
    ) -> RadarGeometry:
        """A monostatic antenna on a cylinder about z: all azimuths (radians) at each height (m), height slowest."""
        h, a = torch.meshgrid(heights.double(), azimuths.double(), indexing="ij")
        return cls(
            torch.stack([radius * a.cos(), radius * a.sin(), h], -1).reshape(-1, 3), sign=sign
        )

    @classmethod
    def planar(
        cls, first: Tensor, second: Tensor, distance: float, sign: int = +1
    ) -> RadarGeometry:
        """A gantry's plane x = -distance looking along +x: monostatic at all (y, z) = (first, second), in metres."""
        y, z = torch.meshgrid(first.double(), second.double(), indexing="ij")
        return cls(torch.stack([torch.full_like(y, -distance), y, z], -1).reshape(-1, 3), sign=sign)

    @classmethod
    def mimo(
        cls, transmitters: Tensor, receivers: Tensor, poses: Tensor | None = None, sign: int = +1
    ) -> RadarGeometry:
        """Every pair of (T, 3) transmitters and (R, 3) receivers, receiver fastest, at each (4, 4) rigid pose.

        Pairs are not collapsed to their midpoints: that is wrong by d² / (4 R) of path for a spacing d.
        """
        t = transmitters.double().repeat_interleave(len(receivers), 0)
        r = receivers.double().repeat(len(transmitters), 1)
        if poses is None:
            return cls(t, r, sign)
        turn, shift = poses.double()[:, :3, :3], poses.double()[:, None, :3, 3]
        t, r = ((a @ turn.transpose(1, 2) + shift).reshape(-1, 3) for a in (t, r))
        return cls(t, r, sign)

    @classmethod
    def spotlight(
        cls,
        distance: float,
        azimuths: Tensor,
        elevations: Tensor,
        center: Sequence[float] = (0, 0, 0),
        sign: int = -1,
    ) -> RadarGeometry:
        """A pass around `center` at `distance`, referenced to it: azimuths at each elevation (radians)."""
        e, a = torch.meshgrid(elevations.double(), azimuths.double(), indexing="ij")
        unit = torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], -1).reshape(-1, 3)
        return cls(
            distance * unit + unit.new_tensor(list(center)),
            sign=sign,
            reference_path=2.0 * distance,
        )


def _distance(points: Tensor, antennas: Tensor) -> Tensor:
    """|x - a| of (n, 3) points and (b, 3) antennas: (b, n), without the (b, n, 3) differences in memory."""
    squared = sum((points[None, :, k] - antennas[:, None, k]).square() for k in range(3))
    assert isinstance(squared, Tensor)
    return squared.sqrt()


def _positions(value: Tensor, name: str) -> Tensor:
    if value.ndim != 2 or value.shape[1] != 3 or not len(value):
        raise ValueError(
            f"RadarGeometry: {name} must be (P, 3) positions in metres, got shape {tuple(value.shape)}."
        )
    if not torch.isfinite(value).all():
        raise ValueError(f"RadarGeometry: {name} holds NaN or Inf.")
    if isinstance(value, nn.Parameter):
        if value.dtype != torch.float64:
            raise ValueError(f"RadarGeometry: learnable {name} must be float64, got {value.dtype}.")
        return value
    return nn.Buffer(value.detach().clone().double())


def _coarseness(value: Tensor | float | None) -> float:
    """Relative step of the numbers as they were given: 0 for float64 and for whole numbers."""
    if (
        not isinstance(value, Tensor)
        or not value.is_floating_point()
        or value.dtype == torch.float64
    ):
        return 0.0
    return torch.finfo(value.dtype).eps
