"""`solve`: one call from a problem to a solution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from inverse_inr import optimizers
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, NonNegative, Positive, Seed
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver.callbacks import Callback, Progress
from inverse_inr.solver.deciding import decide
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.objective import Regularizer
from inverse_inr.solver.solution import Solution
from inverse_inr.solver.starting import beside_prior
from inverse_inr.solver.weighting import weight_path
from inverse_inr.stopping import Stopping

DOUBLINGS = 3
"""How often `steps="auto"` may double the number of steps."""


def solve(
    problem: Problem,
    prior: str | nn.Module | None = None,
    *,
    regularizers: Sequence[Regularizer] | None = None,
    weight: NonNegative | Literal["held-out"] | None = None,
    steps: Count | Literal["auto"] | None = None,
    batch: Count | None = None,
    points: Count = 1024,
    optimizer: str | optimizers.Optimizer | None = None,
    lr: Positive | None = None,
    operator_lr: Positive | None = None,
    stopping: Stopping | None = None,
    seed: Seed = 0,
    chunk: Count | None = None,
    lattice: Count | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    deterministic: bool = False,
    compile: bool = False,
    sharded: bool = False,
    callbacks: Sequence[Callback] | None = None,
) -> Solution:
    """Reconstruct a field from its measurements, e.g. `solve(problem)`.

    minimise over θ: Σ weight D(A(f_θ), y) + Σ λ R(f_θ).

    `solve(problem)` alone decides by itself: it tries what suits the problem beside the classical
    methods and the null image, and returns what predicts held-out measurements best (`decide`).
    `details["chosen"]` says what that was and why. As soon as the prior, the regularizers, their
    weight, the steps, the batch, the optimizer, a learning rate, the stopping rule or the precision
    is given, there is one fit, and what is left out is the problem's own suggestion.

    Args:
        problem: One or several acquisitions on one box, and a suggestion of what suits them.
        prior: A name of the catalogue, a `Prior`, or any nn.Module that is a field; default: the
            problem's.
        regularizers: Weighted regularizers, e.g. [1e-3 * TotalVariation()]; default: the problem's.
        weight: A factor of all regularizers; "held-out" for the one that predicts held-out
            measurements best, along a short path of fits (`weight_path`); default: 1.
        steps: Steps of the optimizer, at least 1; "auto" goes on, up to eight times as long, while
            the best state is among the last; default: the problem's.
        batch: Rows per step for each term; default: the problem's, or as many as look at about 32
            000 field points, or all rows for whole-grid operators.
        points: Random points of the box per step that regularizers see.
        optimizer: "adam", "muon", "lbfgs" or a value from `optimizers`; default: the problem's.
        lr: Learning rate that replaces the prior's suggestion, or the problem's for its own prior.
        operator_lr: Learning rate of what operators and fidelities learn (motion, centre of
            rotation, gains, noise); default: the problem's.
        stopping: `HeldOut()`, `Discrepancy()`, `Never()` or a rule of your own
            (`stopping.Stopping`); default: the problem's, or HeldOut().
        seed: Seed of the initial parameters, the held-out rows, the batches and the random points.
        chunk: Field points in flight at a time, which bounds memory; default: the library's.
        lattice: See the field only on a lattice of so many nodes per pixel and axis
            (`Problem.on_lattice`), which is the faster route where rows look at many points;
            default: where the operators' rows look.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps" or torch's, where
            a copy of the problem is solved; default: where the prior or the measurements are.
        dtype: Precision of the field: "float32", "float64", or "bfloat16", which is for its matrix
            products alone (`torch.autocast`); default: its own.
        deterministic: Let torch add in a fixed order on a GPU too, so that a run can be repeated
            and resumed bit for bit; an operation that has no such way raises. On a CPU it always
            can.
        compile: Compile the step's loss and gradient into one graph (`torch.compile`). The first
            step then takes up to a minute or two, the others less; the values agree to rounding.
            What cannot be one graph raises ValueError in the first step.
        sharded: Where several processes share the fit (`distributed`), let each keep a part of the
            parameters, of the optimizer's state and of the best state only. It takes Adam. A prior
            that you made yourself is then left empty: the solution has the field.
        callbacks: Called at each check with the solver and its newest record; default: a progress
            bar.

    Returns:
        The best state by the stopping rule. Ctrl-C ends the run early and loses nothing.

    Raises:
        TypeError: An argument is of another kind; the prior is complex where the problem is not.
        ValueError: An argument is out of its range, the optimizer is unknown, the learning rate is
            given twice, the prior has another number of channels, or a regularizer gives more than
            one number. All of these are raised before the first step.
        FloatingPointError: The loss or a parameter became NaN or Inf before the first good state.
    """
    problem = beside_prior(problem, prior, device)
    routes = (prior, regularizers, weight, steps, batch, lattice, optimizer, stopping)
    flags = (deterministic or None, compile or None, sharded or None)
    if all(choice is None for choice in (*routes, lr, operator_lr, dtype, *flags)):
        return decide(problem, seed=seed)
    if callbacks is None:
        callbacks = (Progress(),)
    if lattice is not None:
        problem = problem.on_lattice(lattice)
    options: dict[str, Any] = {
        "batch": batch,
        "points": points,
        "optimizer": optimizer,
        "lr": lr,
        "operator_lr": operator_lr,
        "stopping": stopping,
        "seed": seed,
        "chunk": chunk,
        "dtype": dtype,
        "deterministic": deterministic,
        "compile": compile,
        "sharded": sharded,
    }
    if regularizers is None:
        regularizers = problem.suggested.regularizers
    at_once = None
    if steps != "auto":
        at_once = steps
    details: dict[str, Any] = {}
    if weight == "held-out":
        path = weight_path(problem, prior, regularizers, steps=at_once, **options)
        details = path.details()
        weight = path.chosen
    if weight is not None:
        regularizers = [weight * as_weighted(r) for r in regularizers]
    solver = Solver(
        problem,
        prior,
        regularizers=regularizers,
        steps=at_once,
        callbacks=callbacks,
        **options,
    )
    solution = solver.run()
    if steps == "auto":
        solution = _longer(solver, solution)
    solution.details |= details
    return solution


def _longer(solver: Solver, solution: Solution) -> Solution:
    """Go on as long again, up to three times, while the best state is among the last tenth."""
    for _ in range(DOUBLINGS):
        if solver.stopped is not None or solver.best["step"] < 0.9 * solver.steps:
            break
        solver.steps *= 2
        solution = solver.run()
    return solution
