"""Priors beside minimal modules of the same shape, written as their papers have them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from timing import Call
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.priors.functions.prolate import prolate_expansion

Pair = tuple[str, str, Call, Call]
"""What is compared, with what, our call and theirs."""

SQUARE = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
WIDTH = 128
COMPLEX_WIDTH = round(WIDTH / math.sqrt(2))
"""Complex features of a network of as many real parameters."""


def layers(activation: Callable[[Tensor], Tensor], x: Tensor) -> Call:
    """Make a call that takes a step of four layers of one activation."""
    maps = nn.ModuleList([nn.Linear(2, WIDTH), *(nn.Linear(WIDTH, WIDTH) for _ in range(3))])
    last = nn.Linear(WIDTH, 1)

    def step() -> None:
        h = x
        for linear in maps:
            h = activation(linear(h))
        last(h).square().sum().backward()

    return step


def pulse(t: Tensor, rolloff: float) -> Tensor:
    """The raised-cosine pulse by its formula, which is 0/0 at 0 and ±1/2β."""
    flank = torch.cos(math.pi * rolloff * t) / (1 - (2 * rolloff * t) ** 2)
    return torch.sin(math.pi * t) / (math.pi * t) * flank


def modulated_pulses(x: Tensor) -> Call:
    """Make a call that takes a step of COSMO's complex layers, in torch's complex numbers."""
    sizes = [2, *[COMPLEX_WIDTH] * 4]
    maps = nn.ModuleList(
        nn.Linear(a, b, dtype=torch.complex64) for a, b in itertools.pairwise(sizes)
    )
    numbers = nn.Parameter(torch.full((4, 2), 0.3))
    last = nn.Linear(2 * COMPLEX_WIDTH, 1)

    def step() -> None:
        h = x.to(torch.complex64)
        for k, linear in enumerate(maps):
            h = linear(h)
            if k > 0:
                h = h / h.abs()
            period, shift = (10 * numbers[k, 0].sigmoid(), 3 * numbers[k, 1].sigmoid())
            wave = torch.exp(2j * math.pi * shift * h)
            h = pulse(h / period, 0.05) / period * wave
            if k > 0:
                h = h / h.abs()
        last(torch.view_as_real(h).flatten(-2)).square().sum().backward()

    return step


def networks() -> Iterator[Pair]:
    """Forward and backward pass of priors beside bare modules, and beside a bare SIREN."""
    x = SQUARE.random_points(32768)
    siren = layers(lambda z: torch.sin(30 * z), x)
    yield "siren, 32768 points, step", "bare module", _stepping("siren", x), siren
    yield "hash, 32768 points, step", "the bare siren", _stepping("hash", x), siren
    x = x[:8192]
    siren = layers(lambda z: torch.sin(30 * z), x)
    amplitudes, frequencies = prolate_expansion(5.0)

    def cosines(z: Tensor) -> Tensor:
        total = torch.zeros_like(z)
        for a, w in zip(amplitudes, frequencies, strict=True):
            total = total + a * torch.cos(w * 5.3 * z)
        return total

    bare = {
        "pin": layers(cosines, x),
        "raised_cosine": layers(lambda z: pulse(5.4 * z, 0.5), x),
        "cosmo": modulated_pulses(x),
    }
    for name, peer in bare.items():
        ours = _stepping(name, x)
        yield f"{name}, 8192 points, step", "bare module", ours, peer
        yield f"{name}, 8192 points, step", "the bare siren", ours, siren


def _stepping(name: str, x: Tensor) -> Call:
    prior = priors.create(name, SQUARE)

    def step() -> None:
        prior.zero_grad()
        prior(x).square().sum().backward()

    return step
