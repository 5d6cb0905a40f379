"""Activations: the functions that layers apply, their smoothness, and how weights start.

Each lives in the file of its family (`periodic`, `radial`, `wavelets`, `bandlimited` ...); this
file holds what they share. A layer gets a copy of its own, so what an activation learns it learns
for each layer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Activation(nn.Module, ABC):
    """A function that maps `arity` pre-activations (*s, n) to features (*s, n).

    If `is_complex`, pre-activations and features hold pairs, (*s, 2n): real parts first, imaginary
    parts after them.

    Attributes:
        smoothness: Continuous derivatives: 0 for kinks, infinity for smooth functions.
        arity: How many linear maps the function takes.
        is_complex: Whether it takes and gives complex numbers as pairs.
    """

    smoothness: float = math.inf
    arity: int = 1
    is_complex: bool = False

    @abstractmethod
    def forward(self, *z: Tensor) -> Tensor:
        """Evaluate at the pre-activations.

        Args:
            *z: `arity` tensors, each (*s, n), and after them what a composer adds.

        Returns:
            (*s, n).
        """
        ...

    def initialize(
        self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator
    ) -> None:
        """Fill a linear map's weight and bias in place; by default as torch does, U(±1/√inputs).

        Args:
            weight: (outputs, inputs).
            bias: (outputs,).
            first: Whether the map is the network's first.
            generator: Source of the random numbers.
        """
        pytorch_start(weight, bias, generator)


def constant(value: float, learnable: bool = False) -> Tensor:
    """Make a number of an activation.

    Args:
        value: The number, or where it starts.
        learnable: Whether it is learnt.

    Returns:
        A parameter if it is learnt, otherwise a buffer, which is saved and moved with the module.
    """
    number = torch.tensor(float(value))
    if learnable:
        return nn.Parameter(number)
    return nn.Buffer(number)


NOTHING = 1e-26
"""Smaller values count as zero: they soon become denormal, on which a CPU is ten times as slow."""


def decay(exponent: Tensor) -> Tensor:
    """exp(-exponent), exactly 0 where that is below `NOTHING`.

    Args:
        exponent: Any shape, not negative.

    Returns:
        The same shape.
    """
    return nn.functional.threshold(torch.exp(-exponent), NOTHING, 0.0)


def uniform(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """Fill a tensor in place with random numbers from U(-bound, bound).

    Args:
        tensor: Any shape.
        bound: The largest absolute value.
        generator: Source of the random numbers.
    """
    with torch.no_grad():
        tensor.uniform_(-bound, bound, generator=generator)


def pytorch_start(weight: Tensor, bias: Tensor, generator: torch.Generator) -> None:
    """Fill weight and bias in place as torch does for nn.Linear: both U(±1/√inputs).

    Args:
        weight: (outputs, inputs).
        bias: (outputs,).
        generator: Source of the random numbers.
    """
    for tensor in (weight, bias):
        uniform(tensor, weight.shape[1] ** -0.5, generator)


def siren_start(
    weight: Tensor, bias: Tensor, first: bool, omega: float, generator: torch.Generator
) -> None:
    """Fill weight and bias in place as SIREN does, for n inputs.

    First layer U(±1/n), later ones U(±√(6/n)/omega), bias U(±1/√n).

    Args:
        weight: (outputs, n).
        bias: (outputs,).
        first: Whether the map is the network's first.
        omega: The factor inside the sine.
        generator: Source of the random numbers.

    Source:
        Sitzmann et al. 2020, section 3.2 and the published code.
    """
    n = weight.shape[1]
    bound = 1 / n
    if not first:
        bound = math.sqrt(6 / n) / omega
    uniform(weight, bound, generator)
    uniform(bias, n**-0.5, generator)


class ReLU(Activation):
    """max(0, z)."""

    smoothness = 0

    def forward(self, *z: Tensor) -> Tensor:
        return torch.relu(z[0])
