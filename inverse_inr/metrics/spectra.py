"""Metrics of spectral cubes, (*space, bands): PSNR per band, spectral angle and ERGAS."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.metrics.pairs import checked_mask, matched_pair
from inverse_inr.ranges import Positive, checked

DARK = 1e-300
"""Least length that a spectrum is divided by, so that a dark one gives 0 instead of NaN."""


@checked
def band_psnr(cube: Tensor, reference: Tensor, *, data_range: Positive = 1.0) -> Tensor:
    """Compute the PSNR of each band; their mean is the PSNR of CASSI papers.

    The papers' figures take `data_range` 1. Nothing is rounded to 8 bits here; Meng et al. 2020
    round, which gives 0.03 dB less.

    Args:
        cube: (*space, bands) cube.
        reference: Cube of the same shape.
        data_range: Span that values can take.

    Returns:
        (bands,) ratios in dB.

    Raises:
        ValueError: In the cases in which `psnr` raises it.
    """
    cube, reference = matched_pair("band_psnr", cube, reference)
    error = (cube - reference).abs().square().flatten(0, -2).mean(0)
    return 20 * math.log10(data_range) - 10 * torch.log10(error)


@checked
def spectral_angle(cube: Tensor, reference: Tensor, *, mask: Tensor | None = None) -> float:
    """Compute SAM, the mean over pixels of the angle between two spectra.

    Pixels whose reference is zero in all bands have no angle and are left out. A dark pixel where
    the reference has light counts as 90 degrees.

    Args:
        cube: (*space, bands) cube.
        reference: Cube of the same shape.
        mask: Boolean field of view, (*space); None for all pixels.

    Returns:
        The mean angle in degrees.

    Raises:
        ValueError: In the cases in which `psnr` raises it, or no pixel is left.

    Source:
        Kruse et al. 1993.
    """
    cube, reference = matched_pair("spectral_angle", cube, reference)
    light = torch.linalg.vector_norm(cube, dim=-1)
    reference_light = torch.linalg.vector_norm(reference, dim=-1)
    lit = reference_light > 0
    if mask is not None:
        lit &= checked_mask("spectral_angle", mask, tuple(lit.shape))
    if not lit.any():
        raise ValueError(
            "spectral_angle: the reference is zero everywhere; "
            "spectra of length zero have no angle."
        )
    # atan2 of the two diagonals, exact for small angles, where arccos loses half the digits (Kahan)
    a = reference / reference_light.clamp(min=DARK)[..., None]
    b = cube / light.clamp(min=DARK)[..., None]
    across = torch.linalg.vector_norm(a - b, dim=-1)
    along = torch.linalg.vector_norm(a + b, dim=-1)
    # a dark pixel where there is light is as wrong as can be
    angle = torch.where(light > 0, 2 * torch.atan2(across, along), math.pi / 2)
    return math.degrees(float(angle[lit].mean()))


@checked
def ergas(cube: Tensor, reference: Tensor, *, ratio: Positive = 1.0) -> float:
    """Compute ERGAS, 100 ratio sqrt(mean over bands of mse / mean²): lower is better, 0 at best.

    Args:
        cube: (*space, bands) cube.
        reference: Cube of the same shape.
        ratio: The fine over the coarse pixel size of a fusion, 1 elsewhere.

    Returns:
        The error, without unit.

    Raises:
        ValueError: In the cases in which `psnr` raises it, or a band of the reference has mean
            zero.

    Source:
        Wald 2000.
    """
    cube, reference = matched_pair("ergas", cube, reference)
    means = reference.flatten(0, -2).mean(0)
    if not bool(means.abs().min() > 0):
        raise ValueError(
            f"ergas: band {int(means.abs().argmin())} of the reference has mean zero; "
            "nothing to divide by."
        )
    error = (cube - reference).square().flatten(0, -2).mean(0)
    return 100 * ratio * float((error / means.square()).mean().sqrt())
