"""How sure a reconstruction is: the spread of several fits, scaled to explain what no fit saw.

    spread² = s² · variance over fits
    s²:  mean (r² - 1) = s² · mean (variance of A f / noise variance), over held-out rows

The fits of a deep ensemble (Lakshminarayanan et al. 2017) differ by their starting weights and
mini-batches. Alone they are too sure (UncertaINR, Vasconcelos et al. 2023): they do not show what
all of them get wrong alike. One number, set by measurements that none of them saw, mends the size
of the spread, not its shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK, sample
from inverse_inr.fidelity import at_rows
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating, predict
from inverse_inr.ranges import Range, Seed, checked
from inverse_inr.row_sets import Rows
from inverse_inr.solver import Solution
from inverse_inr.stopping import HeldOut, Stopping
from inverse_inr.term import Term


class MeanField(nn.Module):
    """The mean of several fields: (*s, d) -> (*s, c).

    Args:
        members: The fields.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, points: Tensor) -> Tensor:
        """Compute the mean at points.

        Args:
            points: (*s, d) physical coordinates.

        Returns:
            (*s, c) values.
        """
        return torch.stack([m(points) for m in self.members]).mean(0)

    def sample(self, grid: Grid) -> Tensor:
        """Compute the mean on a lattice, by each member's own fast path.

        Args:
            grid: The lattice.

        Returns:
            (*grid.shape, c) values.
        """
        return torch.stack([sample(m, grid) for m in self.members]).mean(0)

    @property
    def lattice_chunk(self) -> int:
        """Most points per call on a lattice: that of the member that takes least."""
        return min(getattr(m, "lattice_chunk", CHUNK) for m in self.members)


class SameSplit:
    """A stopping rule whose rows do not depend on the seed, so that several fits hold out the same.

    Args:
        rule: The rule, any object with the members of `stopping.Stopping`.
        terms: The problem's terms.
        seed: The seed by which the rule splits the rows, once for all fits.
    """

    def __init__(self, rule: Stopping, terms: Sequence[Term], seed: int) -> None:
        self.every = rule.every
        self.label = rule.label
        self.value = rule.value
        self.satisfied = rule.satisfied
        self._rows = rule.split(terms, seed)

    def split(self, terms: Sequence[Term], seed: int) -> tuple[list[Rows], list[Tensor]]:
        """Give the rows to fit and the rows to watch, the same for every seed."""
        return self._rows


@dataclass(frozen=True)
class Ensemble:
    """Several fits of one problem, and how much their spread must be widened.

    Args:
        members: The fits.
        scale: Factor s of their standard deviation; nan where nothing was held out.
    """

    members: list[Solution]
    scale: float

    @property
    def mean(self) -> Solution:
        """The mean of the members' fields, as a Solution."""
        first = self.members[0]
        field = MeanField([m.field for m in self.members if isinstance(m.field, nn.Module)])
        why = {k: v for k, v in first.details.items() if k == "one by one"}
        return replace(
            first,
            field=field,
            method=f"{len(self.members)} x {first.method}",
            details={**why, "spread scaled by": self.scale},
            seconds=sum(m.seconds for m in self.members),
        )

    def deviation(self, grid: Grid | None = None, *, average: int = 1) -> Tensor:
        """Compute one standard deviation of the field, scaled by `scale` where that is known.

        Args:
            grid: The lattice; the problem's if None.
            average: Sub-samples per axis of a pixel whose mean is the pixel's value.

        Returns:
            (*grid.shape, channels) real deviations.
        """
        images = torch.stack([m.sample(grid, average=average) for m in self.members])
        deviation = _variance(images).sqrt()
        if math.isnan(self.scale):
            return deviation
        return self.scale * deviation


@checked
def ensemble(
    problem: Problem,
    prior: str | None = None,
    *,
    count: Annotated[int, Range(least=2)] = 5,
    seed: Seed = 0,
    device: str | torch.device | None = None,
    **solving: Any,
) -> Ensemble:
    """Solve a problem several times, with the same rows held out each time.

    Args:
        problem: The problem.
        prior: Name of the prior; the problem's suggestion if None.
        count: Number of fits, at least 2.
        seed: Seed of the first fit; each next fit's is one higher.
        device: As for `solve`; default: where the measurements are.
        **solving: Keywords of `solve`, e.g. its `dtype`. Its `callbacks` are called for each fit.

    Returns:
        The fits and the scale of their spread.

    Raises:
        ValueError: `count` is below 2.
        TypeError: The prior is not a name; each fit makes its own.
    """
    from inverse_inr.solver import solve, solve_many

    problem = problem.to(device)
    rule = solving.pop("stopping", None) or problem.suggested.stopping or HeldOut()
    stopping = SameSplit(rule, problem.terms, seed)
    seeds = range(seed, seed + count)
    if solving.get("steps") == "auto" or "weight" in solving:
        members = [solve(problem, prior, seed=s, stopping=stopping, **solving) for s in seeds]
    else:
        members = solve_many([problem] * count, prior, seed=seeds, stopping=stopping, **solving)
    return Ensemble(members, held_out_scale(members))


@torch.no_grad()
def held_out_scale(members: Sequence[Solution]) -> float:
    """Compute the factor s of the module's formula over the rows that no member saw.

    Args:
        members: Fits that held the same rows out.

    Returns:
        s, without unit; nan where nothing was held out, no noise model is known, or all members
        predict the same.
    """
    excess = 0.0
    spread = 0.0
    for k, rows in enumerate(members[0].watched):
        term = members[0].problem.terms[k]
        if not len(rows) or not isinstance(term.fidelity, Noise):
            return math.nan
        noise = at_rows(term.fidelity, rows)
        assert isinstance(noise, Noise)
        predictions = [_prediction(member, k, rows) for member in members]
        y = term.y[rows]
        mean = torch.stack(predictions).mean(0)
        excess += float((noise.standardized(mean, y).abs().square() - 1).sum())
        whitened = torch.stack([noise.standardized(p, y) for p in predictions])
        spread += float(_variance(whitened).sum())
    if spread > 0:
        return math.sqrt(max(excess, 0.0) / spread)
    return math.nan


def _prediction(member: Solution, k: int, rows: Tensor) -> Tensor:
    """A member's prediction of rows of term k, by the operator as that member learnt it."""
    operator = member.problem.terms[k].operator
    with evaluating(operator):
        return predict(operator, member.field, rows)


def _variance(values: Tensor) -> Tensor:
    """Unbiased variance over the first axis; for complex values the sum of both parts'."""
    return (values - values.mean(0)).abs().square().sum(0) / (len(values) - 1)
