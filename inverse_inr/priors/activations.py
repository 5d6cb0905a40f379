"""Activations: what a layer makes of its pre-activations, how smooth it is, how its weights start.

Each lives in the file of its family (`periodic`, `radial`, `wavelets`, `bandlimited` ...); here is what they share. A
layer gets a copy of its own, so what an activation learns it learns for each layer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Activation(nn.Module, ABC):
    """Maps `arity` pre-activations (*s, n) to features (*s, n); C^`smoothness`.

    Where `is_complex`, both hold pairs, (*s, 2n): real parts first, imaginary parts after them.
    """

    smoothness: float = math.inf
    arity: int = 1
    is_complex: bool = False

    @abstractmethod
    def forward(self, *z: Tensor) -> Tensor: ...

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        """Fill weight (outputs, inputs) and bias in place; torch's default for nn.Linear, U(±1/√inputs)."""
        pytorch_start(weight, bias, generator)


def constant(value: float, learnable: bool = False) -> Tensor:
    """A number of an activation: a parameter where it is learnt, a buffer (saved and moved with it) where not."""
    number = torch.tensor(float(value))
    return nn.Parameter(number) if learnable else nn.Buffer(number)


NOTHING = 1e-26
"""What falls below counts as zero: smaller numbers soon are denormal, and a CPU is ten times as slow on those."""


def decay(exponent: Tensor) -> Tensor:
    """exp(-exponent), exactly 0 where that is below `NOTHING`."""
    return nn.functional.threshold(torch.exp(-exponent), NOTHING, 0.0)


def uniform(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """U(-bound, bound)."""
    with torch.no_grad():
        tensor.uniform_(-bound, bound, generator=generator)


def pytorch_start(weight: Tensor, bias: Tensor, generator: torch.Generator) -> None:
    """torch's default for nn.Linear: weight and bias U(±1/√inputs)."""
    for tensor in (weight, bias):
        uniform(tensor, weight.shape[1] ** -0.5, generator)


def siren_start(
    weight: Tensor, bias: Tensor, first: bool, omega: float, generator: torch.Generator
) -> None:
    """First layer U(±1/n), later ones U(±√(6/n)/omega), bias U(±1/√n) (Sitzmann et al. 2020, section 3.2 and code)."""
    n = weight.shape[1]
    uniform(weight, 1 / n if first else math.sqrt(6 / n) / omega, generator)
    uniform(bias, n**-0.5, generator)


class ReLU(Activation):
    """max(0, z)."""

    smoothness = 0

    def forward(self, *z: Tensor) -> Tensor:
        return torch.relu(z[0])
