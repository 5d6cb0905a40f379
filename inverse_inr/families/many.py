"""`fit_many`: many problems from one start, in one batched loop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from inverse_inr.evaluation import placement
from inverse_inr.families.alike import require_alike
from inverse_inr.families.fields import Fields, field_of
from inverse_inr.families.tasks import as_tasks, losses, power_of
from inverse_inr.optimizers import Adam
from inverse_inr.priors import Prior
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver import Ended, Solution, make_prior
from inverse_inr.solver.seeds import seeded


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
    """Fit many problems from one start, by one batched loop of Adam, to all of their measurements.

    Fits that began at one point stay near each other, so that their weights can be compared.

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
    began = time.perf_counter()
    start = make_prior(problems[0], prior, seed, **(options or {}))
    if not isinstance(start, Prior):
        raise TypeError(f"fit_many: {type(start).__name__} is no prior of the catalogue.")
    own = {
        name: p.detach().expand(len(problems), *p.shape).clone().requires_grad_()
        for name, p in start.named_parameters()
    }
    names = {p: name for name, p in start.named_parameters()}
    groups = [
        {**group, "params": [own[names[p]] for p in group["params"]]}
        for group in start.param_groups()
    ]
    optimizer = Adam(lr).build(groups)
    tasks = as_tasks(problems, power_of(problems), batch, seed, placement(start))
    fields = Fields(start, own, [problem.box for problem in problems])
    for step in range(steps):

        def closure(number: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            loss = losses(tasks, fields, number).sum()
            loss.backward()
            return loss.detach()

        with seeded(seed, step, start.lower.device):
            loss = optimizer.step(closure, step / steps)
        if not bool(torch.isfinite(loss)):
            raise FloatingPointError(f"fit_many: the loss became NaN or Inf at step {step}.")
    seconds = (time.perf_counter() - began) / len(problems)
    return [
        Solution(
            field_of(start, {n: v[k] for n, v in own.items()}, problem.box).eval(),
            problem,
            f"{start.name}, fitted with {len(problems) - 1} others",
            seconds=seconds,
            steps=steps,
            stopped=Ended("done", "all steps done"),
            best_step=steps,
        )
        for k, problem in enumerate(problems)
    ]
