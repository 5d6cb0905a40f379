"""A loss near the present parameters: its slope, and a quadratic from what the field predicts.

    L(θ + δ)  ≈  L(θ) + g·δ + ½ Σ_k weight_k |J_k δ|²

J_k is the derivative of the k-th output (predictions, slopes that a regularizer sees) in the
parameters. It is never formed: J δ and J'u are derivatives of one recorded evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class Linearized:
    """One evaluation of the loss, recorded by autograd.

    Args:
        loss: The loss, a scalar.
        outputs: Real or complex tensors that depend on the parameters.
        weights: For each output its positive curvatures, in the same shape and unrecorded: the
            loss's second derivative in the output, or a bound of it.
    """

    loss: Tensor
    outputs: list[Tensor]
    weights: list[Tensor]


@runtime_checkable
class Evaluation(Protocol):
    """What a solver offers at each step: a closure that can do more than fill gradients."""

    def __call__(self) -> Tensor:
        """Compute the loss and fill the gradients."""
        ...

    def loss(self) -> Tensor:
        """Compute the loss of the present parameters alone, with the step's random numbers."""
        ...

    def linearized(self) -> Linearized:
        """Evaluate the loss and its outputs, recorded."""
        ...


class Curvature:
    """The products of Σ weight J'J with vectors of parameters, and its diagonal.

    Args:
        found: The recorded evaluation.
        parameters: The parameters that vary.
    """

    def __init__(self, found: Linearized, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.weights = found.weights
        self.outputs = found.outputs
        self._dual = [torch.zeros_like(v, requires_grad=True) for v in self.outputs]
        # linear in the dual vector: its derivative in that is J, the derivative's derivative
        self._pulled = self._pull(self._dual, create_graph=True)

    def _pull(self, dual: Sequence[Tensor], create_graph: bool = False) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            self.outputs,
            self.parameters,
            dual,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )

    def push(self, direction: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute J δ.

        Args:
            direction: δ, one tensor per parameter.

        Returns:
            One tensor per output.
        """
        recorded = [(v, d) for v, d in zip(self._pulled, direction, strict=True) if v.requires_grad]
        if not recorded:
            return tuple(torch.zeros_like(v) for v in self.outputs)
        values, directions = zip(*recorded, strict=True)
        return torch.autograd.grad(
            values,
            self._dual,
            directions,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )

    def __call__(self, direction: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute Σ weight J'J δ.

        Args:
            direction: δ, one tensor per parameter.

        Returns:
            One tensor per parameter.
        """
        pushed = self.push(direction)
        return self._pull([w * v for w, v in zip(self.weights, pushed, strict=True)])

    def diagonal(self, probes: int, generator: torch.Generator) -> list[Tensor]:
        """Estimate the diagonal of Σ weight J'J, without bias.

        Args:
            probes: The number of random vectors of signs, each of which costs one derivative.
            generator: Their source, on the CPU.

        Returns:
            One tensor per parameter, not negative.

        Source:
            Hutchinson's probes on the outputs' side: E (J' √weight s)² for random signs s.
        """
        total = [torch.zeros_like(p, dtype=p.dtype.to_real()) for p in self.parameters]
        for _ in range(probes):
            signs = [
                _signs(v, w, generator) for v, w in zip(self.outputs, self.weights, strict=True)
            ]
            for kept, seen in zip(total, self._pull(signs), strict=True):
                kept += seen.abs().square() / probes
        return total


def _signs(output: Tensor, weight: Tensor, generator: torch.Generator) -> Tensor:
    """√weight times random signs; in both parts of a complex output."""
    drawn = [torch.randint(0, 2, output.shape, generator=generator) * 2 - 1 for _ in range(2)]
    first, second = (v.to(weight) * weight.sqrt() for v in drawn)
    if output.is_complex():
        return torch.complex(first, second).to(output)
    return first.to(output)
