"""`solve`: one call from a problem to a solution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from inverse_inr import optimizers
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed
from inverse_inr.solver.callbacks import Callback, Progress
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.objective import Regularizer
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import Stopping


def solve(
    problem: Problem,
    prior: str | nn.Module | None = None,
    *,
    regularizers: Sequence[Regularizer] | None = None,
    steps: Count | None = None,
    batch: Count | None = None,
    points: Count = 1024,
    optimizer: str | optimizers.Optimizer | None = None,
    lr: Positive | None = None,
    operator_lr: Positive | None = None,
    stopping: Stopping | None = None,
    seed: Seed = 0,
    chunk: Count | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Solution:
    """Reconstruct a field from its measurements, e.g. `solve(problem, prior="hash")`.

    minimise over θ: Σ weight D(A(f_θ), y) + Σ λ R(f_θ). What is left out is the problem's own
    suggestion. Where the problem suggests a method and nothing that makes a fit is given, the method
    answers.

    Args:
        problem: One or several acquisitions on one box, and a suggestion of what suits them.
        prior: A name of the catalogue, a `Prior`, or any nn.Module that is a field; default: the
            problem's.
        regularizers: Weighted regularizers, e.g. [1e-3 * TotalVariation()]; default: the problem's.
        steps: Steps of the optimizer, at least 1; default: the problem's.
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
    knobs = (prior, regularizers, steps, batch, optimizer, lr, operator_lr, stopping)
    if problem.suggested.method is not None and all(knob is None for knob in knobs):
        return problem.suggested.method(problem)
    if callbacks is None:
        callbacks = (Progress(),)
    return Solver(
        problem,
        prior,
        regularizers=regularizers,
        steps=steps,
        batch=batch,
        points=points,
        optimizer=optimizer,
        lr=lr,
        operator_lr=operator_lr,
        stopping=stopping,
        seed=seed,
        chunk=chunk,
        callbacks=callbacks,
    ).run()
