"""A field of variances: a prior gives each voxel's amplitude; phase and modulus are integrated out.

    y = A s + n,   s_x ~ CN(0, γ_θ(x)),   n ~ CN(0, σ²)

This is speckle of a smooth standard deviation with free phase, integrated out in closed form. θ
minimises minus the logarithm of the marginal likelihood, log det C + y* C⁻¹ y with
C = σ² + A Γ A*: sparse Bayesian learning (Tipping 2001) whose variances are a field's, not free.
Given γ the best image is linear in y, the variable projection of the phases, and both terms lie
below a separable bound that touches them (Wipf & Nagarajan 2008):

    Σ_x h_x γ_x + |μ_x|² / γ_x + const,   μ = Γ A* C⁻¹ y,   h_x = a_x* C⁻¹ a_x

A round computes μ and h and fits the prior to the bound by some steps of Adam. Unlike L1's, the
weights of this penalty follow from the data, and there is none to choose.
"""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr import priors
from inverse_inr.domain import Grid
from inverse_inr.evaluation import sample
from inverse_inr.noise import ComplexGaussian
from inverse_inr.optimizers import Several, descend
from inverse_inr.problem import Problem
from inverse_inr.problems.radar.marginal import Marginal, Posterior
from inverse_inr.ranges import Count, WholeNumber, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Ended, Solution
from inverse_inr.stopping import hold_out, least
from inverse_inr.term import Term, describe


@runtime_checkable
class HasKernel(Protocol):
    """A linear operator that can write its response matrix out."""

    def kernel(self, rows: Tensor) -> Tensor:
        """The response matrix of some rows.

        Args:
            rows: (b,) numbers of rows.

        Returns:
            (b, K, n) complex: what each of n voxels adds to the K values of each row.
        """
        ...


@checked
def variance_field(
    problem: Problem,
    prior: priors.Prior | None = None,
    *,
    rounds: Count = 15,
    steps: Count = 30,
    learn_noise: bool = False,
    seed: WholeNumber = 0,
) -> Solution:
    """The posterior mean under variances exp(prior), from the round that predicts best.

    Rounds are judged by the held-out rows. For a real problem s_x ~ N(0, γ).

    Args:
        problem: A problem of one term of complex Gaussian noise whose operator has a `kernel`, and
            of one channel.
        prior: A prior of one real channel, log γ in units of four; None for `hash` whose finest
            cells are three voxels wide: where voxels oversample the resolution, finer variances
            make the image too sparse.
        rounds: Eliminations of the image.
        steps: Steps of Adam after each elimination.
        learn_noise: True to start from the noise model's variance and make it likelier in every
            round.
        seed: Seed of the default prior, the held-out rows and the compression.

    Returns:
        The image; `details` hold the variances (*shape, 1) as "variance", the round, the evidences
        and the noise's variance.

    Raises:
        TypeError: If the problem is another one.
    """
    began = time.perf_counter()
    term = _term(problem)
    grid = problem.grid
    (fit,), (watch,), note = hold_out(problem.suggested.stopping, [term], seed)
    marginal = _marginal(problem, fit).compressed(seed=seed)
    unseen = _marginal(problem, watch)
    if prior is None:
        prior = _default_prior(grid, seed)
    done = _run(prior, grid, marginal, unseen, rounds=rounds, steps=steps, learn_noise=learn_noise)
    best = least([r.score for r in done])
    shape = (*grid.shape, 1)
    details = {
        "variance": done[best].variance.reshape(shape),
        "round": best + 1,
        "evidence": [r.evidence for r in done],
        "noise": done[-1].noise,
        **note,
    }
    return Solution(
        SampledField(done[best].image.reshape(shape), grid),
        problem,
        "variance field",
        watched=[watch],
        seconds=time.perf_counter() - began,
        steps=rounds * steps,
        stopped=Ended("direct", f"round {best + 1} of {rounds} (held-out)"),
        details=details,
    )


class _Round(NamedTuple):
    """The findings of one elimination of the image."""

    image: Tensor
    """(n,) posterior mean."""
    variance: Tensor
    """(n,) of the prior before the round's steps."""
    evidence: float
    """log det C + y* C⁻¹ y, without constants."""
    score: Tensor
    """Squared misfits of the held-out measurements."""
    noise: float
    """Variance of the noise after the round."""


def _run(
    prior: priors.Prior,
    grid: Grid,
    marginal: Marginal,
    unseen: Marginal,
    *,
    rounds: int,
    steps: int,
    learn_noise: bool,
) -> list[_Round]:
    """Fit the prior to the bound of each round's posterior, in place."""
    start = float(marginal.data.abs().square().sum() / marginal.matrix.abs().square().sum())

    def variance() -> Tensor:
        return start * (4 * sample(prior, grid).flatten()).clamp(min=-30).exp()

    def bound(found: Posterior) -> Tensor:
        guess = variance()
        return (found.curvature * guess + found.mean.abs().square() / guess).mean()

    adam = Several(
        [torch.optim.Adam(prior.param_groups(), betas=(0.9, 0.99), eps=1e-15)],
        lambda t: 1 - 0.98 * t,
    )
    done: list[_Round] = []
    for k in range(rounds):
        now = variance().detach()
        found = marginal.posterior(now)
        score = (unseen.matrix @ found.mean - unseen.data).abs().square()
        if learn_noise:
            marginal = marginal.likelier_noise(now, found)
        done.append(_Round(found.mean, now, found.evidence, score, marginal.noise))
        descend(adam, partial(bound, found), [k / rounds] * steps)
    return done


def _default_prior(grid: Grid, seed: int) -> priors.Prior:
    """A hash prior whose finest cells are three voxels wide."""
    finest = max(2.0, max(grid.shape) / 3)
    options = {"head": "linear", "levels": 3, "coarsest": min(8.0, finest), "finest": finest}
    return priors.create("hash", grid.box, seed=seed, **options)


def _term(problem: Problem) -> Term:
    """The problem's one term; raises TypeError for another kind of problem."""
    term = problem.terms[0]
    if len(problem.terms) != 1 or problem.channels != 1:
        raise TypeError(
            f"variance_field: one term and one channel, not {len(problem.terms)} and "
            f"{problem.channels}."
        )
    if not isinstance(term.fidelity, ComplexGaussian) or not isinstance(term.operator, HasKernel):
        raise TypeError(
            f"variance_field: complex Gaussian noise and an operator with a kernel, not "
            f"{type(term.fidelity).__name__} and {describe(term.operator)}."
        )
    return term


def _marginal(problem: Problem, rows: Tensor) -> Marginal:
    """The likelihood of some pulses; of a real problem in real numbers."""
    term = problem.terms[0]
    assert isinstance(term.operator, HasKernel)
    assert isinstance(term.fidelity, ComplexGaussian)
    kernel = term.operator.kernel(rows).flatten(0, 1)
    data = term.y[rows].flatten().to(kernel)
    noise = float(term.fidelity.sigma) ** 2
    if problem.is_complex:
        return Marginal(kernel, data, noise)
    return Marginal(
        torch.cat([kernel.real, kernel.imag]), torch.cat([data.real, data.imag]), 0.5 * noise
    )
