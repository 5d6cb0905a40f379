"""Several solvers whose steps are one step: their fields are evaluated and moved together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inverse_inr.distributed.drawing import Generators
from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK, Memo
from inverse_inr.optimizers import Several
from inverse_inr.protocol import ask, placed
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.many.alike import require_together
from inverse_inr.solver.many.stack import Stack
from inverse_inr.solver.seeds import in_fixed_order, seeded

PLACES = 3
"""Random places at which priors evaluated together must agree with each by itself."""

TOLERANCE = 1e-3
"""By how much they may differ there, as a fraction of the largest value."""


@dataclass
class Prepared:
    """One problem before its field is asked.

    Args:
        rows: For each term, (b,) indices of the measurements of this step.
        points: (n, d) points that regularizers see.
        queries: For each term, the operator's answer; None for one that asks the field itself.
        generators: The random numbers from here on.
    """

    rows: list[Tensor]
    points: Tensor
    queries: list[tuple[Tensor | Grid, Callable[[Tensor], Tensor]] | None]
    generators: Generators


class Batch:
    """Solvers that go from step to step together.

    Args:
        solvers: Solvers of equal priors, optimizers and numbers of steps.

    Attributes:
        points: Number of points at which a step looks at each field.

    Raises:
        ValueError: They cannot go together; the message says why.
    """

    def __init__(self, solvers: Sequence[Solver]) -> None:
        self.solvers = list(solvers)
        require_together(self.solvers)
        self.stack = Stack([solver.prior for solver in self.solvers])
        self._check_places()
        self._optimizer = self._built()
        self._apart: set[int] = set()
        self._rehearse()

    def _check_places(self) -> None:
        """Refuse priors that are not what their parameters and buffers say."""
        points = torch.stack([_random_places(solver) for solver in self.solvers])
        with torch.no_grad():
            try:
                together = self.stack(points)
            except (RuntimeError, ValueError, TypeError) as error:
                raise ValueError(f"torch.func.vmap: {str(error).splitlines()[0]}") from None
            alone = torch.stack([s.prior(p) for s, p in zip(self.solvers, points, strict=True)])
        if not float((together - alone).abs().max()) <= TOLERANCE * float(alone.abs().max()):
            raise ValueError("the priors differ in more than parameters and buffers")

    def _rehearse(self) -> None:
        """Note the terms for which each field must be asked by itself; refuse if all are."""
        reason = "the operators look at other places, at very many, or ask the field themselves"
        self.points = 0
        first = [self._prepare(solver, {}) for solver in self.solvers]
        terms = range(len(first[0].rows))
        for k in terms:
            try:
                together = self._values(first, k) is not None
            except (RuntimeError, ValueError, TypeError) as error:
                # lattice routes of some priors multiply sparse matrices, which vmap cannot
                together = False
                reason = f"torch.func.vmap: {str(error).split('.')[0]}"
            where = self._places(first, k)
            if not together:
                self._apart.add(k)
            elif isinstance(where, Grid):
                self.points += where.numel
            elif where is not None:
                self.points += where.shape[-2]
        if len(self._apart) == len(terms):
            raise ValueError(reason)

    def _built(self) -> Several:
        """The solvers' optimizer, of the stacked parameters."""
        solver = self.solvers[0]
        assert isinstance(solver.optimizer, Several)
        names = {id(p): name for name, p in solver.prior.named_parameters()}
        groups: list[dict[str, Any]] = [
            {**group, "params": [self.stack.own[names[id(p)]] for p in group["params"]]}
            for group in solver.optimizer.optimizers[0].param_groups
        ]
        return Several([torch.optim.Adam(groups)], solver.optimizer.schedule)

    def step(self) -> list[Tensor]:
        """Make one step of all solvers.

        Returns:
            (parts,) of each, as `Solver.step` returns them.
        """
        progress = self.solvers[0].step_number / self.solvers[0].steps
        found: list[Tensor] = []

        def closure() -> Tensor:
            self.stack.clear_gradients()
            found[:] = self._parts()
            loss = torch.stack([parts.sum() for parts in found]).sum()
            loss.backward()
            self.stack.collect_gradients()
            return loss

        for solver in self.solvers:
            solver._prepare_step()
        with in_fixed_order(self.solvers[0].deterministic):
            self._optimizer.step(closure, progress)
        for solver in self.solvers:
            solver.step_number += 1
        return [parts.detach() for parts in found]

    def keep(self, which: Sequence[int]) -> None:
        """Go on with some of the solvers only.

        Args:
            which: Their places among the solvers.
        """
        self.solvers = [self.solvers[k] for k in which]
        if not which:
            return
        before = self._optimizer.optimizers[0].state
        old = self.stack.own
        self.stack = self.stack.without(which)
        self._optimizer = self._built()
        now = self._optimizer.optimizers[0].state
        for name, parameter in self.stack.own.items():
            for key, value in before.get(old[name], {}).items():
                kept = value
                if value.shape == old[name].shape:
                    kept = value[list(which)]
                now[parameter][key] = kept.clone()

    # --- one step ---------------------------------------------------------------------------------

    def _prepare(self, solver: Solver, asked: dict[Any, Any]) -> Prepared:
        """Draw what a step draws and ask the operators, as the solver by itself would."""
        number = solver.step_number
        rows = [schedule.at(number) for schedule in solver.schedules]
        with seeded(solver.seed, number, solver._device):
            points = solver._random_points()
            queries = []
            asked_before: tuple[int, ...] = (solver.seed,)
            for term, chosen in zip(solver.objective.terms, rows, strict=True):
                # asked by name: isinstance of the protocol `Predicts` takes an eighth of a step
                if hasattr(term.operator, "predict"):
                    queries.append(None)
                    continue
                # the same question with the same random numbers has the same answer
                asked_before = (*asked_before, id(term.operator))
                answer = asked.get(asked_before)
                if answer is None or not torch.equal(answer[0], chosen):
                    query = term.operator(chosen)
                    answer = (chosen, query, Generators(solver._device))
                    asked[asked_before] = answer
                else:
                    answer[2].restore()
                queries.append(answer[1])
            return Prepared(rows, points, queries, Generators(solver._device))

    def _parts(self) -> list[Tensor]:
        asked: dict[Any, Any] = {}
        prepared = [self._prepare(solver, asked) for solver in self.solvers]
        memos = [Memo(solver.prior, solver.objective.chunk) for solver in self.solvers]
        seen: list[list[Tensor]] = [[] for _ in self.solvers]
        for k in range(len(prepared[0].rows)):
            values = self._values(prepared, k)
            for i, one in enumerate(prepared):
                query = one.queries[k]
                if values is None or query is None:
                    prediction = self._by_itself(i, k, one, memos[i])
                else:
                    where, measure = query
                    _remember(memos[i], where, values[i])
                    prediction = measure(values[i])
                seen[i].append(prediction)
        found = []
        for solver, one, memo, predictions in zip(self.solvers, prepared, memos, seen, strict=True):
            with seeded(solver.seed, solver.step_number, solver._device):
                one.generators.restore()
                found.append(
                    solver.objective.of_predictions(predictions, one.rows, memo, one.points)
                )
        return found

    def _by_itself(self, i: int, k: int, one: Prepared, memo: Memo) -> Tensor:
        """The prediction of a term whose field is not asked together with the others'."""
        solver = self.solvers[i]
        operator = solver.objective.terms[k].operator
        with seeded(solver.seed, solver.step_number, solver._device):
            return ask(operator, memo, one.rows[k], solver.objective.chunk)

    def _places(self, prepared: Sequence[Prepared], k: int) -> Tensor | Grid | None:
        """Where the fields look together for one term; None where each looks by itself."""
        queries = [one.queries[k] for one in prepared if one.queries[k] is not None]
        if len(queries) < len(prepared) or k in self._apart:
            return None
        wheres = [query[0] for query in queries if query is not None]
        first = wheres[0]
        if isinstance(first, Grid):
            same = all(isinstance(where, Grid) and where == first for where in wheres)
            if same and first.numel <= CHUNK:
                return first
            return None
        tensors = [
            placed(where, self.stack.priors[0]) for where in wheres if isinstance(where, Tensor)
        ]
        if len({where.shape for where in tensors}) > 1 or len(tensors) < len(wheres):
            return None
        if first.shape[:-1].numel() > CHUNK:
            return None
        if all(where is first for where in wheres):
            return tensors[0].reshape(-1, first.shape[-1])
        return torch.stack([where.reshape(-1, where.shape[-1]) for where in tensors])

    def _values(self, prepared: Sequence[Prepared], k: int) -> Sequence[Tensor] | None:
        """The values of all fields where term k looks, (*s, channels) each."""
        where = self._places(prepared, k)
        if where is None:
            return None
        if isinstance(where, Grid):
            return self.stack.sample(where).unbind()
        query = prepared[0].queries[k]
        assert query is not None
        shape = query[0].shape[:-1]
        return self.stack(where).unflatten(1, shape).unbind()


def _remember(memo: Memo, where: Tensor | Grid, values: Tensor) -> None:
    """Let regularizers of a step find what an operator has seen."""
    if isinstance(where, Grid):
        memo._seen[where] = values
    else:
        memo.looks.append((where, values))


def _random_places(solver: Solver) -> Tensor:
    dtype = next(solver.prior.parameters()).dtype.to_real()
    generator = torch.Generator().manual_seed(0)
    places = solver.problem.box.random_points(PLACES, dtype=dtype, generator=generator)
    return places.to(solver._device)
