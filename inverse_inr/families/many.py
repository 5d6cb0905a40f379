"""`fit_many`: many problems from one start, to all of their measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from inverse_inr.families.alike import require_alike
from inverse_inr.families.fields import field_of
from inverse_inr.families.tasks import _frozen
from inverse_inr.optimizers import Adam
from inverse_inr.priors import Prior
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver import Solution, make_prior, solve_many
from inverse_inr.stopping import Never


@checked
def fit_many(
    problems: Sequence[Problem],
    prior: str | nn.Module = "siren",
    *,
    options: Mapping[str, Any] | None = None,
    steps: Count = 500,
    batch: Count | None = None,
    lr: Positive | None = None,
    seed: Seed = 0,
) -> list[Solution]:
    """Fit many problems from one start by `solve_many`, with nothing held out and no regularizer.

    Fits that began at one point stay near each other, so that their weights can be compared. What
    operators could learn is left alone.

    Args:
        problems: The problems, of one number of axes and channels.
        prior: A name of the catalogue, or the prior to start from, which stays as it is.
        options: Options of a prior by name.
        steps: Steps of Adam.
        batch: Rows per step, problem and term; None as in `Solver`.
        lr: Largest learning rate; None for the prior's own.
        seed: Seed of the start and of the rows of each step.

    Returns:
        A solution for each problem. Nothing was held out.

    Raises:
        ValueError: There are no problems, or they differ in axes or channels.
        TypeError: The prior is no prior of the catalogue.
        FloatingPointError: A loss became NaN or Inf.
    """
    require_alike("fit_many", problems)
    start = make_prior(problems[0], prior, seed, **(options or {}))
    if not isinstance(start, Prior):
        raise TypeError(f"fit_many: {type(start).__name__} is no prior of the catalogue.")
    state = {name: p.detach() for name, p in start.named_parameters()}
    fits = solve_many(
        [replace(p, terms=[_frozen(term) for term in p.terms]) for p in problems],
        [field_of(start, state, problem.box) for problem in problems],
        regularizers=(),
        steps=steps,
        batch=batch,
        optimizer=Adam(lr),
        stopping=Never(every=steps),
        seed=seed,
    )
    method = f"{start.name}, fitted with {len(problems) - 1} others"
    return [
        replace(fit, problem=problem, method=method)
        for fit, problem in zip(fits, problems, strict=True)
    ]
