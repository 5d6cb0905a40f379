"""`Prior`: a learnable field. Box -> encoding -> network -> head."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import CHUNK
from inverse_inr.hooks import Conditions
from inverse_inr.least_squares import back_projection
from inverse_inr.precision import placement, require_precise
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName, Heads
from inverse_inr.priors.lattices.axes import normalized_axes
from inverse_inr.priors.lattices.ray_sums import AlongLines
from inverse_inr.priors.state import SMOOTHNESS, Recipe, saved_box, state_differences
from inverse_inr.problem import Problem

Hook = TypeVar("Hook")


@runtime_checkable
class OnAxes(Protocol):
    """A part with a fast path on a lattice."""

    def on_axes(self, axes: Sequence[Tensor], /) -> Tensor:
        """Evaluate at all points of the lattice of d normalised axes: (*shape, size)."""
        ...


@runtime_checkable
class Collapses(Protocol):
    """A network that an ordinary one of the same values can replace once it is trained."""

    def collapse(self) -> nn.Module:
        """The ordinary network."""
        ...


class Prior(AlongLines):
    """A learnable field on a box: physical coordinates (*s, d) -> values (*s, channels).

    Its state_dict holds everything, the box included. Half precision raises TypeError.

    Args:
        box: Where the field lives, in physical units.
        encoding: Of normalised coordinates.
        network: Makes the network for the number of `outputs` that the head needs.
        channels: Values of the field at each point.
        head: A name of `heads.HEADS`, or one name per channel.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis.
        learning_rate: Step size of Adam that suits the architecture.
        rates: Factors of the learning rate by role, e.g. {"table": 2.0}; 1 for other roles, 0.1 for
            "frequencies".

    Raises:
        ValueError: If head is "vector" and `channels` is not the number of axes.
    """

    lower: Tensor
    upper: Tensor

    recipe = Recipe("custom")
    """How it was made; `preset` sets it."""

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
        self.box = box
        self.channels = channels
        self.head = Heads(head, channels)
        if "vector" in self.head.names and channels != box.ndim:
            needed = f"{box.ndim} axes need as many channels, not {channels}."
            raise ValueError(f"head='vector' is a displacement: {needed}")
        self.encoding = encoding
        self.network = network(self.head.outputs)
        self.bandwidth = bandwidth
        self.learning_rate = learning_rate
        self.rates = {"frequencies": 0.1, **(rates or {})}
        self.lower = nn.Buffer(torch.tensor(box.lower, dtype=torch.float64))
        self.upper = nn.Buffer(torch.tensor(box.upper, dtype=torch.float64))
        self.register_load_state_dict_post_hook(_read_box)

    # --- as a field -------------------------------------------------------------------------------

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the field at `points`, (*s, d) in physical units: (*s, channels)."""
        require_precise(self.name, points.dtype)
        return self._values(self.network(self.encoding(self.box.normalize(points))))

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate the field at the pixel centres of `grid`, by the architecture's own fast path.

        Args:
            grid: The lattice, on this or another box of the same units.

        Returns:
            (*grid.shape, channels).

        Raises:
            ValueError: The lattice has another number of axes.
        """
        if grid.ndim != self.box.ndim:
            raise ValueError(f"{self.name}: the field has {self.box.ndim} axes, not {grid.ndim}.")
        axes = normalized_axes(self.box, grid, *placement(self))
        if isinstance(self.encoding, Identity) and isinstance(self.network, OnAxes):
            return self._values(self.network.on_axes(axes))
        return self._values(self.network(self.encoding.on_axes(axes)))

    def _values(self, outputs: Tensor) -> Tensor:
        values = self.head(outputs)
        if self.head.names == ["vector"]:
            return values / values.new_tensor(self.box.scale)
        return values

    # --- what it is -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The preset that made it, or "custom"."""
        return self.recipe.name

    @property
    def smoothness(self) -> float:
        """Continuous derivatives: 0 for kinks, -1 for jumps, infinity for smooth fields."""
        return min(self.encoding.smoothness, getattr(self.network, "smoothness", float("inf")))

    @property
    def lattice_chunk(self) -> int:
        """Points of a lattice to evaluate at once, where nobody says otherwise."""
        return getattr(self.network, "lattice_chunk", CHUNK)

    @property
    def parameter_count(self) -> int:
        """The number of real numbers that are learnt."""
        return sum(p.numel() for p in self.parameters())

    def describe(self) -> str:
        """Say in plain words what it is, where it is from, how large and how smooth it is.

        Returns:
            Three lines: name and summary; size, smoothness, bandwidth, learning rate; the options.
        """
        number = self.smoothness
        smooth = SMOOTHNESS.get(number) or f"{int(min(number, 99))} continuous derivatives"
        given = ", ".join(
            f"{k}={v}" for k, v in self.recipe.options.items() if v is not None and k != "bandwidth"
        )
        unit = self.box.units[0] or "unit"
        return (
            f"{self.name}: {self.recipe.summary}\n"
            f"{self.parameter_count} parameters; {smooth}; bandwidth "
            f"{self.bandwidth:.4g} cycles per {unit}; Adam {self.learning_rate:.4g}.\n{given}"
        )

    def param_groups(self) -> list[dict[str, Any]]:
        """Group the parameters by role, with a learning rate for each role.

        A module names the roles of its own parameters in `roles` ("hidden": real matrices between
        hidden layers, "table", "frequencies" ...); whatever is not named is "other".

        Returns:
            Groups as torch's optimizers take them, each with "role", "params" and "lr".
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

    # --- what a solver may ask --------------------------------------------------------------------

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        """Show the back-projected measurements to the parts that want them, before the first step.

        Args:
            problem: The problem that is solved.
            rows: For each term, the indices of the measurements that the fit may see.
        """
        if self.wants_data:
            self.condition(back_projection(problem, rows))

    def before_step(self, step: int, progress: float) -> None:
        """Tell the parts that grow with the run how far it is; called before each step.

        Args:
            step: The number of the step, from 0.
            progress: The fraction of the run that is done, from 0 to below 1.
        """
        self.anneal(progress)

    def anneal(self, progress: float) -> None:
        """Tell the parts that grow with the run (annealed encodings) how far it is.

        Args:
            progress: The fraction of the run that is done, from 0 to 1.
        """
        for part in self.modules():
            # by name: isinstance of the protocol `Anneals` takes a tenth of a small fit's step
            anneal = getattr(part, "anneal", None)
            if anneal is not None and part is not self:
                anneal(progress)

    @property
    def wants_data(self) -> bool:
        """True if a part needs `condition(image)` before training and has not had it."""
        return any(part.wants_data for part in self._parts(Conditions))

    def condition(self, image: Tensor) -> None:
        """Show it an image of the measurements, never the truth.

        Args:
            image: (*shape, c), e.g. the back-projected measurements.
        """
        for part in self._parts(Conditions):
            part.condition(image)

    def _parts(self, hook: type[Hook]) -> list[Hook]:
        return [m for m in self.modules() if m is not self and isinstance(m, hook)]

    def collapse(self) -> Prior:
        """Make the same field with an ordinary network of the same values, for use after training.

        Returns:
            A copy; this prior stays as it is.

        Raises:
            TypeError: If the architecture has nothing to collapse.
        """
        if not isinstance(self.network, Collapses):
            raise TypeError(
                f"'{self.name}' is trained as it is used: nothing to collapse. 'fr' has something."
            )
        plain = copy.deepcopy(self)
        plain.network = self.network.collapse()
        plain.recipe = Recipe("custom", summary=f"collapsed {self.name}")
        return plain

    # --- state ------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Restore a saved state exactly.

        Args:
            state_dict: What `state_dict()` of a prior of this architecture gave.
            strict: Refuse a state that differs in a name or a shape.
            assign: Take the given tensors themselves instead of copying their values.

        Returns:
            What torch returns: the missing and the unexpected keys.

        Raises:
            ValueError: If the state is of another architecture; the first difference is named.
        """
        differ = state_differences(self.state_dict(), state_dict)
        if strict and differ:
            raise ValueError(
                f"The state is of another architecture than this '{self.name}' prior: "
                f"{differ[0]} (and {len(differ) - 1} more)."
            )
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Prior:
        # before anything changes: half(), to(float16) and the like all come this way
        require_precise(self.name, fn(torch.zeros((), device=self.lower.device)).dtype)
        super()._apply(fn, recurse)
        device = self.lower.device
        # corners keep their precision whatever the weights do
        self.lower = torch.tensor(self.box.lower, dtype=torch.float64, device=device)
        self.upper = torch.tensor(self.box.upper, dtype=torch.float64, device=device)
        return self


def _read_box(prior: Prior, _: object) -> None:
    """After loading: the box is the one that was saved."""
    prior.box = saved_box(prior, prior.name, prior.box, prior.lower, prior.upper)
