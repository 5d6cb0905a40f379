"""Quality without a perceptual model: how a reference's field would have to move for an image."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.families import fisher_diagonal
from inverse_inr.noise import Gaussian
from inverse_inr.priors import Prior
from inverse_inr.ranges import Count, Range, Seed, checked
from inverse_inr.reading.images import image_problems
from inverse_inr.solver import Solver, make_prior
from inverse_inr.stopping import Discrepancy

Residual = Annotated[float, Range(least=1e-6, most=1.0)]
"""A root mean square residual as a fraction of the span: single precision knows none below 1e-6."""

Normalisation = Literal["variance", "profile"]
"""How two diagonals of Fisher information are compared."""


class QualityGauge:
    """A field fitted to a reference image, which tells how far other images are from it.

    The gradient of the loss at pixel k is g_k = r_k J_k, with r_k the residual of the field of the
    reference and J_k the slope of the field in its parameters. The diagonal Fisher information of
    an image is F = Σ_k r_k² J_k². A residual of the reference alone, however small, would decide
    what is near it. So the fit ends where the root mean square residual is `residual` of the
    reference's span, and both informations are damped by that of a white residual δ of that size,
    F = Σ_k (r_k² + δ²) J_k². With one pixel, F / F_reference is 1 + (r² - r_reference²) / (...):
    it grows with the squared error.

    "variance" is the mean over the parameters of ln(1 + ½ (F/F₀ + F₀/F - 2)). The second summand
    is the symmetrised Kullback-Leibler divergence of two Gaussians with the precisions F₀ and F,
    and the logarithm keeps single parameters from deciding. "profile" is
    that of the distributions F / ΣF, which forgets how strong a change is and tells its kind.

    Args:
        reference: (*shape) or (*shape, c) reference image, real.
        grid: The lattice of its pixels; None for one in units of pixels.
        prior: A name of the catalogue of priors, or a prior to start from, which stays as it is.
        options: Options of a prior by name.
        residual: Root mean square residual at which the fit ends, and the damping δ, as a fraction
            of the reference's span.
        steps: Most steps of Adam.
        seed: Seed of the fit.

    Attributes:
        field: The field of the reference.
        reached: The root mean square residual of the reference, as a fraction of its span.

    Raises:
        ValueError: The reference is constant, or of another grid.

    Warns:
        RuntimeWarning: The fit did not reach `residual` in so many steps.

    Source:
        INRIQ (ICLR 2026 submission 14700), damped.
    """

    @checked
    def __init__(
        self,
        reference: Tensor,
        grid: Grid | None = None,
        *,
        prior: str | nn.Module = "siren",
        options: Mapping[str, Any] | None = None,
        residual: Residual = 0.01,
        steps: Count = 2000,
        seed: Seed = 0,
    ) -> None:
        if not bool(reference.isfinite().all()):
            raise ValueError("QualityGauge: the reference holds NaN or Inf.")
        (problem,) = image_problems([reference], grid)
        self.shape = tuple(reference.shape)
        self.y = problem.terms[0].y.reshape(len(problem.terms[0].y), -1)
        self.span = float(reference.max() - reference.min())
        if not self.span > 0:
            raise ValueError(
                "QualityGauge: the reference is constant; it has no structure to lose."
            )
        self.delta = float(residual) * self.span
        noise = Gaussian(self.delta)
        (problem,) = image_problems([reference], grid, noise)
        if isinstance(prior, str):
            start = make_prior(problem, prior, seed, **(options or {}))
        else:
            start = copy.deepcopy(prior)
        solver = Solver(
            problem,
            start,
            steps=steps,
            stopping=Discrepancy(every=10, limit=len(self.y)),
            seed=seed,
            callbacks=(),
        )
        field = solver.run().field
        if not isinstance(field, Prior):
            raise TypeError(f"QualityGauge: {type(field).__name__} is no prior of the catalogue.")
        self.field = field.eval()
        self.points = problem.grid.points(self.y.dtype).reshape(-1, problem.grid.ndim)
        with torch.no_grad():
            seen = self.field(self.points)
        self.reached = float((seen - self.y).square().mean().sqrt()) / self.span
        if self.reached > 1.05 * residual:
            warnings.warn(
                f"QualityGauge: after {steps} steps the residual is {self.reached:.3g} of the "
                f"span, not {residual:.3g}; more steps, or a larger residual.",
                RuntimeWarning,
                stacklevel=2,
            )
        self.damping = self._damping(seen)
        self.own = self._information(self.y)

    def _damping(self, seen: Tensor) -> Tensor:
        """The information of a white residual δ, (parameters,): δ² Σ_k J_k²."""
        total = torch.zeros(())
        for channel in range(seen.shape[-1]):
            unit = torch.zeros_like(seen)
            unit[:, channel] = 1.0
            total = total + _flat(fisher_diagonal(self.field, self.points, seen - unit))
        return self.delta**2 * total

    def _information(self, y: Tensor) -> Tensor:
        """The damped information of an image, (parameters,)."""
        return _flat(fisher_diagonal(self.field, self.points, y)) + self.damping

    @checked
    def distance(self, image: Tensor, normalisation: Normalisation = "variance") -> float:
        """Measure how far an image is from the reference.

        Args:
            image: The image, of the reference's shape.
            normalisation: "variance" or "profile".

        Returns:
            0 for the reference itself, and larger for what is farther.

        Raises:
            TypeError: The image is no tensor of real numbers.
            ValueError: It has another shape, or holds NaN or Inf.
        """
        if not image.is_floating_point():
            raise TypeError(
                f"QualityGauge: the image must hold real numbers, got {image.dtype}; .float()?"
            )
        if tuple(image.shape) != self.shape:
            raise ValueError(
                f"QualityGauge: the image has shape {tuple(image.shape)} and the reference "
                f"{self.shape}. Images of another grid?"
            )
        if not bool(image.isfinite().all()):
            raise ValueError("QualityGauge: the image holds NaN or Inf.")
        other = self._information(image.to(self.y).reshape(self.y.shape))
        if normalisation == "profile":
            return profile_divergence(self.own, other)
        return variance_divergence(self.own, other)


@checked
def variance_divergence(first: Tensor, second: Tensor) -> float:
    """Compute the mean over parameters of ln(1 + ½ (F₁/F₀ + F₀/F₁ - 2)).

    Args:
        first: (parameters,) diagonal Fisher information F₀.
        second: The same of another image, F₁.

    Returns:
        0 where they are equal; the same where they change places. Parameters that no pixel reaches
        do not count.

    Raises:
        ValueError: They are not (parameters,) each, or hold NaN, Inf or negative numbers.
    """
    first, second = _alive("variance_divergence", first, second)
    ratio = second / first
    return float(torch.log1p(0.5 * (ratio + 1 / ratio - 2)).mean())


@checked
def profile_divergence(first: Tensor, second: Tensor) -> float:
    """Compute Σ (p - q) ln(p / q) of the profiles p = F₀ / ΣF₀ and q = F₁ / ΣF₁.

    Args:
        first: (parameters,) diagonal Fisher information F₀.
        second: The same of another image, F₁.

    Returns:
        0 where the profiles are equal, e.g. where F₁ is a multiple of F₀.

    Raises:
        ValueError: They are not (parameters,) each, or hold NaN, Inf or negative numbers.
    """
    first, second = _alive("profile_divergence", first, second)
    p, q = first / first.sum(), second / second.sum()
    return float(((p - q) * (p / q).log()).sum())


def _alive(name: str, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The parameters that the pixels of both images reach, in double precision."""
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"{name}: informations of shape {tuple(first.shape)} and {tuple(second.shape)}; both "
            "are (parameters,) of one field."
        )
    for value in (first, second):
        if not bool(value.isfinite().all()) or bool((value < 0).any()):
            raise ValueError(f"{name}: an information holds NaN, Inf or negative numbers.")
    some = (first > 0) & (second > 0)
    return first[some].double(), second[some].double()


def _flat(parts: dict[str, Tensor]) -> Tensor:
    return torch.cat([parts[name].reshape(-1) for name in sorted(parts)])
