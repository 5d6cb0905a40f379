"""Hooks of regularizers and priors, and the solver as a callback sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.evaluation import Field

# --- a regularizer ---


@runtime_checkable
class MadeLater(Protocol):
    """A guide that is a fit of its own, made when it is first looked at."""

    def on_device(self, device: torch.device) -> Field:
        """Make the guide where it is wanted.

        Args:
            device: The device of the fit that looks at it.

        Returns:
            The field, on that device.
        """
        ...


@runtime_checkable
class HasResiduals(Protocol):
    """A regularizer that second-order optimizers may see as a weighted sum of squares."""

    def residuals(self, field: Field, points: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
        """Name the quadratic ½ Σ weight |residual|² that has the regularizer's slope here.

        Args:
            field: The field.
            points: (n, d) points of the box, those that the regularizer is evaluated on.

        Returns:
            Pairs of residuals, recorded by autograd, and of positive weights of the same shape.
        """
        ...


# --- a prior, or a part of one ---


@runtime_checkable
class SumsLines(Protocol):
    """A field that can be summed along lines without its values at their points being kept."""

    @property
    def sums_lines(self) -> bool:
        """Whether `line_sums` is the better way now; it may depend on device and precision."""
        ...

    def line_sums(self, first: Tensor, step: Tensor, samples: int) -> Tensor:
        """Sum the field at equally spaced points of lines: Σ_k f(first + k step) |step|.

        Args:
            first: (n, d) first point of each line, in physical units.
            step: (n, d) from each point to the next.
            samples: Points of each line.

        Returns:
            (n, c) sums, with gradients with respect to the field's parameters.
        """
        ...


@runtime_checkable
class HasParameterGroups(Protocol):
    """A prior that names the roles of its parameters, and the learning rates that suit them."""

    def param_groups(self) -> list[dict[str, Any]]:
        """List the parameters in groups, as torch's optimizers take them.

        Returns:
            Groups with a "role" each ("hidden", "table", "frequencies", ...), "params" and "lr".
        """
        ...


@runtime_checkable
class HasRoles(Protocol):
    """A part of a `Prior` that names its parameters' roles; the prior makes groups of them."""

    roles: Mapping[str, str]
    """Roles by the names of the part's parameters."""


@runtime_checkable
class Smooth(Protocol):
    """A field that says how often it can be differentiated."""

    smoothness: float
    """Number of continuous derivatives: 0 for kinks, -1 for jumps, infinity for smooth fields."""


@runtime_checkable
class Conditions(Protocol):
    """A prior, or a part of one, that sets itself from an image of the measurements."""

    wants_data: bool
    """True until it has been shown an image."""

    def condition(self, image: Tensor) -> None:
        """Set oneself from an image.

        Args:
            image: (*shape, channels), e.g. the back-projected measurements; never the truth.
        """
        ...


@runtime_checkable
class Anneals(Protocol):
    """A part of a prior that grows with the run; `Prior.before_step` tells it how far that is."""

    def anneal(self, progress: float) -> None:
        """Adapt to the run's progress.

        Args:
            progress: Fraction of the run that is done, from 0 to 1.
        """
        ...


@runtime_checkable
class HasPenalty(Protocol):
    """A part of a prior with a regularizer of its own, which `regularizers.PriorPenalty` adds."""

    def penalty(self) -> Tensor:
        """Compute the part's own regularizer, a scalar."""
        ...


# --- the solver, as a callback sees it ---


class Running(Protocol):
    """The solver, as far as a callback may ask it.

    Attributes:
        prior: The prior that is fitted.
        field: The prior with its present parameters, for evaluation.
        problem: The `Problem` that is solved.
        stopping: The stopping rule.
        label: Name of the prior, for progress bars and reports.
        steps: Number of steps of the whole run.
        seconds: Time spent so far, in seconds.
        history: Records of the checks so far.
    """

    prior: Any
    problem: Any
    stopping: Any
    label: str
    steps: int
    seconds: float
    history: list[dict[str, Any]]

    @property
    def field(self) -> Any:
        """The prior with its present parameters."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the run is over: all steps are done, or something ended it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Collect all that a resumed run needs."""
        ...


@runtime_checkable
class BetweenSteps(Protocol):
    """A callback that is called before every step too, where the state is whole: a checkpoint."""

    def between_steps(self, solver: Running) -> None:
        """Look at the solver, without changing it.

        Args:
            solver: The solver, with all checks of the steps so far behind it.
        """
        ...
