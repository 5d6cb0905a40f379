"""The weight of a regularizer by held-out measurements, for any prior: a short path of fits.

The scale is the problem's own: the path begins where the penalty of an unpenalised fit would be
several times its misfit, and goes from large weights to small ones. All fits start from that fit
and have as many steps, so that they differ by their weight, not by how long they were trained.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, PositiveFraction, Seed, checked
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.objective import Regularizer
from inverse_inr.solver.starting import beside_prior, make_prior, precisions
from inverse_inr.stopping import HeldOut, Stopping

LARGEST = 16.0
"""The path begins at this times the weight at which penalty and misfit are equal."""
STRIDE = 4.0
"""The factor between weights of the path; those halfway beside the best one are tried last."""


@dataclass(frozen=True)
class WeightPath:
    """The weights that were tried, and the one that predicts held-out measurements best.

    Args:
        weights: The factors of the regularizers, from large to small.
        misfits: The held-out misfit of each.
        chosen: The chosen factor.
    """

    weights: tuple[float, ...]
    misfits: tuple[float, ...]
    chosen: float

    def details(self) -> dict[str, Any]:
        """The path as `Solution.details` keeps it."""
        path = {f"{w:.4g}": m for w, m in zip(self.weights, self.misfits, strict=True)}
        return {"weight": self.chosen, "held-out by weight": path}


@checked
def weight_path(
    problem: Problem,
    prior: str | nn.Module | None,
    regularizers: Sequence[Regularizer],
    *,
    fixed: Sequence[Regularizer] = (),
    steps: Count | None = None,
    share: PositiveFraction = 0.2,
    most: Count = 9,
    stopping: Stopping | None = None,
    seed: Seed = 0,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    **options: Any,
) -> WeightPath:
    """Find the factor of all regularizers whose fit predicts held-out measurements best.

    Args:
        problem: The problem.
        prior: A name, or a module, whose parameters are not changed.
        regularizers: The regularizers, whose own weights say how they relate to each other.
        fixed: Further regularizers, whose weights are as they are in all fits.
        steps: Steps of the fit that the weight is for; default: the problem's.
        share: Steps per weight, as a fraction of those.
        most: Most weights of the path, a factor of four apart.
        stopping: The rule that holds rows out; default: the problem's, or HeldOut().
        seed: Seed of the prior, the held-out rows, the batches and the random points.
        device: As for `solve`.
        dtype: As for `solve`.
        **options: Further keywords of `Solver`.

    Returns:
        The path, with weight 0 at its end. It ends early where two fits in a row were each worse
        than the one before.

    Raises:
        ValueError: There is no regularizer, or the stopping rule holds nothing out.
    """
    if not len(regularizers):
        raise ValueError('weight="held-out" needs regularizers: the list is empty.')
    rule = stopping or problem.suggested.stopping or HeldOut()
    problem = beside_prior(problem, prior, device)
    field = copy.deepcopy(make_prior(problem, prior, seed, dtype=precisions(dtype)[0]))
    if prior is None and options.get("optimizer") is None and options.get("lr") is None:
        options["lr"] = problem.suggested.lr
    total = steps or problem.suggested.steps
    short = max(1, round(share * total))

    start: dict[str, Tensor] = {}

    def fit(factor: float, count: int) -> tuple[Solver, float]:
        weighted = [*(factor * as_weighted(r) for r in regularizers), *fixed]
        if start:
            field.load_state_dict(start)
        solver = Solver(
            problem,
            field,
            regularizers=weighted,
            steps=count,
            stopping=_checked_often(rule, count),
            seed=seed,
            dtype=dtype,
            **options,
        )
        held_out = solver.run().held_out()
        if held_out is None:
            raise ValueError(
                f'weight="held-out": {type(rule).__name__} holds no rows out. '
                "Pass stopping=HeldOut(...)."
            )
        return solver, held_out

    free, _ = fit(0.0, max(short, total // 2))
    start = copy.deepcopy(field.state_dict())
    _, without = fit(0.0, short)
    found: dict[float, float] = {}
    factor = LARGEST * _balance(free, regularizers)
    for _ in range(most):
        found[factor] = fit(factor, short)[1]
        if _hopeless(list(found.values())):
            break
        factor /= STRIDE
    best = min(found, key=lambda weight: found[weight])
    for factor in (best * STRIDE**0.5, best / STRIDE**0.5):
        found[factor] = fit(factor, short)[1]
    best = min(found, key=lambda weight: found[weight])
    if without < found[best]:
        best = 0.0
    weights = sorted(found, reverse=True)
    return WeightPath((*weights, 0.0), (*(found[weight] for weight in weights), without), best)


def _checked_often(rule: Stopping, steps: int) -> Stopping:
    """The rule with at least four checks in a short run, where it is one of ours."""
    if isinstance(rule, HeldOut) and rule.every > max(1, steps // 4):
        return replace(rule, every=max(1, steps // 4), patience=None)
    return rule


@torch.no_grad()
def _balance(free: Solver, regularizers: Sequence[Regularizer]) -> float:
    """The factor at which the penalty of an unpenalised fit is as large as its misfit."""
    rows = [rows_[:4096] for rows_ in free.fit_rows]
    solution = free.solution()
    misfit = solution.misfit(rows)
    roughness = float(_roughness(solution.field, free, regularizers))
    if misfit > 0 and roughness > 0:
        return misfit / roughness
    return 1.0  # there is nothing to reconstruct, and any weight gives that


def _roughness(field: Any, free: Solver, regularizers: Sequence[Regularizer]) -> Tensor:
    """Σ R(f) at random points, with the regularizers' own weights."""
    points = free.problem.box.random_points(
        free.points, generator=torch.Generator().manual_seed(free.seed)
    ).to(free.problem.device)
    with torch.enable_grad():
        parts = [as_weighted(r)(field, points).detach() for r in regularizers]
    return torch.stack(parts).sum()


def _hopeless(misfits: Sequence[float]) -> bool:
    """Whether the last two fits were each worse than the one before."""
    last = list(misfits[-3:])
    return len(last) == 3 and last == sorted(last)
