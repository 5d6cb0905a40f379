"""Blur and downsampling: a field seen at positions, or by large pixels, through a PSF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.operators.optics.blur_on_grid import one_per_axis
from inverse_inr.operators.optics.integrated import Integrated
from inverse_inr.operators.optics.psf import PSF, Pixel
from inverse_inr.ranges import Count, checked


class Blur(Integrated):
    """The field seen through a point-spread function (PSF) at each position; rows are positions.

    A smooth field needs few nodes. Where f is wild on the scale of the PSF, fixed nodes leave what
    lies between them free; random draws leave nothing free.

    Args:
        psf: A `PSF`, or a callable of (b, d) positions that returns a PSF whose sizes have a
            leading axis b (spatially varying blur).
        where: A grid, whose pixel centres are the positions, or points (*shape, d), in the unit of
            the field's box.
        quadrature: "gauss" for the PSF's own rule of order `nodes`, "sobol" for `nodes` points of a
            Sobol set.
        nodes: Number of nodes; default 7 for "gauss", 64 for "sobol".
        draws: Random nodes per row and step in training (a shifted Sobol set, unbiased). None keeps
            the fixed nodes.
        sets: 2 draws two independent sets for `fidelity.TwoSets`; see `repeat` for the
            measurements, which are then (b, 2, ...).

    Raises:
        ValueError: For a PSF of another dimension, positions that are not finite, counts below 1,
            or `sets=2` without `draws`.
    """

    @checked
    def __init__(
        self,
        psf: PSF | Callable[[Tensor], PSF],
        where: Grid | Tensor,
        *,
        quadrature: Literal["gauss", "sobol"] = "gauss",
        nodes: Count | None = None,
        draws: Count | None = None,
        sets: Literal[1, 2] = 1,
    ) -> None:
        super().__init__(psf, where, quadrature, nodes, draws, sets)


class Downsample(Integrated):
    """The field seen by pixels `factor` times larger than those of `grid`, on the same box.

    Measurements are registered at the centres of the large pixels, `positions()`, which are
    physical positions. A linear ramp gives its own value there, whether the factor is even or odd.

    Args:
        grid: The grid of the small pixels.
        factor: Small pixels per large one, along all axes or along each.
        psf: As in `Blur`; default the large pixel itself.
        quadrature: As in `Blur`.
        nodes: As in `Blur`.
        draws: As in `Blur`.
        sets: As in `Blur`.

    Raises:
        ValueError: If a factor does not divide the grid's size.
    """

    @checked
    def __init__(
        self,
        grid: Grid,
        factor: Count | tuple[Count, ...],
        psf: PSF | Callable[[Tensor], PSF] | None = None,
        *,
        quadrature: Literal["gauss", "sobol"] = "gauss",
        nodes: Count | None = None,
        draws: Count | None = None,
        sets: Literal[1, 2] = 1,
    ) -> None:
        factors = one_per_axis(factor, grid.ndim)
        if len(factors) != grid.ndim or any(
            f < 1 or n % f for f, n in zip(factors, grid.shape, strict=True)
        ):
            raise ValueError(
                f"Downsample: factor={factor} must divide the grid's shape {grid.shape}; "
                "crop it first (grid.crop(start, shape))."
            )
        coarse = Grid(grid.box, tuple(n // f for n, f in zip(grid.shape, factors, strict=True)))
        if psf is None:
            psf = Pixel(torch.tensor(coarse.spacing, dtype=torch.float64), grid.ndim)
        super().__init__(psf, coarse, quadrature, nodes, draws, sets)
