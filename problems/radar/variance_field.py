"""A field of variances: a prior gives the amplitude, phase and modulus of each voxel are integrated out in closed form.

    y = A s + n,   s_x ~ CN(0, γ_θ(x)),   n ~ CN(0, σ²)        (speckle of a smooth standard deviation, phase free)

θ minimises minus the logarithm of the marginal likelihood, log det C + y* C⁻¹ y with C = σ² + A Γ A*: sparse Bayesian
learning (Tipping 2001) whose variances are a field's, not free. Given γ the best image is linear in y, the variable
projection of the phases, and both terms lie below a separable bound that touches them (Wipf & Nagarajan 2008):

    Σ_x h_x γ_x + |μ_x|² / γ_x + const,   μ = Γ A* C⁻¹ y,   h_x = a_x* C⁻¹ a_x

A round computes μ and h and fits the prior to the bound by some steps of Adam. Unlike L1's, the weights of this penalty
follow from the data, and there is none to choose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr import priors
from inverse_inr.evaluation import sample
from inverse_inr.noise import ComplexGaussian
from inverse_inr.optimizers import Several, descend
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Ended, Solution
from inverse_inr.stopping import hold_out, least
from inverse_inr.term import Term, describe


@runtime_checkable
class HasKernel(Protocol):
    """A linear operator that can write its matrix out."""

    def kernel(self, rows: Tensor) -> Tensor:
        """(b, K, n) complex: what each of n voxels adds to the K values of each row."""
        ...


class Posterior(NamedTuple):
    mean: Tensor
    """μ (n,): the expected image."""
    curvature: Tensor
    """h (n,): how much of each voxel's unit variance the other ones and the noise leave unexplained."""
    evidence: float
    """log det C + y* C⁻¹ y, without constants: lower is likelier."""


@dataclass(frozen=True)
class Marginal:
    """Measurements as a Gaussian of an image's variances: `matrix` (m, n), `data` (m,), `noise` the variance σ².

    `beyond` is the energy of measurements, and `others` their number, that no image can explain: left by `compressed`.
    """

    matrix: Tensor
    data: Tensor
    noise: float
    beyond: float = 0.0
    others: int = 0

    def posterior(self, variance: Tensor) -> Posterior:
        """Of voxels with variances (n,), exactly, by the Cholesky factor of C.

        Where noise is too little for single precision (C is no longer positive), in double precision.
        """
        seen = variance > 1e-6 * variance.max()  # the others add less than the noise to C
        columns = self.matrix[:, seen]
        covariance = (columns * variance[seen]) @ columns.mH
        covariance.diagonal().add_(self.noise)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if failed and variance.dtype != torch.float64:
            wide = replace(
                self,
                matrix=self.matrix.to(
                    torch.complex128 if self.matrix.is_complex() else torch.float64
                ),
            )
            wide = replace(wide, data=self.data.to(wide.matrix))
            mean, curvature, evidence = wide.posterior(variance.double())
            return Posterior(mean.to(self.data), curvature.to(variance), evidence)
        white = torch.cholesky_solve(self.data[:, None], factor)[:, 0]
        curvature = (
            torch.linalg.solve_triangular(factor, self.matrix, upper=False).abs().square().sum(0)
        )
        spread = 2 * factor.diagonal().real.double().log().sum()
        misfit = (self.data.conj() * white).real.sum()
        return Posterior(variance * (self.matrix.mH @ white), curvature, float(spread + misfit))

    def compressed(self, tolerance: float = 1e-4, block: int = 400, seed: int = 0) -> Marginal:
        """The same in fewer numbers: in an orthonormal basis that holds all but `tolerance` of the matrix's energy.

        A radar's samples outnumber what a box can send back. Randomised range finder with one power iteration (Halko,
        Martinsson & Tropp 2011), `block` directions at a time; white noise stays white.
        """
        generator = torch.Generator().manual_seed(seed)
        rows, real = self.matrix.shape[0], self.matrix.dtype.to_real()
        total, kept = float(self.matrix.abs().square().sum()), 0.0
        parts: list[Tensor] = []
        basis = self.matrix[:, :0]
        while kept < (1 - tolerance) * total and basis.shape[1] < rows:
            count = min(block, rows - basis.shape[1])
            pair = torch.randn(2, rows, count, dtype=real, generator=generator).to(
                self.matrix.device
            )
            draw = torch.complex(*pair) if self.matrix.is_complex() else pair[0]
            draw = self.matrix @ (self.matrix.mH @ draw)
            for _ in range(
                2
            ):  # twice: what is left of a column that was in the basis already is round-off
                draw = torch.linalg.qr(draw - basis @ (basis.mH @ draw))[0]
            parts.append(draw.mH @ self.matrix)
            kept += float(parts[-1].abs().square().sum())
            basis = torch.cat([basis, draw], 1)
        data = basis.mH @ self.data
        lost = max(0.0, float(self.data.abs().square().sum() - data.abs().square().sum()))
        return Marginal(
            torch.cat(parts),
            data,
            self.noise,
            self.beyond + lost,
            self.others + rows - basis.shape[1],
        )

    def likelier_noise(self, variance: Tensor, found: Posterior) -> Marginal:
        """The same with the noise's variance by one step of expectation maximisation: it never lowers the likelihood.

        σ² becomes (|y - A μ|² + σ² Σ γ h) / m, the expected residual.
        """
        left = float((self.data - self.matrix @ found.mean).abs().square().sum()) + self.beyond
        noise = (left + self.noise * float((variance * found.curvature).sum())) / (
            len(self.data) + self.others
        )
        return replace(self, noise=noise)


def variance_field(
    problem: Problem,
    prior: priors.Prior | None = None,
    *,
    rounds: int = 15,
    steps: int = 30,
    learn_noise: bool = False,
    seed: int = 0,
) -> Solution:
    """The posterior mean under variances exp(prior), from the round that predicts held-out rows best.

    prior   of one real channel, log γ in units of four; default: `hash` whose finest cells are three voxels wide:
            where voxels oversample the resolution, finer variances make the image too sparse
    rounds  eliminations of the image;  steps  of Adam after each
    learn_noise  start from the noise model's variance and make it likelier in every round

    One term of complex Gaussian noise whose operator has a `kernel`; of a real problem s_x ~ N(0, γ). `details` hold
    the variances (*shape, 1) as "variance", the round and the evidences. Raises TypeError for other problems.
    """
    began = time.perf_counter()
    term, grid = _term(problem), problem.grid
    (fit,), (watch,), note = hold_out(problem.suggested.stopping, [term], seed)
    marginal = _marginal(problem, fit).compressed(seed=seed)
    unseen = _marginal(problem, watch)
    if prior is None:
        finest = max(2.0, max(grid.shape) / 3)
        options = {"head": "linear", "levels": 3, "coarsest": min(8.0, finest), "finest": finest}
        prior = priors.create("hash", grid.box, seed=seed, **options)
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
    images, variances, scores, evidences = [], [], [], []
    for k in range(rounds):
        now = variance().detach()
        found = marginal.posterior(now)
        images.append(found.mean)
        variances.append(now)
        evidences.append(found.evidence)
        scores.append((unseen.matrix @ found.mean - unseen.data).abs().square())
        if learn_noise:
            marginal = marginal.likelier_noise(now, found)
        descend(adam, partial(bound, found), [k / rounds] * steps)
    best = least(scores)
    shape = (*grid.shape, 1)
    details = {
        "variance": variances[best].reshape(shape),
        "round": best + 1,
        "evidence": evidences,
        "noise": marginal.noise,
        **note,
    }
    return Solution(
        SampledField(images[best].reshape(shape), grid),
        problem,
        "variance field",
        watched=[watch],
        seconds=time.perf_counter() - began,
        steps=rounds * steps,
        stopped=Ended("direct", f"round {best + 1} of {rounds} (held-out)"),
        details=details,
    )


def _term(problem: Problem) -> Term:
    term = problem.terms[0]
    if len(problem.terms) != 1 or problem.channels != 1:
        raise TypeError(
            f"variance_field: one term and one channel, not {len(problem.terms)} and {problem.channels}."
        )
    if not isinstance(term.fidelity, ComplexGaussian) or not isinstance(term.operator, HasKernel):
        raise TypeError(
            f"variance_field: complex Gaussian noise and an operator with a kernel, not "
            f"{type(term.fidelity).__name__} and {describe(term.operator)}."
        )
    return term


def _marginal(problem: Problem, rows: Tensor) -> Marginal:
    term = problem.terms[0]
    assert isinstance(term.operator, HasKernel)
    assert isinstance(term.fidelity, ComplexGaussian)
    kernel = term.operator.kernel(rows).flatten(0, 1)
    data, noise = term.y[rows].flatten().to(kernel), float(term.fidelity.sigma) ** 2
    if problem.is_complex:
        return Marginal(kernel, data, noise)
    return Marginal(
        torch.cat([kernel.real, kernel.imag]), torch.cat([data.real, data.imag]), 0.5 * noise
    )
