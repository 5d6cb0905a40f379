"""The classical line of parallel imaging: a complex image through maps of the calibration region, fixed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace

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
from inverse_inr.sampled import SampledField


def through(operator: KSpace, coils: nn.Module | None) -> KSpace:
    """The same samples seen by coils (or without them)."""
    if isinstance(operator, CartesianKSpace):
        return CartesianKSpace(operator.grid, operator.mask, coils)
    assert isinstance(operator, NonCartesianKSpace)
    trajectory = operator.frequencies.reshape(*operator.shape, operator.grid.ndim)
    return NonCartesianKSpace(operator.grid, trajectory.float(), coils)


def classical(problem: Problem) -> Problem:
    """What methods of parallel imaging solve: a complex image, and the maps of the calibration region, fixed."""
    return replace(
        problem, terms=[_classical(t, problem.grid) for t in problem.terms], is_complex=True
    )


def _classical(term: Term, grid: Grid) -> Term:
    operator = term.operator
    if not isinstance(operator, KSpace | RadialSpokes):
        raise TypeError(f"{type(operator).__name__} is no k-space; classical methods need it.")
    maps = operator.coils.start if isinstance(operator.coils, LearnedCoils) else operator.coils
    fixed = None if maps is None else copy.deepcopy(maps)
    if isinstance(operator, CartesianKSpace) and operator.grid != grid:
        operator = operator.resampled(grid)
    if isinstance(operator, KSpace):
        return replace(term, operator=through(operator, fixed))
    angles = operator.beam.angles.detach()
    k = operator.frequency[:, None] * torch.stack([angles.cos(), angles.sin()], -1)[:, None]
    return Term(
        NonCartesianKSpace(grid, k, fixed), term.y.flatten(0, 1), term.fidelity, term.weight
    )


def gridded(operator: KSpace, y: Tensor) -> Tensor:
    """Each coil's image by the adjoint, samples weighted by the area they stand for: (*grid.shape, coils)."""
    plain, grid = through(operator, None), operator.grid
    if isinstance(plain, CartesianKSpace):
        w = torch.full((len(plain),), 1 / math.prod(grid.box.lengths))
    else:
        spokes = operator.frequencies.reshape(*operator.shape, -1)
        w = radial_density(spokes) if is_radial(spokes) else density_compensation(spokes, grid)
        w = w.flatten().float()
    columns = y.reshape(len(plain), -1).unbind(-1)
    images = [adjoint(plain, None, w * v, dtype=v.dtype)[..., 0] for v in columns]
    return torch.stack(images, -1) / math.prod(grid.spacing)


def zero_filled(problem: Problem) -> Solution:
    """The adjoint image: zero-filled FFT or density-compensated gridding, coils combined by their maps."""
    began = time.perf_counter()
    fixed = classical(problem)
    term = fixed.terms[0]
    assert isinstance(term.operator, KSpace)
    images = gridded(term.operator, term.y)
    maps = term.operator.coils
    image = images.sum(-1) if maps is None else (sample(maps, fixed.grid).conj() * images).sum(-1)
    name = "zero-filled" if isinstance(term.operator, CartesianKSpace) else "gridding"
    return Solution(
        SampledField(image[..., None], fixed.grid), fixed, name, seconds=time.perf_counter() - began
    )


def sense(
    problem: Problem, iterations: int | str = "held-out", *, maximum: int = 40, seed: int = 0
) -> Solution:
    """SENSE by conjugate gradients (Pruessmann et al., MRM 46, 2001): stopping early is its only regularisation."""
    solution = baselines.cgls(classical(problem), iterations, maximum=maximum, seed=seed)
    return replace(solution, method=solution.method.replace("CGLS", "CG-SENSE"))


def tv_sense(
    problem: Problem, weight: float | str = "held-out", *, iterations: int = 200, seed: int = 0
) -> Solution:
    """Total variation of the complex image, maps fixed (Block, Uecker & Frahm, MRM 57, 2007)."""
    return baselines.tv(classical(problem), weight, iterations=iterations, seed=seed)


def wavelet_sense(
    problem: Problem, weight: float | str = "held-out", *, levels: int = 4, seed: int = 0
) -> Solution:
    """Sparse wavelets of the complex image, maps fixed: compressed sensing (Lustig, Donoho & Pauly, MRM 58, 2007)."""
    room = int(math.log2(min(problem.grid.shape)))
    return l1(classical(problem), weight, wavelets=min(levels, room), iterations=100, seed=seed)


BASELINES: dict[str, Callable[[Problem], Solution]] = {
    "zero-filled": zero_filled,
    "CG-SENSE": sense,
    "L1-wavelet": wavelet_sense,
    "TV": tv_sense,
}
