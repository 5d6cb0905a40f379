"""Virtual channels of a MIMO array, and what makes them: a number each, or one per antenna.

A logarithm of a gain, a phase and a delay add up along the path from a transmitter to a receiver,

    v_tr = v_t + v_r        (log gain, rad or s)

so that T + R numbers stand for T · R channels where the hardware behind the antennas is separable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.ranges import Count, FiniteTensor, checked

Gauge = Literal["mean", "first"]
"""What is zero by agreement: the mean over the channels, or the first channel."""

ROUNDS = 30
"""Rounds in which the factors of a rank-one matrix are found in turn."""


@checked
@dataclass(frozen=True)
class VirtualArray:
    """How the pulses of a radar are made of transmitters and receivers.

    Pulse p belongs to channel p mod (T · R), and channel t · R + r to transmitter t and receiver r:
    the order of `RadarGeometry.mimo`, whose slowest index is the pose of the array.

    Args:
        transmitters: Number T of transmitters; 1 where channels are of no such pairs.
        receivers: Number R of receivers, or of channels.
        separable: True where a channel's error is its transmitter's and its receiver's. Numbers
            then are one per antenna, transmitters first: T + R of them; else one per channel.
    """

    transmitters: Count
    receivers: Count
    separable: bool = False

    @property
    def channels(self) -> int:
        """Number T · R of virtual channels."""
        return self.transmitters * self.receivers

    @property
    def elements(self) -> int:
        """Numbers that describe the channels: T + R where they are separable, else T · R."""
        if self.separable:
            return self.transmitters + self.receivers
        return self.channels

    @checked
    def joined(self, values: Tensor) -> Tensor:
        """Values of the channels from those of the elements.

        Args:
            values: (elements,) log gains, phases or delays.

        Returns:
            (channels,) in the unit of `values`.
        """
        self._require("joined", values, self.elements, "elements")
        if not self.separable:
            return values
        sent, received = values.split([self.transmitters, self.receivers])
        return (sent[:, None] + received).reshape(-1)

    @checked
    def fixed(self, values: Tensor, gauge: Gauge = "mean") -> Tensor:
        """Values in a gauge: of a separable array, both for transmitters and for receivers.

        Args:
            values: (elements,) log gains, phases or delays.
            gauge: What is zero.

        Returns:
            (elements,) that differ from `values` by a constant (by one for each kind of antenna).
        """
        self._require("fixed", values, self.elements, "elements")
        groups = [values]
        if self.separable:
            groups = list(values.split([self.transmitters, self.receivers]))
        zero = [v.mean() if gauge == "mean" else v[0] for v in groups]
        return torch.cat([v - at for v, at in zip(groups, zero, strict=True)])

    @checked
    def apart(self, values: FiniteTensor, weights: FiniteTensor) -> Tensor:
        """Values of the elements that explain those of the channels best, by least squares.

        Args:
            values: (channels,) log gains or delays, which do not wrap.
            weights: (channels,) weights of the squares, not negative.

        Returns:
            (elements,) in the unit of `values`.
        """
        self._require("apart", values, self.channels, "channels")
        if not self.separable:
            return values
        wanted = values.reshape(self.transmitters, self.receivers)
        weight = weights.reshape_as(wanted).clamp(min=1e-30 * float(weights.max()) + 1e-300)
        received = torch.zeros_like(wanted[0])
        sent = torch.zeros_like(wanted[:, 0])
        for _ in range(ROUNDS):
            sent = (weight * (wanted - received)).sum(1) / weight.sum(1)
            received = (weight * (wanted - sent[:, None])).sum(0) / weight.sum(0)
        return torch.cat([sent, received])

    @checked
    def factors(self, values: Tensor, weights: FiniteTensor) -> Tensor:
        """Complex factors of the elements whose products explain those of the channels best.

        Of a separable array this is the rank-one matrix nearest to the T x R factors, by power
        iteration from their strongest row.

        Args:
            values: (channels,) complex factors.
            weights: (channels,) weights of the squares, not negative.

        Returns:
            (elements,) complex.
        """
        self._require("factors", values, self.channels, "channels")
        if not self.separable:
            return values
        wanted = values.reshape(self.transmitters, self.receivers)
        weight = weights.reshape_as(wanted).clamp(min=1e-30 * float(weights.max()) + 1e-300)
        received = wanted[int((weight * wanted.abs().square()).sum(1).argmax())]
        sent = wanted[:, 0]
        for _ in range(ROUNDS):
            sent = _projected(wanted, weight, received)
            received = _projected(wanted.T, weight.T, sent)
        return torch.cat([sent, received])

    def _require(self, name: str, values: Tensor, count: int, what: str) -> None:
        if values.shape != (count,):
            raise ValueError(
                f"VirtualArray.{name}: values have shape {tuple(values.shape)}; an array of "
                f"{self.transmitters} x {self.receivers} antennas has {count} {what}."
            )


def _projected(wanted: Tensor, weight: Tensor, other: Tensor) -> Tensor:
    """The factors of the rows that explain a matrix best, given those of its columns."""
    power = (weight * other.abs().square()).sum(1)
    return (weight * wanted * other.conj()).sum(1) / power.clamp(min=1e-300)
