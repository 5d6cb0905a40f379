"""Deformable registration: the field is a displacement from the fixed image to the moving one.

    F(x) ≈ M(x + u(x)),   u with one channel per axis, in the unit of the box

(Wolterink et al. 2022, IDIR.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Problem, SampledField, Solution, Suggestion, Term, noise, solve
from inverse_inr.fidelity import NCC, Fidelity, LocalNCC
from inverse_inr.operators import BendingEnergy, WarpedImage
from inverse_inr.problems.registration.aligned import (
    b_spline,
    optical_flow,
    registration_figure,
    unregistered,
    write_registration,
)
from inverse_inr.problems.registration.image_pairs import Deformation as Deformation
from inverse_inr.problems.registration.image_pairs import deformed as deformed
from inverse_inr.problems.registration.image_pairs import load_moving as load_moving
from inverse_inr.ranges import Count, Fraction, NoiseLevelOrNone, NonNegative, WholeNumber, checked
from inverse_inr.registry import nearest
from inverse_inr.solver import going_on_from
from inverse_inr.stopping import Never

COARSE_STEPS = 8
"""L-BFGS steps per blur of the coarse fits."""


@checked
def register(
    moving: str = "retina",
    fixed: str | None = None,
    *,
    amplitude: NonNegative = 5.0,
    noise_level: NoiseLevelOrNone = 0.01,
    volume: bool = False,
    slice: int | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    fidelity: Literal["gaussian", "ncc", "local-ncc"] = "gaussian",
    smoothness: NonNegative = 100.0,
    blur: NonNegative = 4.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Align one image to another or, without a fixed one, to itself under a known deformation.

    L-BFGS is suggested, because Adam needs more steps and may fold.

    Args:
        moving: An example by name, a file, or "mni152", the T1 template of nilearn at 1 mm.
        fixed: The same of the image that stays; None: `moving` under a known deformation.
        amplitude: Largest displacement of the known deformation in pixels.
        noise_level: Standard deviation of the noise, as a fraction of the brightest pixel.
        volume: Take whole volumes rather than a slice.
        slice: The slice of both volumes along their last axis; default: the middle.
        bin: Pixels of both images averaged along each axis.
        crop: Largest side of both images in pixels.
        fidelity: "gaussian": same contrast, noise of `noise_level`; "ncc": another gain and offset;
            "local-ncc": gain and offset that vary over the image (all its pixels are fitted, none
            held out).
        smoothness: Weight of the bending energy, of displacements and lengths counted in pixels.
        blur: At first both images are blurred by a Gaussian of so many pixels, then by half of it
            and so on down to one, and then not at all: fine texture looks alike a period away, and
            coarse structure leads past that. 0: never. Blurred fits see the pixels that the last
            fit holds out.
        seed: Seed of the deformation, the noise and the blurred fits.

    Returns:
        The problem on the fixed image's grid; its reference is the known deformation.

    Raises:
        ValueError: Only one of the images has an affine, their sizes differ and neither has one,
            or the fidelity is unknown.
    """
    values, grid = load_moving(moving, volume, slice, bin, crop)
    reference = None
    if fixed is None:
        reference = Deformation(grid, amplitude, seed)
        frame = grid
        seen = noise.Gaussian(noise_level).sample(
            deformed(values, grid, reference), torch.Generator().manual_seed(seed)
        )
    else:
        seen, frame = load_moving(fixed, volume, slice, bin, crop)
        if grid.affine is None and frame.affine is None and grid.shape != frame.shape:
            raise ValueError(
                f"register: {moving} has {grid.shape} pixels and {fixed} {frame.shape}, "
                "and no affines."
            )
    for name, pixels in ((moving, values), (fixed, seen)):
        if float(pixels.max() - pixels.min()) == 0:
            raise ValueError(
                f"register: {name} is {float(pixels.max()):g} everywhere, so nothing in it tells "
                "how it lies. Another slice or crop?"
            )
    model, cost = _fidelity(fidelity, seen.reshape(-1), frame, noise_level)
    weight = smoothness * cost * frame.spacing[0] ** 2
    stopping = None
    if fidelity == "local-ncc":
        stopping = Never()
    suggested = Suggestion(
        prior="siren",
        options={"omega0": 8.0, "width": 64, "depth": 3, "head": "vector"},
        steps=30,
        optimizer="lbfgs",
        stopping=stopping,
        regularizers=(weight * BendingEnergy(),),
        figure=registration_figure,
        write=write_registration,
        baselines={
            "no registration": unregistered,
            "TV-L1 flow": optical_flow,
            "B-spline grid": b_spline,
        },
    )
    operator = WarpedImage(SampledField(values, grid), frame)
    problem = Problem(
        [Term(operator, seen.reshape(-1), model)],
        frame.box,
        frame,
        channels=frame.ndim,
        reference=reference,
        suggested=suggested,
        average=1,
    )
    sigmas = blurs(blur)
    if not sigmas:
        return problem
    start = partial(_coarse_first, problem, values, grid, sigmas, seed)
    return replace(problem, suggested=replace(suggested, start=start))


def _coarse_first(
    problem: Problem,
    values: Tensor,
    grid: Grid,
    sigmas: Sequence[float],
    seed: int,
    prior: nn.Module,
) -> None:
    """Fits `prior` to both images blurred alike, the widest blur first."""
    term, frame = problem.terms[0], problem.grid
    for sigma in sigmas:
        y = blurred(term.y.reshape(*frame.shape, 1), sigma * grid.spacing[0] / frame.spacing[0])
        moving = WarpedImage(SampledField(blurred(values, sigma), grid), frame)
        # a Gaussian leaves one independent value in (4 π σ²)^(d/2) pixels; counted one by one,
        # the pixels would outweigh the smoothness
        independent = term.weight * min(1.0, (4 * math.pi * sigma**2) ** (-0.5 * grid.ndim))
        coarse = replace(problem, terms=[Term(moving, y.reshape(-1), term.fidelity, independent)])
        fit = solve(coarse, prior, steps=COARSE_STEPS, points=256, seed=seed, callbacks=[])
        going_on_from(lambda fit=fit: fit)(prior)


def blurs(first: float) -> list[float]:
    """The blurs of the coarse fits: the first one, its half and so on down to a pixel.

    Args:
        first: The first standard deviation in pixels; below 1 there are no coarse fits.

    Returns:
        Standard deviations in pixels, the widest first.

    Raises:
        ValueError: `first` is negative or infinite.
    """
    if not 0 <= first < math.inf:
        raise ValueError(f"register: blur={first} is a standard deviation in pixels, 0 or more.")
    if first < 1:
        return []
    return [first / 2**k for k in range(math.floor(math.log2(first)) + 1)]


def blurred(values: Tensor, sigma: float) -> Tensor:
    """An image blurred by a Gaussian, its border carried on beyond the edge.

    Args:
        values: (*shape, channels).
        sigma: Standard deviation in pixels.

    Returns:
        (*shape, channels).
    """
    from scipy.ndimage import gaussian_filter

    axes = tuple(range(values.ndim - 1))
    return torch.from_numpy(
        gaussian_filter(values.double().numpy(), sigma, mode="nearest", axes=axes)
    ).to(values)


def _fidelity(name: str, y: Tensor, frame: Grid, noise_level: float) -> tuple[Fidelity, float]:
    """The fidelity by name, and its cost of a small residual r relative to Gaussian noise's."""
    if name == "gaussian":  # its cost is r² / (2 σ²)
        return noise.Gaussian(noise_level), 1.0
    if name == "ncc":  # its cost is r² / (2 var)
        return NCC(), noise_level**2 / float(y.var())
    if name == "local-ncc":  # its cost is r² / var of the window
        local = LocalNCC(frame.shape, epsilon=4 * noise_level**2)
        return local, 2 * noise_level**2 * float((1 / local.variance(y)).mean())
    raise ValueError(
        f"Unknown fidelity {name!r}. {nearest(name, ('gaussian', 'ncc', 'local-ncc'))}"
    )


@checked
def displacement_error(solution: Solution, threshold: Fraction = 0.05) -> float:
    """The mean error |u - true u| of the displacement, over the bright pixels of the fixed image.

    Args:
        solution: A solution of a problem of `register` without a fixed image.
        threshold: Pixels brighter than this are counted, as a fraction of the brightest.

    Returns:
        The error in pixels.

    Raises:
        ValueError: The true deformation is not known.
    """
    problem = solution.problem
    if problem.reference is None:
        raise ValueError("displacement_error: the true deformation is not known here.")
    points = problem.grid.points()
    off = (solution.sample(problem.grid) - problem.reference(points)) / torch.tensor(
        problem.grid.spacing
    )
    return float(torch.linalg.vector_norm(off, dim=-1)[fixed_image(problem) > threshold].mean())


def fixed_image(problem: Problem) -> Tensor:
    """The image that stays, which is measured.

    Args:
        problem: A problem of `register`.

    Returns:
        (*shape).
    """
    return problem.terms[0].y.reshape(problem.grid.shape)
