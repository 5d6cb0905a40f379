"""`Problem`: one or several acquisitions on one box, with a `Suggestion` of what suits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.compose import on_grid
from inverse_inr.devices import chosen_device, constant, device_of, moved
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field
from inverse_inr.hooks import HasGridMap
from inverse_inr.on_cpu import on_any_device
from inverse_inr.protocol import evaluating, predict
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.row_sets import drawn
from inverse_inr.stopping import Stopping
from inverse_inr.term import Term, describe

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


@checked
@dataclass(frozen=True)
class Suggestion:
    """Choices that suit a modality, used where the user says nothing else.

    Args:
        prior: Name of the prior.
        options: Options of the prior.
        regularizers: Functions of a field and points that give R(f).
        steps: Number of optimizer steps.
        batch: Rows per step for each term, as in `Solver`; None for what the operators' points
            allow.
        lr: Learning rate of the suggested prior; None for the prior's own.
        operator_lr: Learning rate of what operators and fidelities learn, as in `Solver`.
        optimizer: Name of the optimizer, as in `Solver`.
        stopping: The stopping rule; None for `HeldOut()`.
        start: Function that prepares the suggested prior before the first step, e.g. with the
            parameters of an earlier fit; or gives the module that is fitted in its place.
        starts: The same for other priors by name, by their names.
        baselines: Classical methods by name, each Problem -> Solution.
        candidates: Gives the fits between which `solve` decides where the user says nothing, a
            `solver.Candidates`; None where the fit above is the only one.
        figure: Function that draws the problem's solutions (baselines first, the fit last), where
            a row of images does not show them.
        write: Function that adds files of the modality to a solution's folder and returns their
            paths.
    """

    # A Solution holds its problem, so this file cannot import it: the types say Any instead.

    prior: str = "hash"
    options: dict[str, Any] = field(default_factory=dict)
    regularizers: tuple[Callable[[Field, Tensor], Tensor], ...] = ()
    steps: Count = 1000
    batch: Count | None = None
    lr: Positive | None = None
    operator_lr: Positive = 1e-3
    optimizer: str = "adam"
    stopping: Stopping | None = None
    start: Callable[[Any], Any] | None = None
    starts: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    baselines: dict[str, Callable[[Problem], Any]] = field(default_factory=dict)
    candidates: Callable[[Problem], Iterator[Any]] | None = None
    figure: Callable[[Problem, Sequence[Any]], Figure | None] | None = None
    write: Callable[[Any, Path], Sequence[Path]] | None = None


@checked
@dataclass(frozen=True, eq=False)
class Problem:
    """One or several acquisitions of one field on a box.

    Solving it means: minimise over θ Σ_t weight_t D_t(A_t(f_θ), y_t) + Σ_k λ_k R_k(f_θ).

    A problem is a value: `dataclasses.replace` makes another one, and two are equal only where they
    are the same object.

    Args:
        terms: The acquisitions, at least one.
        box: The region Ω of the field.
        grid: The lattice on which results are shown.
        channels: Number of channels of the field.
        reference: The truth where a simulation has one: for metrics only, never for stopping.
        suggested: Choices that suit the problem.
        notes: Findings of a loader (masked values, centre of rotation).
        is_complex: Whether the field is complex. Priors by name then get a complex head, baselines
            a complex image, and figures and metrics its modulus.
        average: Sub-samples per axis of a pixel by which results are shown and judged; 1 where an
            image means values at pixel centres, as a photograph's samples do.
        finer: Nodes per pixel and axis where the field is seen on a lattice only, as by
            `on_lattice`: results are then shown as averages over those. None for any place.
        origin: The problem as it was before `on_lattice`, with the operators that were given.

    Raises:
        TypeError: An argument is of another kind.
        OutOfMemoryError: An image on the grid does not fit the memory at hand.
        ValueError: There are no terms, the grid or an operator has another dimension, `channels`
            or `average` is below 1, predictions do not match y in shape, or an operator looks at
            nothing inside the box.
    """

    terms: Sequence[Term]
    box: Box
    grid: Grid
    channels: Count = 1
    reference: Field | None = None
    suggested: Suggestion = field(default_factory=Suggestion)
    notes: dict[str, Any] = field(default_factory=dict)
    is_complex: bool = False
    average: Count = 4
    finer: Count | None = None
    origin: Problem | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError(
                "Problem: terms is empty; pass at least one Term(operator, y, fidelity)."
            )
        if self.grid.ndim != self.box.ndim:
            raise ValueError(
                f"Problem: the grid has {self.grid.ndim} axes and the box {self.box.ndim}."
            )
        shown = zip(self.grid.box.lower, self.grid.box.upper, strict=True)
        sides = zip(self.box.lower, self.box.upper, strict=True)
        if any(b <= low or a >= high for (a, b), (low, high) in zip(shown, sides, strict=True)):
            raise ValueError(
                f"Problem: the grid from {_short(self.grid.box.lower)} to "
                f"{_short(self.grid.box.upper)} and the box from {_short(self.box.lower)} to "
                f"{_short(self.box.upper)} have nothing in common. Other units?"
            )
        # a result is shown on the grid when all work is done: too late to find that it does not fit
        memory.require(
            f"Problem: an image of size {self.grid.shape} with channels={self.channels}",
            4 * self.channels * (1 + self.is_complex) * self.grid.numel,
            "A coarser grid or fewer channels would fit.",
        )
        for term in self.terms:
            self._rehearse(term)

    @checked
    def on_lattice(self, finer: Count = 2) -> Problem:
        """See the field on a lattice only, through the operators' own maps of sampled images.

        A step then costs the whole lattice and uses all rows. Where rows look at many points, as
        rays do, that reaches the same fit many times sooner, and a penalty on the same lattice
        sees all that the measurements see.

        Args:
            finer: Nodes per pixel and axis. With 1, edges within a pixel are a fault of the model
                that a fit takes for measurements; 2 is enough where pixels are averages.

        Returns:
            The problem with other operators, shown on the same grid as averages over its nodes.

        Raises:
            TypeError: An operator offers no such map (`hooks.HasGridMap`).
        """
        lattice = self.grid.refined(finer)
        terms = []
        for term in self.terms:
            if not isinstance(term.operator, HasGridMap):
                raise TypeError(
                    f"Problem.on_lattice: {describe(term.operator)} offers no map of a sampled "
                    "image, a method on(grid)."
                )
            seen = on_grid(term.operator, lattice, term.y.device)
            terms.append(replace(term, operator=seen))
        return replace(self, terms=terms, finer=finer, origin=self)

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Problem:
        """Copy the problem to a device, on which every method then works.

        Measurements, operators and fidelities go there; operators that several terms share stay
        shared. This problem and what it was made of stay as they are.

        Args:
            device: "auto", "cpu", "cuda", "cuda:1", "mps" or torch's; None for where it is.
            dtype: Real precision of the measurements, float32 or float64; None for theirs.

        Returns:
            The copy, or this problem where nothing changes.

        Raises:
            TypeError: The precision is another one, e.g. half.
            ValueError: There is no such device.
        """
        target = None
        if device is not None:
            target = chosen_device(device)
        memo: dict[int, Any] = {}
        terms = [term.to(dtype, target, memo) for term in self.terms]
        origin = self.origin
        if origin is not None:
            origin = origin.to(target, dtype)
        if all(new is old for new, old in zip(terms, self.terms, strict=True)):
            return self
        reference = self.reference
        if target is not None and device_of(reference) is not None:
            reference = moved(reference, target)
        suggested = on_any_device(self.suggested)
        return replace(self, terms=terms, origin=origin, reference=reference, suggested=suggested)

    @property
    def device(self) -> torch.device:
        """The device of the measurements of the first term."""
        return self.terms[0].y.device

    def _rehearse(self, term: Term) -> None:
        """Ask for one row of an empty field: shapes must fit before any work starts.

        Where that row looks at nothing inside the box, as a ray at the edge of a detector may, ask
        more of them: some must.
        """
        look = _Look(self.box, self.channels, term)
        prediction = look.at(term.fitted[:1])
        if prediction.shape != (1, *term.y.shape[1:]):
            raise ValueError(
                f"{look.name} returned measurements of shape {tuple(prediction.shape)} for one "
                f"row; y has {(1, *term.y.shape[1:])} a row. "
                "Did `measure` keep the field's channel axis? Take values[..., 0]."
            )
        order = drawn(term.count, 1088, 0)
        for some in (order[:64], order[64:1088]):
            if not look.inside and len(some):
                look.at(term.fitted[some])
        look.require_inside()


class _Look:
    """An empty field that notices where a term's operator looks."""

    def __init__(self, box: Box, channels: int, term: Term) -> None:
        self.box = box
        self.channels = channels
        self.operator = term.operator
        self.device = device_of(term.operator) or term.y.device
        self.dtype = term.y.dtype.to_real()
        self.name = describe(term.operator)
        self.inside = False
        self.looked = False
        self.low = [math.inf] * box.ndim
        self.high = [-math.inf] * box.ndim

    def at(self, rows: Tensor) -> Tensor:
        """The prediction of some rows."""
        with torch.no_grad(), evaluating(self.operator):
            return predict(self.operator, self, rows)

    def __call__(self, points: Tensor) -> Tensor:
        if points.shape[-1] != self.box.ndim:
            raise ValueError(
                f"{self.name} looks at {points.shape[-1]}-D points; "
                f"the box has {self.box.ndim} axes."
            )
        memory.require(
            f"Problem: channels={self.channels} at the points that one row of {self.name} looks at",
            points[..., 0].numel() * self.channels * self.dtype.itemsize,
        )
        if points.numel() and not self.inside:
            self._notice(points.detach().reshape(-1, self.box.ndim))
        return torch.zeros(
            *points.shape[:-1], self.channels, dtype=self.dtype, device=points.device
        )

    def _notice(self, points: Tensor) -> None:
        self.looked = True
        low, high = (v.tolist() for v in points.aminmax(dim=0))
        self.low = [min(a, b) for a, b in zip(self.low, low, strict=True)]
        self.high = [max(a, b) for a, b in zip(self.high, high, strict=True)]
        slack = 1e-6 * constant(self.box.lengths, points.dtype, points.device)
        above = points >= constant(self.box.lower, points.dtype, points.device) - slack
        below = points <= constant(self.box.upper, points.dtype, points.device) + slack
        self.inside = bool((above & below).all(-1).any())

    def require_inside(self) -> None:
        """Refuse a term that sees nothing of the box."""
        if self.looked and not self.inside:
            raise ValueError(
                f"{self.name} looks at points from {_short(self.low)} to {_short(self.high)}, none "
                f"inside the box from {_short(self.box.lower)} to {_short(self.box.upper)}. "
                "Other units, or another origin?"
            )


def _short(corner: Sequence[float]) -> str:
    return f"({', '.join(f'{v:.4g}' for v in corner)})"
