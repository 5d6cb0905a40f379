"""Hooks of what takes part in a fit, of operators and of fidelities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from inverse_inr.domain import Grid


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


class Lines(NamedTuple):
    """Equally spaced points of lines, along which a field is to be summed.

    Attributes:
        first: (n, d) first point of each line, in physical units.
        step: (n, d) from each point to the next, in physical units.
        samples: Points of each line.
        measure: Function from (n, c) sums Σ_k f(first + k step) |step| to (b, *m) predictions.
    """

    first: Tensor
    step: Tensor
    samples: int
    measure: Callable[[Tensor], Tensor]


@runtime_checkable
class AsksLines(Protocol):
    """An operator whose measurements are made of sums of the field along lines, and no more."""

    def along_lines(self, rows: Tensor) -> Lines | None:
        """Say along which lines some rows sum the field, for fields that can (`SumsLines`).

        The predictions and the random numbers drawn are those of the operator's own answer.

        Args:
            rows: (b,) indices of the measurements, in any order.

        Returns:
            The lines; None, before random numbers are drawn, where points must be asked instead.
        """
        ...


@runtime_checkable
class HasBatch(Protocol):
    """An operator that looks at a whole grid, but whose cost is that of the rows it is asked for.

    Others of whole grids are asked for all rows in each step.
    """

    @property
    def batch(self) -> int | None:
        """Number of rows that suit a step; None for all of them."""
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


# --- measurements ---


@runtime_checkable
class Stored(Protocol):
    """Measurements that stay in a file and are read in blocks of rows (`io.stored_array`).

    Attributes:
        checked_by: The fidelity that has seen all values, which need not be read again for it.
    """

    checked_by: object

    @property
    def block(self) -> int:
        """Rows of a block."""
        ...

    def prefetch(self, rows: Tensor) -> None:
        """Have the blocks of some rows read beside other work.

        Args:
            rows: (b,) row numbers that will be asked for.
        """
        ...
