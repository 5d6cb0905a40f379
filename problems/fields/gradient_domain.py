"""Images from gradients: pasting one image into another, or an image from its gradient alone.

    minimise over θ:  |∇f_θ - g|² inside  +  |f_θ - y|² outside

Slopes in units of a pixel weigh as values do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, Problem, SampledField, Solution, Suggestion, Term, fidelity
from inverse_inr.operators import Gradient, Mask
from inverse_inr.problems.fields.poisson_solver import poisson_solve, spline_gradient
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

    L-BFGS is suggested, because Adam is slow to find the shading. Gradients are those of the cubic
    spline through the pixels, at pixel centres. Without a source nothing fixes the constant but the
    mean of a coarse lattice of points.

    Args:
        image: An example by name, or an image file.
        source: An image as large as `image` after binning and cropping; None: `image` itself is
            recovered from its gradient alone.
        mask: An image file, white where the source goes; default: an ellipse.
        radius: Half axes of the ellipse, as a fraction of the image's sides.
        mixed: Inside, keep the image's own gradient where it is the steeper of the two.
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
    own = spline_gradient(values, grid)
    if source is None:
        return _from_gradient(values, own, grid)
    pasted = load_image(source, slice=slice, bin=source_bin or bin, crop=crop)[0]
    if pasted.shape != values.shape:
        raise ValueError(
            f"poisson_edit: {image} has shape {tuple(values.shape)} "
            f"and {source} {tuple(pasted.shape)}; "
            "bring both to one size with bin, source_bin and crop."
        )
    region = _region(mask, radius, grid, bin, crop)
    wanted = spline_gradient(pasted, grid)
    if mixed:
        steeper = own.square().sum((-2, -1)) > wanted.square().sum((-2, -1))
        wanted = torch.where(steeper[..., None, None], own, wanted)
    inside = Gradient(grid.points(torch.float64)[region])
    kept = Mask(~region, grid)
    terms = [
        _gradient_term(inside, wanted[region]),
        Term(kept, _channels(values[~region]), fidelity.L2()),
    ]
    naive = torch.where(region[..., None], pasted, values)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, wanted, values), naive),
    )


def _from_gradient(values: Tensor, own: Tensor, grid: Grid) -> Problem:
    """The problem of an image from its gradient everywhere and its mean."""
    everywhere = Gradient(grid.points(torch.float64).reshape(-1, 2))
    coarse = Grid(grid.box, tuple(min(16, n) for n in grid.shape))
    truth = SampledField(values, grid)
    anchor = OnGrid(lambda v: v.reshape(coarse.numel, -1).mean(0)[None], coarse, (1,))
    mean = truth(coarse.points()).reshape(coarse.numel, -1).mean(0)
    terms = [_gradient_term(everywhere, own.flatten(0, 1)), Term(anchor, mean[None], fidelity.L2())]
    region = torch.ones(grid.shape, dtype=torch.bool)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, own, values), None),
    )


def _gradient_term(operator: Gradient, wanted: Tensor) -> Term:
    """Slopes in units of a pixel weigh as values do: (n, c, 2), or (n, 2) of one channel."""
    if wanted.shape[1] == 1:
        wanted = wanted[:, 0]
    return Term(operator, wanted, fidelity.L2())


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
