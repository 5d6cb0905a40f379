"""Fits of tissue maps: pixel by pixel, and of whole maps with their variation."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Problem, SampledField, Solution, adjoint, priors, sample
from inverse_inr.derivatives import grid_gradient
from inverse_inr.operators import CartesianKSpace, ThroughSequence
from inverse_inr.operators.kspace.sequences import GradientEchoes, Sequence
from inverse_inr.ranges import NonNegative, Positive, checked
from inverse_inr.regularizers import Regularizer
from inverse_inr.solver import Ended, Solver

LARGEST_OFFSET = 40.0
"""Off-resonance in Hz that counts as one."""
HEADS = {2: ("linear", "exp"), 4: ("linear", "linear", "exp", "linear")}
"""Heads by the number of channels: rates are positive, amplitudes as they are."""
RATES = 240
"""Rates, evenly spaced in their logarithm, that a pixel-wise fit begins with."""
LEAST_RATE, LARGEST_RATE = 0.1, 120.0
"""Range of rates in 1/s."""
OFFSETS = 61
"""Off-resonances that it begins with."""
TINY = 1e-3
"""Least rate in 1/s whose logarithm is taken."""
REFINEMENTS = 12
"""Steps of Levenberg and Marquardt after the search."""
FINER = 2
"""Values of the fitted maps along each side of a pixel: edges of whole pixels ring.

Not of gradient echoes, whose fits on half pixels end in wrong mixtures of fat and off-resonance.
"""


@checked
@dataclass(frozen=True)
class MapsVariation(Regularizer):
    """mean sqrt(Σ_c |∇g_c|² + epsilon²) - epsilon, where g are amplitudes and the log of the rate.

    Edges of all maps coincide, and errors of a rate count relative to it. Off-resonance, the last
    of four channels, has no edges: the mean of |∇f / 40 Hz|² is added for it.

    Args:
        grid: The lattice of the maps.
        epsilon: Rounds the corner at zero, per unit of the box.
    """

    grid: Grid
    epsilon: NonNegative = 1e-2

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        values = sample(field, self.grid)
        rate = rate_channel(values.shape[-1])
        logs = values[..., rate : rate + 1].clamp(min=TINY).log()
        edged = torch.cat([values[..., :rate], logs], -1)
        squared = grid_gradient(edged, self.grid.spacing).square().sum((-2, -1))
        edges = ((squared + self.epsilon**2).sqrt() - self.epsilon).mean()
        if values.shape[-1] == rate + 1:
            return edges
        smooth = grid_gradient(values[..., rate + 1 :] / LARGEST_OFFSET, self.grid.spacing)
        return edges + smooth.square().sum((-2, -1)).mean()


def rate_channel(channels: int) -> int:
    """The number of the relaxation rate among the channels: the last, or the one before B0.

    Args:
        channels: 2, or 4 for gradient echoes.
    """
    return 1 if channels == 2 else 2


def values_per_side(channels: int) -> int:
    """Values of the fitted maps along each side of a pixel.

    Args:
        channels: 2, or 4 for gradient echoes.
    """
    return FINER if channels == 2 else 1


def _parts(problem: Problem) -> tuple[CartesianKSpace, Sequence]:
    operator = (problem.origin or problem).terms[0].operator
    inner = getattr(operator, "operator", None)
    if not isinstance(operator, ThroughSequence) or not isinstance(inner, CartesianKSpace):
        raise TypeError(
            f"{type(operator).__name__}: fits of maps need a ThroughSequence of a CartesianKSpace."
        )
    return inner, operator.sequence


@torch.no_grad()
def echo_images(problem: Problem) -> Tensor:
    """The images of fully sampled echoes, coils combined by their maps of unit length.

    Args:
        problem: A problem of `kspace_maps`.

    Returns:
        (*grid.shape, images), complex. Their noise is white, and so they are all that a pixel-wise
        fit can use.
    """
    inner, sequence = _parts(problem)
    y = problem.terms[0].y
    images = len(sequence.times)
    area = float(torch.tensor(inner.grid.spacing).prod())
    back = adjoint(inner, None, y, channels=images, dtype=y.dtype)
    return back / (area**2 * inner.grid.numel)


@checked
def pixelwise(problem: Problem, images: Tensor | None = None) -> Solution:
    """Fit each pixel's signals by least squares, over all rates of a fine search, then refined.

    Amplitudes are real, as their phase is known, and follow from the rates in closed form (variable
    projection), so the search finds the global optimum; Levenberg and Marquardt polish it. With
    white Gaussian noise of complex images this is maximum likelihood.

    Args:
        problem: A problem of `kspace_maps`.
        images: (*grid.shape, images), others than those of the echoes, e.g. denoised ones.

    Returns:
        The maps.

    Source:
        Golub & Pereyra 1973; Barral et al., MRM 64, 2010.
    """
    began = time.perf_counter()
    _, sequence = _parts(problem)
    seen = echo_images(problem) if images is None else images
    data = seen.reshape(-1, seen.shape[-1]).to(torch.complex128)
    maps = _refined(sequence, data, _searched(sequence, data)).float()
    return Solution(
        SampledField(maps.reshape(*problem.grid.shape, -1), problem.grid),
        problem,
        "pixel-wise",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "least squares of each pixel"),
    )


def _searched(sequence: Sequence, data: Tensor) -> Tensor:
    """The best of a search over rates (and off-resonances): (pixels, channels)."""
    rates = torch.logspace(-1, 2.08, RATES, dtype=torch.float64)
    if isinstance(sequence, GradientEchoes):
        turn = 0.45 / float(sequence.times.diff().max())
        tried = torch.cartesian_prod(rates[::8], torch.linspace(-turn, turn, OFFSETS).double())
    else:
        tried = rates[:, None]
    amplitudes = len(sequence.names) - tried.shape[1]
    columns = []
    for k in range(amplitudes):
        unit = torch.zeros(len(tried), amplitudes, dtype=torch.float64)
        unit[:, k] = 1
        columns.append(
            torch.view_as_real(_complex(sequence(torch.cat([unit, tried], 1)))).flatten(1)
        )
    basis, scale = torch.linalg.qr(torch.stack(columns, -1))  # (tried, 2 images, amplitudes)
    flat = torch.view_as_real(data).flatten(1)
    best = torch.cat([_most_explained(basis, part) for part in flat.split(1024)])
    right = torch.einsum("pia,pi->pa", basis[best], flat)
    linear = torch.linalg.solve_triangular(scale[best], right[..., None], upper=True)[..., 0]
    return torch.cat([linear, tried[best]], 1)


def _most_explained(basis: Tensor, data: Tensor) -> Tensor:
    """Which subspace holds most of each row: (pixels,)."""
    return torch.einsum("tia,pi->pta", basis, data).square().sum(-1).argmax(1)


def _complex(signal: Tensor) -> Tensor:
    return signal if signal.is_complex() else torch.complex(signal, torch.zeros_like(signal))


def _refined(sequence: Sequence, data: Tensor, start: Tensor) -> Tensor:
    """Levenberg-Marquardt of all pixels at once; a step that does not gain is not taken."""

    def signals(maps: Tensor) -> Tensor:
        return torch.view_as_real(_complex(sequence(maps))).flatten()

    slopes = torch.func.vmap(torch.func.jacrev(signals))
    maps, damping = start, torch.full((len(start), 1), 1e-3, dtype=start.dtype)
    for _ in range(REFINEMENTS):
        r = torch.view_as_real(_complex(sequence(maps)) - data).flatten(1)
        j = slopes(maps)
        normal = j.mT @ j
        size = normal.diagonal(dim1=-2, dim2=-1) * damping + 1e-12
        step = torch.linalg.solve(normal + torch.diag_embed(size), (j.mT @ r[..., None])[..., 0])
        moved = maps - step
        rate = rate_channel(maps.shape[1])
        moved[:, rate] = moved[:, rate].clamp(LEAST_RATE, LARGEST_RATE)
        other = torch.view_as_real(_complex(sequence(moved)) - data).flatten(1)
        gains = (other.square().sum(1) < r.square().sum(1))[:, None]
        maps = torch.where(gains, moved, maps)
        damping = torch.where(gains, 0.3 * damping, 10 * damping)
    return maps


class ScaledMaps(nn.Module):
    """Maps on a lattice whose parameters are all of size one; rates are positive by their head.

    Args:
        grid: The lattice.
        scales: Of the channels.
    """

    def __init__(self, grid: Grid, scales: tuple[float, ...]) -> None:
        super().__init__()
        self.prior = priors.create(
            "grid",
            grid.box,
            len(scales),
            cells=float(max(grid.shape)),
            head=list(HEADS[len(scales)]),
        )
        self.scales = nn.Buffer(torch.tensor(scales))

    def forward(self, points: Tensor) -> Tensor:
        """The maps at points (*s, 2): (*s, channels)."""
        return self.prior(points) * self.scales.to(points.dtype)

    def sample(self, grid: Grid) -> Tensor:
        """The maps on a lattice (`Lattice`): (*shape, channels)."""
        values = sample(self.prior, grid)
        return values * self.scales.to(values.dtype)

    @torch.no_grad()
    def begin_with(self, maps: Tensor) -> None:
        """Set the values at the nodes.

        Args:
            maps: (*shape, channels), with positive rates.
        """
        table = next(iter(self.prior.parameters()))
        values = maps / self.scales
        for k, head in enumerate(HEADS[maps.shape[-1]]):
            if head == "exp":
                values[..., k] = values[..., k].log()
        table.copy_(values.reshape(table.shape))


def maps_fit(problem: Problem, weight: Positive | None = None) -> Solution:
    """Fit all maps together, on finer pixels, with the variation of maps, from a pixel-wise fit.

    Args:
        problem: A problem of `kspace_maps`.
        weight: Factor of the problem's regularizer; 1 by default.

    Returns:
        The maps.
    """
    suggested = problem.suggested
    inner, sequence = _parts(problem)
    finer = values_per_side(problem.channels)
    grid = problem.grid.refined(finer)
    start = pixelwise(problem)
    values = sample(start.field, problem.grid)
    scales = [1.0] * problem.channels
    rate = rate_channel(problem.channels)
    scales[rate] = float(values[..., rate].median())
    if problem.channels > rate + 1:
        scales[-1] = LARGEST_OFFSET
    field = ScaledMaps(grid, tuple(scales))
    field.begin_with(values.repeat_interleave(finer, 0).repeat_interleave(finer, 1))
    factor = 1.0 if weight is None else weight
    term = replace(problem.terms[0], operator=ThroughSequence(inner.resampled(grid), sequence))
    fit = Solver(
        replace(problem, terms=[term]),
        field,
        regularizers=[factor * r for r in suggested.regularizers],  # pyright: ignore[reportOperatorIssue]
        steps=suggested.steps,
        optimizer=suggested.optimizer,
        stopping=suggested.stopping,
    ).run()
    return replace(fit, problem=problem, method="maps", seconds=fit.seconds + start.seconds)
