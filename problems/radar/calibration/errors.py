"""Errors of channels: simulated ones, what no scene tells of them, and bounds of a reflector."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr.operators import ChannelErrors, VirtualArray
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.autofocus.phases import phases_apart, straight_line
from inverse_inr.ranges import NonNegative, Positive, WholeNumber, checked

Model = Literal["channels", "antennas"]
"""A number per virtual channel, or one per transmitter and one per receiver."""

DECIBEL = 20 / math.log(10)
"""Decibels of a factor e of the amplitude."""


class ChannelMisfit(NamedTuple):
    """How far found channels are from the true ones, rms over the virtual channels."""

    gain: float
    """In dB, without the mean."""
    phase: float
    """In rad, without what no scene tells."""
    delay: float
    """In s, without what no scene tells; 0 where the true channels have none."""


class ReflectorBound(NamedTuple):
    """Cramér–Rao bounds (standard deviations) of one channel that saw one known point."""

    gain: float
    """In dB."""
    phase: float
    """In rad at the middle of the band."""
    delay: float
    """In s."""


@checked
def channel_errors(
    radar: RadarOperator,
    array: VirtualArray,
    *,
    gain: NonNegative = 3.0,
    phase: NonNegative = math.pi,
    delay: NonNegative = 0.0,
    seed: WholeNumber = 0,
) -> ChannelErrors:
    """Draw errors of channels, uniform and independent of each other.

    Args:
        radar: The radar as it should be.
        array: Its transmitters and receivers; of a separable one, errors are the antennas'.
        gain: Largest gain either way in dB.
        phase: Largest phase either way in rad at the middle of the band.
        delay: Largest delay either way in s; 0 for none.
        seed: Seed of the drawing.

    Returns:
        The radar with these errors, which are not learnt.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = 2 * torch.rand(3, array.elements, dtype=torch.float64, generator=generator) - 1
    return ChannelErrors(
        radar,
        array,
        (gain / DECIBEL * drawn[0]).exp(),
        phase * drawn[1],
        delay * drawn[2] if delay else None,
        learnt=False,
    )


@checked
def channel_misfit(
    found: ChannelErrors, true: ChannelErrors, *, line: bool = True
) -> ChannelMisfit:
    """Compare channels that were found with the true ones, without the gauge.

    A gain, a phase and a delay that all channels share are left out. So are, if `line`, a phase and
    a delay that are linear over the channels in their order: along an evenly spaced line of far-
    field channels they turn the scene about the array, which only a known place tells.

    Args:
        found: The channels that were found.
        true: The true ones, of as many virtual channels, perhaps of another model.
        line: False to count the linear part too.

    Returns:
        Root mean squares over the virtual channels.

    Raises:
        ValueError: The arrays have not as many channels.
    """
    a, b = found.array, true.array
    if a.channels != b.channels:
        raise ValueError(
            f"channel_misfit: {a.channels} channels were found, and {b.channels} are true."
        )
    with torch.no_grad():
        gain = a.joined(found.gains.log()) - b.joined(true.gains.log())
        phases = a.joined(found.phases), b.joined(true.phases)
        delay = _delays(found) - _delays(true)
    if line and a.channels > 2:
        phase = phases_apart(*phases)
        delay = delay - straight_line(delay)
    else:
        turn = torch.polar(torch.ones_like(phases[0]), phases[0] - phases[1])
        phase = (turn * turn.mean().conj()).angle()
        delay = delay - delay.mean()
    return ChannelMisfit(DECIBEL * _rms(gain - gain.mean()), _rms(phase), _rms(delay))


@checked
def reflector_bound(
    radar: RadarOperator, amplitude: Positive, sigma: Positive, *, delay: bool = True
) -> ReflectorBound:
    """The Cramér–Rao bound of one channel's gain, phase and delay from one known point.

        var φ = var ln g = σ² / (2 K A²)        var d = σ² / (2 A² Σ_k (2π (f_k - f_c))²)

    Phase and delay are independent, because the phase is that at the middle of the band.

    Args:
        radar: The radar, for its frequencies.
        amplitude: Modulus A of the point's echo.
        sigma: Standard deviation of the complex noise.
        delay: False where channels are known to have no delays.

    Returns:
        Standard deviations; that of the delay is 0 where there is none.

    Raises:
        TypeError: A delay is asked of a radar without frequencies.

    Source:
        Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, 1993, section 3.9.
    """
    one = sigma / (amplitude * math.sqrt(2.0))
    phase = one / math.sqrt(radar.transform.count)
    if not delay:
        return ReflectorBound(DECIBEL * phase, phase, 0.0)
    offsets = ChannelErrors(radar).offsets
    if offsets is None:
        raise TypeError(
            f"reflector_bound: this {type(radar).__name__} has no frequencies to tell a delay by; "
            "FMCW(readout='samples') and PhaseHistory have."
        )
    spread = 2 * math.pi * float(offsets.square().sum().sqrt())
    return ReflectorBound(DECIBEL * phase, phase, one / spread)


def _delays(errors: ChannelErrors) -> Tensor:
    """Delays of the virtual channels in s; zeros where there are none."""
    if errors.delays is None:
        return torch.zeros(errors.array.channels, dtype=torch.float64)
    return errors.array.joined(errors.delays)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
