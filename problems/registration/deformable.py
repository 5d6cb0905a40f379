"""Deformable registration: the field is a displacement u, and the moving image seen through it is the fixed one.

F(x) ≈ M(x + u(x))        u has one channel an axis, in the box's units        (Wolterink et al. 2022, IDIR)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Problem, SampledField, Solution, Suggestion, Term, noise, solve
from inverse_inr.fidelity import NCC, Fidelity, LocalNCC
from inverse_inr.io import read_image
from inverse_inr.operators import BendingEnergy, WarpedImage
from inverse_inr.problems.images import binned, cropped, grey, load_image
from inverse_inr.problems.registration.aligned import (
    b_spline,
    optical_flow,
    registration_figure,
    unregistered,
    write_registration,
)
from inverse_inr.registry import nearest
from inverse_inr.solver import going_on_from
from inverse_inr.stopping import Never


def register(
    moving: str = "retina",
    fixed: str | None = None,
    *,
    amplitude: float = 5.0,
    noise_level: float = 0.01,
    volume: bool = False,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    fidelity: Literal["gaussian", "ncc", "local-ncc"] = "gaussian",
    smoothness: float = 100.0,
    blur: float = 4.0,
    seed: int = 0,
) -> Problem:
    """Align `moving` to `fixed`, files or examples by name; or, without `fixed`, to itself under a known deformation.

    moving      an image; "mni152" is the T1 template of nilearn at 1 mm. `slice`, `bin` and `crop` are of both images
    volume      take whole volumes rather than a slice
    amplitude   largest displacement of the known deformation, in pixels
    fidelity    "gaussian": same contrast, noise of `noise_level`; "ncc": another gain and offset;
                "local-ncc": gain and offset that vary over the image (all its pixels are fitted, none held out)
    smoothness  weight of the bending energy, of displacements and lengths counted in pixels
    blur        first both images are blurred by a Gaussian of so many pixels, then by half of it, ... down to one, and
                then not: fine texture looks alike a period away, coarse structure leads past that. 0: never. Blurred,
                pixels that the last fit holds out are seen
    Solved by L-BFGS: Adam needs more steps and may fold.
    Raises ValueError where only one of the images has an affine, or their sizes differ and neither has one.
    """
    values, grid = load_moving(moving, volume, slice, bin, crop)
    reference = None
    if fixed is None:
        reference, frame = Deformation(grid, amplitude, seed), grid
        seen = noise.Gaussian(noise_level).sample(
            deformed(values, grid, reference), torch.Generator().manual_seed(seed)
        )
    else:
        seen, frame = load_moving(fixed, volume, slice, bin, crop)
        if grid.affine is None and frame.affine is None and grid.shape != frame.shape:
            raise ValueError(
                f"register: {moving} has {grid.shape} pixels and {fixed} {frame.shape}, and no affines."
            )
    model, cost = _fidelity(fidelity, seen.reshape(-1), frame, noise_level)
    weight = smoothness * cost * frame.spacing[0] ** 2
    suggested = Suggestion(
        prior="siren",
        options={"omega0": 8.0, "width": 64, "depth": 3, "head": "vector"},
        steps=30,
        optimizer="lbfgs",
        stopping=Never() if fidelity == "local-ncc" else None,
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
        # a Gaussian leaves one independent value in (4 π σ²)^(d/2) pixels: all of them would outweigh the smoothness
        independent = term.weight * min(1.0, (4 * math.pi * sigma**2) ** (-0.5 * grid.ndim))
        coarse = replace(problem, terms=[Term(moving, y.reshape(-1), term.fidelity, independent)])
        fit = solve(coarse, prior, steps=COARSE_STEPS, points=256, seed=seed, callbacks=[])
        going_on_from(lambda fit=fit: fit)(prior)


COARSE_STEPS = 8
"""Of L-BFGS for each blur."""


def blurs(first: float) -> list[float]:
    """Standard deviations in pixels: `first`, its half, ... down to one."""
    if not 0 <= first < math.inf:
        raise ValueError(f"register: blur={first} is a standard deviation in pixels, 0 or more.")
    return [first / 2**k for k in range(math.floor(math.log2(first)) + 1)] if first >= 1 else []


def blurred(values: Tensor, sigma: float) -> Tensor:
    """Gaussian means over the image axes of (*shape, 1), its border carried on."""
    from scipy.ndimage import gaussian_filter

    axes = tuple(range(values.ndim - 1))
    return torch.from_numpy(
        gaussian_filter(values.double().numpy(), sigma, mode="nearest", axes=axes)
    ).to(values)


def _fidelity(name: str, y: Tensor, frame: Grid, noise_level: float) -> tuple[Fidelity, float]:
    """The fidelity by name, and what it takes for a small residual, as a fraction of what Gaussian noise would."""
    if name == "gaussian":  # r² / (2 σ²)
        return noise.Gaussian(noise_level), 1.0
    if name == "ncc":  # r² / (2 var)
        return NCC(), noise_level**2 / float(y.var())
    if name == "local-ncc":  # r² / var of the window
        local = LocalNCC(frame.shape, epsilon=4 * noise_level**2)
        return local, 2 * noise_level**2 * float((1 / local.variance(y)).mean())
    raise ValueError(
        f"Unknown fidelity {name!r}. {nearest(name, ('gaussian', 'ncc', 'local-ncc'))}"
    )


class Deformation:
    """A smooth displacement that vanishes at the faces of the grid's box: sums of low sine modes, (*s, d) -> (*s, d).

    Its largest component is `amplitude` pixels; `modes` half waves an axis at most, the rougher the weaker.
    """

    def __init__(self, grid: Grid, amplitude: float, seed: int = 0, modes: int = 3) -> None:
        d = grid.ndim
        self.lower, self.lengths = torch.tensor(grid.box.lower), torch.tensor(grid.box.lengths)
        weights = torch.randn(*[modes] * d, d, generator=torch.Generator().manual_seed(seed))
        for k in range(d):
            weights = weights / torch.arange(1.0, modes + 1).reshape(
                [-1 if j == k else 1 for j in range(d)] + [1]
            )
        self.weights = weights
        largest = self(Grid(grid.box, (24,) * d).points()).abs().amax()
        self.weights = weights * (amplitude * max(grid.spacing) / largest)

    def __call__(self, points: Tensor) -> Tensor:
        t = (points - self.lower.to(points)) / self.lengths.to(points)
        order = torch.arange(1, self.weights.shape[0] + 1).to(t)
        waves = [
            torch.sin(math.pi * order * x[:, None]) for x in t.reshape(-1, t.shape[-1]).unbind(1)
        ]
        values = torch.einsum("na,a...->n...", waves[0], self.weights.to(t))
        for wave in waves[1:]:
            values = torch.einsum("na,na...->n...", wave, values)
        return values.reshape(*points.shape[:-1], -1)


def deformed(values: Tensor, grid: Grid, u: Field) -> Tensor:
    """The moving image at x + u(x) by cubic splines: not the multilinear look of the operator that fits it."""
    from scipy.ndimage import map_coordinates

    points = grid.points()
    where = (
        (points + u(points) - torch.tensor(grid.box.lower)) / torch.tensor(grid.spacing) - 0.5
    ).movedim(-1, 0)
    seen = map_coordinates(
        values[..., 0].double().numpy(), where.double().numpy(), order=3, mode="nearest"
    )
    return torch.from_numpy(seen).to(values.dtype)[..., None]


def displacement_error(solution: Solution, threshold: float = 0.05) -> float:
    """Mean |u - true u| in pixels, over the pixels where the fixed image is brighter than `threshold`."""
    problem = solution.problem
    if problem.reference is None:
        raise ValueError("displacement_error: the true deformation is not known here.")
    points = problem.grid.points()
    off = (solution.sample(problem.grid) - problem.reference(points)) / torch.tensor(
        problem.grid.spacing
    )
    return float(torch.linalg.vector_norm(off, dim=-1)[fixed_image(problem) > threshold].mean())


def fixed_image(problem: Problem) -> Tensor:
    return problem.terms[0].y.reshape(problem.grid.shape)


def load_moving(
    image: str, volume: bool, index: int | None, bin: int, crop: int | None
) -> tuple[Tensor, Grid]:
    """One channel in [0, 1], in 2-D or 3-D; crop and bin as `load_image`, of volumes along all axes."""
    if image != "mni152" and not volume:
        values, grid = load_image(image, slice=index, bin=bin, crop=crop)
        return grey(values), grid
    values, grid = mni152() if image == "mni152" else read_image(image)
    if not volume:
        k = grid.shape[2] // 2 if index is None else index
        if not 0 <= k < grid.shape[2]:
            raise ValueError(f"slice={k}: {image} has {grid.shape[2]} slices along its last axis.")
        box = type(grid.box)(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
        values, grid = values[:, :, k], Grid(box, grid.shape[:2])
    if not torch.isfinite(values).all():
        raise ValueError(f"{image} holds NaN or Inf.")
    values = values.mean(-1, keepdim=True) / max(float(values.max()), 1e-30)
    return cropped(*binned(values, grid, bin), crop)


def mni152() -> tuple[Tensor, Grid]:
    """The MNI152 T1 template that nilearn brings along, at 1 mm: values (*shape, 1) and their grid."""
    try:
        from nilearn.datasets import load_mni152_template
    except ImportError:
        raise ImportError(
            "The 'mni152' template comes with nilearn: pip install nilearn. Or name an image."
        ) from None
    from inverse_inr import Box

    image: Any = load_mni152_template(resolution=1)
    values = torch.from_numpy(image.get_fdata(dtype="float32"))[..., None]
    shape: Sequence[int] = values.shape[:3]
    lengths = tuple(n * float(h) for n, h in zip(shape, image.header.get_zooms(), strict=True))
    return values, Grid(Box((0.0,) * 3, lengths, ("mm",) * 3), tuple(shape)).with_affine(
        image.affine.tolist()
    )
