"""The posterior of a fit, linearised around it: what measurements leave open in the parameters.

    A f_θ ≈ A f_θ* + J (θ - θ*),   θ ~ N(θ*, s²),   y = A f_θ + n
    variance of G θ:   s² |G|² - s⁴ G J' (s² J J' + W⁻¹)⁻¹ J G'

G is the derivative of pixels, W the precision of the noise. This dual form needs a matrix of the
size of the measurements, not of the parameters. s² is the one number that explains measurements
which the fit did not see, or else the one of the largest evidence.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field
from inverse_inr.precision import placement
from inverse_inr.ranges import Count, Positive, Range, Seed, checked
from inverse_inr.row_sets import listed
from inverse_inr.sampled import interpolation_weights
from inverse_inr.solver import Solution
from inverse_inr.uncertainty.jacobians import at_once, in_reals, jacobian_rows, measured

VARIANCES = torch.logspace(-12, 6, 181, dtype=torch.float64)
"""The values of s² that are tried, times the inverse of the mean eigenvalue of J J'."""


class Deformed(nn.Module):
    """A field seen at moved points: f(x + u(x)), with u multilinear between nodes, at first 0.

    Args:
        field: The field f.
        box: Where nodes lie.
        nodes: Nodes along the longest side.
    """

    def __init__(self, field: Field, box: Box, nodes: int) -> None:
        super().__init__()
        self.field = field
        longest = max(box.lengths)
        self.grid = Grid(box, tuple(max(2, round(nodes * n / longest)) for n in box.lengths))
        dtype, device = placement(field)
        self.shift = nn.Parameter(
            torch.zeros(self.grid.numel, box.ndim, dtype=dtype, device=device)
        )

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at points: (*s, d) -> (*s, c)."""
        index, weight = interpolation_weights(self.grid, points)
        return self.field(points + (self.shift[index] * weight[..., None]).sum(-2))


@dataclass(frozen=True)
class Laplace:
    """A normal distribution of parameters around a fit, given what was measured.

    Attributes:
        solution: The fit.
        field: The field that the parameters belong to.
        parameters: The parameters that vary.
        jacobian: (m, p), derivatives of the measurements that were used, in units of the noise.
        eigenvalues: (m,) of jacobian @ jacobian.T.
        eigenvectors: (m, m), in columns.
        variance: s², the variance of each parameter before anything was measured.
    """

    solution: Solution
    field: nn.Module
    parameters: list[Tensor]
    jacobian: Tensor
    eigenvalues: Tensor
    eigenvectors: Tensor
    variance: float

    def deviation(self, grid: Grid | None = None, *, average: int = 1) -> Tensor:
        """Compute one standard deviation of the field.

        Args:
            grid: The lattice; the problem's if None.
            average: Sub-samples per axis of a pixel whose mean is the pixel's value.

        Returns:
            (*grid.shape, channels) real deviations; of a complex field those of the modulus of the
            error.
        """
        if grid is None:
            grid = self.solution.problem.grid
        dtype, device = placement(self.field)
        centres = grid.points(dtype, device).reshape(-1, grid.ndim)
        step = torch.tensor(grid.spacing, dtype=dtype, device=device)
        along = (torch.arange(average, dtype=dtype, device=device) + 0.5) / average - 0.5
        inside = torch.cartesian_prod(*[along] * grid.ndim).reshape(-1, grid.ndim) * step
        found = []
        for some in centres.split(at_once(self.parameters)):
            with torch.enable_grad():
                values = self.field(some[:, None] + inside).mean(1)
            parts = in_reals(values)
            rows = jacobian_rows(parts.flatten(), self.parameters)
            found.append(self.variances(rows).reshape(parts.shape))
        total = torch.cat(found)
        if total.ndim == 3:
            total = total.sum(-1)
        return total.clamp(min=0).sqrt().reshape(*grid.shape, -1).to(dtype)

    def variances(self, rows: Tensor) -> Tensor:
        """Compute the variance of linear functions of the parameters.

        Args:
            rows: (n, p), the derivatives of each function.

        Returns:
            (n,) variances, float64.
        """
        return _posterior(self, rows)(self.variance)


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Compute a b' in float64 without a copy of all: what is determined is a small difference."""
    total = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.device)
    for start in range(0, a.shape[1], 4096):
        columns = slice(start, start + 4096)
        total += a[:, columns].double() @ b[:, columns].double().T
    return total


def _posterior(found: Laplace, rows: Tensor) -> Callable[[float], Tensor]:
    """The posterior variance of linear functions (n, p) as a function of s²."""
    size = rows.double().square().sum(1)
    seen = (_products(rows, found.jacobian) @ found.eigenvectors).square()

    # what is determined better than derivatives are computed is not known better than that
    floor = torch.finfo(rows.dtype).eps * size

    def at(variance: float) -> Tensor:
        shrunk = variance / (variance * found.eigenvalues + 1)
        return variance * torch.maximum(size - seen @ shrunk, floor)

    return at


@checked
def linearised(
    solution: Solution,
    *,
    parameters: Literal["all", "last"] = "all",
    rows: Count = 2000,
    variance: Positive | None = None,
    seed: Seed = 0,
) -> Laplace:
    """Find the posterior of a fit's parameters, linearised around it.

    Args:
        solution: A fit of a network or lattice.
        parameters: "all", or only those "last" ones that the field is linear in.
        rows: The most measurements that are used. Of more, as many are drawn, and each counts for
            those that were left out.
        variance: s²; None for the one that measurements ask for.
        seed: Decides which measurements are drawn.

    Returns:
        The posterior, whose `deviation` is a map.

    Raises:
        TypeError: The field has no parameters, or no last ones; or a term has no noise.
        OutOfMemoryError: The derivatives do not fit the memory at hand. Fewer rows would, or the
            last parameters.

    Source:
        Antorán et al. 2022, the linearised deep image prior. The dual form: Rasmussen & Williams,
        Gaussian Processes for Machine Learning, section 2.2.
    """
    field = solution.field
    if not isinstance(field, nn.Module):
        raise TypeError(f"linearised: a {solution.method} solution has no parameters.")
    field = copy.deepcopy(field).requires_grad_()  # that of a solution is fixed
    chosen: list[Tensor] = list(field.parameters())
    if parameters == "last":
        last = getattr(getattr(field, "network", None), "linear_parameters", None)
        if last is None:
            raise TypeError(f"linearised: {solution.method} has no last map that is known.")
        chosen = list(last())
    if not chosen:
        raise TypeError("linearised: the field has no parameters.")
    return _laplace(solution, field, chosen, rows, variance, seed)


@checked
def coordinate_laplace(
    solution: Solution,
    *,
    nodes: Annotated[int, Range(least=2, most=256)] = 16,
    rows: Count = 2000,
    variance: Positive | None = None,
    seed: Seed = 0,
) -> Laplace:
    """Find how far points could be moved without being contradicted by the measurements.

    Any field that can be differentiated will do, with any operator that looks at points: what
    varies are displacements of a coarse lattice, not weights.

    Args:
        solution: A fit.
        nodes: Nodes of the lattice along the longest side.
        rows: The most measurements that are used, as in `linearised`.
        variance: s², in squared units of the box; None for the one that measurements ask for.
        seed: Decides which measurements are drawn.

    Returns:
        The posterior of the displacements, whose `deviation` is in the unit of the field.

    Source:
        Goli et al. 2024, Bayes' Rays, with the whole covariance in the place of its diagonal.
    """
    moved = Deformed(solution.field, solution.problem.box, nodes)
    return _laplace(solution, moved, [moved.shift], rows, variance, seed)


def _laplace(
    solution: Solution,
    field: nn.Module,
    parameters: list[Tensor],
    most: int,
    variance: float | None,
    seed: int,
) -> Laplace:
    watched = solution.watched or [torch.zeros(0, dtype=torch.int64)] * len(solution.problem.terms)
    fitted = []
    for term, unseen in zip(solution.problem.terms, watched, strict=True):
        rows = listed(term.trusted)
        fitted.append(rows[~torch.isin(rows, unseen.to(rows))])
    jacobian, residual = measured(solution, field, parameters, fitted, most, seed)
    eigenvalues, eigenvectors = torch.linalg.eigh(_products(jacobian, jacobian))
    eigenvalues = eigenvalues.clamp(min=0)
    found = Laplace(
        solution, field, parameters, jacobian, eigenvalues, eigenvectors, variance or 1.0
    )
    if variance is None:
        tried = (VARIANCES / float(eigenvalues.mean().clamp(min=1e-300))).tolist()
        start = torch.cat([p.detach().flatten() for p in parameters])
        shown = eigenvectors.T @ (residual + (jacobian.double() @ start.double()))
        evidence = [_surprise(shown.square(), 1 + s * eigenvalues) for s in tried]
        scores = evidence
        if any(len(rows) for rows in watched):
            unseen, left = measured(solution, field, parameters, watched, most, seed)
            posterior = _posterior(found, unseen)
            scores = [_surprise(left.square(), 1 + posterior(s)) for s in tried]
        # among values that held-out rows like almost as well, the one of the largest evidence
        good = [k for k, score in enumerate(scores) if score <= min(scores) + 1]
        variance = float(tried[min(good, key=evidence.__getitem__)])
    return replace(found, variance=variance)


def _surprise(squared: Tensor, variance: Tensor) -> float:
    """Twice the negative log-likelihood of normal numbers, without its constant."""
    variance = variance.clamp(min=1e-12)
    return float((variance.log() + squared / variance).sum())
