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
from inverse_inr.problems.kspace.classical import through
from inverse_inr.problems.kspace.coil_maps import (
    Correction,
    MapEstimate,
    Phase,
    make_coils,
    start_maps,
)
from inverse_inr.problems.kspace.simulated import make_mask
from inverse_inr.problems.kspace.suggestions import suggestion
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
    """Reconstruct one slice of a .npy array (coils, *shape), a fastMRI or an ISMRMRD file.

    Measurements are scaled so that the brightest pixel of the zero-filled image is about 1. The
    spacing in mm is the file's, or 1 where it tells none.

    Args:
        path: The file.
        slice: The slice of a file with several, as in `read_kspace`.
        coil_axis: The axis of the coils in a .npy array.
        acceleration: Keep so many times fewer samples than were measured. Where the file is fully
            sampled, its root-sum-of-squares image is the reference. None: keep all samples.
        sampling: The sampling pattern of the samples that are kept, as in `kspace`.
        calibration: Central lines (or points along each axis) that are all kept.
        maps: How coil maps are estimated, as in `kspace`.
        learn_coils: How the maps are corrected, as in `kspace`.
        phase: The holder of the phase, as in `kspace`.
        hold_out: Fraction of the samples kept out of every fit, to stop and to judge by.
        sigma: Noise of a sample, E|n|² = sigma², in the file's unit; None: it is found in the
            outermost k-space.
        finer: Values along each side of a pixel of the fitted image. With 2, values are half
            pixels, whose total variation is nearer to that of a continuous image.
        weight: Weight of total variation, relative to the one that follows from the noise (sigma
            may be too large).
        seed: Seed of the sampling pattern.

    Returns:
        The problem on the file's grid in mm.

    Raises:
        FileFormatError: `read_kspace` cannot read the file.
        ValueError: `finer` is below 1.
    """
    if finer < 1:
        raise ValueError(f"kspace_scan: finer={finer} must be a whole number from 1.")
    raw = read_kspace(path, slice=slice, coil_axis=coil_axis)
    shape = tuple(raw.values.shape[1:])
    spacing = raw.spacing
    if spacing is None or len(spacing) != len(shape):
        spacing = (1.0,) * len(shape)
    grid = Grid(centred_box(shape, spacing, ("mm",) * len(shape)), shape)
    zero_filled = centred_inverse(raw.values, len(shape)).abs().square().sum(0).sqrt()
    factor = 1 / float(zero_filled.flatten().quantile(0.999))
    full = bool(raw.mask.all())
    mask = raw.mask
    if acceleration is not None:
        mask = mask & make_mask(shape, sampling, acceleration, calibration, seed)
    operator = CartesianKSpace(grid, mask)
    # the unit of a unitary FFT relative to that of the integral
    unit = factor * math.prod(grid.spacing) * grid.numel**0.5
    values = (unit * raw.values)[:, mask].T
    y = (
        values / operator.map.origin(values)[:, None] / (math.prod(grid.spacing) * grid.numel**0.5)
    ).contiguous()
    if sigma is None:
        found = noise_of(operator, y)
    else:
        found = sigma * unit
    model = noise.ComplexGaussian(found)
    start = start_maps(operator, y, maps, phase)
    reference = None
    if full and acceleration is not None:
        reference = SampledField((factor * zero_filled)[..., None], grid)
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
    """The noise of a sample, from the tenth of k-space that is furthest from its centre.

    There is mostly noise there; where edges reach so far, the result is an upper bound. It comes
    from the median of |n|², which is ln 2 of its mean for complex Gaussian noise.

    Args:
        operator: The samples.
        y: (samples, coils), complex.

    Returns:
        The square root of E|n|², in the unit of y.
    """
    k = operator.frequencies / torch.tensor(operator.grid.nyquist, dtype=torch.float64)
    far = k.norm(dim=-1) >= k.norm(dim=-1).quantile(0.9)
    return math.sqrt(float(y[far].abs().square().median()) / math.log(2))
