"""What an operator, a prior, a fidelity or a part of one may define besides what it must: one protocol each.

What it must define is `Operator` (two methods, `protocol.py`), a field (a call on points) and a fidelity (a call on
prediction and measurements). Everything below is optional; the library looks for it and does without it where it is
missing. None of them needs to be inherited: a method of that name and form is enough. docs/hooks.md has the table.

A hook that belongs to one modality stands beside it, e.g. `HasKernel` in `problems/radar/variance_field.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.evaluation import Lattice as Lattice
from inverse_inr.protocol import Operator
from inverse_inr.protocol import Predicts as Predicts

# --- of anything that takes part in a fit: a prior, an operator, a fidelity -------------------------------------------


@runtime_checkable
class Begins(Protocol):
    """It prepares itself from the problem, before a fit's first step."""

    def begin(self, problem: Any, rows: Sequence[Tensor]) -> None:
        """Called once by the solver, before its optimizer is made; a resumed run calls it before its state is loaded.

        Args:
            problem: The `Problem` that is solved, with the user's own terms.
            rows: For each term, the indices of the measurements that the fit may see. Others must not be looked at.
        """
        ...


@runtime_checkable
class BeforeStep(Protocol):
    """It changes with the run: what is annealed, warmed up or set in closed form now and then."""

    def before_step(self, step: int, progress: float) -> None:
        """Called by the solver before each step. A function of its arguments and the parameters, so that runs resume.

        Args:
            step: The number of the step, from 0.
            progress: The fraction of the run that is done, from 0 to below 1.
        """
        ...


# --- of an operator ---------------------------------------------------------------------------------------------------


@runtime_checkable
class Shaped(Protocol):
    """An operator whose rows have a natural shape, e.g. (views, detectors)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Row r is the r-th entry of the flattened shape."""
        ...


@runtime_checkable
class HasGridMap(Protocol):
    """An operator that offers the same physics as a map on the sampled image, which classical methods use."""

    def on(self, grid: Grid) -> Any:
        """The map as an `OnGrid`: an operator with the same rows that looks at the whole of `grid`."""
        ...


@runtime_checkable
class HasPrior(Protocol):
    """A part of an operator that knows something of what it learns (motion is smooth, gains are near 1)."""

    def negative_log_prior(self) -> Tensor | None:
        """A scalar in the unit of the term's D, which is a mean over measurements; None for nothing to say."""
        ...


# --- of a fidelity ----------------------------------------------------------------------------------------------------


@runtime_checkable
class PicksRows(Protocol):
    """A fidelity with parameters that differ from row to row: noise levels, groups."""

    def at(self, rows: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The fidelity of the measurements `rows` alone."""
        ...


@runtime_checkable
class HasLeastSquares(Protocol):
    """A fidelity that classical methods may replace by weighted least squares."""

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(target, precision), both of the shape of y: ½ precision |A x - target|² stands in for D(A x, y)."""
        ...


# --- of a prior, or a part of one -------------------------------------------------------------------------------------


@runtime_checkable
class HasParameterGroups(Protocol):
    """A prior that says which parameters are which, and what learning rate suits them."""

    def param_groups(self) -> list[dict[str, Any]]:
        """Groups as torch's optimizers take them, with a "role" each ("hidden", "table", "frequencies", ...)."""
        ...


@runtime_checkable
class HasRoles(Protocol):
    """A part of a `Prior` that names the role of its own parameters; the prior makes groups of them."""

    roles: Mapping[str, str]


@runtime_checkable
class Smooth(Protocol):
    """A field that says how often it can be differentiated."""

    smoothness: float
    """Continuous derivatives: 0 for kinks, -1 for jumps, infinity for smooth fields."""


@runtime_checkable
class Conditions(Protocol):
    """A prior, or a part of one, that sets itself from an image of the measurements. `Prior.begin` shows it one."""

    wants_data: bool
    """True until it has been shown an image."""

    def condition(self, image: Tensor) -> None:
        """Args: image: (*shape, channels), e.g. the back-projected measurements. Never the truth."""
        ...


@runtime_checkable
class Anneals(Protocol):
    """A part of a prior that grows with the run. `Prior.before_step` tells it how far the run is."""

    def anneal(self, progress: float) -> None:
        """Args: progress: from 0 to 1."""
        ...


@runtime_checkable
class HasPenalty(Protocol):
    """A part of a prior that has a regularizer of its own, which `regularizers.PriorPenalty` adds."""

    def penalty(self) -> Tensor:
        """A scalar."""
        ...


# --- what callbacks are given -----------------------------------------------------------------------------------------


class Running(Protocol):
    """What a callback may ask of the solver that calls it."""

    prior: Any
    problem: Any
    stopping: Any
    label: str
    steps: int
    seconds: float
    history: list[dict[str, Any]]

    @property
    def finished(self) -> bool:
        """The run is over: all steps are done, or something ended it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        ...


__all__ = [
    "Anneals",
    "BeforeStep",
    "Begins",
    "Conditions",
    "Field",
    "HasGridMap",
    "HasLeastSquares",
    "HasParameterGroups",
    "HasPenalty",
    "HasPrior",
    "HasRoles",
    "Lattice",
    "Operator",
    "PicksRows",
    "Predicts",
    "Running",
    "Shaped",
    "Smooth",
]
