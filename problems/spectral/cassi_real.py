"""A snapshot that a coded-aperture camera measured, with the mask as its bench calibration left it.

The files give the mask, the number of bands and the pixels between them. Where the mask lies (shift and stretch, from
where `mask_registration` finds it), the blur, how far the prism disperses and the gains may be learnt with the image;
the noise is what the snapshot shows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from inverse_inr import Box, Problem, Term, noise
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
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.mask_placement import mask_displacement
from inverse_inr.stopping import HeldOut

BLUR = 0.65
"""Where a blur that is learnt starts (px)."""
SPECTRA, RATE = {"head": "sparse", "components": 8, "smooth": 4.0}, 0.2
"""Of the lattice of spectra and its learning rate, chosen by held-out pixels of rows 380 to 440 of TSA-Net's first
scene, as the small weight of the bands' total variation: bright things on black ask for less smoothing."""

STRENGTHS, ITERATIONS = (0.4, 0.1), 30
"""What the classical methods try on a detector of half a million pixels: three minutes."""


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
    """A measured snapshot of a single-disperser camera with a calibrated mask, both MATLAB files (TSA-Net's layout).

    measurement  (H, W + (bands - 1) step), or a scene of a published folder, "TSA_real_data:2"; mask (H, W), by default
                 the mask.mat beside it
    psf          standard deviation in pixels of a blur behind the mask; where it is learnt, its start (default 0.65)
    calibrate    what is learnt with the image: "mask" (shift and stretch), "psf", "dispersion" (scale; a slow
                 `operator_lr` then, spectra make up for a wrong one), "gains" (one a band); () is the camera as its
                 files say
    background   light that does not pass the mask, taken off (its shot noise stays, as read noise); default:
                 `uncoded_light`
    noise_level  standard deviation of Gaussian noise as a fraction of the largest trusted measurement; default: the
                 shot and read noise that the snapshot itself shows (`shot_noise`)
    saturation   pixels at this fraction of the largest value or above are not trusted, nor negative ones; see `notes`
    rows         crop: first and last row (exclusive)
    Raises ValueError where measurement, mask, bands and step do not fit together, or for an unknown part to calibrate.
    """
    unknown = set(calibrate) - {"mask", "dispersion", "gains", "psf"}
    if unknown:
        raise ValueError(
            f"cassi_real: cannot calibrate {sorted(unknown)}; there is mask, dispersion, gains, psf."
        )
    y, code = _files(measurement, mask, variable, mask_variable, rows)
    reach = round(step * (bands - 1))
    if y.ndim != 2 or y.shape != (code.shape[0], code.shape[1] + reach):
        raise ValueError(
            f"{measurement}: {variable} is {tuple(y.shape)}; a mask of {tuple(code.shape)} and {bands} bands {step:g} "
            f"px apart need ({code.shape[0]}, {code.shape[1] + reach}). Another number of bands, or transposed?"
        )
    top = float(y[torch.isfinite(y)].max())
    good = torch.isfinite(y) & (y >= 0) & (y <= saturation * top)
    wavelengths = band_centres(bands)
    box = Box((0.0, 0.0, 450.0), (*map(float, code.shape), 650.0), ("px", "px", "nm"))
    law = steps(wavelengths, step)
    as_filed = CASSI(box, code, wavelengths, law)
    coded = as_filed.on(as_filed.bands).snapshot(torch.ones(as_filed.bands.shape))
    dark = uncoded_light(y[good], coded[good]) if background is None else background
    # in units of a scene that is 1 in all bands where the detector is brightest: what priors start from
    unit = (top - dark) / float(coded.max())
    y, top = (y - dark) / unit, top / unit
    model = shot_noise(y, good) if noise_level is None else noise.Gaussian(noise_level * top)
    notes: dict[str, object] = {
        "negative or saturated pixels": f"{int((~good).sum())} of {y.numel()}",
        "background": dark,
        "noise": model,
    }
    shift, stretch, placement = torch.zeros(2), torch.zeros(2, 2), Placement()
    if "mask" in calibrate:
        found = mask_displacement(y, code, reach, good)
        shift[0], stretch[0] = found[0], found[1:]
        placement = Placement(nn.Parameter(shift), stretch=nn.Parameter(stretch))
        notes["mask lies lower by"] = (
            "{:.2f} px, {:.2f} more at the lower and {:.2f} at the right edge".format(*found)
        )
    camera = CASSI(
        box,
        code,
        wavelengths,
        Scaled(law, nn.Parameter(torch.ones(()))) if "dispersion" in calibrate else law,
        psf=nn.Parameter(torch.tensor(psf or BLUR)) if "psf" in calibrate else psf,
        response=BandResponse(nn.Parameter(torch.ones(bands)) if "gains" in calibrate else None),
        placement=placement,
        width=y.shape[1],
    )
    term = Term(
        camera.on(camera.bands),
        y.nan_to_num(0.0, 0.0, 0.0).flatten(),
        model,
        rows=good.flatten().nonzero()[:, 0],
    )
    suggested = replace(
        suggestion(term, camera.bands, HeldOut(hold_out, limit=2**17), variation=VARIATION / 20),
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
    return (y, code) if rows is None else (y[rows[0] : rows[1]], code[rows[0] : rows[1]])


def uncoded_light(y: Tensor, coded: Tensor) -> float:
    """The level that the mask does not modulate: the intercept of dark pixels' y over `coded`, what a grey scene gives.

    Dark: below the median.
    """
    below = y <= y.median()
    seen, light = coded[below].double(), y[below].double()
    slope = ((seen - seen.mean()) * (light - light.mean())).mean() / seen.var().clamp(min=1e-12)
    return max(0.0, float(light.mean() - slope.clamp(min=0) * seen.mean()))


def shot_noise(y: Tensor, trusted: Tensor) -> noise.Sensor:
    """The `noise.Sensor` that a snapshot (H, W) shows: variance = a y + c, from second differences.

    Along the dispersed axis a snapshot is smooth (each pixel is a sum over bands), and medians of eight classes of
    brightness keep edges out. What is left of them makes this an upper bound.
    """
    use = trusted[:, 2:] & trusted[:, 1:-1] & trusted[:, :-2]
    second = ((y[:, 2:] - 2 * y[:, 1:-1] + y[:, :-2]) / math.sqrt(6))[use].double()
    level = ((y[:, 2:] + 2 * y[:, 1:-1] + y[:, :-2]) / 4)[use].double()
    edges = torch.linspace(float(level.min()), float(level.max()), 9, dtype=level.dtype)
    classes = [(level >= a) & (level <= b) for a, b in itertools.pairwise(edges)]
    points = [
        (level[k].mean(), (1.4826 * second[k].abs().median()) ** 2)
        for k in classes
        if int(k.sum()) >= 100
    ]
    x, variance = (torch.stack(v) for v in zip(*points, strict=True))
    # relative errors of all classes are alike: weigh by 1 / variance
    design = torch.stack([x, torch.ones_like(x)], -1) / variance[:, None]
    slope, floor = torch.linalg.lstsq(design, torch.ones_like(x)[:, None]).solution[:, 0].tolist()
    slope = max(slope, 1e-12)
    return noise.Sensor(1 / slope, max(math.sqrt(max(floor, 0.0)) / slope, 1e-3))
