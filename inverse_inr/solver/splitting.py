"""The alternating direction method of multipliers: A on one side, the prior on the other.

    minimise over x and θ:  ½ |A x - y|²_W + R(f_θ)    so that  x = f_θ  on the grid

    x ← argmin ½ |A x - y|²_W + ρ/2 |x - f + u|²       by conjugate gradients: all that A sees
    θ ← argmin R(f_θ) + ρ/2 |f_θ - x - u|²             a fit to an image, without A
    u ← u + x - f

For operators that are dear, a few products with A serve many steps of the prior. In the place of
the prior a denoiser may stand.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inverse_inr.evaluation import sample
from inverse_inr.kernels.conjugate_gradients import conjugate_gradients
from inverse_inr.least_squares import LeastSquares
from inverse_inr.optimizers import Optimizer
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver.best import best_field
from inverse_inr.solver.ended import Ended
from inverse_inr.solver.images import image_problem
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.objective import Regularizer, learns
from inverse_inr.solver.solution import Solution
from inverse_inr.solver.starting import beside_prior, make_prior
from inverse_inr.stopping import HeldOut, Stopping

FIRST = 1e-2
"""The penalty at the beginning, as a fraction of the squared norm of the whitened A."""

OUT_OF_BALANCE = 10.0
"""Ratio of primal and dual residual beyond which the penalty changes (Boyd et al., 3.4.1)."""

Near = Callable[[Tensor, float], Tensor]
"""Gives the image of the second side that is near an image, for a penalty: a fit, a denoiser."""


class Round(NamedTuple):
    """The state after one round.

    Attributes:
        x: (*grid.shape, c) image of the first side, which explains the measurements.
        f: (*grid.shape, c) image of the second side.
        primal: |x - f| over the larger of the two norms.
        dual: ρ |f - f before| over the norm of ρ u.
        penalty: ρ, per pixel.
    """

    x: Tensor
    f: Tensor
    primal: float
    dual: float
    penalty: float


@checked
def alternate(
    system: LeastSquares,
    near: Near,
    x: Tensor,
    *,
    rounds: Count,
    penalty: Positive | None = None,
    iterations: Count = 20,
) -> Iterator[Round]:
    """Make rounds of the method of multipliers, with any second side.

    Args:
        system: The weighted least squares of the first side.
        near: (image, ρ) -> image, the second side: argmin R(f) + ρ/2 |f - image|². A denoiser of
            the standard deviation 1/√ρ does.
        x: (*grid.shape, c) image to begin with.
        rounds: Number of rounds.
        penalty: ρ at the beginning; None for a hundredth of the squared norm of the whitened A. It
            is doubled or halved where the two residuals are out of balance.
        iterations: The most products with A'A a round.

    Yields:
        The state after each round.

    Raises:
        ValueError: x has another shape than the system's images.

    Source:
        Boyd et al. 2011, section 3.
    """
    if x.shape != system.maps[0].zeros().shape:
        raise ValueError(
            f"alternate: x has shape {tuple(x.shape)}, the images of the system "
            f"{tuple(system.maps[0].zeros().shape)}."
        )
    rho = penalty or FIRST * system.norm() ** 2
    seen = system.adjoint(system.data())
    f = near(x, rho)
    u = torch.zeros_like(x)
    for _ in range(rounds):

        def normal(v: list[Tensor], rho: float = rho) -> list[Tensor]:
            return [system.adjoint(system.whitened(v[0])) + rho * v[0]]

        right = seen + rho * (f - u)
        x = conjugate_gradients(
            normal, [right], iterations=iterations, tolerance=1e-6, start=[x]
        ).x[0]
        before = f
        f = near(x + u, rho)
        u = u + x - f
        primal = _norm(x - f) / max(_norm(x), _norm(f), 1e-30)
        dual = _norm(f - before) / max(_norm(u), 1e-30)
        yield Round(x, f, primal, dual, rho)
        if primal > OUT_OF_BALANCE * dual:
            rho, u = 2 * rho, u / 2
        elif dual > OUT_OF_BALANCE * primal:
            rho, u = rho / 2, 2 * u


def _norm(x: Tensor) -> float:
    return float(torch.linalg.vector_norm(x))


@checked
def split(
    problem: Problem,
    prior: str | nn.Module | None = None,
    *,
    regularizers: Sequence[Regularizer] | None = None,
    rounds: Count = 50,
    steps: Count = 20,
    iterations: Count = 20,
    penalty: Positive | None = None,
    optimizer: str | Optimizer | None = None,
    lr: Positive | None = None,
    stopping: Stopping | None = None,
    seed: Seed = 0,
) -> Solution:
    """Solve a problem of linear operators with A and the prior apart.

    Fidelities enter by the weighted least squares that stands in for them, as in the classical
    methods. What operators could learn is not learnt.

    Args:
        problem: The problem, with linear operators.
        prior: As for `solve`.
        regularizers: As for `solve`; they see the prior.
        rounds: Number of rounds.
        steps: Steps of the prior's optimizer a round.
        iterations: The most products with A'A a round.
        penalty: ρ at the beginning, see `alternate`.
        optimizer: As for `solve`.
        lr: As for `solve`.
        stopping: As for `solve`; it is asked after each round.
        seed: As for `solve`.

    Returns:
        The best state by the stopping rule; its steps are rounds, and `details` hold the last
        penalty and what is left between the two sides.

    Raises:
        ValueError: An operator learns, or is not linear.
    """
    if any(learns(t.operator) or learns(t.fidelity) for t in problem.terms):
        raise ValueError("split: an operator or fidelity learns, which needs solve(...).")
    began = time.perf_counter()
    suggested = problem.suggested
    rule = stopping or suggested.stopping or HeldOut()
    fit, watch = rule.split(problem.terms, seed)
    if prior is None and optimizer is None and lr is None:
        lr = suggested.lr
    if regularizers is None:
        regularizers = suggested.regularizers
    problem = beside_prior(problem, prior, None)
    field = make_prior(problem, prior, seed)
    system = LeastSquares.of(problem, fit)
    first = _first_image(system)
    inner = Solver(
        image_problem(first, problem.grid),
        field,
        regularizers=regularizers,
        steps=(rounds + 1) * steps,
        optimizer=optimizer or suggested.optimizer,
        lr=lr,
        seed=seed,
    )
    second = _FitsImages(inner, steps)
    terms = [t.to(*placement(field)) for t in problem.terms]
    best = {"value": math.inf, "round": 0, "state": None}
    history = []
    ended = Ended("done", "all rounds done")
    last = None
    for number, last in enumerate(
        alternate(system, second, first, rounds=rounds, penalty=penalty, iterations=iterations), 1
    ):
        with torch.no_grad(), evaluating(field, *(t.operator for t in terms)):
            value = rule.value(terms, fit, watch, field, None)
        if math.isnan(value) or value < best["value"]:
            state = {k: v.detach().clone() for k, v in inner.objective.state_dict().items()}
            best = {"value": value, "round": number, "state": state}
        seconds = time.perf_counter() - began
        record = {"step": number, "seconds": seconds, "primal": last.primal, "dual": last.dual}
        if not math.isnan(value):
            record[rule.label] = value
        history.append(record)
        if rule.satisfied(value, number - best["round"]):
            ended = Ended("satisfied", f"{rule.label} satisfied in round {number}")
            break
    assert last is not None
    return Solution(
        best_field(field, best["state"]),
        problem,
        f"{inner.label} (split)",
        history=history,
        seconds=time.perf_counter() - began,
        steps=len(history),
        stopped=ended,
        best_step=best["round"],
        watched=watch,
        details={"penalty": last.penalty, "primal residual": last.primal},
    )


def _first_image(system: LeastSquares) -> Tensor:
    """A few conjugate gradients from zero: the smooth beginning of the pseudo-inverse."""
    return conjugate_gradients(
        lambda v: [system.adjoint(system.whitened(v[0]))],
        [system.adjoint(system.data())],
        iterations=8,
    ).x[0]


class _FitsImages:
    """The second side: some more steps of one long fit, whose image changes from call to call."""

    def __init__(self, inner: Solver, steps: int) -> None:
        self.inner = inner
        self.steps = steps

    def __call__(self, image: Tensor, penalty: float) -> Tensor:
        terms = self.inner.objective.terms
        y = image.reshape(terms[0].y.shape).to(terms[0].y)
        # L2 is a mean over all values, the penalty a sum
        terms[0] = replace(terms[0], y=y, weight=penalty * y.numel())
        for _ in range(self.steps):
            self.inner.step()
        with torch.no_grad(), evaluating(self.inner.prior):
            return sample(self.inner.prior, self.inner.problem.grid).to(image)
