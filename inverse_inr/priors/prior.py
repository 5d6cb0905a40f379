"""`Prior`: a learnable field. Box -> encoding -> network -> head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid, placement
from inverse_inr.priors.encodings import Encoding, GridEncoding
from inverse_inr.priors.topologies import MLP, Separable

Head = Callable[[Tensor], Tensor]

HEADS: dict[str, Head] = {
    "linear": lambda v: v,
    "softplus": nn.functional.softplus,
    "complex": lambda v: torch.complex(*v.chunk(2, -1)),
}


@dataclass(frozen=True)
class Recipe:
    """How a prior was made: `create(name, box, **options)` makes it again."""

    name: str
    options: dict[str, Any] = dataclass_field(default_factory=dict)


class Prior(nn.Module):
    """A learnable field on `box`: (*s, d) physical coordinates -> (*s, channels).

    `bandwidth` is in cycles per unit of the box's first axis, `smoothness` the number of continuous derivatives,
    `learning_rate` what suits the architecture. state_dict holds everything, frequencies and the box included.
    """

    lower: Tensor
    upper: Tensor

    recipe = Recipe("custom")

    def __init__(self, box: Box, encoding: Encoding, network: nn.Module, *, head: str = "linear",
                 bandwidth: float, learning_rate: float) -> None:  # fmt: skip
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head must be one of {sorted(HEADS)}, got {head!r}.")
        self.box, self.head = box, head
        self.encoding, self.network = encoding, network
        self.bandwidth, self.learning_rate = bandwidth, learning_rate
        self.lower = nn.Buffer(torch.tensor(box.lower, dtype=torch.float64))
        self.upper = nn.Buffer(torch.tensor(box.upper, dtype=torch.float64))
        self.register_load_state_dict_post_hook(_read_box)

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def smoothness(self) -> float:
        return min(self.encoding.smoothness, getattr(self.network, "smoothness", float("inf")))

    @property
    def parameter_count(self) -> int:
        """Real numbers learnt (a complex one counts twice)."""
        return sum(p.numel() * (2 if p.is_complex() else 1) for p in self.parameters())

    def forward(self, points: Tensor) -> Tensor:
        return self._values(self.encoding(self.box.normalize(points)))

    def sample(self, grid: Grid) -> Tensor:
        """The field on a lattice, by the architecture's own fast path: (*grid.shape, channels)."""
        dtype, device = placement(self)
        if isinstance(self.encoding, GridEncoding):
            return self._values(self.encoding.lattice(grid, self.box.normalize(grid.points(dtype, device))))
        if isinstance(self.network, Separable):
            center, scale = self.box.center, self.box.scale
            axes = [(a - c) * s for a, c, s in zip(grid.axes(dtype, device), center, scale, strict=True)]
            return HEADS[self.head](self.network.on_axes(axes))
        return self(grid.points(dtype, device))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Prior:
        """Conversions of precision reach complex weights too: torch's own skip them, or drop their imaginary part."""

        def convert(tensor: Tensor) -> Tensor:
            return torch.complex(fn(tensor.real), fn(tensor.imag)) if tensor.is_complex() else fn(tensor)

        super()._apply(convert, recurse)
        self.lower, self.upper = (  # corners keep their precision whatever the weights do
            torch.tensor(side, dtype=torch.float64, device=self.lower.device)
            for side in (self.box.lower, self.box.upper)
        )
        return self

    def _values(self, features: Tensor) -> Tensor:
        return HEADS[self.head](self.network(features))

    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters by role ("table", "frequencies", "hidden" matrices, "other") with a learning rate each."""
        hidden = {id(p) for p in _hidden_matrices(self.network)}
        roles: dict[str, list[nn.Parameter]] = {"table": [], "frequencies": [], "hidden": [], "other": []}
        for p in self.encoding.parameters():
            roles["table" if isinstance(self.encoding, GridEncoding) else "frequencies"].append(p)
        for p in self.network.parameters():
            roles["hidden" if id(p) in hidden else "other"].append(p)
        factor = {"frequencies": 0.1}
        return [
            {"role": role, "params": params, "lr": self.learning_rate * factor.get(role, 1.0)}
            for role, params in roles.items()
            if params
        ]


def _hidden_matrices(network: nn.Module) -> list[Tensor]:
    """Real weight matrices between two hidden layers: what Muon orthogonalises."""
    return [
        linear.weight
        for mlp in network.modules()
        if isinstance(mlp, MLP)
        for layer in list(mlp.layers)[1:]
        for linear in layer.modules()
        if isinstance(linear, nn.Linear) and not linear.weight.is_complex()
    ]


def _read_box(prior: Prior, _: object) -> None:
    """After loading: the box is the one that was saved."""
    lower, upper = (tuple(corner.tolist()) for corner in (prior.lower.double(), prior.upper.double()))
    if (lower, upper) == (prior.box.lower, prior.box.upper):
        return
    box = Box(lower, upper, prior.box.units)
    if isinstance(prior.encoding, GridEncoding):
        sides = [[n * s for n, s in zip(b.lengths, b.scale, strict=True)] for b in (box, prior.box)]
        if any(abs(a - b) > 1e-9 for a, b in zip(*sides, strict=True)):
            raise ValueError(f"The state is of a box {box.lengths}, this grid prior of {prior.box.lengths}.")
        prior.encoding.forget()
    prior.box = box
