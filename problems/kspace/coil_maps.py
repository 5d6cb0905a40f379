"""Coil maps of a k-space problem: estimated from the centre of k-space, then given or learnt."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from inverse_inr import Grid, priors
from inverse_inr.operators import (
    CartesianKSpace,
    GivenCoils,
    LearnedCoils,
    PolynomialMaps,
    espirit_maps,
    low_resolution_maps,
)
from inverse_inr.operators.kspace.centred_fft import centred_fft
from inverse_inr.operators.kspace.coil_estimation import central_block
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.problems.kspace.classical import gridded
from inverse_inr.ranges import Count, Range, checked

MapEstimate = Literal["espirit", "low_resolution"]
ImageSize = Annotated[int, Range(least=8)]
"""Pixels of an image's side: coil maps come from a centre of k-space larger than their kernel."""
Correction = Literal["grid", "polynomial", "none"]
Phase = Literal["coils", "image", "both"]
LEAST_CENTRE = 8
"""Samples along each axis that the image's own centre needs to tell its smooth phase."""


@torch.no_grad()
@checked
def start_maps(
    operator: KSpace,
    y: Tensor,
    estimate: MapEstimate = "espirit",
    phase: Phase = "coils",
    width: Count = 24,
    reference_lines: Tensor | None = None,
) -> Tensor:
    """Estimate coil maps from the centre of k-space.

    Unless the image holds the phase, the maps take the image's smooth phase. The centre is the
    mask's calibration block, or, for a trajectory, the central samples after gridding.

    Args:
        operator: The k-space samples.
        y: (samples, coils), complex.
        estimate: "espirit" or "low_resolution".
        phase: The holder of the phase, as in `kspace`.
        width: Central samples per axis of a gridded trajectory. Of a mask's block at most three
            times as many are used.
        reference_lines: (coils, *grid.shape) separate lines, zero where there are none. Where their
            centre is larger than that of the samples, maps come from it; the phase that maps take
            from the image comes from the samples if they have a centre.

    Returns:
        (coils, *grid.shape), complex.
    """
    grid = operator.grid
    if isinstance(operator, CartesianKSpace):
        region = _inner(operator.calibration(y), 3 * width)
    else:
        full = centred_fft(gridded(operator, y).movedim(-1, 0), grid.ndim)
        region = full[(slice(None), *(_middle(n, width) for n in grid.shape))]
    own = region
    if reference_lines is not None:
        measured = (reference_lines != 0).any(0)
        if bool(measured[tuple(n // 2 for n in grid.shape)]):
            other = _inner(reference_lines[(slice(None), *central_block(measured))], 3 * width)
            if other[0].numel() > region[0].numel():
                region = other
            if min(own.shape[1:]) < LEAST_CENTRE:
                own = other
    if estimate == "espirit":
        maps = espirit_maps(region, grid)
    else:
        maps = low_resolution_maps(region, grid)
    if phase != "image" and estimate == "espirit":
        smooth = low_resolution_maps(own, grid)  # its phase includes the image's
        together = (maps.conj() * smooth).sum(0)
        maps = maps * torch.polar(torch.ones_like(together.real), together.angle())
    if phase == "image" and estimate == "low_resolution":
        # the phase becomes relative to the first coil's
        maps = maps * torch.polar(torch.ones_like(maps[:1].real), -maps[:1].angle())
    return maps


def _inner(region: Tensor, width: int) -> Tensor:
    """The central `width` samples along each axis of (coils, *n)."""
    return region[(slice(None), *(_middle(n, width) for n in region.shape[1:]))]


def _middle(n: int, width: int) -> slice:
    """The central `width` of n samples, or all of them if there are fewer."""
    width = min(width, n)
    return slice(n // 2 - width // 2, n // 2 - width // 2 + width)


@checked
def make_coils(grid: Grid, start: Tensor, correction: Correction) -> nn.Module:
    """Coil maps as given, or learnt from there.

    Args:
        grid: The grid of the given maps.
        start: (coils, *grid.shape), complex.
        correction: "none"; "grid": a cubic grid of 12 cells along the longest side; "polynomial":
            polynomials of degree 8.

    Returns:
        A field: points (*s, d) -> (*s, coils), complex.

    Raises:
        ValueError: The correction is unknown.
    """
    given = GivenCoils(start, grid)
    count = len(start)
    if correction == "none":
        return given
    if correction == "polynomial":
        return LearnedCoils(PolynomialMaps(grid.box, count), given)
    if correction != "grid":
        raise ValueError(f"learn_coils must be 'grid', 'polynomial' or 'none', got {correction!r}.")
    return LearnedCoils(priors.grid(grid.box, count, cells=12.0, order=3, head="complex"), given)
