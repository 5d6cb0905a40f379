"""Measured k-space from a file: as it is, or undersampled in retrospect."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr import Grid, Problem, Suggestion, Term, noise
from inverse_inr.io import RawKSpace, read_kspace
from inverse_inr.operators import CartesianKSpace, NonCartesianKSpace, centred_box
from inverse_inr.operators.kspace.centred_fft import centred_inverse
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.problems.kspace.classical import gridded, through
from inverse_inr.problems.kspace.coil_maps import (
    Correction,
    MapEstimate,
    Phase,
    make_coils,
)
from inverse_inr.problems.kspace.held_out import held_out_readouts
from inverse_inr.problems.kspace.phase import maps_and_phase
from inverse_inr.problems.kspace.receivers import (
    Receivers,
    Sigma,
    Whitening,
    prepared,
)
from inverse_inr.problems.kspace.simulated import make_mask
from inverse_inr.problems.kspace.suggestions import Penalty, chosen_penalty, suggesting
from inverse_inr.ranges import Positive, ProperFraction, Range, WholeNumber, checked
from inverse_inr.sampled import SampledField


class Measured(NamedTuple):
    """A file's samples in the form of an operator."""

    operator: KSpace
    """The samples, of one coil."""
    y: Tensor
    """(samples, coils), complex."""
    counts: Tensor | None
    """(samples,) how many measurements each is the mean of; None: one."""
    unit: float
    """The factor from the file's values to y."""
    scale: float
    """The factor from the file's image to one whose brightest pixel is about 1."""
    reference: SampledField | None
    """The root sum of squares of a fully sampled file; None without one."""


NOTHING_LEFT = 1e6
"""A noise of so many times the largest sample is of another unit: it leaves nothing to see."""

Finer = Annotated[int, Range(least=1, most=16)]
"""Values along each side of a pixel; what is finer than a few is below any measured frequency."""


@checked
def kspace_scan(
    path: str | Tensor,
    *,
    slice: int | None = None,
    contrast: int | None = None,
    set: int | None = None,
    cardiac_phase: int | None = None,
    repetition: int | None = None,
    average: int | None = None,
    partition: int | None = None,
    encoding_space: int | None = None,
    coil_axis: int | None = None,
    axes: str | None = None,
    dataset: str | None = None,
    noise_scan: str | None = None,
    acceleration: Positive | None = None,
    sampling: Literal["lines", "equispaced", "variable_density", "poisson_disc"] = "lines",
    calibration: WholeNumber = 24,
    maps: MapEstimate = "espirit",
    learn_coils: Correction = "none",
    phase: Phase | Literal["auto"] = "auto",
    hold_out: ProperFraction = 0.1,
    whiten: Whitening = "auto",
    sigma: Sigma | None = None,
    penalty: Penalty | Literal["auto"] = "auto",
    finer: Finer = 1,
    weight: Positive | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Reconstruct one image of an array (coils, *shape), a fastMRI or an ISMRMRD file.

    Measurements are scaled so that the brightest pixel of the zero-filled image is about 1. The
    spacing in mm is the file's, or 1 where it tells none. The receivers are whitened. `notes` say
    what was chosen, left out and inferred.

    Args:
        path: The file, or the (coils, *shape) tensor itself.
        slice: The slice of a file with several, as in `read_kspace`.
        contrast: The contrast (echo), as in `read_kspace`.
        set: The set, as in `read_kspace`.
        cardiac_phase: The cardiac phase, `phase` in `read_kspace`.
        repetition: The repetition, as in `read_kspace`.
        average: One average alone, as in `read_kspace`.
        partition: One partition alone, as in `read_kspace`.
        encoding_space: The encoding space, as in `read_kspace`.
        coil_axis: The axis of the coils in a .npy array.
        axes: Names of all axes of a .npy array, such as "slice coil x y".
        dataset: The group of an ISMRMRD file with several.
        noise_scan: Another ISMRMRD file, whose noise scans measure the receivers.
        acceleration: Keep so many times fewer samples than were measured. Where the file is fully
            sampled, its root-sum-of-squares image without the noise's mean is the reference, which
            is noisy itself; `notes` name its noise. None: keep all samples.
        sampling: The sampling pattern of the samples that are kept, as in `kspace`.
        calibration: Central lines (or points along each axis) that are all kept.
        maps: How coil maps are estimated, as in `kspace`.
        learn_coils: How the maps are corrected, as in `kspace`.
        phase: The holder of the phase, as in `kspace`.
        penalty: What is likely of the image, as in `kspace`.
        hold_out: Fraction of the readouts that are kept out of every fit, to stop and to judge by;
            `solve(problem)` makes what it chooses again from all.
        whiten: How the noise of the receivers is found: by the file's "scan"; "estimate", each
            coil's own, as `estimated_noise` finds it; "auto", the scan if there is one and else the
            estimate; or "none", alike in all coils.
        sigma: Noise of a sample, E|n|² = sigma², in the file's unit: one number for all coils, one
            for each, or their covariance (coils, coils). None: it is found.
        finer: Values along each side of a pixel of the fitted image. With 2, values are half
            pixels, whose total variation is nearer to that of a continuous image.
        weight: Weight of total variation, relative to the one that follows from the noise. None:
            held-out samples choose it.
        seed: Seed of the sampling pattern.

    Returns:
        The problem on the file's grid in mm.

    Raises:
        FileFormatError: `read_kspace` cannot read the file.
        SelectionError: A keyword asks for what the file does not hold.
        ValueError: A setting is out of range, or does not fit the file.
    """
    raw = read_kspace(
        path,
        slice=slice,
        contrast=contrast,
        set=set,
        phase=cardiac_phase,
        repetition=repetition,
        average=average,
        partition=partition,
        encoding_space=encoding_space,
        coil_axis=coil_axis,
        axes=axes,
        dataset=dataset,
        noise_scan=noise_scan,
    )
    shape = raw.image_shape
    spacing = raw.spacing
    if spacing is None:
        spacing = (1.0,) * len(shape)
    grid = Grid(centred_box(shape, spacing, ("mm",) * len(shape)), shape)
    mask = raw.mask
    if acceleration is not None:
        if raw.trajectory is not None:
            raise ValueError(
                f"kspace_scan: acceleration={acceleration} undersamples a matrix; "
                f"{path} holds a trajectory."
            )
        mask = mask & make_mask(shape, sampling, acceleration, calibration, seed)
    receivers = prepared(raw, _frequencies(raw, grid), whiten, sigma, mask)
    if raw.trajectory is None:
        measured = _on_matrix(raw, receivers, grid, mask)
    else:
        measured = _on_trajectory(raw, receivers, grid)
    operator, y = measured.operator, measured.y
    found = receivers.sigma * measured.unit
    largest = float(y.abs().max())
    if float(torch.as_tensor(found).max()) > NOTHING_LEFT * largest > 0:
        raise ValueError(
            f"kspace_scan: sigma={sigma} is more than {NOTHING_LEFT:g} times the largest sample, "
            f"{largest / measured.unit:.3g} in the file: nothing could be seen. Another unit?"
        )
    model = noise.ComplexGaussian(found)
    if measured.counts is not None:
        model = noise.ComplexGaussian(found / measured.counts.sqrt())
    is_complex, start, found_in = maps_and_phase(
        operator, y, model, maps, phase, receivers.calibration
    )
    notes = {
        "coils": len(receivers.values),
        "samples": f"{len(y)} of {grid.numel} ({grid.numel / len(y):.2f} times less)",
        "fully sampled": raw.fully_sampled,
        "scale": measured.scale,
        "noise of a pixel": found / (math.prod(grid.spacing) * grid.numel**0.5),
        "phase": found_in,
        **raw.notes,
        **receivers.notes,
    }
    penalty, every = chosen_penalty(penalty, learn_coils, finer, weight)
    reference = measured.reference
    if acceleration is None:
        reference = None
    if reference is not None:
        # half of the variance lies along the image's own phase
        spread = notes["noise of a pixel"] / 2**0.5
        notes["reference"] = (
            f"noisy: the file's own full sampling, whose noise of {spread:.3g} in a magnitude near "
            f"1 no method reproduces; PSNR above {-20 * math.log10(spread):.1f} dB tells nothing"
        )
    problem = Problem(
        [Term(_seen(operator, make_coils(grid, start, learn_coils), finer), y, model)],
        grid.box,
        grid,
        reference=reference,
        suggested=Suggestion(stopping=held_out_readouts(operator, hold_out, every)),
        notes=notes,
        is_complex=is_complex,
    )
    return suggesting(problem, model, penalty, finer, weight)


def _frequencies(raw: RawKSpace, grid: Grid) -> Tensor:
    """Frequencies of the values relative to Nyquist, (*shape, d)."""
    nyquist = torch.tensor(grid.nyquist, dtype=torch.float64)
    if raw.trajectory is not None:
        return raw.trajectory / nyquist
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / (n / 2) for n in grid.shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def _on_matrix(raw: RawKSpace, receivers: Receivers, grid: Grid, mask: Tensor) -> Measured:
    """The samples of a matrix where a mask is true."""
    zero_filled = centred_inverse(receivers.values, grid.ndim).abs().square().sum(0).sqrt()
    scale = 1 / float(zero_filled.flatten().sort().values[int(0.999 * (grid.numel - 1))])
    operator = CartesianKSpace(grid, mask)
    # the unit of a unitary FFT relative to that of the integral
    pixel = math.prod(grid.spacing) * grid.numel**0.5
    unit = scale * pixel
    values = (unit * receivers.values)[:, mask].T
    y = (values / operator.map.origin(values)[:, None] / pixel).contiguous()
    counts = None
    if raw.counts is not None and int(raw.counts.max()) > 1:
        counts = raw.counts[mask].to(y.dtype.to_real())
    reference = None
    if raw.fully_sampled:
        # the sum of squares holds the mean of |n|² of all coils, however dark the image is
        bias = len(receivers.values) * receivers.sigma**2
        magnitude = (zero_filled.square() - bias).clamp(min=0).sqrt()
        reference = SampledField((scale * magnitude)[..., None], grid)
    return Measured(operator, y, counts, unit, scale, reference)


def _on_trajectory(raw: RawKSpace, receivers: Receivers, grid: Grid) -> Measured:
    """The samples of a trajectory."""
    assert raw.trajectory is not None
    operator = NonCartesianKSpace(grid, raw.trajectory.float())
    values = receivers.values.flatten(1).T.contiguous()
    image = gridded(operator, values).abs().square().sum(-1).sqrt()
    scale = 1 / float(image.flatten().sort().values[int(0.999 * (grid.numel - 1))])
    return Measured(operator, scale * values, None, scale, scale, None)


def _seen(operator: KSpace, coils: torch.nn.Module, finer: int) -> KSpace:
    """The samples seen by coils, of an image with `finer` values along each side of a pixel."""
    seen = through(operator, coils)
    if finer == 1:
        return seen
    assert isinstance(seen, CartesianKSpace | NonCartesianKSpace)
    return seen.resampled(operator.grid.refined(finer))
