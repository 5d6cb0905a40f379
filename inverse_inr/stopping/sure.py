"""Stein's unbiased risk estimate by a second fit to slightly other measurements.

    risk  =  E |A f̂(y) - A f|² / (n σ²)  =  E |A f̂(y) - y|² / (n σ²) - 1 + 2/n div A f̂(y)

The divergence tells how many measurements the fit follows: its degrees of freedom. A Monte Carlo
probe estimates it, div ≈ b·(A f̂(y + ε σ b) - A f̂(y)) / (ε σ) for a normal b, from two fits by the
same method. That is also what it costs: twice the time and memory of a fit, three times with two
probes. The risk is that of the predictions, not of the image: what no measurement sees is not in
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.fidelity import at_rows
from inverse_inr.noise import ComplexGaussian, Gaussian
from inverse_inr.protocol import evaluating, predict
from inverse_inr.ranges import Count, Range, Seed, checked
from inverse_inr.stopping.rules import Stopping, some_of_all
from inverse_inr.term import Term

Perturbation = Annotated[float, Range(least=1e-6, most=1e3)]
"""Size of a perturbation, in standard deviations of the noise."""

Probes = Annotated[int, Range(least=1, most=1000)]
"""Number of perturbed runs."""


@runtime_checkable
class ComparesTwins(Stopping, Protocol):
    """A stopping rule that needs a second fit, which the solver makes and steps beside the first.

    The twin has the same prior, seed and batches, and other measurements.
    """

    def perturbed(self, terms: Sequence[Term], seed: int) -> list[Term]:
        """Make the twin's terms.

        Args:
            terms: The problem's terms.
            seed: Seed of the run.
        """
        ...

    def compared(
        self,
        terms: Sequence[Term],
        twins: Sequence[Term],
        watch: Sequence[Tensor],
        f: Field,
        twin: Field,
        chunk: int | None = None,
    ) -> float:
        """Say how bad the field is.

        Args:
            terms: The problem's terms, with operators as learnt so far.
            twins: The twin's terms.
            watch: Indices of the rows to watch, one tensor per term.
            f: The field.
            twin: The twin's field.
            chunk: Most points per call of a field.
        """
        ...


@checked
@dataclass(frozen=True)
class SURE:
    """Keep the state of least estimated risk; all rows are fitted. Gaussian noise of known level.

    It doubles the time and the memory of a fit: a twin with perturbed measurements runs beside.

    Args:
        every: Number of steps between two checks.
        patience: Number of checks without gain that end the run; None to use all steps.
        epsilon: Size of the perturbation, in standard deviations of the noise. Fits by mini-batches
            in single precision follow small ones poorly.
        limit: Most rows of each term to judge by, the same at every check.

    Source:
        Stein 1981; the probe: Ramani, Blu & Unser 2008.
    """

    every: Count = 50
    patience: Count | None = None
    epsilon: Perturbation = 1.0
    limit: Count = 2**16
    label = "SURE"

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Tensor], list[Tensor]]:
        """Fit all trusted rows, and watch `limit` of them in each term.

        Raises:
            ValueError: A term's fidelity is not Gaussian.
        """
        for term in terms:
            _require_gaussian("SURE", term)
        return some_of_all(terms, self.limit, seed)

    def perturbed(self, terms: Sequence[Term], seed: int) -> list[Term]:
        """Make the twin's terms: measurements with a little more noise of their own kind."""
        return [_perturbed(t, self.epsilon, seed + k) for k, t in enumerate(terms)]

    def compared(
        self,
        terms: Sequence[Term],
        twins: Sequence[Term],
        watch: Sequence[Tensor],
        f: Field,
        twin: Field,
        chunk: int | None = None,
    ) -> float:
        """Compute the estimated risk, in noise variances per measurement."""
        pairs = list(zip(terms, twins, watch, strict=True))
        seen = [predict(t.operator, f, r, chunk=chunk) for t, _, r in pairs]
        other = [
            predict(t.operator, twin, r, chunk=chunk) for t, r in zip(twins, watch, strict=True)
        ]
        return _risk(terms, twins, watch, seen, other, self.epsilon)

    def value(
        self,
        terms: Sequence[Term],
        fit: list[Tensor],
        watch: list[Tensor],
        f: Field,
        chunk: int | None = None,
    ) -> float:
        """Return NaN: without its twin, a field has no estimate."""
        return float("nan")

    def satisfied(self, value: float, checks_since_best: int) -> bool:
        """Say whether `patience` checks have passed without gain."""
        return self.patience is not None and checks_since_best >= self.patience


@checked
def sure(
    terms: Sequence[Term],
    estimate: Callable[[Sequence[Term]], Field],
    *,
    probes: Probes = 1,
    epsilon: Perturbation = 0.3,
    seed: Seed = 0,
) -> float:
    """Estimate the risk of any method, to compare weights, priors or numbers of iterations.

    The method runs once for the measurements and once more for each probe. It must do the same each
    time: the same seed, the same number of iterations, the same weight.

    Args:
        terms: The problem's terms, with Gaussian noise of known level.
        estimate: The method, from terms to a field: `lambda terms: solve(replace(problem,
            terms=terms), ...).field`.
        probes: Number of perturbed runs whose divergences are averaged.
        epsilon: Size of the perturbation, in standard deviations of the noise.
        seed: Seed of the probes.

    Returns:
        The estimated squared error of the predictions, in noise variances per measurement. It may
        be negative by chance.

    Raises:
        ValueError: There are no terms, or the fidelity of one is not Gaussian.

    Source:
        Ramani, Blu & Unser 2008.
    """
    if not terms:
        raise ValueError("sure: terms is empty; pass problem.terms.")
    for term in terms:
        _require_gaussian("sure", term)
    rows = [term.trusted for term in terms]
    with torch.no_grad():
        seen = _predictions(terms, estimate(terms), rows)
    risks = []
    for probe in range(probes):
        twins = [_perturbed(t, epsilon, seed + probe * len(terms) + k) for k, t in enumerate(terms)]
        field = estimate(twins)
        with torch.no_grad():
            other = _predictions(twins, field, rows)
        risks.append(_risk(terms, twins, rows, seen, other, epsilon))
    return sum(risks) / len(risks)


def _predictions(terms: Sequence[Term], field: Field, rows: Sequence[Tensor]) -> list[Tensor]:
    with evaluating(*(t.operator for t in terms)):
        return [predict(t.operator, field, r) for t, r in zip(terms, rows, strict=True)]


def _require_gaussian(name: str, term: Term) -> None:
    if not isinstance(term.fidelity, Gaussian | ComplexGaussian):
        raise ValueError(
            f"{name} needs Gaussian noise of known level as fidelity, "
            f"not {type(term.fidelity).__name__}."
        )


def _perturbed(term: Term, epsilon: float, seed: int) -> Term:
    """The term with y + epsilon times a draw of its noise, covariance included."""
    assert isinstance(term.fidelity, Gaussian | ComplexGaussian)
    generator = torch.Generator().manual_seed(seed)
    y = term.y.clone()
    rows = term.trusted.to(y.device)
    noise = at_rows(term.fidelity, rows)
    assert isinstance(noise, Gaussian | ComplexGaussian)
    y[rows] = y[rows] + epsilon * (noise.sample(y[rows], generator) - y[rows])
    return replace(term, y=y)


def _risk(
    terms: Sequence[Term],
    twins: Sequence[Term],
    rows: Sequence[Tensor],
    seen: Sequence[Tensor],
    other: Sequence[Tensor],
    epsilon: float,
) -> float:
    """Mean |r|² - 1 + 2 div / n over all watched measurements, in whitened units."""
    total = 0.0
    count = 0
    for term, twin, chosen, p, q in zip(terms, twins, rows, seen, other, strict=True):
        noise = at_rows(term.fidelity, chosen)
        assert isinstance(noise, Gaussian | ComplexGaussian)
        y, z = (t.y[chosen.to(t.y.device)] for t in (term, twin))
        residual = noise.standardized(p, y)
        probe = noise.standardized(z, y) / epsilon
        moved = (noise.standardized(q, y) - residual) / epsilon
        # E |n|² is 1 for complex noise too: its two parts have half of the variance each
        freedom = float((probe.conj() * moved).real.sum())
        total += float(residual.abs().square().sum()) - residual.numel() + 2 * freedom
        count += residual.numel()
    return total / count
