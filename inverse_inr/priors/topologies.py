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
from inverse_inr.priors.networks.pieces import in_pieces

Modulation = Sequence[tuple[Tensor, ...]]
"""For each layer the further arguments of its activation, e.g. amplitude and frequency from a
composer."""

MakeLinear = Callable[[int, int], nn.Module]
"""Makes the linear map from `inputs` to `outputs` features."""


class Linear(nn.Module):
    """W h + b.

    Args:
        inputs: Features of h.
        outputs: Features of the result.
        hidden: Whether it joins two hidden layers: then Muon orthogonalises its weight's steps.
    """

    roles: ClassVar[dict[str, str]] = {}

    def __init__(self, inputs: int, outputs: int, *, hidden: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        if hidden:
            self.roles = {"weight": "hidden"}  # pyright: ignore[reportAttributeAccessIssue]

    def initialize(self, activation: Activation, first: bool, generator: torch.Generator) -> None:
        """Fill weight and bias as the activation that follows asks.

        Args:
            activation: The activation that follows.
            first: Whether the map is the network's first.
            generator: Source of the random numbers.
        """
        activation.initialize(self.weight, self.bias, first, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Map features (*s, inputs) to (*s, outputs)."""
        return nn.functional.linear(h, self.weight, self.bias)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate W x + b on a lattice, as a sum over the axes.

        Args:
            axes: For each of d axes the normalised coordinates along it, (n_k,).

        Returns:
            (*shape, outputs).
        """
        total = self.bias
        for k, axis in enumerate(axes):
            along = axis[:, None] * self.weight[:, k]
            shape = [1] * len(axes)
            shape[k] = -1
            total = total + along.reshape(*shape, len(self.bias))
        return total


class ComplexLinear(nn.Module):
    """W h + b of complex numbers held as pairs [re | im], by one product with [[R, -I], [I, R]].

    It is twice as fast as torch's complex64 product on a CPU, and every compiler takes it. Real and
    imaginary parts start as torch fills a complex layer: each as a real one would.

    Args:
        inputs: Complex features of h.
        outputs: Complex features of the result.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.real = nn.Parameter(torch.empty(outputs, inputs))
        self.imag = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(2 * outputs))

    def initialize(self, activation: Activation, first: bool, generator: torch.Generator) -> None:
        """Fill weight and bias as the activation that follows asks; real and imaginary parts each.

        Args:
            activation: The activation that follows.
            first: Whether the map is the network's first.
            generator: Source of the random numbers.
        """
        outputs = len(self.real)
        activation.initialize(self.real, self.bias[:outputs], first, generator)
        activation.initialize(self.imag, self.bias[outputs:], first, generator)

    def forward(self, h: Tensor) -> Tensor:
        """Map pairs (*s, 2 inputs) to pairs (*s, 2 outputs)."""
        block = torch.cat(
            [torch.cat([self.real, -self.imag], 1), torch.cat([self.imag, self.real], 1)]
        )
        return nn.functional.linear(h, block, self.bias)


class Layer(nn.Module):
    """Linear maps followed by one activation of all of them.

    Args:
        activation: Takes one tensor per map, and what a composer adds.
        linears: The maps, as many as the activation's arity.
        lift: Whether the activation is complex and the pre-activations are real: their imaginary
            part is zero.
    """

    def __init__(
        self, activation: Activation, linears: Sequence[nn.Module], *, lift: bool = False
    ) -> None:
        super().__init__()
        self.linears = nn.ModuleList(linears)
        self.activation = activation
        self.lift = lift

    def forward(self, h: Tensor, *modulation: Tensor) -> Tensor:
        """Map features (*s, inputs) to (*s, outputs), pairs if the activation is complex."""
        return self.activate([linear(h) for linear in self.linears], *modulation)

    def on_axes(self, axes: Sequence[Tensor], *modulation: Tensor) -> Tensor:
        """Evaluate on the lattice of d normalised axes: (*shape, outputs)."""
        z = [linear.on_axes(axes) for linear in self.linears if isinstance(linear, Linear)]
        return self.activate(z, *modulation)

    def activate(self, z: Sequence[Tensor], *modulation: Tensor) -> Tensor:
        """Apply the activation to pre-activations, one (*s, outputs) per linear map."""
        if self.lift:
            z = [torch.cat([v, torch.zeros_like(v)], -1) for v in z]
        return self.activation(*z, *modulation)


class MLP(nn.Module):
    """Activated layers, then a linear one; a complex network's output is its real part.

    Args:
        inputs: Features of what it is given.
        outputs: Numbers that it gives.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        activation: One for all layers, or one per layer; every layer gets a copy.
        generator: Source of the random starting weights.
        hidden: Makes the maps between hidden layers, which fill their own weights; None for
            `Linear`.

    Raises:
        ValueError: If there are more or fewer activations than layers.
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
            self._layer(a, b, copy.deepcopy(act), k == 0, generator, hidden)
            for k, ((a, b), act) in enumerate(zip(itertools.pairwise(sizes), several, strict=True))
        )
        last = several[-1] if several else activation
        assert isinstance(last, Activation)
        make = ComplexLinear if last.is_complex else Linear
        self.head = make(sizes[-1], outputs)
        self.head.initialize(last, False, generator)
        self.is_complex = last.is_complex
        # maps that make their weights anew would make them for each piece
        self.piecewise = hidden is None
        self.width = width
        if self.is_complex:
            self.width = 2 * width
        self.smoothness = min([math.inf, *(a.smoothness for a in several)])

    @staticmethod
    def _layer(
        inputs: int,
        outputs: int,
        activation: Activation,
        first: bool,
        generator: torch.Generator,
        hidden: MakeLinear | None,
    ) -> Layer:
        """One layer; the first is always plain, and takes real numbers."""

        def linear() -> nn.Module:
            if hidden is not None and not first:
                return hidden(inputs, outputs)
            if activation.is_complex and not first:
                made = ComplexLinear(inputs, outputs)
            else:
                made = Linear(inputs, outputs, hidden=not first)
            made.initialize(activation, first, generator)
            return made

        return Layer(
            activation,
            [linear() for _ in range(activation.arity)],
            lift=first and activation.is_complex,
        )

    def forward(self, h: Tensor, modulation: Modulation | None = None) -> Tensor:
        """Evaluate the network.

        Args:
            h: (*s, inputs).
            modulation: For each layer the further arguments of its activation; None for none.

        Returns:
            (*s, outputs).
        """
        return self._rest(h, 0, modulation)

    def on_axes(self, axes: Sequence[Tensor], modulation: Modulation | None = None) -> Tensor:
        """Evaluate on a lattice, where the first layer is a sum over the axes.

        Args:
            axes: For each of d axes the normalised coordinates along it, (n_k,).
            modulation: For each layer the further arguments of its activation; None for none.

        Returns:
            (*shape, outputs).
        """
        if not len(self.layers):
            assert isinstance(self.head, Linear)
            return self.head.on_axes(axes)
        first = self.layers[0]
        assert isinstance(first, Layer)
        further = modulation[0] if modulation else ()
        return self._rest(first.on_axes(axes, *further), 1, modulation)

    def hidden(self, h: Tensor) -> Tensor:
        """Evaluate all layers but the last map: (*s, inputs) to (*s, width)."""
        for layer in self.layers:
            h = layer(h)
        return h

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the last map."""
        return list(self.head.parameters())

    def _rest(self, h: Tensor, start: int, modulation: Modulation | None) -> Tensor:
        """The layers from `start` on, and the head; piece by piece where points are independent."""
        alike = modulation is None or all(t.ndim == 0 for row in modulation for t in row)
        if self.piecewise and alike:
            return in_pieces(lambda part: self._layers(part, start, modulation), h, self.width)
        return self._layers(h, start, modulation)

    def _layers(self, h: Tensor, start: int, modulation: Modulation | None) -> Tensor:
        for k in range(start, len(self.layers)):
            further = modulation[k] if modulation else ()
            h = self.layers[k](h, *further)
        out = self.head(h)
        if self.is_complex:
            return out[..., : out.shape[-1] // 2]
        return out
