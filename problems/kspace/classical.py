"""Classical parallel imaging: a complex image through fixed maps of the calibration region."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Problem, Solution, Term, adjoint, baselines, sample
from inverse_inr.baselines import l1
from inverse_inr.operators import (
    CartesianKSpace,
    LearnedCoils,
    NonCartesianKSpace,
    RadialSpokes,
    density_compensation,
    is_radial,
    radial_density,
)
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.ranges import Count, Positive, ProperFraction, WholeNumber, checked
from inverse_inr.sampled import SampledField


@checked
def through(operator: KSpace, coils: nn.Module | None) -> KSpace:
    """The same samples, seen by other coils.

    Args:
        operator: The k-space samples.
        coils: The coil maps; None for the plain Fourier transform.

    Returns:
        An operator with the same samples.
    """
    if isinstance(operator, CartesianKSpace):
        return CartesianKSpace(operator.grid, operator.mask, coils)
    assert isinstance(operator, NonCartesianKSpace)
    trajectory = operator.frequencies.reshape(*operator.shape, operator.grid.ndim)
    return NonCartesianKSpace(operator.grid, trajectory.float(), coils)


@checked
def classical(problem: Problem) -> Problem:
    """The problem that classical parallel imaging solves: a complex image and fixed maps.

    Args:
        problem: A problem of k-space or radial spokes.

    Returns:
        The problem with the maps of the calibration region, which are not learnt.

    Raises:
        TypeError: An operator is no k-space.
    """
    return replace(
        problem, terms=[_classical(t, problem.grid) for t in problem.terms], is_complex=True
    )


def _classical(term: Term, grid: Grid) -> Term:
    """The term on the problem's grid, its maps fixed, its spokes as samples of a trajectory."""
    operator = term.operator
    if not isinstance(operator, KSpace | RadialSpokes):
        raise TypeError(f"{type(operator).__name__} is no k-space; classical methods need it.")
    maps = operator.coils
    if isinstance(maps, LearnedCoils):
        maps = maps.start
    fixed = copy.deepcopy(maps)
    if isinstance(operator, CartesianKSpace | NonCartesianKSpace) and operator.grid != grid:
        operator = operator.resampled(grid)
    if isinstance(operator, KSpace):
        return replace(term, operator=through(operator, fixed))
    angles = operator.beam.angles.detach()
    k = operator.frequency[:, None] * torch.stack([angles.cos(), angles.sin()], -1)[:, None]
    return Term(
        NonCartesianKSpace(grid, k, fixed), term.y.flatten(0, 1), term.fidelity, term.weight
    )


@checked
def gridded(operator: KSpace, y: Tensor) -> Tensor:
    """Each coil's image by the adjoint, with samples weighted by the area they stand for.

    Args:
        operator: The k-space samples.
        y: (samples, coils), or (samples,) of one coil; complex.

    Returns:
        (*grid.shape, coils), complex.
    """
    plain = through(operator, None)
    grid = operator.grid
    if isinstance(plain, CartesianKSpace):
        w = torch.full((len(plain),), 1 / math.prod(grid.box.lengths))
    else:
        spokes = operator.frequencies.reshape(*operator.shape, -1)
        if is_radial(spokes):
            w = radial_density(spokes)
        else:
            w = density_compensation(spokes, grid)
        w = w.flatten().float()
    columns = y.reshape(len(plain), -1).unbind(-1)
    images = [adjoint(plain, None, w * v, dtype=v.dtype)[..., 0] for v in columns]
    return torch.stack(images, -1) / math.prod(grid.spacing)


@checked
def zero_filled(problem: Problem) -> Solution:
    """The adjoint image: zero-filled FFT, or density-compensated gridding of a trajectory.

    Args:
        problem: A problem of k-space or radial spokes.

    Returns:
        A complex image, its coils combined by their maps.
    """
    began = time.perf_counter()
    fixed = classical(problem)
    term = fixed.terms[0]
    assert isinstance(term.operator, KSpace)
    images = gridded(term.operator, term.y)
    maps = term.operator.coils
    if maps is not None:
        images = sample(maps, fixed.grid).conj() * images
    image = images.sum(-1)
    name = "gridding"
    if isinstance(term.operator, CartesianKSpace):
        name = "zero-filled"
    return Solution(
        SampledField(image[..., None], fixed.grid), fixed, name, seconds=time.perf_counter() - began
    )


@checked
def sense(
    problem: Problem,
    iterations: Count | baselines.Rule = "held-out",
    *,
    maximum: Count = 40,
    seed: WholeNumber = 0,
) -> Solution:
    """SENSE by conjugate gradients, whose only regularisation is to stop early.

    Args:
        problem: A problem of k-space or radial spokes.
        iterations: Number of iterations, or how it is chosen, as in `baselines.cgls`.
        maximum: Largest number of iterations.
        seed: Seed of the choice of held-out samples.

    Returns:
        A complex image.

    Source:
        Pruessmann et al., MRM 46, 2001.
    """
    solution = baselines.cgls(classical(problem), iterations, maximum=maximum, seed=seed)
    return replace(solution, method=solution.method.replace("CGLS", "CG-SENSE"))


@checked
def tv_sense(
    problem: Problem,
    weight: Positive | baselines.Rule = "held-out",
    *,
    iterations: Count = 200,
    seed: WholeNumber = 0,
) -> Solution:
    """Least total variation of the complex image, with fixed maps.

    Args:
        problem: A problem of k-space or radial spokes.
        weight: The weight, or how it is chosen, as in `baselines.tv`.
        iterations: Iterations per weight.
        seed: Seed of the choice of held-out samples.

    Returns:
        A complex image.

    Source:
        Block, Uecker & Frahm, MRM 57, 2007.
    """
    return baselines.tv(classical(problem), weight, iterations=iterations, seed=seed)


@checked
def wavelet_sense(
    problem: Problem,
    weight: ProperFraction | baselines.Rule | Literal["residual"] = "held-out",
    *,
    levels: Count = 4,
    seed: WholeNumber = 0,
) -> Solution:
    """Compressed sensing: sparse wavelets of the complex image, with fixed maps.

    Args:
        problem: A problem of k-space or radial spokes.
        weight: The weight, or how it is chosen, as in `baselines.l1`.
        levels: Levels of the wavelet transform, fewer for a small image.
        seed: Seed of the choice of held-out samples.

    Returns:
        A complex image.

    Source:
        Lustig, Donoho & Pauly, MRM 58, 2007.
    """
    room = int(math.log2(min(problem.grid.shape)))
    return l1(classical(problem), weight, wavelets=min(levels, room), iterations=100, seed=seed)


BASELINES: dict[str, Callable[[Problem], Solution]] = {
    "zero-filled": zero_filled,
    "CG-SENSE": sense,
    "L1-wavelet": wavelet_sense,
    "TV": tv_sense,
}
"""The classical methods by the name that tables show."""
