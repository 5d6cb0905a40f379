"""The problem of a measured snapshot: its camera is found first, then kept for the cube.

`cassi_real` reads a snapshot from files, `uncalibrated` simulates one; both make their problem
here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Problem, Suggestion, Term, noise
from inverse_inr.operators import CASSI, BandResponse, Placement
from inverse_inr.operators.spectral.dispersion import Scaled
from inverse_inr.problems.spectral.camera_registration import Registration, registered
from inverse_inr.problems.spectral.cassi import CALIBRATION_RATE, suggestion
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.instrument import Blurring
from inverse_inr.problems.spectral.snapshot import Snapshot
from inverse_inr.ranges import Finite, NoiseLevel, ProperFraction, checked
from inverse_inr.stopping import HeldOut

BLUR = 0.65
"""Standard deviation (px) from which a blur that is learnt with the image starts."""

STRENGTHS = (1.6, 0.4, 0.1)
"""Denoising strengths that the classical methods try, relative to the span of the cube."""

ITERATIONS = 60
"""Iterations of the classical methods."""

STEPS = 600
"""Steps of the fit of the cube."""

PLACES = (("further right", "right", "lower"), ("lower", "lower", "right"))
"""Words for a displacement across the dispersion, for the axis that is dispersed: its direction,
the edge across the dispersion, the edge along it."""

PARTS = {"mask", "dispersion", "gains", "psf"}
"""The parts of the camera that can be calibrated together with the image."""


@checked
@dataclass(frozen=True)
class Modelling:
    """How a problem is made from a snapshot.

    Args:
        register: Find the mask's place, the blur and the light that is not coded before anything is
            reconstructed (`camera_registration`).
        psf: Standard deviation in pixels of a blur behind the mask; None where it is not known.
        calibrate: What is learnt together with the image: "mask", "psf", "dispersion", "gains".
        background: Light that does not pass the mask, in the snapshot's unit, which is subtracted;
            None where it is not known.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest trusted
            measurement; None for the shot and read noise that the snapshot shows.
        hold_out: Fraction of the trusted pixels that no fit sees.
    """

    register: bool = True
    psf: Blurring | None = None
    calibrate: Sequence[str] = ()
    background: Finite | None = None
    noise_level: NoiseLevel | None = None
    hold_out: ProperFraction = 0.05

    def __post_init__(self) -> None:
        unknown = set(self.calibrate) - PARTS
        if unknown:
            raise ValueError(
                f"cassi_real: cannot calibrate {sorted(unknown)}; there is mask, dispersion, "
                "gains, psf."
            )


@checked
def measured(
    seen: Snapshot,
    modelling: Modelling,
    *,
    notes: dict[str, Any],
    reference: Callable[[float], Field] | None = None,
) -> Problem:
    """Make the problem of a snapshot.

    Args:
        seen: The snapshot, and the camera as filed.
        modelling: How the problem is made.
        notes: Findings so far.
        reference: Maps the snapshot's unit of the scene to the truth in that unit; None where there
            is no truth.

    Returns:
        The problem, in units of a scene that is 1 in all bands where the detector is brightest.

    Raises:
        ValueError: The background is not below the brightest pixel.
    """
    dark = modelling.background
    found = None
    if modelling.register:
        found = registered(seen, blur=modelling.psf, background=dark)
    if dark is None and found is not None:
        dark = found.background
    if dark is None:
        dark = uncoded_light(seen.y[seen.trusted], seen.coded[seen.trusted])
    if not dark < seen.top:
        raise ValueError(
            f"cassi_real: background={dark:g} is not below the brightest pixel, {seen.top:g}."
        )
    # priors start near 1
    unit = (seen.top - dark) / float(seen.coded.max())
    y = (seen.y - dark) / unit
    good = seen.trusted
    model: noise.Noise
    if modelling.noise_level is None:
        model = shot_noise(y, good, seen.coded_bands)
    else:
        model = noise.Gaussian(modelling.noise_level * seen.top / unit)
    notes = notes | {
        "negative or saturated pixels": f"{int((~good).sum())} of {y.numel()}",
        "background": dark,
        "noise": model,
    }
    if found is not None:
        notes |= _said(found, seen.camera.axis)
    camera = _camera(seen.camera, modelling, found)
    flat = y.nan_to_num(0.0, 0.0, 0.0).flatten()
    term = Term(camera.on(camera.bands), flat, model, rows=good.flatten().nonzero()[:, 0])
    truth = None
    if reference is not None:
        truth = reference(unit)
    return Problem(
        [term],
        camera.box,
        camera.bands,
        reference=truth,
        suggested=_suggestion(term, camera.bands, modelling.hold_out),
        notes=notes,
        average=1,
    )


def _said(found: Registration, axis: int) -> dict[str, Any]:
    """Notes on where the camera was found."""
    way, side, end = PLACES[axis]
    middle, across, along = found.displacement.tolist()
    return {
        f"mask lies {way} by": f"{middle:.2f} px, {across:.2f} more at the {side} and {along:.2f} "
        f"at the {end} edge",
        "camera blurs by": f"{found.blur:.2f} px",
    }


def _camera(as_filed: CASSI, modelling: Modelling, found: Registration | None) -> CASSI:
    """The camera as it was found, or as filed, with the parts to calibrate as parameters."""
    calibrate = modelling.calibrate
    law: Callable[[Tensor], Tensor] = as_filed.dispersion
    if "dispersion" in calibrate:
        law = Scaled(law, nn.Parameter(torch.ones(())))
    response = BandResponse()
    if "gains" in calibrate:
        response = BandResponse(nn.Parameter(torch.ones(len(as_filed.wavelengths))))
    blur: float | Tensor | None = modelling.psf
    if found is not None:
        blur = found.blur or None
    if "psf" in calibrate:
        blur = nn.Parameter(torch.tensor(blur or BLUR))
    mask = as_filed.mask
    placement = Placement()
    if "mask" in calibrate:
        placement = _learnt_placement(found, as_filed.axis)
    elif found is not None:
        mask = found.camera.mask
    return CASSI(
        as_filed.box,
        mask,
        as_filed.wavelengths,
        law,
        axis=as_filed.axis,
        psf=blur,
        response=response,
        placement=placement,
        width=as_filed.sizes[2],
    )


def _learnt_placement(found: Registration | None, axis: int) -> Placement:
    """A placement that starts where the mask was found, and is learnt with the image."""
    across = 1 - axis
    shift = torch.zeros(2)
    stretch = torch.zeros(2, 2)
    if found is not None:
        shift[across] = found.displacement[0]
        stretch[across, across] = found.displacement[1]
        stretch[across, axis] = found.displacement[2]
    return Placement(nn.Parameter(shift), stretch=nn.Parameter(stretch))


def _suggestion(term: Term, grid: Grid, hold_out: float) -> Suggestion:
    # single pixels rank cubes wrongly (docs/spectral.md): whole blocks are held out
    return replace(
        suggestion(term, grid, HeldOut(hold_out, together=True)),
        steps=STEPS,
        operator_lr=CALIBRATION_RATE,
        baselines={
            "GAP-TV": partial(gap_tv, strengths=STRENGTHS, iterations=ITERATIONS),
            "ADMM-TV": partial(admm_tv, strengths=STRENGTHS, iterations=ITERATIONS),
        },
    )
