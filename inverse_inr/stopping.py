"""When to stop and which state to keep, from the measurements alone. Never from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.fidelity import at_rows
from inverse_inr.noise import Noise
from inverse_inr.protocol import predict
from inverse_inr.term import Term


@runtime_checkable
class Stopping(Protocol):
    """A stopping rule: five members, nothing to inherit. The solver asks it every `every` steps.

    The state of the least `value` is kept. A value of NaN means that the rule does not compare states: then the last
    one is kept.
    """

    @property
    def every(self) -> int:
        """Steps between two checks."""
        ...

    @property
    def label(self) -> str:
        """What `value` is called in the history and in reports."""
        ...

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Tensor], list[Tensor]]:
        """(rows to fit, rows to watch), one tensor of row indices for each term."""
        ...

    def value(
        self,
        terms: Sequence[Term],
        fit: list[Tensor],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """How bad the field is, from the measurements alone: lower is better, NaN where nothing can be said."""
        ...

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Whether the run may end, given the newest value and how many checks ago the best state was found."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """Rows kept out of the fit: the state that predicts them best is kept; `patience` checks without gain end the run.

    `fraction` of the trusted rows is drawn once from the seed, at most `limit` of them; `rows` names them instead
    (whole views, say), one tensor a term.
    """

    fraction: float = 0.05
    every: int = 50
    patience: int | None = None
    limit: int = 4096
    rows: Sequence[Tensor] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1 or self.every < 1:
            raise ValueError(
                f"HeldOut: fraction={self.fraction} must lie in (0, 1), every={self.every} be at least 1."
            )

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Tensor], list[Tensor]]:
        """(rows to fit, rows to watch) for each term."""
        if self.rows is not None and len(self.rows) != len(terms):
            raise ValueError(
                f"HeldOut(rows=...) names rows of {len(self.rows)} terms; the problem has {len(terms)}."
            )
        pairs = [self._split(term, k, seed) for k, term in enumerate(terms)]
        return [fit for fit, _ in pairs], [watch for _, watch in pairs]

    def _split(self, term: Term, k: int, seed: int) -> tuple[Tensor, Tensor]:
        trusted = term.trusted
        if self.rows is not None:
            chosen = torch.isin(trusted, self.rows[k])
        else:
            order = torch.randperm(len(trusted), generator=torch.Generator().manual_seed(seed + k))
            chosen = torch.zeros(len(trusted), dtype=torch.bool)
            chosen[order[: min(self.limit, round(self.fraction * len(trusted)))]] = True
        if not chosen.any() or chosen.all():
            raise ValueError(
                f"HeldOut leaves {int((~chosen).sum())} rows to fit and {int(chosen.sum())} to watch."
            )
        return trusted[~chosen], trusted[chosen]

    def value(
        self,
        terms: Sequence[Term],
        fit: list[Tensor],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Σ weight D over the watched rows: lower is better."""
        return sum(
            t.weight * float(t.loss(f, rows, chunk)) for t, rows in zip(terms, watch, strict=True)
        )

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        return self.patience is not None and checks_since_best >= self.patience

    label = "held-out"


@dataclass(frozen=True)
class Discrepancy:
    """Stop where the mean squared residual falls to `tau` noise variances (Morozov); needs a noise model.

    Judged on at most `limit` rows of each term, the same at every check.
    """

    tau: float = 1.0
    every: int = 50
    limit: int = 4096

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Tensor], list[Tensor]]:
        for term in terms:
            if not isinstance(term.fidelity, Noise):
                raise ValueError(
                    f"Discrepancy needs a noise model as fidelity, not {type(term.fidelity).__name__}."
                )
        fit = [term.trusted for term in terms]
        orders = [
            torch.randperm(len(r), generator=torch.Generator().manual_seed(seed))[: self.limit]
            for r in fit
        ]
        return fit, [rows[order] for rows, order in zip(fit, orders, strict=True)]

    def value(
        self,
        terms: Sequence[Term],
        fit: list[Tensor],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Distance of the worst term's mean squared standardised residual from tau, from above."""
        return (
            max(_chi2(t, rows, f, chunk) for t, rows in zip(terms, watch, strict=True)) - self.tau
        )

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        return value <= 0

    label = "discrepancy"


def _chi2(term: Term, rows: Tensor, f: Field, chunk: int | None) -> float:
    noise = at_rows(term.fidelity, rows)
    assert isinstance(noise, Noise)
    prediction = predict(term.operator, f, rows, chunk=chunk)
    return float(
        noise.standardized(prediction, term.y[rows.to(term.y.device)]).abs().square().mean()
    )


@dataclass(frozen=True)
class Never:
    """Fit all rows for all steps and keep the last state."""

    every: int = 50
    label = "training loss"

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Tensor], list[Tensor]]:
        return [t.trusted for t in terms], [t.trusted[:0] for t in terms]

    def value(
        self,
        terms: Sequence[Term],
        fit: list[Tensor],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        return float("nan")

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        return False


class Split(NamedTuple):
    """Which rows of each term a method fits, and which it is judged by because it never saw them."""

    fit: list[Tensor]
    watch: list[Tensor]
    details: dict[str, str]
    """For `Solution.details`: where the rows are not the problem's own choice, says so; else empty."""


def hold_out(rule: Stopping | None, terms: Sequence[Term], seed: int = 0) -> Split:
    """The rows that `rule` keeps out of a fit, for methods that need some to choose a parameter or to be judged by.

    Where the rule keeps none out of every term (`Never`, `Discrepancy`), `HeldOut()` stands in, and `details` say so.
    """
    chosen = HeldOut() if rule is None else rule
    fit, watch = chosen.split(terms, seed)
    if all(len(w) and not bool(torch.isin(w, f).any()) for f, w in zip(fit, watch, strict=True)):
        return Split(fit, watch, {})
    instead = HeldOut()
    note = f"{instead.fraction:.0%} of the rows, at random: the problem's rule, {type(rule).__name__}, keeps none out"
    return Split(*instead.split(terms, seed), {"held out": note})


def least(scores: Sequence[Tensor]) -> int:
    """The candidate with the least mean score."""
    return min(range(len(scores)), key=lambda k: float(scores[k].mean()))


def one_standard_error(scores: Sequence[Tensor]) -> int:
    """The first, that is simplest, candidate whose mean is within one standard error of the least mean.

    `scores`: held-out losses of each candidate, (n,) each, the most regularized candidate first. The rule of Breiman et
    al. (1984), see Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, section 7.10: held-out error
    is flat and noisy near its minimum, and of equals the simplest is to be preferred.
    """
    best = scores[least(scores)]
    limit = float(best.mean()) + (float(best.std()) / len(best) ** 0.5 if len(best) > 1 else 0.0)
    return next(k for k, s in enumerate(scores) if float(s.mean()) <= limit)
