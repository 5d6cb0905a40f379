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

from inverse_inr.distributed.ranks import Ranks
from inverse_inr.evaluation import Field
from inverse_inr.hooks import BeforeStep, Begins, HasParameterGroups, HasPrior
from inverse_inr.precision import placement
from inverse_inr.priors.state import state_differences
from inverse_inr.regularizers import PairDifference, Weighted
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
        products: Half precision of the prior's matrix products, by `torch.autocast`; None for the
            prior's own.
        ranks: The processes between which the predictions are divided; None for this one alone.

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
        products: torch.dtype | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__()
        self.ranks = ranks or Ranks()
        self.prior = prior
        self.chunk = chunk
        self.products = products
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
        self._needs_looks = any(isinstance(part, PairDifference) for _, part in self.parts)
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
        field = self.ranks.memo(self.prior, self.chunk, self.products)
        field.keeps_looks = self._needs_looks
        seen = [
            self.ranks.ask(t.operator, field, r, self.chunk, needs_looks=self._needs_looks)
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
