"""Topologies: how layers become a network from features to values."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.priors.activations import Activation

Modulation = Sequence[tuple[Tensor, ...]]
"""For each layer what else its activation takes, e.g. amplitude and frequency from a composer."""

MakeLinear = Callable[[int, int], nn.Module]


class Linear(nn.Module):
    """W h + b. A hidden one is what Muon orthogonalises."""

    roles: ClassVar[dict[str, str]] = {}

    def __init__(self, inputs: int, outputs: int, *, hidden: bool = False) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.empty(outputs, inputs)),
            nn.Parameter(torch.empty(outputs)),
        )
        if hidden:
            self.roles = {"weight": "hidden"}  # pyright: ignore[reportAttributeAccessIssue]

    def initialize(self, activation: Activation, first: bool, generator: torch.Generator) -> None:
        activation.initialize(self.weight, self.bias, first, generator)

    def forward(self, h: Tensor) -> Tensor:
        return nn.functional.linear(h, self.weight, self.bias)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """W x + b on a lattice is a sum over the axes: (*shape, outputs)."""
        total = self.bias
        for k, axis in enumerate(axes):
            along = axis[:, None] * self.weight[:, k]
            total = total + along.reshape(
                *[-1 if j == k else 1 for j in range(len(axes))], len(self.bias)
            )
        return total


class ComplexLinear(nn.Module):
    """W h + b of complex numbers held as pairs [re | im], in real arithmetic: one real product with [[R, -I], [I, R]].

    Twice as fast as torch's complex64 product on a CPU, and every compiler takes it. Real and imaginary parts start as
    torch fills a complex layer: each as a real one would.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.real, self.imag = (nn.Parameter(torch.empty(outputs, inputs)) for _ in range(2))
        self.bias = nn.Parameter(torch.empty(2 * outputs))

    def initialize(self, activation: Activation, first: bool, generator: torch.Generator) -> None:
        outputs = len(self.real)
        activation.initialize(self.real, self.bias[:outputs], first, generator)
        activation.initialize(self.imag, self.bias[outputs:], first, generator)

    def forward(self, h: Tensor) -> Tensor:
        block = torch.cat(
            [torch.cat([self.real, -self.imag], 1), torch.cat([self.imag, self.real], 1)]
        )
        return nn.functional.linear(h, block, self.bias)


class Layer(nn.Module):
    """Linear maps followed by one activation of all of them."""

    def __init__(
        self, activation: Activation, linears: Sequence[nn.Module], *, lift: bool = False
    ) -> None:
        super().__init__()
        self.linears, self.activation = nn.ModuleList(linears), activation
        self.lift = (
            lift  # a complex activation of real pre-activations: their imaginary part is zero
        )

    def forward(self, h: Tensor, *modulation: Tensor) -> Tensor:
        return self.activate([linear(h) for linear in self.linears], *modulation)

    def on_axes(self, axes: Sequence[Tensor], *modulation: Tensor) -> Tensor:
        z = [linear.on_axes(axes) for linear in self.linears if isinstance(linear, Linear)]
        return self.activate(z, *modulation)

    def activate(self, z: Sequence[Tensor], *modulation: Tensor) -> Tensor:
        if self.lift:
            z = [torch.cat([v, torch.zeros_like(v)], -1) for v in z]
        return self.activation(*z, *modulation)


class MLP(nn.Module):
    """`depth` activated layers of `width`, then a linear one; a complex network's output is its real part.

    `activation` is one for all layers or one each. `hidden` makes the maps between hidden layers where they are not
    plain (`Linear`); such a map starts by itself.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        depth: int,
        activation: Activation | Sequence[Activation],
        generator: torch.Generator,
        hidden: MakeLinear | None = None,
    ) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        several = [activation] * depth if isinstance(activation, Activation) else list(activation)
        if len(several) != depth:
            raise ValueError(
                f"MLP: {len(several)} activations for depth={depth}; name one a layer."
            )
        self.layers = nn.ModuleList(
            self._layer(a, b, copy.deepcopy(act), k == 0, generator, hidden if k else None)
            for k, ((a, b), act) in enumerate(zip(itertools.pairwise(sizes), several, strict=True))
        )
        last = several[-1] if several else activation
        assert isinstance(last, Activation)
        self.head = (
            ComplexLinear(sizes[-1], outputs) if last.is_complex else Linear(sizes[-1], outputs)
        )
        self.head.initialize(last, False, generator)
        self.is_complex = last.is_complex
        self.smoothness = min([math.inf, *(a.smoothness for a in several)])

    @staticmethod
    def _layer(
        inputs: int,
        outputs: int,
        activation: Activation,
        first: bool,
        generator: torch.Generator,
        make: MakeLinear | None,
    ) -> Layer:
        def linear() -> nn.Module:
            if make is not None:
                return make(inputs, outputs)
            plain = first or not activation.is_complex
            made = (
                Linear(inputs, outputs, hidden=not first)
                if plain
                else ComplexLinear(inputs, outputs)
            )
            made.initialize(activation, first, generator)
            return made

        return Layer(
            activation,
            [linear() for _ in range(activation.arity)],
            lift=first and activation.is_complex,
        )

    def forward(self, h: Tensor, modulation: Modulation | None = None) -> Tensor:
        return self._rest(h, 0, modulation)

    def on_axes(self, axes: Sequence[Tensor], modulation: Modulation | None = None) -> Tensor:
        """The same on a lattice, whose first layer is a sum over the axes."""
        if not len(self.layers):
            assert isinstance(self.head, Linear)
            return self.head.on_axes(axes)
        first = self.layers[0]
        assert isinstance(first, Layer)
        return self._rest(
            first.on_axes(axes, *(modulation[0] if modulation else ())), 1, modulation
        )

    def _rest(self, h: Tensor, start: int, modulation: Modulation | None) -> Tensor:
        for k in range(start, len(self.layers)):
            h = self.layers[k](h, *(modulation[k] if modulation else ()))
        out = self.head(h)
        return out[..., : out.shape[-1] // 2] if self.is_complex else out
