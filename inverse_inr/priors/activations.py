"""Activations as data: a value, its smoothness, how many pre-activations it takes, and how its weights start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Initializer = Callable[[nn.Linear, bool, torch.Generator], None]
"""(linear, is it the first layer, generator) -> fills weight and bias in place."""


@dataclass(frozen=True)
class Activation:
    """`value` maps `arity` pre-activations to one feature; C^`smoothness`."""

    name: str
    value: Callable[..., Tensor]
    initialize: Initializer
    smoothness: float = math.inf
    arity: int = 1
    is_complex: bool = False


def uniform(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """U(-bound, bound), in the real and the imaginary part of a complex tensor."""
    with torch.no_grad():
        parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        parts.uniform_(-bound, bound, generator=generator)


def pytorch_init(linear: nn.Linear, first: bool, generator: torch.Generator) -> None:
    """torch's default for nn.Linear: weight and bias U(±1/√n)."""
    for tensor in (linear.weight, linear.bias):
        uniform(tensor, linear.in_features**-0.5, generator)


def siren_init(omega: float) -> Initializer:
    """First layer U(±1/n), later ones U(±√(6/n)/omega), bias U(±1/√n) (Sitzmann et al. 2020, section 3.2 and code)."""

    def initialize(linear: nn.Linear, first: bool, generator: torch.Generator) -> None:
        n = linear.in_features
        uniform(linear.weight, 1 / n if first else math.sqrt(6 / n) / omega, generator)
        uniform(linear.bias, n**-0.5, generator)

    return initialize


def relu() -> Activation:
    return Activation("relu", torch.relu, pytorch_init, smoothness=0)


def sine(omega: float) -> Activation:
    """sin(omega z), omega also on the bias, as in the published code."""
    return Activation("sine", lambda z: torch.sin(omega * z), siren_init(omega))


def gabor_complex(omega: float, scale: float) -> Activation:
    """exp(j omega z - |scale z|²) of a complex z (Saragadam et al. 2023, WIRE, eq. 4)."""

    def value(z: Tensor) -> Tensor:
        envelope = -(scale**2) * (z.real.square() + z.imag.square())
        return torch.exp(torch.complex(envelope - omega * z.imag, omega * z.real))

    return Activation("gabor_complex", value, pytorch_init, is_complex=True)


def gabor_real(omega: float, scale: float) -> Activation:
    """cos(omega z1) exp(-(scale z2)²) of two linear maps (WIRE's real variant)."""

    def value(z1: Tensor, z2: Tensor) -> Tensor:
        return torch.cos(omega * z1) * torch.exp(-(scale * z2).square())

    return Activation("gabor_real", value, pytorch_init, arity=2)
