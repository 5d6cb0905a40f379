"""The mini-batch loss as a module, and the rows that each step sees.

Rows and random numbers are pure functions of (seed, step), so that runs resume exactly.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, placement
from inverse_inr.hooks import BeforeStep, Begins, HasParameterGroups, HasPrior
from inverse_inr.kernels.permutation import permuted
from inverse_inr.priors.state import state_differences
from inverse_inr.protocol import Predicts, predict
from inverse_inr.regularizers import Weighted
from inverse_inr.row_sets import LARGE, Rows, listed
from inverse_inr.solver.seeds import mix
from inverse_inr.term import Term

Regularizer = Callable[[Field, Tensor], Tensor]
"""R(field, points) as a scalar, with or without a weight of its own, e.g. `1e-3 * Sobolev()`."""


class Objective(nn.Module):
    """Σ weight D(A f, y) + Σ λ R(f), as one number per part.

    An operator's own knowledge of what it learns (`hooks.HasPrior`) is added with its term's
    weight.

    Args:
        prior: The field f, any module that maps points to values.
        terms: The acquisitions. Operators and fidelities that a fit changes are copied.
        regularizers: Weighted regularizers; those of weight 0 are left out.
        chunk: Field points in flight at a time; None for all.

    Attributes:
        terms: The terms on the prior's device and in its precision.
        operators: The terms' operators that are modules.
        fidelities: The terms' fidelities that are modules.
        parts: (weight, regularizer) for each regularizer of positive weight.
        own: (weight, module) for each part of an operator with a `negative_log_prior`.
        names: One name per part of the loss, in the order in which `forward` returns the parts.
    """

    def __init__(
        self,
        prior: nn.Module,
        terms: Sequence[Term],
        regularizers: Sequence[Weighted],
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.chunk = chunk
        self.terms = [_own(term).to(*placement(prior)) for term in terms]
        self.operators = nn.ModuleList(
            t.operator for t in self.terms if isinstance(t.operator, nn.Module)
        )
        self.fidelities = nn.ModuleList(
            t.fidelity for t in self.terms if isinstance(t.fidelity, nn.Module)
        )
        self.parts = [
            part for regularizer in regularizers for part in regularizer.parts if part[0] > 0
        ]
        self.own = [(t.weight, m) for t in self.terms for m in _with_prior(t.operator)]
        self.names = [f"D({type(t.operator).__name__})" for t in self.terms]
        self.names += [f"R({type(part).__name__})" for _, part in self.parts]
        self.names += [f"R({type(m).__name__})" for _, m in self.own]

    def who_takes_part(self) -> list[object]:
        """The prior, then each term's operator and its fidelity: the solver calls their hooks.

        An operator or fidelity that wraps others, as `Detector @ A` does, comes before those inside
        it that have hooks of their own. A prior tells its parts itself.
        """
        outer = [part for term in self.terms for part in (term.operator, term.fidelity)]
        return [self.prior, *(part for each in outer for part in _with_hooks_inside(each))]

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Restore a saved state exactly.

        Args:
            state_dict: What `state_dict()` of an objective of the same parts gave.
            strict: Refuse a state that differs in a name or a shape.
            assign: Take the given tensors themselves instead of copying their values.

        Returns:
            What torch returns: the missing and the unexpected keys.

        Raises:
            ValueError: The state is of another prior, operator or fidelity; the message names the
                first field that differs.
        """
        differ = state_differences(self.state_dict(), state_dict)
        if strict and differ:
            name = getattr(self.prior, "name", type(self.prior).__name__)
            raise ValueError(
                f"Solver: the state is of another run than this one with the prior '{name}': "
                f"{differ[0]}, and {len(differ) - 1} more differ."
            )
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def forward(self, rows: Sequence[Tensor], points: Tensor) -> Tensor:
        """The weighted parts of the loss; their sum is the loss.

        Args:
            rows: For each term, (b,) indices of the measurements to compare.
            points: (n, d) points of the box that regularizers see.

        Returns:
            (parts,), in the order of `names`.
        """
        field: Field = Memo(self.prior, self.chunk)
        seen = [
            predict(t.operator, field, r, chunk=self.chunk)
            for t, r in zip(self.terms, rows, strict=True)
        ]
        return self.of_predictions(seen, rows, field, points)

    def of_predictions(
        self, seen: Sequence[Tensor], rows: Sequence[Tensor], field: Field, points: Tensor
    ) -> Tensor:
        """The weighted parts of the loss, where the predictions are there already.

        Args:
            seen: (b, *m) predictions of each term.
            rows: (b,) indices of the measurements of each term.
            field: The field as regularizers may ask it.
            points: (n, d) points of the box that regularizers see.

        Returns:
            (parts,), in the order of `names`.
        """
        data = [
            t.weight * _scalar(t.fidelity, t.distance(p, r))
            for t, p, r in zip(self.terms, seen, rows, strict=True)
        ]
        data += [weight * _scalar(part, part(field, points)) for weight, part in self.parts]
        known = [(weight, module.negative_log_prior()) for weight, module in self.own]
        return torch.stack(data + [weight * value for weight, value in known if value is not None])


def _with_hooks_inside(part: object) -> list[object]:
    """A part, and what inside it has hooks of its own; a prior inside tells its parts itself."""
    found = [part]
    if not isinstance(part, nn.Module) or isinstance(part, HasParameterGroups):
        return found
    plain = [v for v in vars(part).values() if not isinstance(v, type)]
    for inner in (*part.children(), *plain):
        deeper = _with_hooks_inside(inner)
        if not isinstance(inner, Begins | BeforeStep):
            deeper = deeper[1:]
        found += [each for each in deeper if all(each is not known for known in found)]
    return found


def _scalar(part: object, value: object) -> Tensor:
    """The value of a fidelity or a regularizer, which must be one real number."""
    if isinstance(value, Tensor) and value.ndim == 0 and not value.is_complex():
        return value
    name = getattr(part, "__name__", type(part).__name__)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} gives a {type(value).__name__}; fidelities and regularizers give a scalar "
            "tensor."
        )
    if value.is_complex():
        raise TypeError(f"{name} gives a complex number; fidelities and regularizers are real.")
    raise ValueError(
        f"{name} gives values of shape {tuple(value.shape)}; fidelities and regularizers give a "
        "scalar. Take the mean: .mean()."
    )


def _own(term: Term) -> Term:
    """The term with copies of what a fit changes: solving must not change the user's own."""
    copies: dict[str, Any] = {}
    if changes(term.operator):
        copies["operator"] = copy.deepcopy(term.operator)
    if changes(term.fidelity):
        copies["fidelity"] = copy.deepcopy(term.fidelity)
    return replace(term, **copies)


def _with_prior(operator: object) -> list[HasPrior]:
    if not isinstance(operator, nn.Module):
        return []
    modules = operator.modules()
    return [m for m in modules if isinstance(m, HasPrior) and m.negative_log_prior() is not None]


def changes(part: object) -> bool:
    """Whether a fit changes an operator or fidelity.

    It does if the part learns, or has hooks that prepare or anneal it, or holds one that has.
    """
    hooked = any(isinstance(each, Begins | BeforeStep) for each in _with_hooks_inside(part))
    return learns(part) or hooked


def learns(part: object) -> bool:
    """Whether an operator or fidelity is a module with parameters that gradients reach."""
    return isinstance(part, nn.Module) and any(p.requires_grad for p in part.parameters())


def automatic_batch(term: Term, points: int = 2**15) -> int | None:
    """The number of rows per step with which the field sees about `points` points.

    Args:
        term: The acquisition; its first trusted row tells how many points a row looks at.
        points: Field points per step.

    Returns:
        At least 16; at most 1024 for an operator that predicts by itself; None, for all rows, where
        each row looks at a whole grid.
    """
    if isinstance(term.operator, Predicts):
        return min(term.count, 1024)
    looked_at, _ = term.operator(term.fitted[:1])
    if isinstance(looked_at, Grid):
        return None
    return max(16, points // max(1, looked_at[..., 0].numel()))


class RowSchedule:
    """Epochs of shuffled mini-batches of constant size.

    Args:
        rows: (n,) indices of the measurements that may be fitted.
        batch: Rows per step; None for all of them, unshuffled.
        seed: Decides the order of each epoch.
    """

    def __init__(self, rows: Rows, batch: int | None, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.batch = len(rows)
        if batch is not None:
            self.batch = min(batch, len(rows))
        self._epoch: tuple[int, Tensor] = (-1, torch.arange(0))

    def at(self, step: int) -> Tensor:
        """The (batch,) rows of step number `step`, from 0: a pure function of it and the seed."""
        if self.batch == len(self.rows):
            return listed(self.rows)
        epoch, k = divmod(step, len(self.rows) // self.batch)
        if len(self.rows) >= LARGE:
            places = torch.arange(k * self.batch, (k + 1) * self.batch)
            return self.rows[permuted(places, len(self.rows), mix(self.seed, epoch))]
        if epoch != self._epoch[0]:
            # only remembered, no state: the same epoch always has the same order
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            self._epoch = (epoch, self.rows[torch.randperm(len(self.rows), generator=generator)])
        return self._epoch[1][k * self.batch : (k + 1) * self.batch]


def row_schedules(
    terms: Sequence[Term],
    fit_rows: Sequence[Rows],
    batch: int | None,
    *,
    full_batch: bool,
    seed: int,
) -> list[RowSchedule]:
    """One schedule per term.

    Args:
        terms: The acquisitions.
        fit_rows: For each term, the indices of the measurements that may be fitted.
        batch: Rows per step for each term; None for `automatic_batch`.
        full_batch: The optimizer wants all rows in every step.
        seed: Each term's order is drawn from a seed of its own, counted up from this one.
    """
    schedules = []
    for k, (term, rows) in enumerate(zip(terms, fit_rows, strict=True)):
        size = None
        if not full_batch:
            size = batch or automatic_batch(term)
        schedules.append(RowSchedule(rows, size, seed + k))
    return schedules
