"""Stopping rules: held-out rows, the discrepancy principle, or never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.fidelity import at_rows
from inverse_inr.hooks import Grouped
from inverse_inr.noise import Noise
from inverse_inr.protocol import predict
from inverse_inr.ranges import Count, Positive, ProperFraction, checked
from inverse_inr.row_sets import LARGE, AllBut, Rows, drawn
from inverse_inr.term import Term


@runtime_checkable
class Stopping(Protocol):
    """A stopping rule: five members, nothing to inherit. The solver asks it every `every` steps.

    The state of the least `value` is kept. A value of NaN means that the rule does not compare
    states: then the last one is kept.
    """

    @property
    def every(self) -> int:
        """Number of steps between two checks."""
        ...

    @property
    def label(self) -> str:
        """Name of `value` in the history and in reports."""
        ...

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Rows], list[Tensor]]:
        """Choose the rows to fit and the rows to watch.

        Args:
            terms: The problem's terms.
            seed: Seed of rules that draw rows.

        Returns:
            The rows to fit and the rows to watch, each one tensor of row indices per term.
        """
        ...

    def value(
        self,
        terms: Sequence[Term],
        fit: Sequence[Rows],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Say how bad the field is, from the measurements alone.

        Args:
            terms: The problem's terms, with operators as learnt so far.
            fit: Indices of the rows that the fit sees, one tensor per term.
            watch: Indices of the rows to watch, one tensor per term.
            f: The field.
            chunk: Most points per call of the field; `evaluation.CHUNK` if None.

        Returns:
            A number of which lower is better; NaN where nothing can be said.
        """
        ...

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Say whether the run may end.

        Args:
            value: The newest value.
            checks_since_best: Number of checks since the best state was found.

        Returns:
            True to end the run.
        """
        ...


@checked
@dataclass(frozen=True)
class HeldOut:
    """Keep rows out of the fit, and the state that predicts them best.

    Args:
        fraction: Fraction of the trusted rows of each term to hold out, drawn once from the seed;
            at least one row.
        every: Number of steps between two checks.
        patience: Number of checks without gain that end the run; None to use all steps.
        limit: Most rows of each term to hold out.
        rows: Indices of the rows to hold out (whole views, say), one tensor per term, instead of
            drawn ones.
        together: Draw whole groups of rows, where the operator says which were acquired together
            (`hooks.Grouped`): views, spokes, readouts. They test what a fit makes of directions
            that it never saw; single rows mostly test its noise.

    Raises:
        ValueError: `fraction` lies outside (0, 1) or `every` is below 1.
    """

    fraction: ProperFraction = 0.05
    every: Count = 50
    patience: Count | None = None
    limit: Count = 4096
    rows: Sequence[Tensor] | None = None
    together: bool = False

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Rows], list[Tensor]]:
        """Choose the rows to fit and the rows to watch, for each term.

        Raises:
            ValueError: `rows` names rows of another number of terms, or none would be left to fit
                or to watch.
        """
        if self.rows is not None and len(self.rows) != len(terms):
            raise ValueError(
                f"HeldOut(rows=...) names rows of {len(self.rows)} terms; "
                f"the problem has {len(terms)}."
            )
        pairs = [self._split(term, k, seed) for k, term in enumerate(terms)]
        return [fit for fit, _ in pairs], [watch for _, watch in pairs]

    def _split(self, term: Term, k: int, seed: int) -> tuple[Rows, Tensor]:
        if self.rows is None and not self.together and term.count >= LARGE and term.rows is None:
            return self._of_many(term.count, seed + k)
        trusted = term.trusted
        if self.rows is not None:
            chosen = torch.isin(trusted, self.rows[k].cpu())
        elif self.together and isinstance(term.operator, Grouped):
            chosen = self._drawn_groups(term.operator.groups.cpu()[trusted], seed + k)
        else:
            order = torch.randperm(len(trusted), generator=torch.Generator().manual_seed(seed + k))
            chosen = torch.zeros(len(trusted), dtype=torch.bool)
            count = max(1, round(self.fraction * len(trusted)))
            chosen[order[: min(self.limit, count)]] = True
        if not chosen.any() or chosen.all():
            raise ValueError(
                f"HeldOut leaves {int((~chosen).sum())} rows to fit "
                f"and {int(chosen.sum())} to watch, of {len(trusted)} with "
                f"fraction={self.fraction:g} and limit={self.limit}."
            )
        return trusted[~chosen], trusted[chosen]

    def _of_many(self, count: int, seed: int) -> tuple[AllBut, Tensor]:
        """As `_split`, without a list of all rows."""
        some = min(self.limit, round(self.fraction * count))
        watch = drawn(count, some, seed).sort().values
        return AllBut(count, watch), watch

    def _drawn_groups(self, groups: Tensor, seed: int) -> Tensor:
        """Whether each row lies in one of the groups that are drawn, at least one of them."""
        names = groups.unique()
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
        count = max(1, round(self.fraction * len(names)))
        return torch.isin(groups, names[order[:count]])

    def value(
        self,
        terms: Sequence[Term],
        fit: Sequence[Rows],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Compute Σ weight D over the watched rows: lower is better."""
        return sum(
            t.weight * float(t.loss(f, rows, chunk)) for t, rows in zip(terms, watch, strict=True)
        )

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Say whether `patience` checks have passed without gain."""
        return self.patience is not None and checks_since_best >= self.patience

    label = "held-out"


@checked
@dataclass(frozen=True)
class Discrepancy:
    """Stop where the mean squared residual falls to `tau` noise variances (Morozov).

    It needs a noise model as fidelity.

    Args:
        tau: Mean squared residual to reach, in noise variances.
        every: Number of steps between two checks.
        limit: Most rows of each term to judge by, the same at every check.
    """

    tau: Positive = 1.0
    every: Count = 50
    limit: Count = 4096

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Rows], list[Tensor]]:
        """Fit all trusted rows, and watch `limit` of them in each term.

        Raises:
            ValueError: A term's fidelity is no noise model.
        """
        for term in terms:
            if not isinstance(term.fidelity, Noise):
                raise ValueError(
                    "Discrepancy needs a noise model as fidelity, "
                    f"not {type(term.fidelity).__name__}."
                )
        return some_of_all(terms, self.limit, seed)

    def value(
        self,
        terms: Sequence[Term],
        fit: Sequence[Rows],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Compute the worst term's mean squared standardised residual minus `tau`."""
        worst = max(_chi2(t, rows, f, chunk) for t, rows in zip(terms, watch, strict=True))
        return worst - self.tau

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Say whether the residual has fallen to `tau` noise variances."""
        return value <= 0

    label = "discrepancy"


def some_of_all(terms: Sequence[Term], limit: int, seed: int) -> tuple[list[Rows], list[Tensor]]:
    """Split for rules that fit all trusted rows, and judge by some of them.

    Args:
        terms: The problem's terms.
        limit: The most rows of each term to watch.
        seed: Decides which.

    Returns:
        The rows to fit and the rows to watch, each one tensor of row indices per term.
    """
    fit = [term.fitted for term in terms]
    orders = [drawn(len(rows), limit, seed) for rows in fit]
    return fit, [rows[order] for rows, order in zip(fit, orders, strict=True)]


def _chi2(term: Term, rows: Tensor, f: Field, chunk: int | None) -> float:
    """The mean squared standardised residual of some rows."""
    noise = at_rows(term.fidelity, rows)
    assert isinstance(noise, Noise)
    prediction = predict(term.operator, f, rows, chunk=chunk)
    residual = noise.standardized(prediction, term.y[rows.to(term.y.device)])
    return float(residual.abs().square().mean())


@checked
@dataclass(frozen=True)
class Never:
    """Fit all rows for all steps and keep the last state.

    Args:
        every: Number of steps between two records in the history.
    """

    every: Count = 50
    label = "training loss"

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Rows], list[Tensor]]:
        """Fit all trusted rows, and watch none."""
        return [t.fitted for t in terms], [t.fitted[:0] for t in terms]

    def value(
        self,
        terms: Sequence[Term],
        fit: Sequence[Rows],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Return NaN: the rule does not compare states."""
        return float("nan")

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Return False: the run uses all its steps."""
        return False
