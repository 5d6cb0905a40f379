"""Measured Cartesian k-space from a file: as it is, or undersampled in retrospect."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Grid, Problem, Term, noise
from inverse_inr.io import read_kspace
from inverse_inr.operators import CartesianKSpace, centred_box
from inverse_inr.operators.kspace.centred_fft import centred_inverse
from inverse_inr.problems.kspace.simulated import (
    Correction,
    MapEstimate,
    Phase,
    make_coils,
    make_mask,
    start_maps,
    suggestion,
    through,
)
from inverse_inr.sampled import SampledField
from inverse_inr.stopping import HeldOut


def kspace_scan(
    path: str,
    *,
    slice: int | None = None,
    coil_axis: int = 0,
    acceleration: float | None = None,
    sampling: Literal["lines", "equispaced", "variable_density", "poisson_disc"] = "lines",
    calibration: int = 24,
    maps: MapEstimate = "espirit",
    learn_coils: Correction = "grid",
    phase: Phase = "coils",
    hold_out: float = 0.05,
    sigma: float | None = None,
    finer: int = 1,
    weight: float = 1.0,
    seed: int = 0,
) -> Problem:
    """One slice of a .npy array (coils, *shape), a fastMRI or an ISMRMRD file.

    acceleration  keep so much less of what was measured, by `sampling` with `calibration` central lines (or points);
                  where the file is fully sampled, its root-sum-of-squares image is the reference. None: all of it
    hold_out      fraction of the samples kept out of every fit, to stop and to judge by
    sigma         noise of a sample, E|n|² = sigma², in the file's unit; found in the outermost k-space where None
    finer         values along each side of a pixel of the image that is fitted: half pixels with 2, whose total
                  variation is nearer to that of a continuous image
    weight        of total variation, relative to what the noise says (sigma may be too large)
    Other keywords are those of `kspace`. Data are scaled so that the brightest of the zero-filled image is about 1;
    spacing in mm is the file's, 1 where it tells none. Raises FileFormatError as `read_kspace`,
    ValueError for finer < 1.
    """
    if finer < 1:
        raise ValueError(f"kspace_scan: finer={finer} must be a whole number from 1.")
    raw = read_kspace(path, slice=slice, coil_axis=coil_axis)
    shape = tuple(raw.values.shape[1:])
    spacing = (
        raw.spacing
        if raw.spacing is not None and len(raw.spacing) == len(shape)
        else (1.0,) * len(shape)
    )
    grid = Grid(centred_box(shape, spacing, ("mm",) * len(shape)), shape)
    zero_filled = centred_inverse(raw.values, len(shape)).abs().square().sum(0).sqrt()
    factor = 1 / float(zero_filled.flatten().quantile(0.999))
    full = bool(raw.mask.all())
    mask = (
        raw.mask
        if acceleration is None
        else raw.mask & make_mask(shape, sampling, acceleration, calibration, seed)
    )
    operator = CartesianKSpace(grid, mask)
    unit = (
        factor * math.prod(grid.spacing) * grid.numel**0.5
    )  # of a unitary FFT, relative to the integral
    values = (unit * raw.values)[:, mask].T
    y = (
        values / operator.map.origin(values)[:, None] / (math.prod(grid.spacing) * grid.numel**0.5)
    ).contiguous()
    found = noise_of(operator, y) if sigma is None else sigma * unit
    model = noise.ComplexGaussian(found)
    start = start_maps(operator, y, maps, phase)
    reference = (
        SampledField((factor * zero_filled)[..., None], grid)
        if full and acceleration is not None
        else None
    )
    suggested = replace(
        suggestion(grid, model, y, finer, weight), stopping=HeldOut(fraction=hold_out)
    )
    notes = {
        "coils": len(raw.values),
        "samples": f"{len(y)} of {grid.numel} ({grid.numel / len(y):.2f} times less)",
        "fully sampled": full,
        "scale": factor,
        "noise of a pixel": found / (math.prod(grid.spacing) * grid.numel**0.5),
    }
    seen = through(operator, make_coils(grid, start, learn_coils))
    if finer > 1:
        assert isinstance(seen, CartesianKSpace)
        seen = seen.resampled(grid.refined(finer))
    return Problem(
        [Term(seen, y, model)],
        grid.box,
        grid,
        reference=reference,
        suggested=suggested,
        notes=notes,
        is_complex=phase != "coils",
    )


def noise_of(operator: CartesianKSpace, y: Tensor) -> float:
    """Standard deviation of a sample, E|n|², from the tenth of k-space furthest from its centre: mostly noise there.

    By the median of |n|², which is ln 2 of its mean for complex Gaussian noise. An upper bound where edges reach there.
    """
    k = operator.frequencies / torch.tensor(operator.grid.nyquist, dtype=torch.float64)
    far = k.norm(dim=-1) >= k.norm(dim=-1).quantile(0.9)
    return math.sqrt(float(y[far].abs().square().median()) / math.log(2))
