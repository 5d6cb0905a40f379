"""Gain, phase and delay of each channel in closed form, from echoes that are known up to them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

REACH = 2.0
"""Delays are sought up to this number of resolution cells 1 / B either way."""
PER_CELL = 8
"""Delays that are tried per resolution cell, before the best is refined."""
NEWTON = 6
"""Steps of Newton's method from the best of the delays that were tried."""


class ChannelFit(NamedTuple):
    """Gain, phase and delay of each channel, found from echoes that are known."""

    factors: Tensor
    """(V,) complex: gain and phase at the middle of the band."""
    delays: Tensor
    """(V,) in s, beside them."""
    weights: Tensor
    """(V,) energy of the known echoes: the weight of a channel's factor in least squares."""


def fit_channels(
    predicted: Tensor, y: Tensor, channels: Tensor, count: int, offsets: Tensor | None
) -> ChannelFit:
    """Find the gain, phase and delay that turn known echoes into measured ones, per channel.

    A channel's delay is where the matched filter Σ_k conj(ŷ_k) y_k exp(-j 2π ν_k d) is largest; its
    value there, over the energy of ŷ, is gain and phase. It is the maximum of the likelihood in
    white noise.

    Args:
        predicted: (b, K) complex echoes ŷ of a known scene, without the channels' errors.
        y: (b, K) measured echoes.
        channels: (b,) channel of each pulse.
        count: Number V of channels; those of which there is no pulse have factor 0 and weight 0.
        offsets: (K,) frequencies ν_k about the middle of the band in Hz, times the sign of the
            phase; None where delays are known to be none.

    Returns:
        Factors, delays and weights of the channels.
    """
    product = (predicted.conj() * y).to(torch.complex128)
    cross = product.new_zeros(count, y.shape[1]).index_add(0, channels, product)
    energy = predicted.abs().square().sum(1).double()
    weights = energy.new_zeros(count).index_add(0, channels, energy)
    delays = weights.new_zeros(count)
    if offsets is not None:
        delays = _best_delays(cross, offsets.to(weights))
        cross = cross * _turned(delays, offsets.to(weights))
    return ChannelFit(cross.sum(1) / weights.clamp(min=1e-300), delays, weights)


def _turned(delays: Tensor, offsets: Tensor) -> Tensor:
    """exp(-j 2π ν d): (V, K)."""
    turns = -2 * math.pi * delays[:, None] * offsets
    return torch.polar(torch.ones_like(turns), turns)


def _best_delays(cross: Tensor, offsets: Tensor) -> Tensor:
    """The delays (V,) in s at which |Σ_k cross_k exp(-j 2π ν_k d)| is largest."""
    cell = 1 / float(offsets.max() - offsets.min())
    tried = torch.arange(-REACH, REACH + 1e-9, 1 / PER_CELL).to(offsets) * cell
    power = (cross @ _turned(tried, offsets).T).abs()
    delays = tried[power.argmax(1)]
    slope = 2 * math.pi * offsets
    for _ in range(NEWTON):
        turned = cross * _turned(delays, offsets)
        s = turned.sum(1)
        ds = (-1j * slope * turned).sum(1)
        dds = -(slope.square() * turned).sum(1)
        first = (s.conj() * ds).real
        second = ds.abs().square() + (s.conj() * dds).real
        step = torch.where(second < 0, -first / second, torch.zeros_like(first))
        delays = delays + step.clamp(-0.5 * cell / PER_CELL, 0.5 * cell / PER_CELL)
    return delays
