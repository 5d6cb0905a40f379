"""A snapshot that a coded-aperture camera measured, with the mask as its bench calibration left it.

The files give the mask, the number of bands and the pixels between them. The image can be learnt
together with the mask's place (shift and stretch, from where `mask_placement` finds it), the blur,
the prism's dispersion and the gains. The noise is estimated from the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Problem, Suggestion, Term, noise
from inverse_inr.io.cubes.wavelengths import own_wavelengths
from inverse_inr.operators import CASSI, BandResponse, Placement
from inverse_inr.operators.spectral.camera_inputs import ImageAxis
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS, Scaled
from inverse_inr.problems.spectral.cassi import (
    CALIBRATION_RATE,
    VARIATION,
    band_centres,
    suggestion,
)
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.instrument import Blurring
from inverse_inr.problems.spectral.mask_placement import mask_displacement
from inverse_inr.problems.spectral.snapshot import read_snapshot
from inverse_inr.ranges import (
    Count,
    Finite,
    NoiseLevel,
    Positive,
    PositiveFraction,
    ProperFraction,
    checked,
)
from inverse_inr.stopping import HeldOut

BLUR = 0.65
"""Standard deviation (px) from which a blur that is learnt starts."""
SPECTRA: dict[str, Any] = {"head": "sparse", "components": 8, "smooth": 4.0}
"""Options of the `spectral_basis` prior, chosen by held-out pixels of lines 380 to 440 of TSA-Net's
first scene: bright things on black ask for less smoothing."""
RATE = 0.2
"""Learning rate of that prior, chosen in the same way."""
LESS_VARIATION = VARIATION / 20
"""Weight of the bands' total variation, chosen in the same way."""
STRENGTHS = (0.4, 0.1)
"""Denoising strengths that the classical methods try, relative to the span of the cube."""

ITERATIONS = 30
"""Iterations of the classical methods: three minutes on a detector of half a million pixels."""

PLACES = (("further right", "right", "lower"), ("lower", "lower", "right"))
"""Words for a displacement across the dispersion, for the axis that is dispersed: its direction,
the edge across the dispersion, the edge along it."""

PARTS = {"mask", "dispersion", "gains", "psf"}
"""The parts of the camera that can be calibrated together with the image."""


@checked
def cassi_real(
    measurement: str,
    mask: str | None = None,
    *,
    variable: str = "meas_real",
    mask_variable: str = "mask",
    bands: Count = 28,
    wavelengths: Sequence[Positive] | np.ndarray | Tensor | None = None,
    step: Finite = 2.0,
    axis: ImageAxis = 1,
    psf: Blurring | None = None,
    calibrate: Sequence[str] = ("mask", "psf"),
    background: Finite | None = None,
    noise_level: NoiseLevel | None = None,
    saturation: PositiveFraction = 1.0,
    rows: tuple[int, int] | None = None,
    hold_out: ProperFraction = 0.05,
    check_mask: bool = True,
) -> Problem:
    """Load a measured snapshot of a single-disperser camera with a calibrated mask.

    Both are MATLAB files (TSA-Net's layout). The snapshot is in units of a scene that is 1 in all
    bands where the detector is brightest.

    Args:
        measurement: A file with the snapshot, longer than the mask by ceil((bands - 1) |step|)
            pixels along the dispersion, or a scene of a published folder, "TSA_real_data:2".
        mask: A file with (H, W); by default the mask.mat next to the measurement.
        variable: Name of the snapshot in its file.
        mask_variable: Name of the mask in its file.
        bands: Number of bands.
        wavelengths: (bands,) centres in nm, rising. By default the TSA camera's 28, or as many
            spread evenly between 450 and 650 nm; see `notes`.
        step: Pixels of dispersion from one band to the next, which may be a fraction. Negative
            where longer wavelengths fall on lower pixels: to the left, or upwards.
        axis: The image axis that is dispersed: 1 to the right or left, 0 down or up.
        psf: Standard deviation in pixels of a blur behind the mask. If it is learnt, its start
            (default 0.65).
        calibrate: What is learnt together with the image: "mask" (shift and stretch), "psf",
            "dispersion" (its scale; use a slow `operator_lr` then, because spectra make up for a
            wrong one), "gains" (one per band). () is the camera as its files say.
        background: Light that does not pass the mask, which is subtracted. Its shot noise stays, as
            read noise. By default `uncoded_light`.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest trusted
            measurement. By default the shot and read noise that the snapshot shows (`shot_noise`).
        saturation: Pixels above this fraction of the largest value are not trusted, nor are
            negative ones, hot ones, and those at a ceiling that many share; see `notes`.
        rows: Crop to these detector lines across the dispersion, (first, last), the last exclusive:
            lines of axis 0, or of axis 1 where axis 0 is dispersed.
        hold_out: Fraction of the trusted pixels that no fit sees.
        check_mask: Refuse a mask whose flipped, transposed or inverted copy explains the details of
            the snapshot clearly better (`mask_turn`).

    Raises:
        FileFormatError: A variable is no real image.
        ValueError: If measurement, mask, bands and step do not fit together, the mask is not the
            right way round, or a part to calibrate is unknown.
    """
    _check_parts(calibrate)
    centres, notes = _wavelengths(bands, wavelengths, step)
    seen = read_snapshot(
        measurement,
        mask,
        variables=(variable, mask_variable),
        wavelengths=centres,
        box=_range(centres),
        step=step,
        axis=axis,
        saturation=saturation,
        lines=rows,
        check_mask=check_mask,
    )
    as_filed = seen.camera
    good = seen.trusted
    coded = seen.coded
    dark = background
    if dark is None:
        dark = uncoded_light(seen.y[good], coded[good])
    if not dark < seen.top:
        raise ValueError(
            f"cassi_real: background={dark:g} is not below the brightest pixel, {seen.top:g}."
        )
    # in units of a scene that is 1 in all bands where the detector is brightest: priors start there
    unit = (seen.top - dark) / float(coded.max())
    y = (seen.y - dark) / unit
    if noise_level is None:
        model = shot_noise(y, good, seen.coded_bands)
    else:
        model = noise.Gaussian(noise_level * seen.top / unit)
    notes |= seen.notes | {
        "negative or saturated pixels": f"{int((~good).sum())} of {y.numel()}",
        "background": dark,
        "noise": model,
    }
    if seen.turned is not None:
        notes["mask, as filed"] = str(seen.turned)
    placement = Placement()
    if "mask" in calibrate:
        found = mask_displacement(
            seen.dispersed_last(y),
            seen.dispersed_last(as_filed.mask),
            y.shape[axis] - as_filed.scene[axis],
            seen.dispersed_last(good),
        )
        placement = _learnt_placement(found, axis)
        way, side, end = PLACES[axis]
        notes[f"mask lies {way} by"] = (
            f"{found[0]:.2f} px, {found[1]:.2f} more at the {side} and {found[2]:.2f} at the "
            f"{end} edge"
        )
    camera = _camera(as_filed, calibrate, psf, placement, y.shape[axis])
    flat = y.nan_to_num(0.0, 0.0, 0.0).flatten()
    term = Term(camera.on(camera.bands), flat, model, rows=good.flatten().nonzero()[:, 0])
    suggested = _suggestion(term, camera, hold_out)
    return Problem([term], camera.box, camera.bands, suggested=suggested, notes=notes, average=1)


def _check_parts(calibrate: Sequence[str]) -> None:
    unknown = set(calibrate) - PARTS
    if unknown:
        raise ValueError(
            f"cassi_real: cannot calibrate {sorted(unknown)}; there is mask, dispersion, gains, "
            "psf."
        )


def _wavelengths(
    bands: int, wavelengths: Sequence[float] | np.ndarray | Tensor | None, step: float
) -> tuple[Tensor, dict[str, object]]:
    """The bands' centres (nm), and a note on where they come from."""
    if bands > 1 and step == 0:
        raise ValueError(
            "cassi_real: step=0 lays all bands on one place; no snapshot tells them apart."
        )
    if wavelengths is None:
        centres = band_centres(bands)
        source = "spread evenly"
        if bands == len(TSA_WAVELENGTHS):
            source = "of the TSA camera"
        return centres, {
            "wavelengths": f"{bands} bands {source}, {centres[0]:g} to {centres[-1]:g} nm, assumed"
        }
    if isinstance(wavelengths, Tensor):
        wavelengths = wavelengths.detach().cpu().numpy()
    centres = torch.from_numpy(own_wavelengths(wavelengths, "cassi_real"))
    if len(centres) != bands:
        raise ValueError(f"cassi_real: {len(centres)} wavelengths for bands={bands}.")
    if bands > 1 and bool((centres.diff() < 0).all()):
        raise ValueError(
            f"cassi_real: wavelengths must rise, got {centres[0]:g} to {centres[-1]:g} nm. Turn "
            "them round; where longer wavelengths fall on lower pixels, step is negative."
        )
    return centres, {}


def _range(centres: Tensor) -> tuple[float, float]:
    """The wavelengths (nm) between which the scene lies: half a band beyond the outer centres."""
    if float(centres[0]) >= 450 and float(centres[-1]) <= 650:
        return 450.0, 650.0
    half = torch.ones(1, dtype=torch.float64)
    if len(centres) > 1:
        half = 0.5 * centres.diff()
    return float(centres[0] - half[0]), float(centres[-1] + half[-1])


def _learnt_placement(found: Tensor, axis: int) -> Placement:
    """A placement that starts where `mask_displacement` found the mask, and is learnt.

    Args:
        found: (3,) pixels across the dispersion: in the middle, how much more at the edge across
            the dispersion, and how much more at the edge along it.
        axis: The image axis that is dispersed.
    """
    across = 1 - axis
    shift = torch.zeros(2)
    stretch = torch.zeros(2, 2)
    shift[across] = found[0]
    stretch[across, across] = found[1]
    stretch[across, axis] = found[2]
    return Placement(nn.Parameter(shift), stretch=nn.Parameter(stretch))


def _camera(
    as_filed: CASSI, calibrate: Sequence[str], psf: float | None, placement: Placement, width: int
) -> CASSI:
    """The camera as its files say, with the parts to calibrate as parameters."""
    law: Callable[[Tensor], Tensor] = as_filed.dispersion
    if "dispersion" in calibrate:
        law = Scaled(law, nn.Parameter(torch.ones(())))
    blur: float | Tensor | None = psf
    if "psf" in calibrate:
        blur = nn.Parameter(torch.tensor(psf or BLUR))
    response = BandResponse()
    if "gains" in calibrate:
        response = BandResponse(nn.Parameter(torch.ones(len(as_filed.wavelengths))))
    return CASSI(
        as_filed.box,
        as_filed.mask,
        as_filed.wavelengths,
        law,
        axis=as_filed.axis,
        psf=blur,
        response=response,
        placement=placement,
        width=width,
    )


def _suggestion(term: Term, camera: CASSI, hold_out: float) -> Suggestion:
    rule = HeldOut(hold_out, limit=2**17)
    return replace(
        suggestion(term, camera.bands, rule, variation=LESS_VARIATION),
        steps=500,
        prior="spectral_basis",
        options=SPECTRA,
        lr=RATE,
        operator_lr=CALIBRATION_RATE,
        baselines={
            "GAP-TV": partial(gap_tv, strengths=STRENGTHS, iterations=ITERATIONS),
            "ADMM-TV": partial(admm_tv, strengths=STRENGTHS, iterations=ITERATIONS),
        },
    )
