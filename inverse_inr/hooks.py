"""Optional methods of operators, priors, fidelities and their parts: one protocol for each.

An operator must define the two methods of `Operator` (`protocol.py`), a field a call on points,
and a fidelity a call on prediction and measurements. Everything here is optional; the library
looks for it and does without it where it is missing. Nothing needs to be inherited: a method of
that name and form is enough. docs/hooks.md has the table. A hook of one modality stands
there, e.g. `HasKernel` in `problems/radar/variance_field.py`.
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


@runtime_checkable
class Begins(Protocol):
    """A part that prepares itself from the problem, before a fit's first step."""

    def begin(self, problem: Any, rows: Sequence[Tensor]) -> None:
        """Prepare for a fit; the solver calls this once, before its optimizer is made.

        A resumed run calls it before its state is loaded.

        Args:
            problem: The `Problem` that is solved, with the user's own terms.
            rows: Indices of the measurements that the fit may see, one (b,) tensor per term. Others
                must not be looked at.
        """
        ...


@runtime_checkable
class BeforeStep(Protocol):
    """A part that changes with the run: annealed, warmed up, or set in closed form now and then."""

    def before_step(self, step: int, progress: float) -> None:
        """Change with the run; the solver calls this before each step.

        It must be a function of its arguments and the parameters, so that runs resume.

        Args:
            step: Number of the step, from 0.
            progress: Fraction of the run that is done, from 0 to below 1.
        """
        ...


# --- an operator ---


@runtime_checkable
class Shaped(Protocol):
    """An operator whose rows have a natural shape, e.g. (views, detectors)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Natural shape of the rows: row r is the r-th entry of the flattened shape."""
        ...


@runtime_checkable
class Grouped(Protocol):
    """An operator that knows which of its rows were acquired together: a view, a spoke, a readout.

    `HeldOut(together=True)` keeps whole groups out of a fit.
    """

    @property
    def groups(self) -> Tensor:
        """(rows,) int64, the number of the group that each row belongs to."""
        ...


@runtime_checkable
class HasGridMap(Protocol):
    """An operator that offers its physics as a map on the sampled image, for classical methods."""

    def on(self, grid: Grid) -> Any:
        """Make the map for a grid.

        Args:
            grid: The lattice of the image.

        Returns:
            An `OnGrid`: an operator with the same rows that looks at the whole of `grid`.
        """
        ...


@runtime_checkable
class HasPrior(Protocol):
    """A part of an operator that knows what is likely of its parameters, e.g. smooth motion."""

    def negative_log_prior(self) -> Tensor | None:
        """Compute how unlikely the learnt parameters are.

        Returns:
            A scalar scaled like the term's D, which is a mean over measurements; None for nothing
            to say.
        """
        ...


# --- a fidelity ---


@runtime_checkable
class PicksRows(Protocol):
    """A fidelity with parameters that differ from row to row: noise levels, groups."""

    def at(self, rows: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Make the fidelity of some measurements alone.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            A function of (b, *m) predictions and measurements.
        """
        ...


@runtime_checkable
class HasLeastSquares(Protocol):
    """A fidelity that classical methods may replace by weighted least squares."""

    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Name the least squares ½ precision |A x - target|² that stands in for D(A x, y).

        Args:
            y: (rows, *m) measurements.

        Returns:
            The target and the precision, (rows, *m) each.
        """
        ...


@runtime_checkable
class ChecksMeasurements(Protocol):
    """A fidelity that knows which measurements it cannot explain, e.g. negative counts."""

    def check(self, y: Tensor) -> None:
        """Raise ValueError for measurements that cannot be; `Term` asks where it is made.

        Args:
            y: (b, *m) finite measurements that are to be trusted, those of this fidelity's rows.
        """
        ...


@runtime_checkable
class Decorrelates(Protocol):
    """A fidelity whose noise is correlated within a row: a covariance of the channels."""

    def decorrelated(self) -> tuple[Callable[[Tensor], Tensor] | None, Any]:
        """Name the linear map that takes measurements to uncorrelated ones, and their fidelity.

        Returns:
            The map (b, *m) -> (b, *m), None for none, and the fidelity of what it gives.
        """
        ...


# --- a regularizer ---


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


__all__ = [
    "Anneals",
    "BeforeStep",
    "Begins",
    "BetweenSteps",
    "ChecksMeasurements",
    "Conditions",
    "Decorrelates",
    "Field",
    "HasGridMap",
    "HasLeastSquares",
    "HasParameterGroups",
    "HasPenalty",
    "HasPrior",
    "HasResiduals",
    "HasRoles",
    "Lattice",
    "Operator",
    "PicksRows",
    "Predicts",
    "Running",
    "Shaped",
    "Smooth",
]
