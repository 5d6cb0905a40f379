"""Shared by the radar tests: small geometries, every readout, the beat signal written out."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box
from inverse_inr.operators import FMCW, Chirp, PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT

TI = Chirp(77e9, 70e12, 5e6, 256, 6e-6)
F64 = torch.float64
C128 = torch.complex128
NEAR = Box((-0.2, -0.2, -0.2), (0.2, 0.2, 0.2), ("m",) * 3)


def box_at(distance: float, half: float = 0.05) -> Box:
    return Box((distance - half, -half, -half), (distance + half, half, half), ("m",) * 3)


def origin(sign: int = +1) -> RadarGeometry:
    return RadarGeometry(torch.zeros(1, 3, dtype=F64), sign=sign)


def point(*place: float) -> Tensor:
    return torch.tensor([place], dtype=F64)


def echo(operator: Any, points: Tensor, amplitudes: Tensor | None = None) -> Tensor:
    """The response (P, K) of scatterers at points, for every pulse."""
    if amplitudes is None:
        amplitudes = torch.ones(len(points), dtype=F64)
    return operator.respond(points, amplitudes, torch.arange(len(operator)))


def samples(distance: float, chirp: Chirp = TI) -> Tensor:
    """The beat signal (N,), written out."""
    tau = 2 * distance / SPEED_OF_LIGHT
    t = chirp.start_time + torch.arange(chirp.samples, dtype=F64) / chirp.sample_rate
    turns = chirp.start_frequency * tau + chirp.slope * tau * t - 0.5 * chirp.slope * tau**2
    return torch.polar(torch.ones_like(t), 2 * math.pi * (turns - turns.round()))


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def turns_apart(angle: Tensor | float) -> float:
    """The largest distance of an angle from a whole number of turns, in radians."""
    wrapped = torch.as_tensor(angle, dtype=F64).remainder(2 * math.pi)
    return float(wrapped.sub(math.pi).abs().sub(math.pi).abs().max())


def bistatic(
    pulses: int = 5, sign: int = +1, seed: int = 0, reference: float = 0.0
) -> RadarGeometry:
    """Antennas 1.2 and 1.5 m from a small scene at the origin, transmitter and receiver apart."""
    generator = torch.Generator().manual_seed(seed)
    t, r = (
        nn.functional.normalize(torch.randn(pulses, 3, dtype=F64, generator=generator), dim=-1)
        for _ in "tr"
    )
    return RadarGeometry(t * 1.5, r * 1.2, sign, reference)


def scatterers(count: int = 6, half: float = 0.15) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return half * (2 * torch.rand(count, 3, dtype=F64, generator=generator) - 1)


SLOW = Chirp(8e9, 4e9 / 64 * 5e6, 5e6, 64)  # 8-12 GHz
READOUTS = {
    "bins": lambda g, **k: FMCW(NEAR, g, SLOW, **k),
    "hann bins": lambda g, **k: FMCW(NEAR, g, SLOW, window="hann", **k),
    "samples": lambda g, **k: FMCW(NEAR, g, SLOW, readout="samples", **k),
    "phase history": lambda g, **k: PhaseHistory(
        NEAR, g, torch.linspace(9e9, 10e9, 21, dtype=F64), **k
    ),
    "uneven tones": lambda g, **k: PhaseHistory(
        NEAR, g, 9e9 + 1e9 * torch.linspace(0, 1, 15, dtype=F64) ** 1.5, **k
    ),
}
readouts = pytest.mark.parametrize("make", READOUTS.values(), ids=READOUTS.keys())
