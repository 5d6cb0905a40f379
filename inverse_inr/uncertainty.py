"""How sure a reconstruction is: the spread of several fits, scaled until it explains what no fit saw.

    spread² = s² · variance over fits,    s²: mean (r² - 1) = s² · mean (variance of A f / noise variance), held out

The fits of a deep ensemble (Lakshminarayanan et al. 2017) differ by their starting weights and mini-batches. Alone they
are too sure (UncertaINR, Vasconcelos et al. 2023): what all of them get wrong alike, they do not show. One number, set
by measurements that none of them saw, mends the size of the spread, not its shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK, sample
from inverse_inr.fidelity import at_rows
from inverse_inr.noise import Noise
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating, predict
from inverse_inr.solver import Solution
from inverse_inr.stopping import HeldOut


class MeanField(nn.Module):
    """The mean of several fields: (*s, d) -> (*s, c)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, points: Tensor) -> Tensor:
        return torch.stack([m(points) for m in self.members]).mean(0)

    def sample(self, grid: Grid) -> Tensor:
        """On a lattice, by each member's own fast path: (*grid.shape, c)."""
        return torch.stack([sample(m, grid) for m in self.members]).mean(0)

    @property
    def lattice_chunk(self) -> int:
        return min(getattr(m, "lattice_chunk", CHUNK) for m in self.members)


@dataclass(frozen=True)
class Ensemble:
    """Fits of one problem and `scale`, what their standard deviation must be multiplied by (nan: nothing held out)."""

    members: list[Solution]
    scale: float

    @property
    def mean(self) -> Solution:
        """Their mean field, as a Solution."""
        first, count = self.members[0], len(self.members)
        field = MeanField([m.field for m in self.members if isinstance(m.field, nn.Module)])
        return replace(
            first,
            field=field,
            method=f"{count} x {first.method}",
            details={"spread scaled by": self.scale},
            seconds=sum(m.seconds for m in self.members),
        )

    def deviation(self, grid: Grid | None = None, *, average: int = 1) -> Tensor:
        """One standard deviation of the field on `grid` (default: the problem's), scaled: (*shape, channels), real."""
        images = torch.stack([m.sample(grid, average=average) for m in self.members])
        return (1.0 if math.isnan(self.scale) else self.scale) * _variance(images).sqrt()


def ensemble(
    problem: Problem, prior: str | None = None, *, count: int = 5, seed: int = 0, **solving: Any
) -> Ensemble:
    """Solve `count` times with seeds seed, seed + 1, ... and the same rows held out. `solving`: keywords of `solve`.

    Raises ValueError for fewer than two fits, TypeError for a prior that is not a name (each fit makes its own).
    """
    from inverse_inr.solver import solve

    if count < 2:
        raise ValueError(f"ensemble: count={count}; a spread needs at least 2 fits.")
    if not isinstance(prior, str | None):
        raise TypeError(
            f"ensemble: prior must be a name, for each fit starts its own; got {type(prior).__name__}."
        )
    stopping = solving.pop("stopping", None) or problem.suggested.stopping or HeldOut()
    if isinstance(stopping, HeldOut):
        stopping = replace(stopping, rows=stopping.split(problem.terms, seed)[1])
    members = [
        solve(problem, prior, seed=seed + k, stopping=stopping, **solving) for k in range(count)
    ]
    return Ensemble(members, held_out_scale(members))


@torch.no_grad()
def held_out_scale(members: Sequence[Solution]) -> float:
    """s of the module's formula over the rows that no member saw; nan where there are none or no noise is known."""
    excess, spread = 0.0, 0.0
    for k, rows in enumerate(members[0].watched):
        term = members[0].problem.terms[k]
        if not len(rows) or not isinstance(term.fidelity, Noise):
            return math.nan
        noise, predictions = at_rows(term.fidelity, rows), []
        for member in members:
            operator = member.problem.terms[k].operator  # what it learnt is its own
            with evaluating(operator):
                predictions.append(predict(operator, member.field, rows))
        assert isinstance(noise, Noise)
        y, mean = term.y[rows], torch.stack(predictions).mean(0)
        excess += float((noise.standardized(mean, y).abs().square() - 1).sum())
        whitened = torch.stack([noise.standardized(p, y) for p in predictions])
        spread += float(_variance(whitened).sum())
    return math.sqrt(max(excess, 0.0) / spread) if spread > 0 else math.nan


def _variance(values: Tensor) -> Tensor:
    """Unbiased, over the first axis; of complex values the sum of both parts'."""
    return (values - values.mean(0)).abs().square().sum(0) / (len(values) - 1)
