"""Topologies: how layers become a network from features to values."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from inverse_inr.priors.activations import Activation, uniform


class Layer(nn.Module):
    """Linear maps followed by one activation of all of them."""

    def __init__(self, inputs: int, outputs: int, activation: Activation, *, first: bool, real_input: bool,
                 generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        dtype = torch.complex64 if activation.is_complex and not real_input else torch.float32
        self.linears = nn.ModuleList(nn.Linear(inputs, outputs, dtype=dtype) for _ in range(activation.arity))
        self.activation = activation
        self.lift = activation.is_complex and real_input
        for linear in self.linears:
            assert isinstance(linear, nn.Linear)
            activation.initialize(linear, first, generator)

    def forward(self, h: Tensor) -> Tensor:
        z = [linear(h) for linear in self.linears]
        if self.lift:
            z = [torch.complex(v, torch.zeros_like(v)) for v in z]
        return self.activation.value(*z)


class MLP(nn.Module):
    """`depth` activated layers of `width`, then a linear one; a complex network's output is its real part."""

    def __init__(self, inputs: int, outputs: int, *, width: int, depth: int, activation: Activation,
                 generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.layers = nn.ModuleList(
            Layer(a, b, activation, first=k == 0, real_input=k == 0, generator=generator)
            for k, (a, b) in enumerate(itertools.pairwise(sizes))
        )
        dtype = torch.complex64 if activation.is_complex and depth else torch.float32
        self.head = nn.Linear(sizes[-1], outputs, dtype=dtype)
        activation.initialize(self.head, False, generator)
        self.smoothness = activation.smoothness

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = layer(h)
        out = self.head(h)
        return out.real if out.is_complex() else out


class Separable(nn.Module):
    """Tucker product of one-dimensional networks: f(x) = Σ core[r1..rd, c] Π_k u_k(x_k)[r_k].

    On a lattice it costs one network call an axis and d small products (Luo et al. 2023, LRTFR; Cho et al. 2023).
    """

    def __init__(self, ndim: int, outputs: int, *, rank: int, width: int, depth: int, activation: Activation,
                 generator: torch.Generator) -> None:  # fmt: skip
        super().__init__()
        self.factors = nn.ModuleList(
            MLP(1, rank, width=width, depth=depth, activation=activation, generator=generator) for _ in range(ndim)
        )
        for factor in self.factors:
            assert isinstance(factor, MLP)  # outputs of variance 1, not 1 / omega²: they are factors, not values
            uniform(factor.head.weight, math.sqrt(6 / width), generator)
        # this start gives the field a standard deviation near 0.1
        core = torch.randn(*[rank] * ndim, outputs, generator=generator)
        self.core = nn.Parameter(0.1 * core * rank ** (-ndim / 2))
        self.smoothness = activation.smoothness

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        first, *rest = [factor(flat[:, k : k + 1]) for k, factor in enumerate(self.factors)]
        values = (first @ self.core.flatten(1)).unflatten(1, self.core.shape[1:])
        for u in rest:
            values = torch.einsum("nr,nr...->n...", u, values)
        return values.reshape(*x.shape[:-1], self.core.shape[-1])

    def on_axes(self, axes: list[Tensor]) -> Tensor:
        """Values on the lattice of the given normalised axes: (*shape, c)."""
        values = self.core
        for k, (factor, axis) in enumerate(zip(self.factors, axes, strict=True)):
            values = torch.tensordot(factor(axis[:, None]), values.movedim(k, 0), dims=1).movedim(0, k)
        return values
