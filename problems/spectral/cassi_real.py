"""A snapshot that a coded-aperture camera measured, with the mask as its bench calibration left it.

The files give the mask, the number of bands and the pixels between them. Where the mask lies, the
blur and the light that is not coded are found before the cube, and kept (`camera_registration`).
They can be learnt further with the image, as can the prism's dispersion and the gains. The noise is
estimated from the snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Problem
from inverse_inr.io.cubes.wavelengths import own_wavelengths
from inverse_inr.operators.spectral.camera_inputs import ImageAxis
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.instrument import Blurring
from inverse_inr.problems.spectral.measured import Modelling, measured
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
    register: bool = True,
    psf: Blurring | None = None,
    calibrate: Sequence[str] = (),
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
        register: Find the camera first (`camera_registration`): where the mask lies across the
            dispersion, how it is magnified and turned, how the camera blurs, and the light that is
            not coded. It takes a fit of a smooth image, seconds on 100 lines and minutes on 600.
            False for the camera as its files say.
        psf: Standard deviation in pixels of a blur behind the mask where it is known. If it is
            learnt with the image, its start.
        calibrate: What is learnt further, together with the image: "mask" (shift and stretch),
            "psf", "dispersion" (its scale; use a slow `operator_lr` then, because spectra make up
            for a wrong one), "gains" (one per band). A long fit lets the camera stray along the
            dispersion, so that by default nothing is.
        background: Light that does not pass the mask, which is subtracted. Its shot noise stays, as
            read noise. By default what `register` finds, or else `uncoded_light`.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest trusted
            measurement. By default the shot and read noise that the snapshot shows (`shot_noise`).
        saturation: Pixels above this fraction of the largest value are not trusted, nor are
            negative ones, hot ones, and those at a ceiling that many share; see `notes`.
        rows: Crop to these detector lines across the dispersion, (first, last), the last exclusive:
            lines of axis 0, or of axis 1 where axis 0 is dispersed.
        hold_out: Fraction of the detector that no fit sees, in blocks of 6 x 6 pixels.
        check_mask: Refuse a mask whose flipped, transposed or inverted copy explains the details of
            the snapshot clearly better (`mask_turn`).

    Raises:
        FileFormatError: A variable is no real image.
        ValueError: If measurement, mask, bands and step do not fit together, the mask is not the
            right way round, or a part to calibrate is unknown.
    """
    modelling = Modelling(register, psf, calibrate, background, noise_level, hold_out)
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
    notes |= seen.notes
    if seen.turned is not None:
        notes["mask, as filed"] = str(seen.turned)
    return measured(seen, modelling, notes=notes)


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
