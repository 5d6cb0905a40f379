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
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr import priors
from inverse_inr.domain import Grid
from inverse_inr.evaluation import sample
from inverse_inr.noise import ComplexGaussian
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.optimizers import Several, descend
from inverse_inr.problem import Problem
from inverse_inr.problems.radar.aspects import Aspects, sub_apertures
from inverse_inr.problems.radar.marginal import Marginal, Posterior
from inverse_inr.ranges import Count, WholeNumber, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Ended, Solution
from inverse_inr.stopping import hold_out, least
from inverse_inr.term import Term, describe

MOST_VALUES = 8192
"""Values of all pulses up to which the data's covariance is factored in a minute or so."""


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


def affordable(operator: RadarOperator, grid: Grid) -> bool:
    """Whether a variance field of all pulses takes minutes, not hours, and its matrix fits.

    Args:
        operator: The radar with P pulses of K values.
        grid: The voxels.
    """
    values = len(operator) * operator.transform.count
    return values <= MOST_VALUES and 8 * values * grid.numel <= STORE_LIMIT


@checked
def variance_field(
    problem: Problem,
    prior: priors.Prior | None = None,
    *,
    rounds: Count = 15,
    steps: Count = 30,
    learn_noise: bool = False,
    apertures: Count = 1,
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
        apertures: Sectors of azimuth. With more than one, each has a complex image of its own, and
            they share the variances: where a body is, whichever of its faces an antenna sees. The
            solution's problem then has a channel for each (`Aspects`).
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
    groups = [torch.arange(len(term.y))]
    if apertures > 1:
        groups = sub_apertures(problem, apertures)
        problem = _by_aspect(problem, groups)
    parts = [_marginal(problem, term, g[torch.isin(g, fit)]).compressed(seed=seed) for g in groups]
    unseen = [_marginal(problem, term, g[torch.isin(g, watch)]) for g in groups]
    if prior is None:
        prior = _default_prior(grid, seed)
    done = _run(prior, grid, parts, unseen, rounds=rounds, steps=steps, learn_noise=learn_noise)
    best = least([r.score for r in done])
    details = {
        "variance": done[best].variance.reshape(*grid.shape, 1),
        "round": best + 1,
        "evidence": [r.evidence for r in done],
        "noise": done[-1].noise,
        **note,
    }
    image = torch.stack(done[best].images, -1).reshape(*grid.shape, len(groups))
    return Solution(
        SampledField(image, grid),
        problem,
        "variance field",
        watched=[watch],
        seconds=time.perf_counter() - began,
        steps=rounds * steps,
        stopped=Ended("direct", f"round {best + 1} of {rounds} (held-out)"),
        details=details,
    )


def _by_aspect(problem: Problem, groups: list[Tensor]) -> Problem:
    """The problem of a complex image a group of pulses."""
    term = problem.terms[0]
    assert isinstance(term.operator, RadarOperator)
    seen = replace(term, operator=Aspects(term.operator, groups))
    return replace(problem, terms=[seen], channels=len(groups), is_complex=True)


class _Round(NamedTuple):
    """The findings of one elimination of the image."""

    images: list[Tensor]
    """(n,) posterior means, one a sub-aperture."""
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
    parts: list[Marginal],
    unseen: list[Marginal],
    *,
    rounds: int,
    steps: int,
    learn_noise: bool,
) -> list[_Round]:
    """Fit the prior to the bound of each round's posteriors, in place."""
    energy = sum(float(m.data.abs().square().sum()) for m in parts)
    start = energy / sum(float(m.matrix.abs().square().sum()) for m in parts)

    def variance() -> Tensor:
        return start * (4 * sample(prior, grid).flatten()).clamp(min=-30).exp()

    def bound(found: list[Posterior]) -> Tensor:
        guess = variance()
        power = torch.stack([f.mean.abs().square() for f in found]).sum(0)
        curvature = torch.stack([f.curvature for f in found]).sum(0)
        return (curvature * guess + power / guess).mean()

    adam = Several(
        [torch.optim.Adam(prior.param_groups(), betas=(0.9, 0.99), eps=1e-15)],
        lambda t: 1 - 0.98 * t,
    )
    done: list[_Round] = []
    for k in range(rounds):
        now = variance().detach()
        found = [m.posterior(now) for m in parts]
        means = [f.mean for f in found]
        score = torch.cat(
            [(u.matrix @ x - u.data).abs().square() for u, x in zip(unseen, means, strict=True)]
        )
        if learn_noise:
            parts = [m.likelier_noise(now, f) for m, f in zip(parts, found, strict=True)]
        evidence = sum(f.evidence for f in found)
        done.append(_Round(means, now, evidence, score, parts[0].noise))
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


def _marginal(problem: Problem, term: Term, rows: Tensor) -> Marginal:
    """The likelihood of some pulses; of a real problem in real numbers."""
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
