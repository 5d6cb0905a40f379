"""A radar whose channels have unknown gains, phases and delays: an array before it is calibrated.

y_p(f) = g_v exp{ j φ_v + sign · j 2π (f - f_c) d_v } (A σ)_p(f)        v the channel of pulse p
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Query
from inverse_inr.operators.radar.calibration.closed_form import fit_channels
from inverse_inr.operators.radar.calibration.virtual_array import Gauge, VirtualArray
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.operators.radar.precision import KeepsPrecision
from inverse_inr.operators.radar.tones import Tones
from inverse_inr.ranges import FiniteTensor, checked


class ChannelErrors(KeepsPrecision):
    """A radar with a gain, a phase and, if asked for, a delay per channel, learnt with the scene.

    The numbers are float64 and in a gauge. No measurement of an unknown scene tells a gain, a phase
    or a delay that all channels share: the first two are the scene's own, the third moves it in
    range. So the mean over the channels is zero (of the logarithm of gains), or the first channel
    is the reference. A phase (with its delay) that is linear along a far-field array turns the
    scene about it, and is not told either unless a place in the scene is known; this is not fixed.

    Args:
        radar: The radar as it should be, its pulses in the order of `VirtualArray`.
        array: Its transmitters and receivers; None for a channel per pulse.
        gains: (elements,) factors of the amplitude where learning begins; default one.
        phases: (elements,) in rad at the middle of the band; default zero.
        delays: (elements,) in s; None where no channel has one. They need the frequencies of
            `FMCW(readout="samples")` or `PhaseHistory`.
        gauge: "mean", or "first" for the first channel (first transmitter and first receiver).
        learnt: False to keep the numbers as they are given.

    Attributes:
        array: Transmitters and receivers.

    Raises:
        TypeError: Delays are asked of a radar without frequencies.
        ValueError: Pulses are no multiple of the channels, there is another number of gains, phases
            or delays than of elements, or a gain is not positive.

    Source:
        Friedlander & Weiss, Eigenstructure methods for direction finding with sensor gain and phase
        uncertainties, 1990, for gains and phases.
    """

    log_gains: Tensor
    angles: Tensor
    edges: Tensor | None
    offsets: Tensor | None

    @checked
    def __init__(
        self,
        radar: RadarOperator,
        array: VirtualArray | None = None,
        gains: FiniteTensor | None = None,
        phases: FiniteTensor | None = None,
        delays: FiniteTensor | None = None,
        *,
        gauge: Gauge = "mean",
        learnt: bool = True,
    ) -> None:
        super().__init__()
        self.radar = radar
        self.shape = radar.shape
        self.array = VirtualArray(1, len(radar)) if array is None else array
        self.gauge: Gauge = gauge
        if len(radar) % self.array.channels:
            raise ValueError(
                f"ChannelErrors: the radar has {len(radar)} pulses, no multiple of the "
                f"{self.array.channels} channels of {self.array}."
            )
        self.register_buffer("offsets", _offsets(radar), persistent=False)
        if gains is not None and not bool((gains > 0).all()):
            raise ValueError(
                f"ChannelErrors: gains are factors of the amplitude and must be positive, got "
                f"{float(gains.min()):.4g}. In dB? 10 ** (dB / 20) is the factor."
            )
        self.log_gains = self._kept(
            "gains", None if gains is None else gains.double().log(), learnt
        )
        self.angles = self._kept("phases", phases, learnt)
        self.edges = None
        if delays is not None:
            if self.offsets is None:
                raise TypeError(
                    "ChannelErrors: delays=... needs the frequencies of FMCW(readout='samples') or "
                    f"PhaseHistory; this {type(radar).__name__} has bins or none."
                )
            self.edges = self._kept("delays", delays.double() * self._per_second, learnt)

    def __len__(self) -> int:
        return len(self.radar)

    def _kept(self, name: str, values: Tensor | None, learnt: bool) -> nn.Parameter:
        """Values of the elements as a float64 parameter; default zero."""
        count = self.array.elements
        if values is None:
            values = torch.zeros(count, device=self.radar.geometry.transmitters.device)
        if values.shape != (count,):
            kind = "T + R antennas" if self.array.separable else "channels"
            raise ValueError(
                f"ChannelErrors: {name} has shape {tuple(values.shape)}; {self.array} has {count} "
                f"{kind}."
            )
        return nn.Parameter(values.detach().double().clone(), requires_grad=learnt)

    # --- the numbers, in their gauge --------------------------------------------------------------

    @property
    def _per_second(self) -> float:
        """Rad by which a delay of 1 s turns the band's edge against its middle.

        Delays are kept in this unit, so that one learning rate suits them and phases.
        """
        assert self.offsets is not None
        return 2 * math.pi * float(self.offsets.abs().max())

    @property
    def gains(self) -> Tensor:
        """(elements,) factors of the amplitude, float64."""
        return self.array.fixed(self.log_gains, self.gauge).exp()

    @property
    def phases(self) -> Tensor:
        """(elements,) in rad at the middle of the band, not wrapped, float64."""
        return self.array.fixed(self.angles, self.gauge)

    @property
    def delays(self) -> Tensor | None:
        """(elements,) in s, float64; None where there are none."""
        if self.edges is None:
            return None
        return self.array.fixed(self.edges, self.gauge) / self._per_second

    def factors(self, rows: Tensor) -> Tensor:
        """The factors of some pulses.

        Args:
            rows: (b,) numbers of pulses.

        Returns:
            (b, 1) complex128, or (b, K) where channels have delays.
        """
        channel = rows.to(self.angles.device) % self.array.channels
        gain = self.array.joined(self.array.fixed(self.log_gains, self.gauge))[channel, None].exp()
        angle = self.array.joined(self.phases)[channel, None]
        if self.edges is not None and self.offsets is not None:
            edge = self.array.joined(self.array.fixed(self.edges, self.gauge))[channel, None]
            angle = angle + edge * (self.offsets / self.offsets.abs().max())
        return torch.polar(gain.expand_as(angle), angle)

    # --- the protocol -----------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        """Look where the radar looks, and multiply its echoes (b, K) by their channels' factors."""
        points, measure = self.radar(rows)

        def through(values: Tensor) -> Tensor:
            y = measure(values)
            return y * self.factors(rows).to(y)

        return Query(points, through)

    # --- what is known in closed form -------------------------------------------------------------

    @torch.no_grad()
    def corrected(self, y: Tensor) -> Tensor:
        """Echoes without the channels' errors.

        Args:
            y: (P, K) complex echoes.

        Returns:
            (P, K) complex, as the radar would have measured them.
        """
        return y / self.factors(torch.arange(len(self))).to(y)

    @torch.no_grad()
    def fit(self, predicted: Tensor, y: Tensor, rows: Tensor | None = None) -> None:
        """Set gains, phases and delays to those that explain echoes of a known scene best.

        One strong point at a known place, a corner reflector, is enough. Of a separable array it is
        the rank-one matrix nearest to the channels' own factors. The numbers are then in the gauge.

        Args:
            predicted: (b, K) echoes of the scene, without the channels' errors.
            y: (b, K) measured echoes.
            rows: (b,) numbers of the pulses; None for all.

        Raises:
            ValueError: A channel has no pulse, or an echo of zero, so that nothing is told of it.
        """
        if rows is None:
            rows = torch.arange(len(self))
        channel = rows.to(self.angles.device) % self.array.channels
        offsets = None if self.edges is None else self.offsets
        found = fit_channels(predicted, y, channel, self.array.channels, offsets)
        dark = (~(found.factors.abs() > 0)).nonzero()[:, 0]
        if len(dark):
            raise ValueError(
                f"ChannelErrors.fit: nothing is told of {len(dark)} of {self.array.channels} "
                f"channels, the first is {int(dark[0])}: no pulse of it, or echoes of zero."
            )
        factors = self.array.factors(found.factors, found.weights)
        self.log_gains.copy_(self.array.fixed(factors.abs().log(), self.gauge))
        self.angles.copy_(self.array.fixed(factors.angle(), self.gauge))
        if self.edges is not None:
            apart = self.array.apart(found.delays, found.weights)
            self.edges.copy_(self.array.fixed(apart * self._per_second, self.gauge))


def _offsets(radar: RadarOperator) -> Tensor | None:
    """Frequencies about the middle of the band in Hz, times the sign of the phase: (K,) or None."""
    if not isinstance(radar.transform, Tones):
        return None
    f = radar.transform.frequencies
    if len(f) < 2:
        return None
    return radar.geometry.sign * (f - f.mean())
