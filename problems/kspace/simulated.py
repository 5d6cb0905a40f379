"""Magnetic resonance from k-space: simulated from a phantom or an image file, several coils, any trajectory.

Images and coil maps fit only as products, so one of the two must hold the phase. With `phase = "coils"` the image is
real (magnetisation) and the maps, smooth, take its phase: half the unknowns. With "image" the image is complex and has
all of it; with "both" the maps take what is smooth of the phase and a complex image the rest, so that its total
variation is little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import (
    Field,
    Grid,
    Problem,
    Solution,
    Suggestion,
    Term,
    noise,
    phantoms,
    priors,
    sample,
)
from inverse_inr.io import write_hdf5, write_image
from inverse_inr.operators import (
    CartesianKSpace,
    FourierMaps,
    GivenCoils,
    LearnedCoils,
    NonCartesianKSpace,
    PolynomialMaps,
    RadialSpokes,
    birdcage_maps,
    espirit_maps,
    line_mask,
    low_resolution_maps,
    poisson_disc_mask,
    radial_angles,
    radial_frequency,
    radial_trajectory,
    spiral_trajectory,
    variable_density_mask,
)
from inverse_inr.operators.kspace.centred_fft import centred_fft
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.problems.images import load_truth
from inverse_inr.problems.kspace.classical import BASELINES, gridded, through
from inverse_inr.problems.kspace.classical import classical as classical
from inverse_inr.problems.kspace.classical import sense as sense
from inverse_inr.problems.kspace.classical import tv_sense as tv_sense
from inverse_inr.problems.kspace.classical import wavelet_sense as wavelet_sense
from inverse_inr.problems.kspace.classical import zero_filled as zero_filled
from inverse_inr.regularizers import TotalVariation

Sampling = Literal["lines", "equispaced", "variable_density", "poisson_disc", "radial", "spiral"]
MapEstimate = Literal["espirit", "low_resolution"]
Correction = Literal["grid", "polynomial", "none"]
Phase = Literal["coils", "image", "both"]


def kspace(
    phantom: str = "shepp_logan",
    *,
    size: int = 128,
    sampling: Sampling = "lines",
    acceleration: float = 4.0,
    calibration: int = 24,
    spokes: int = 24,
    coils: int = 8,
    maps: MapEstimate = "espirit",
    learn_coils: Correction = "grid",
    phase: Phase = "coils",
    rays: bool = False,
    noise_level: float = 0.02,
    slice: int | None = None,
    seed: int = 0,
) -> Problem:
    """Simulated multi-coil k-space of a phantom or of an image file.

    phantom       "shepp_logan", "gaussian_blobs", or a NIfTI, DICOM, npz or PNG file (`slice` of a volume, last axis)
    sampling      Cartesian: "lines" (random) or "equispaced" of the last axis, "variable_density" or "poisson_disc"
                  points; "radial" (golden angle) and "spiral" have `spokes` interleaves
    acceleration  of lines outside the `calibration` ones, of points on the whole
    maps          how maps are estimated from the centre of k-space; `learn_coils` corrects them with the image
    phase         who holds the phase: the "coils", and the image is real, the "image", which is complex, or "both"
    rays          radial only: spokes as ray integrals of the field instead of a NUFFT of its raster
    noise_level   of each coil's fully sampled image, as a fraction of the brightest pixel

    Phantoms are measured in closed form, coils and all (`FourierMaps`), files on a grid four times finer.
    """
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
    start = start_maps(operator, y, maps, phase)
    if rays:
        if sampling != "radial":
            raise ValueError(
                f"rays=True integrates along spokes: sampling must be 'radial', got {sampling!r}."
            )
        spoke_maps = make_coils(grid, start, learn_coils)
        angles, frequency = radial_angles(spokes).float(), radial_frequency(grid).float()
        beam = RadialSpokes(box, angles, frequency, spoke_maps)
        term = Term(beam, y.reshape(spokes, -1, coils), model)
        return Problem(
            [term],
            box,
            grid,
            reference=reference,
            is_complex=phase != "coils",
            suggested=suggestion(grid, model, y),
        )
    term = Term(through(operator, make_coils(grid, start, learn_coils)), y, model)
    return Problem(
        [term],
        box,
        grid,
        reference=reference,
        is_complex=phase != "coils",
        suggested=suggestion(grid, model, y),
    )


# --- simulated ------------------------------------------------------------------------------------------------------


class Magnitude:
    """|f| times the coils' root sum of squares: the image in the gauge where maps have unit length."""

    def __init__(self, field: Field, maps: FourierMaps) -> None:
        self.field, self.maps = field, maps

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


def make_mask(
    shape: Sequence[int], sampling: str, acceleration: float, calibration: int, seed: int
) -> Tensor:
    """A Cartesian mask by name. Raises ValueError for an unknown one."""
    if sampling in ("lines", "equispaced"):
        pattern = "random" if sampling == "lines" else sampling
        return line_mask(shape, acceleration, calibration, pattern=pattern, seed=seed)
    points = {"variable_density": variable_density_mask, "poisson_disc": poisson_disc_mask}
    if sampling not in points:
        raise ValueError(
            f"Cartesian sampling must be 'lines', 'equispaced' or one of {sorted(points)}: {sampling!r}."
        )
    return points[sampling](shape, acceleration, calibration, seed=seed)


@torch.no_grad()
def measure(
    truth: Field, maps: FourierMaps, frequency: Tensor, grid: Grid, finer: int = 4
) -> Tensor:
    """k-space (samples, coils), complex128: exact of a phantom, of anything else from `finer` times smaller pixels."""
    if isinstance(truth, phantoms.Ellipsoids | phantoms.GaussianBlobs):
        return maps.fourier(truth.fourier, frequency)
    fine = grid.refined(finer)
    image, sensitivity = sample(truth, fine)[..., 0].double(), sample(maps, fine)
    operator = NonCartesianKSpace(fine, frequency.double()[None], width=8, oversampling=2.0)
    coils = [operator.map(image * s) for s in sensitivity.unbind(-1)]
    return torch.stack(coils, -1)


# --- coils ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def start_maps(
    operator: KSpace,
    y: Tensor,
    estimate: MapEstimate = "espirit",
    phase: Phase = "coils",
    width: int = 24,
) -> Tensor:
    """Maps (coils, *grid.shape) from the centre of k-space; but for phase "image" they take the image's smooth phase.

    The centre is a block of the mask, or of a gridded trajectory the `width` central samples an axis.
    """
    grid = operator.grid
    if isinstance(operator, CartesianKSpace):
        region = operator.calibration(y)
        region = region[(slice(None), *(_middle(n, 3 * width) for n in region.shape[1:]))]
    else:
        full = centred_fft(gridded(operator, y).movedim(-1, 0), grid.ndim)
        region = full[(slice(None), *(_middle(n, width) for n in grid.shape))]
    maps = (
        espirit_maps(region, grid) if estimate == "espirit" else low_resolution_maps(region, grid)
    )
    if phase != "image" and estimate == "espirit":
        smooth = low_resolution_maps(region, grid)  # its phase includes the image's
        together = (maps.conj() * smooth).sum(0)
        maps = maps * torch.polar(torch.ones_like(together.real), together.angle())
    if phase == "image" and estimate == "low_resolution":
        maps = maps * torch.polar(
            torch.ones_like(maps[:1].real), -maps[:1].angle()
        )  # relative to the first coil's
    return maps


def _middle(n: int, width: int) -> slice:
    width = min(width, n)
    return slice(n // 2 - width // 2, n // 2 - width // 2 + width)


def make_coils(grid: Grid, start: Tensor, correction: Correction) -> nn.Module:
    """Given maps, or maps learnt from there: a cubic grid of 12 cells along the longest side, or degree 8."""
    given, count = GivenCoils(start, grid), len(start)
    if correction == "none":
        return given
    if correction == "polynomial":
        return LearnedCoils(PolynomialMaps(grid.box, count), given)
    if correction != "grid":
        raise ValueError(f"learn_coils must be 'grid', 'polynomial' or 'none', got {correction!r}.")
    return LearnedCoils(priors.grid(grid.box, count, cells=12.0, order=3, head="complex"), given)


# --- what suits -----------------------------------------------------------------------------------------------------


def suggestion(
    grid: Grid, model: noise.ComplexGaussian, y: Tensor, finer: int = 1, factor: float = 1.0
) -> Suggestion:
    """A value a pixel with total variation, its weight from the noise: λ = 1 / σ of a pixel, in a mean over y.

    finer   values along each side of a pixel
    factor  of the weight

    σ is the noise of a fully sampled image; measured for random lines and Poisson discs, where held-out samples choose
    much the same (docs/kspace.md).
    """
    deviation = float(torch.as_tensor(model.sigma)) / (math.prod(grid.spacing) * grid.numel**0.5)
    weight = factor * min(grid.spacing) * grid.numel / y.numel() / deviation
    fitted = grid.refined(finer)
    penalty = weight * TotalVariation(grid=fitted, epsilon=1e-2 * deviation / min(grid.spacing))
    return Suggestion(
        prior="grid",
        options={"cells": float(max(fitted.shape))},
        regularizers=(penalty,),
        steps=400,
        baselines=BASELINES,
        write=write_images,
    )


def write_images(solution: Solution, folder: Path) -> list[Path]:
    """magnitude.nii.gz and reconstruction.h5: the image and the coil maps as they came out."""
    image, paths = solution.sample(), [folder / "magnitude.nii.gz", folder / "reconstruction.h5"]
    grid = solution.problem.grid
    if all(u in ("mm", "cm", "m") for u in grid.box.units):
        write_image(paths[0], image.abs(), grid)
    else:
        paths.pop(0)
    datasets = {"image": image[..., 0]}
    for term in solution.problem.terms:
        coils = getattr(term.operator, "coils", None)
        if isinstance(coils, nn.Module):
            with torch.no_grad():
                datasets["coil_maps"] = sample(coils, grid).movedim(-1, 0)
    write_hdf5(paths[-1], datasets, {"lower": str(grid.box.lower), "upper": str(grid.box.upper)})
    return paths
