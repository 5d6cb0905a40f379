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

import torch
from torch import Tensor, nn

from inverse_inr import Box, Problem, Suggestion, Term, noise
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI, BandResponse, Placement
from inverse_inr.operators.spectral.dispersion import Scaled, steps
from inverse_inr.problems.spectral.cassi import (
    CALIBRATION_RATE,
    VARIATION,
    band_centres,
    suggestion,
)
from inverse_inr.problems.spectral.data import mask_file, scene_file
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.mask_placement import mask_displacement
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

PARTS = {"mask", "dispersion", "gains", "psf"}
"""The parts of the camera that can be calibrated together with the image."""


def cassi_real(
    measurement: str,
    mask: str | None = None,
    *,
    variable: str = "meas_real",
    mask_variable: str = "mask",
    bands: int = 28,
    step: float = 2.0,
    psf: float | None = None,
    calibrate: Sequence[str] = ("mask", "psf"),
    background: float | None = None,
    noise_level: float | None = None,
    saturation: float = 1.0,
    rows: tuple[int, int] | None = None,
    hold_out: float = 0.05,
) -> Problem:
    """Load a measured snapshot of a single-disperser camera with a calibrated mask.

    Both are MATLAB files (TSA-Net's layout). The snapshot is in units of a scene that is 1 in all
    bands where the detector is brightest.

    Args:
        measurement: A file with (H, W + (bands - 1) step), or a scene of a published folder,
            "TSA_real_data:2".
        mask: A file with (H, W); by default the mask.mat next to the measurement.
        variable: Name of the snapshot in its file.
        mask_variable: Name of the mask in its file.
        bands: Number of bands.
        step: Pixels of dispersion from one band to the next.
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
            negative ones; see `notes`.
        rows: Crop to these detector lines, (first, last), the last exclusive.
        hold_out: Fraction of the trusted pixels that no fit sees.

    Raises:
        ValueError: If measurement, mask, bands and step do not fit together, or a part to calibrate
            is unknown.
    """
    unknown = set(calibrate) - PARTS
    if unknown:
        raise ValueError(
            f"cassi_real: cannot calibrate {sorted(unknown)}; there is mask, dispersion, gains, "
            "psf."
        )
    y, code = _files(measurement, mask, variable, mask_variable, rows)
    reach = round(step * (bands - 1))
    if y.ndim != 2 or y.shape != (code.shape[0], code.shape[1] + reach):
        raise ValueError(
            f"{measurement}: {variable} is {tuple(y.shape)}; a mask of {tuple(code.shape)} and "
            f"{bands} bands {step:g} px apart need ({code.shape[0]}, {code.shape[1] + reach}). "
            "Another number of bands, or transposed?"
        )
    wavelengths = band_centres(bands)
    box = Box((0.0, 0.0, 450.0), (*map(float, code.shape), 650.0), ("px", "px", "nm"))
    as_filed = CASSI(box, code, wavelengths, steps(wavelengths, step))
    top = float(y[torch.isfinite(y)].max())
    good = torch.isfinite(y) & (y >= 0) & (y <= saturation * top)
    coded = as_filed.on(as_filed.bands).snapshot(torch.ones(as_filed.bands.shape))
    dark = background
    if dark is None:
        dark = uncoded_light(y[good], coded[good])
    # in units of a scene that is 1 in all bands where the detector is brightest: priors start there
    unit = (top - dark) / float(coded.max())
    y = (y - dark) / unit
    model = _noise_model(y, good, noise_level, top / unit)
    notes: dict[str, object] = {
        "negative or saturated pixels": f"{int((~good).sum())} of {y.numel()}",
        "background": dark,
        "noise": model,
    }
    placement = Placement()
    if "mask" in calibrate:
        found = mask_displacement(y, code, reach, good)
        placement = _learnt_placement(found)
        notes["mask lies lower by"] = (
            "{:.2f} px, {:.2f} more at the lower and {:.2f} at the right edge".format(*found)
        )
    camera = _camera(as_filed, calibrate, psf, placement, y.shape[1])
    seen = good.flatten().nonzero()[:, 0]
    flat = y.nan_to_num(0.0, 0.0, 0.0).flatten()
    term = Term(camera.on(camera.bands), flat, model, rows=seen)
    suggested = _suggestion(term, camera, hold_out)
    return Problem([term], box, camera.bands, suggested=suggested, notes=notes, average=1)


def _files(
    measurement: str,
    mask: str | None,
    variable: str,
    mask_variable: str,
    rows: tuple[int, int] | None,
) -> tuple[Tensor, Tensor]:
    """The snapshot and the mask, cropped to `rows`."""
    code_file = mask or mask_file(measurement)
    if code_file is None:
        raise ValueError(f"{measurement}: no mask.mat beside it; pass mask='...'.")
    y = torch.from_numpy(read_matlab(scene_file(measurement), variable)).float()
    code = torch.from_numpy(read_matlab(code_file, mask_variable)).float()
    if rows is None:
        return y, code
    return y[rows[0] : rows[1]], code[rows[0] : rows[1]]


def _noise_model(
    y: Tensor, trusted: Tensor, noise_level: float | None, top: float
) -> noise.Sensor | noise.Gaussian:
    if noise_level is None:
        return shot_noise(y, trusted)
    return noise.Gaussian(noise_level * top)


def _learnt_placement(found: Tensor) -> Placement:
    """A placement that starts where `mask_displacement` found the mask, and is learnt."""
    shift = torch.zeros(2)
    stretch = torch.zeros(2, 2)
    shift[0] = found[0]
    stretch[0] = found[1:]
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
