"""Simulated magnetic resonance: k-space of a phantom or an image file, with several coils.

Images and coil maps fit only as products, so one of the two must hold the phase. With
`phase = "coils"` the image is real (magnetisation) and the maps, smooth, take its phase: half the
unknowns. With "image" the image is complex and has all of it; with "both" the maps take the smooth
part of the phase and a complex image the rest, so that its total variation is little. With "auto"
held-out samples decide between "coils" and "both" (`phase`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Field, Grid, Problem, Suggestion, Term, noise, phantoms, sample
from inverse_inr.memory import require
from inverse_inr.operators import (
    CartesianKSpace,
    FourierMaps,
    NonCartesianKSpace,
    RadialSpokes,
    birdcage_maps,
    line_mask,
    poisson_disc_mask,
    radial_angles,
    radial_frequency,
    radial_trajectory,
    spiral_trajectory,
    variable_density_mask,
)
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.problems.images import load_truth
from inverse_inr.problems.kspace.classical import BASELINES as BASELINES
from inverse_inr.problems.kspace.classical import classical as classical
from inverse_inr.problems.kspace.classical import sense as sense
from inverse_inr.problems.kspace.classical import through
from inverse_inr.problems.kspace.classical import tv_sense as tv_sense
from inverse_inr.problems.kspace.classical import wavelet_sense as wavelet_sense
from inverse_inr.problems.kspace.classical import zero_filled as zero_filled
from inverse_inr.problems.kspace.coil_maps import (
    Correction,
    MapEstimate,
    Phase,
    make_coils,
)
from inverse_inr.problems.kspace.held_out import held_out_readouts
from inverse_inr.problems.kspace.phase import maps_and_phase
from inverse_inr.problems.kspace.suggestions import Penalty, chosen_penalty, suggesting
from inverse_inr.ranges import Count, NoiseLevel, Positive, WholeNumber, checked

Sampling = Literal["lines", "equispaced", "variable_density", "poisson_disc", "radial", "spiral"]


@checked
def kspace(
    phantom: str = "shepp_logan",
    *,
    size: Count = 128,
    sampling: Sampling = "lines",
    acceleration: Positive = 4.0,
    calibration: WholeNumber = 24,
    spokes: Count = 24,
    coils: Count = 8,
    maps: MapEstimate = "espirit",
    learn_coils: Correction = "none",
    phase: Phase | Literal["auto"] = "auto",
    penalty: Penalty | Literal["auto"] = "auto",
    rays: bool = False,
    noise_level: NoiseLevel = 0.02,
    slice: int | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Reconstruct a phantom or an image file from its simulated multi-coil k-space.

    Phantoms are measured in closed form, coils and all (`FourierMaps`), files on a grid four times
    finer.

    Args:
        phantom: "shepp_logan", "gaussian_blobs", or a NIfTI, DICOM, npz or PNG file.
        size: Pixels along the longest side of the reconstruction.
        sampling: Cartesian: "lines" (random) or "equispaced" lines of the last axis,
            "variable_density" or "poisson_disc" points; "radial" (golden angle) or "spiral".
        acceleration: How many times fewer samples are measured: of the lines outside the
            calibration ones, or of all points.
        calibration: Central lines (or points along each axis) that are all measured.
        spokes: Number of radial spokes or spiral interleaves.
        coils: Number of coils.
        maps: How coil maps are estimated from the centre of k-space.
        learn_coils: How the maps are corrected together with the image, as in `make_coils`.
        phase: The holder of the phase: the "coils", and the image is real; the "image", which is
            complex; "both"; or "auto" for what held-out samples say, which stands in `notes`.
        penalty: What is likely of the image: "patches", that they are like others of it;
            "total_variation"; or "auto", patches where the maps are fixed and no rays are taken.
        rays: Radial only: take spokes as ray integrals of the field instead of a NUFFT of its
            raster.
        noise_level: Noise standard deviation of each fully sampled coil image, as a fraction of the
            brightest pixel.
        slice: The slice of a volume along its last axis; default: the middle.
        seed: Seed of the sampling pattern and the noise.

    Returns:
        The problem; its reference is the magnitude in the gauge where maps have unit length.

    Raises:
        ValueError: The phantom or the sampling is unknown, or `rays` is asked for without radial
            sampling.
    """
    require(
        f"kspace: coils={coils} and an image of size={size}",
        # the maps and what is measured through them, in double precision
        64.0 * coils * size**2,
        "Fewer coils, or a smaller size.",
    )
    truth, box = load_truth(phantom, slice)
    longest = max(box.lengths)
    grid = Grid(box, tuple(max(1, round(size * n / longest)) for n in box.lengths))
    true_maps = birdcage_maps(box, coils).double()
    operator = _operator(grid, sampling, acceleration, calibration, spokes, seed)
    reference = Magnitude(truth, true_maps)
    sigma = (
        noise_level
        * float(sample(reference, grid, average=2).max())
        * math.prod(grid.spacing)
        * grid.numel**0.5
    )
    mean = measure(truth, true_maps, operator.frequencies, grid).to(torch.complex64)
    model = noise.ComplexGaussian(sigma)
    y = model.sample(mean, torch.Generator().manual_seed(seed))
    is_complex, start, found_in = maps_and_phase(operator, y, model, maps, phase)
    if rays and penalty == "auto":
        penalty = "total_variation"
    chosen, every = chosen_penalty(penalty, learn_coils, 1, None)
    if rays:
        if sampling != "radial":
            raise ValueError(
                f"rays=True integrates along spokes: sampling must be 'radial', got {sampling!r}."
            )
        spoke_maps = make_coils(grid, start, learn_coils)
        angles, frequency = radial_angles(spokes).float(), radial_frequency(grid).float()
        acquired = RadialSpokes(box, angles, frequency, spoke_maps)
        y = y.reshape(spokes, -1, coils)
    else:
        acquired = through(operator, make_coils(grid, start, learn_coils))
    term = Term(acquired, y, model)
    problem = Problem(
        [term],
        box,
        grid,
        reference=reference,
        is_complex=is_complex,
        suggested=Suggestion(stopping=held_out_readouts(acquired, 0.1, every)),
        notes={"phase": found_in},
    )
    return suggesting(problem, model, chosen)


class Magnitude:
    """A field: |f| times the coils' root sum of squares.

    This is the image in the gauge where the coil maps have unit length.

    Args:
        field: The image f.
        maps: The coil maps.
    """

    def __init__(self, field: Field, maps: FourierMaps) -> None:
        self.field = field
        self.maps = maps

    def __call__(self, points: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(self.maps(points.double()), dim=-1, keepdim=True)
        return self.field(points).abs() * size.to(points.dtype)


def _operator(
    grid: Grid, sampling: str, acceleration: float, calibration: int, spokes: int, seed: int
) -> KSpace:
    if sampling == "radial":
        return NonCartesianKSpace(grid, radial_trajectory(grid, spokes).float())
    if sampling == "spiral":
        return NonCartesianKSpace(grid, spiral_trajectory(grid, spokes).float())
    return CartesianKSpace(grid, make_mask(grid.shape, sampling, acceleration, calibration, seed))


@checked
def make_mask(
    shape: Sequence[Count],
    sampling: str,
    acceleration: Positive,
    calibration: WholeNumber,
    seed: WholeNumber,
) -> Tensor:
    """A Cartesian sampling mask by name.

    Args:
        shape: Samples along each axis of k-space.
        sampling: "lines" (random), "equispaced", "variable_density" or "poisson_disc".
        acceleration: How many times fewer samples are measured.
        calibration: Central lines, or points along each axis, that are all measured.
        seed: Seed of the random patterns.

    Returns:
        (*shape) boolean, True where measured.

    Raises:
        ValueError: The name is unknown.
    """
    patterns = {"lines": "random", "equispaced": "equispaced"}
    if sampling in patterns:
        return line_mask(shape, acceleration, calibration, pattern=patterns[sampling], seed=seed)
    points = {"variable_density": variable_density_mask, "poisson_disc": poisson_disc_mask}
    if sampling not in points:
        raise ValueError(
            f"Cartesian sampling must be 'lines', 'equispaced' or one of {sorted(points)}: "
            f"{sampling!r}."
        )
    return points[sampling](shape, acceleration, calibration, seed=seed)


@torch.no_grad()
def measure(
    truth: Field, maps: FourierMaps, frequency: Tensor, grid: Grid, finer: int = 4
) -> Tensor:
    """Simulate noise-free k-space, exactly for a phantom.

    Args:
        truth: The image.
        maps: The coil maps.
        frequency: (samples, d) in cycles per unit of the box.
        grid: The grid of the reconstruction.
        finer: Any other image is measured on pixels that are so many times smaller along each side.

    Returns:
        (samples, coils), complex128.
    """
    if isinstance(truth, phantoms.Ellipsoids | phantoms.GaussianBlobs):
        return maps.fourier(truth.fourier, frequency)
    fine = grid.refined(finer)
    image, sensitivity = sample(truth, fine)[..., 0].double(), sample(maps, fine)
    operator = NonCartesianKSpace(fine, frequency.double()[None], width=8, oversampling=2.0)
    coils = [operator.map(image * s) for s in sensitivity.unbind(-1)]
    return torch.stack(coils, -1)
