"""`Prior`: a learnable field. Box -> encoding -> network -> head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import CHUNK, placement
from inverse_inr.hooks import Anneals, Conditions
from inverse_inr.least_squares import back_projection
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName, Heads
from inverse_inr.problem import Problem

Hook = TypeVar("Hook")


@dataclass(frozen=True)
class Recipe:
    """How a prior was made: `create(name, box, **options)` makes it again."""

    name: str
    options: dict[str, Any] = dataclass_field(default_factory=dict)
    summary: str = ""


@runtime_checkable
class OnAxes(Protocol):
    """A part with a fast path on the lattice of d normalised axes: -> (*shape, size)."""

    def on_axes(self, axes: Sequence[Tensor], /) -> Tensor: ...


@runtime_checkable
class Collapses(Protocol):
    """A network that an ordinary one of the same values can replace once it is trained."""

    def collapse(self) -> nn.Module: ...


class Prior(nn.Module):
    """A learnable field on `box`: (*s, d) physical coordinates -> (*s, channels).

    `bandwidth` is in cycles per unit of the box's first axis, `smoothness` the number of continuous derivatives,
    `learning_rate` what suits the architecture, `rates` its factors by role. state_dict holds everything, frequencies
    and the box included. `network` is made for the `outputs` that the head needs.
    """

    lower: Tensor
    upper: Tensor

    recipe = Recipe("custom")

    def __init__(
        self,
        box: Box,
        encoding: Encoding,
        network: Callable[[int], nn.Module],
        *,
        channels: int = 1,
        head: HeadName = "linear",
        bandwidth: float,
        learning_rate: float,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.box, self.channels = box, channels
        self.head = Heads(head, channels)
        if "vector" in self.head.names and channels != box.ndim:
            raise ValueError(
                f"head='vector' is a displacement: {box.ndim} axes need as many channels, not {channels}."
            )
        self.encoding, self.network = encoding, network(self.head.outputs)
        self.bandwidth, self.learning_rate = bandwidth, learning_rate
        self.rates = {"frequencies": 0.1, **(rates or {})}
        self.lower = nn.Buffer(torch.tensor(box.lower, dtype=torch.float64))
        self.upper = nn.Buffer(torch.tensor(box.upper, dtype=torch.float64))
        self.register_load_state_dict_post_hook(_read_box)

    # --- as a field -------------------------------------------------------------------------------------------------

    def forward(self, points: Tensor) -> Tensor:
        return self._values(self.network(self.encoding(self.box.normalize(points))))

    def sample(self, grid: Grid) -> Tensor:
        """The field on a lattice, by the architecture's own fast path: (*grid.shape, channels)."""
        dtype, device = placement(self)
        center, scale = self.box.center, self.box.scale
        axes = [
            (a - c) * s for a, c, s in zip(grid.axes(dtype, device), center, scale, strict=True)
        ]
        if isinstance(self.encoding, Identity) and isinstance(self.network, OnAxes):
            return self._values(self.network.on_axes(axes))
        return self._values(self.network(self.encoding.on_axes(axes)))

    def _values(self, outputs: Tensor) -> Tensor:
        values = self.head(outputs)
        return (
            values / values.new_tensor(self.box.scale) if self.head.names == ["vector"] else values
        )

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def smoothness(self) -> float:
        return min(self.encoding.smoothness, getattr(self.network, "smoothness", float("inf")))

    @property
    def lattice_chunk(self) -> int:
        """Points of a lattice to evaluate at once, where nobody says otherwise."""
        return getattr(self.network, "lattice_chunk", CHUNK)

    @property
    def parameter_count(self) -> int:
        """Real numbers learnt."""
        return sum(p.numel() for p in self.parameters())

    def describe(self) -> str:
        """What it is, where it is from, how large and how smooth, in plain words."""
        order = {0: "continuous, no derivative at its kinks", float("inf"): "smooth"}
        smooth = order.get(
            self.smoothness, f"{int(min(self.smoothness, 99))} continuous derivatives"
        )
        given = ", ".join(
            f"{k}={v}" for k, v in self.recipe.options.items() if v is not None and k != "bandwidth"
        )
        unit = self.box.units[0] or "unit"
        return (
            f"{self.name}: {self.recipe.summary}\n{self.parameter_count} parameters; {smooth}; bandwidth "
            f"{self.bandwidth:.4g} cycles per {unit}; Adam {self.learning_rate:.4g}.\n{given}"
        )

    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters by role with a learning rate each.

        Roles are what a module says of its own parameters in `roles` ("hidden": real matrices between hidden layers,
        "table", "frequencies", "shape" ...); whatever is not named is "other".
        """
        groups: dict[str, list[nn.Parameter]] = {}
        for module in self.modules():
            roles: Mapping[str, str] = getattr(module, "roles", {})
            for name, parameter in module.named_parameters(recurse=False):
                groups.setdefault(roles.get(name, "other"), []).append(parameter)
        return [
            {"role": role, "params": params, "lr": self.learning_rate * self.rates.get(role, 1.0)}
            for role, params in groups.items()
        ]

    # --- what a solver may ask ---------------------------------------------------------------------------------------

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        """Show the parts that want it what was measured at `rows` of each term; called once, before the first step."""
        if self.wants_data:
            self.condition(back_projection(problem, rows))

    def before_step(self, step: int, progress: float) -> None:
        """Tell the parts that grow with the run how far it is; called before each step."""
        self.anneal(progress)

    def anneal(self, progress: float) -> None:
        """Tell the parts that grow with the run (annealed encodings) how far it is, 0 to 1."""
        for part in self._parts(Anneals):
            part.anneal(progress)

    @property
    def wants_data(self) -> bool:
        """True if a part needs `condition(image)` before training and has not had it."""
        return any(part.wants_data for part in self._parts(Conditions))

    def condition(self, image: Tensor) -> None:
        """Show it an image of the measurements, (*shape, c), e.g. their back-projection. Never the truth."""
        for part in self._parts(Conditions):
            part.condition(image)

    def _parts(self, hook: type[Hook]) -> list[Hook]:
        return [
            module for module in self.modules() if module is not self and isinstance(module, hook)
        ]

    def collapse(self) -> Prior:
        """This field with an ordinary network of the same values, for use after training.

        Raises TypeError for an architecture that has nothing to collapse.
        """
        if not isinstance(self.network, Collapses):
            raise TypeError(
                f"'{self.name}' is trained as it is used: nothing to collapse. 'fr' has something."
            )
        import copy

        plain = copy.deepcopy(self)
        plain.network = self.network.collapse()
        plain.recipe = Recipe("custom", summary=f"collapsed {self.name}")
        return plain

    # --- state ------------------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Restore exactly. Raises ValueError that names the first field in which another architecture differs."""
        mine = self.state_dict()
        differ = [f"{k} is missing from the state" for k in mine if k not in state_dict]
        differ += [f"{k} of the state is unknown here" for k in state_dict if k not in mine]
        differ += [
            f"{k} has shape {tuple(state_dict[k].shape)} in the state, {tuple(v.shape)} here"
            for k, v in mine.items()
            if k in state_dict and state_dict[k].shape != v.shape
        ]
        if strict and differ:
            more = f" (and {len(differ) - 1} more)" if len(differ) > 1 else ""
            raise ValueError(
                f"The state is of another architecture than this '{self.name}' prior: {differ[0]}{more}."
            )
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Prior:
        super()._apply(fn, recurse)
        self.lower, self.upper = (  # corners keep their precision whatever the weights do
            torch.tensor(side, dtype=torch.float64, device=self.lower.device)
            for side in (self.box.lower, self.box.upper)
        )
        return self


def functional(
    priors: Sequence[Prior],
) -> tuple[Callable[[dict[str, Tensor], Tensor], Tensor], dict[str, Tensor]]:
    """Several priors of one architecture as one function of stacked parameters: (call, parameters).

    `call(parameters, points)` maps (signals, n, d) physical points, or (n, d) shared by all, to (signals, n, c): one
    batched network instead of a loop. `parameters` hold what is learnt, stacked along a first axis, and can be
    differentiated, optimised and written back by `prior.load_state_dict(..., strict=False)`.
    Raises ValueError for priors of different architectures.
    """
    if len({(p.name, tuple(v.shape for v in p.state_dict().values())) for p in priors}) != 1:
        raise ValueError(
            f"functional: priors {[p.name for p in priors]} must be of one architecture and size."
        )
    parameters, buffers = torch.func.stack_module_state(list(priors))
    first = priors[0]

    def one(state: dict[str, Tensor], fixed: dict[str, Tensor], points: Tensor) -> Tensor:
        return torch.func.functional_call(first, (state, fixed), (points,))

    def call(state: dict[str, Tensor], points: Tensor) -> Tensor:
        if points.ndim == 2:
            points = points.expand(len(priors), *points.shape).contiguous()
        return torch.func.vmap(one)(state, buffers, points)

    return call, parameters


def _read_box(prior: Prior, _: object) -> None:
    """After loading: the box is the one that was saved."""
    lower, upper = (
        tuple(corner.tolist()) for corner in (prior.lower.double(), prior.upper.double())
    )
    if (lower, upper) == (prior.box.lower, prior.box.upper):
        return
    box = Box(lower, upper, prior.box.units)
    if any(getattr(m, "fills_the_box", False) for m in prior.modules()):
        sides = [[n * s for n, s in zip(b.lengths, b.scale, strict=True)] for b in (box, prior.box)]
        if any(abs(a - b) > 1e-9 for a, b in zip(*sides, strict=True)):
            raise ValueError(
                f"The state is of a box {box.lengths}, this '{prior.name}' prior of {prior.box.lengths}."
            )
    prior.box = box
