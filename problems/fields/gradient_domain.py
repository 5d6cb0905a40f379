"""Images from gradients: pasting one image into another, or an image from its gradient alone.

    minimise over θ:  Σ_k |∂_k f_θ - g_k|² midway between pixels inside  +  |f_θ - y|² outside

Slopes in units of a pixel weigh as values do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, Problem, SampledField, Solution, Suggestion, Term, fidelity
from inverse_inr.operators import Mask, NormalDerivative
from inverse_inr.problems.fields.poisson_solver import (
    differences,
    poisson_solve,
    spline_slopes,
    touching,
)
from inverse_inr.problems.images import load_image, load_mask
from inverse_inr.problems.pictures import row_of, write_picture
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.stopping import Never


@checked
def poisson_edit(
    image: str = "coffee",
    *,
    source: str | None = "cat",
    mask: str | None = None,
    radius: Positive = 0.3,
    mixed: bool = True,
    slice: int | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    source_bin: Count | None = None,
) -> Problem:
    """Edit an image by gradients: inside a region, `image` takes the gradients of `source`.

    L-BFGS is suggested, because Adam is slow to find the shading. Slopes are those of the cubic
    spline through the pixels, along each axis midway between neighbours. Without a source nothing
    fixes the constant but the mean of a coarse lattice of points.

    Args:
        image: An example by name, or an image file.
        source: An image as large as `image` after binning and cropping; None: `image` itself is
            recovered from its gradient alone.
        mask: An image file, white where the source goes; default: an ellipse.
        radius: Half axes of the ellipse, as a fraction of the image's sides.
        mixed: Inside, keep the image's own slope where it is the steeper of the two.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        source_bin: Pixels of the source averaged along each axis, where its resolution differs;
            default: `bin`.

    Returns:
        The problem; there is a reference only without a source.

    Raises:
        ValueError: Sizes or channels differ, or the region is empty or everything.

    Source:
        Perez, Gangnet & Blake 2003.
    """
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    if source is None:
        return _from_gradient(values, grid)
    pasted = load_image(source, slice=slice, bin=source_bin or bin, crop=crop)[0]
    if pasted.shape != values.shape:
        raise ValueError(
            f"poisson_edit: {image} has shape {tuple(values.shape)} "
            f"and {source} {tuple(pasted.shape)}; "
            "bring both to one size with bin, source_bin and crop."
        )
    region = _region(mask, radius, grid, bin, crop)
    slopes, steps = spline_slopes(pasted, grid), differences(pasted, grid)
    if mixed:
        own = differences(values, grid)
        keep = [_steeper(a, b) for a, b in zip(own, steps, strict=True)]
        steps = _chosen(keep, own, steps)
        slopes = _chosen(keep, spline_slopes(values, grid), slopes)
    terms = [
        *_slope_terms(region, slopes, grid),
        Term(Mask(~region, grid), _channels(values[~region]), fidelity.L2()),
    ]
    naive = torch.where(region[..., None], pasted, values)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, steps, values), naive),
    )


def _from_gradient(values: Tensor, grid: Grid) -> Problem:
    """The problem of an image from its gradient everywhere and its mean."""
    coarse = Grid(grid.box, tuple(min(16, n) for n in grid.shape))
    truth = SampledField(values, grid)
    anchor = OnGrid(lambda v: v.reshape(coarse.numel, -1).mean(0)[None], coarse, (1,))
    mean = truth(coarse.points()).reshape(coarse.numel, -1).mean(0)
    region = torch.ones(grid.shape, dtype=torch.bool)
    terms = [
        *_slope_terms(region, spline_slopes(values, grid), grid),
        Term(anchor, mean[None], fidelity.L2()),
    ]
    steps = differences(values, grid)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, steps, values), None),
    )


def _steeper(own: Tensor, other: Tensor) -> Tensor:
    """Where an image's own slope, all channels together, is the steeper of two."""
    return own.square().sum(-1, keepdim=True) > other.square().sum(-1, keepdim=True)


def _chosen(keep: list[Tensor], own: list[Tensor], other: list[Tensor]) -> list[Tensor]:
    """For each axis `own` where it is kept, `other` elsewhere."""
    return [torch.where(k, a, b) for k, a, b in zip(keep, own, other, strict=True)]


def _slope_terms(region: Tensor, slopes: list[Tensor], grid: Grid) -> list[Term]:
    """The slopes that touch the region, one term an axis; in units of a pixel they weigh as values.

    The whole gradient at pixel centres would not do: the slope of a pixel-wide piece is zero in its
    middle, so a checker pattern would cost nothing.
    """
    terms = []
    for k, h in enumerate(grid.spacing):
        points = grid.points(torch.float64)
        points = points.narrow(k, 0, grid.shape[k] - 1).clone()
        points[..., k] += 0.5 * h
        used = touching(region, k)
        normals = torch.zeros_like(points[used])
        normals[:, k] = 1.0
        operator = NormalDerivative(points[used], normals)
        terms.append(Term(operator, _channels(slopes[k][used]), fidelity.L2(), weight=h**2))
    return terms


def _channels(values: Tensor) -> Tensor:
    """Values (n, c), or (n,) of one channel."""
    if values.shape[-1] == 1:
        return values[:, 0]
    return values


def _region(mask: str | None, radius: float, grid: Grid, bin: int, crop: int | None) -> Tensor:
    """The pixels (h, w) that take the source's gradients."""
    if mask is None:
        u = (grid.points() - torch.tensor(grid.box.center)) / torch.tensor(grid.box.lengths)
        region = torch.linalg.vector_norm(u, dim=-1) <= radius
    else:
        region = load_mask(mask, grid, bin, crop)
    if not region.any() or region.all():
        raise ValueError(
            f"poisson_edit: the region holds {int(region.sum())} of {region.numel()} pixels."
        )
    return region


def _editing(baseline: Any, naive: Tensor | None) -> Suggestion:
    """The suggestion for an image from gradients; `naive` is the source pasted as it is."""

    def figure(problem: Problem, solutions: Sequence[Solution]) -> Any:
        pictures = []
        if naive is not None:
            pictures.append(("pasted", naive))
        if problem.reference is not None:
            assert isinstance(problem.reference, SampledField)
            pictures.append(("truth", problem.reference.values))
        return row_of(pictures + [(s.method, s.sample()) for s in solutions])

    return Suggestion(
        prior="grid",
        options={"order": 3},
        steps=60,
        optimizer="lbfgs",
        stopping=Never(every=50),
        figure=figure,
        baselines={"sparse Poisson solver": baseline},
        write=write_picture,
    )
