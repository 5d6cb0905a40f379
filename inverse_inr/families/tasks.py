"""Tasks: problems whose losses are comparable, and are computed for many fields together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK
from inverse_inr.families.fields import Fields
from inverse_inr.least_squares import back_projection
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.protocol import Operator, Predicts, predict
from inverse_inr.solver.objective import changes
from inverse_inr.solver.schedule import row_schedules
from inverse_inr.term import Term


class Task:
    """One problem as a family learns from it: rows for each step, and a loss without unit.

    The loss is Σ weight D(A f, y), divided by what noise of the measurements' own size would make
    it. It depends neither on their unit nor on the noise level, so one step size suits many tasks.

    Args:
        problem: The problem.
        power: Mean square of the measurements of the family, in their unit.
        batch: Rows per step for each term; None as in `Solver`.
        seed: Decides which rows a step sees.

    Attributes:
        terms: The acquisitions in the precision of the fields.
        unit: The divisor of the loss.
        base: (channels, *grid.shape) a first estimate, where a family has found one; None before.
    """

    def __init__(
        self, problem: Problem, power: float, batch: int | None = None, seed: int = 0
    ) -> None:
        self.problem = problem
        self._image: Tensor | None = None
        self.base: Tensor | None = None
        self.terms = [_frozen(term) for term in problem.terms]
        self.unit = _precision(self.terms) * power
        trusted = [term.trusted for term in self.terms]
        self.schedules = row_schedules(self.terms, trusted, batch, full_batch=False, seed=seed)

    def image(self) -> Tensor:
        """Make the image of the measurements that an encoder sees, once.

        It is the back-projection in the unit of the loss, (channels, *grid.shape), with real and
        imaginary parts as channels of their own. As a density, per part of the box, it is the same
        on a finer grid.
        """
        if self._image is None:
            with torch.enable_grad():
                image = back_projection(self.problem, [term.trusted for term in self.terms])
            image = image.detach() * (self.problem.grid.numel / self.unit)
            if image.is_complex():
                image = torch.cat([image.real, image.imag], -1)
            self._image = image.movedim(-1, 0).to(self.terms[0].y.dtype.to_real())
        return self._image

    def to(self, dtype: torch.dtype, device: torch.device) -> Task:
        """Move the measurements in place; the problem stays as it is."""
        self.terms = [term.to(dtype, device) for term in self.terms]
        return self

    def rows(self, step: int) -> list[Tensor]:
        """The rows of each term that a step sees, (b,): a pure function of its number."""
        return [schedule.at(step) for schedule in self.schedules]


def _frozen(term: Term) -> Term:
    """The term with copies of what a fit would change: a family learns fields, no instruments."""
    if not changes(term.operator) and not changes(term.fidelity):
        return term
    operator, fidelity = copy.deepcopy((term.operator, term.fidelity))
    for part in (operator, fidelity):
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)
    return replace(term, operator=operator, fidelity=fidelity)


def _precision(terms: Sequence[Term]) -> float:
    """Σ weight times half the mean precision: the loss of residuals of unit size."""
    total = 0.0
    for term in terms:
        precision = 1.0
        if isinstance(term.fidelity, Noise):
            _, weights = term.fidelity.at(term.trusted).least_squares(term.y[term.trusted])
            precision = float(weights.double().mean())
        total += term.weight * 0.5 * precision
    return total


def power_of(problems: Sequence[Problem]) -> float:
    """Compute the mean square of the measurements, each weighted by its precision.

    Args:
        problems: The problems of a family.

    Returns:
        In the square of the measurements' unit.
    """
    ratios = []
    for problem in problems:
        chi = 0.0
        for term in problem.terms:
            y = term.y[term.trusted]
            precision = torch.ones(())
            if isinstance(term.fidelity, Noise):
                y, precision = term.fidelity.at(term.trusted).least_squares(y)
            chi += term.weight * 0.5 * float((precision * y.abs().square()).double().mean())
        ratios.append(chi / _precision(problem.terms))
    return max(sum(ratios) / len(ratios), 1e-30)


def losses(tasks: Sequence[Task], fields: Fields, step: int = 0) -> Tensor:
    """Compute the loss of each task's own field.

    Args:
        tasks: One task for each field.
        fields: The fields.
        step: The number of the step, which decides the rows.

    Returns:
        (tasks,) without unit: 1 is about what an empty field has.
    """
    # tasks of one operator share their rows, object for object, so that it is asked once
    shared = {id(task.schedules): task for task in tasks}
    drawn = {key: task.rows(step) for key, task in shared.items()}
    rows = [drawn[id(task.schedules)] for task in tasks]
    totals = [torch.zeros(())] * len(tasks)
    for k in range(max(len(task.terms) for task in tasks)):
        who = [i for i, task in enumerate(tasks) if k < len(task.terms)]
        terms = [tasks[i].terms[k] for i in who]
        asked = [rows[i][k] for i in who]
        if len(who) == len(tasks):
            seen = _predictions([t.operator for t in terms], fields, asked)
        else:
            seen = [
                predict(t.operator, fields.one(i), r)
                for i, t, r in zip(who, terms, asked, strict=True)
            ]
        for i, term, prediction, r in zip(who, terms, seen, asked, strict=True):
            totals[i] = totals[i] + term.weight * term.distance(prediction, r) / tasks[i].unit
    return torch.stack(totals)


def _predictions(
    operators: Sequence[Operator], fields: Fields, rows: Sequence[Tensor]
) -> list[Tensor]:
    """A_k(f_k) for each field: one evaluation of all fields where their points allow it."""
    one_by_one = [
        lambda k=k: predict(operators[k], fields.one(k), rows[k]) for k in range(len(fields))
    ]
    if len(fields) == 1 or any(isinstance(operator, Predicts) for operator in operators):
        return [call() for call in one_by_one]
    same = all(o is operators[0] for o in operators) and all(r is rows[0] for r in rows)
    if same:
        queries = [operators[0](rows[0])] * len(fields)
    else:
        queries = [operator(r) for operator, r in zip(operators, rows, strict=True)]
    places = [points for points, _ in queries]
    if len({tuple(p.shape) for p in places}) > 1 or _count(places[0]) > CHUNK:
        return [call() for call in one_by_one]
    if same or _all_equal(places):
        points = _flat(places[0])
    else:
        points = torch.stack([_flat(p) for p in places])
    values = fields(points).unflatten(1, _shape(places[0]))
    if same:
        return _measured(queries[0][1], values)
    return [measure(v) for (_, measure), v in zip(queries, values, strict=True)]


def _measured(measure: Callable[[Tensor], Tensor], values: Tensor) -> list[Tensor]:
    """One measurement of all values, by vmap where the operator knows how, else one by one."""
    try:
        return list(torch.func.vmap(measure)(values))
    except (RuntimeError, ValueError):
        # sparse products, functions with a backward of their own: what fails again says why itself
        return [measure(v) for v in values]


def _shape(places: Tensor | Grid) -> tuple[int, ...]:
    if isinstance(places, Grid):
        return places.shape
    return tuple(places.shape[:-1])


def _count(places: Tensor | Grid) -> int:
    return torch.Size(_shape(places)).numel()


def _flat(places: Tensor | Grid) -> Tensor:
    points = places
    if isinstance(points, Grid):
        points = points.points(torch.float64)
    return points.reshape(-1, points.shape[-1])


def _all_equal(places: Sequence[Tensor | Grid]) -> bool:
    if all(isinstance(p, Grid) for p in places):
        return all(p == places[0] for p in places)
    return False


def as_tasks(
    problems: Sequence[Problem],
    power: float,
    batch: int | None,
    seed: int,
    placed: tuple[torch.dtype, torch.device],
) -> list[Task]:
    """Make tasks of problems; those of equal operators and rows share the rows' order.

    Args:
        problems: The problems.
        power: Mean square of the family's measurements.
        batch: Rows per step for each term; None as in `Solver`.
        seed: Decides which rows a step sees.
        placed: Precision and device of the fields.
    """
    made: list[Task] = []
    known: dict[tuple[int, ...], Task] = {}
    for problem in problems:
        task = Task(problem, power, batch, seed).to(*placed)
        key = tuple(id(t.operator) for t in task.terms)
        if all(t.rows is None for t in task.terms):
            # rows of one operator, object for object, are looked up once for all tasks
            task.schedules = known.setdefault(key, task).schedules
        made.append(task)
    return made
