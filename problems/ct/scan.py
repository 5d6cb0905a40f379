"""A measured parallel-beam scan (DXchange HDF5), as line integrals or as Poisson counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Operator, Problem, Solution, Term, noise
from inverse_inr.hooks import Shaped
from inverse_inr.io import read_dxchange
from inverse_inr.operators import DetectorDrift, ParallelBeam
from inverse_inr.operators.ct.center_of_rotation import center_of_rotation
from inverse_inr.problems.ct.counts import (
    Counts,
    as_bright_as_air,
    binned,
    counts_per_quantum,
)
from inverse_inr.problems.ct.drift_removal import tv_drift_removed
from inverse_inr.problems.ct.simulated import filtered_backprojection, measured_by, suggestion
from inverse_inr.stopping import HeldOut


@dataclass(frozen=True)
class Reading:
    """The part of a scan that is read, and its corrections.

    Args:
        row: Detector row, from 0.
        bin: Neighbouring detector pixels that are taken together as one, at least 1.
        every: Only each n-th view is used, n at least 1.
        air: Detector pixels at both ends that never see the object. Each view is scaled to the flat
            field there. 0 for no scaling.
        span: Degrees from the first to the last view, where the file's angles are known to be
            wrong. None for the file's angles.

    Raises:
        ValueError: If `row` or `air` is below 0, `bin` or `every` below 1, or `span` not above 0.
    """

    row: int = 0
    bin: int = 1
    every: int = 1
    air: int = 0
    span: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("row", 0), ("bin", 1), ("every", 1), ("air", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"Reading: {name}={getattr(self, name)} must be {least} or more.")
        if self.span is not None and not 0 < self.span < math.inf:
            raise ValueError(
                f"Reading: span={self.span} must be positive (degrees), or None for the file's "
                "angles."
            )


@dataclass(frozen=True)
class RotationAxis:
    """The place of the axis of rotation.

    Args:
        center: Distance from the detector's middle, in pixels of the file. None to find it from
            opposite views.
        learn_center: Refine it together with the image (only with points on rays, not on a raster).
    """

    center: float | None = None
    learn_center: bool = True


def ct_scan(
    path: str,
    *,
    reading: Reading = Reading(),
    axis: RotationAxis = RotationAxis(),
    fidelity: Literal["gaussian", "poisson"] = "gaussian",
    size: int | None = None,
    width: float | None = None,
    hold_out_views: int | None = None,
    drift: int | None = None,
    raster: bool = False,
) -> Problem:
    """Load one detector row of a parallel-beam DXchange scan (HDF5).

    Lengths are in (binned) detector pixels. Values that no attenuation explains (dead pixels, no
    flat field, NaN) are masked and counted in `notes`.

    Args:
        path: The file.
        reading: The part of the file that is read, and its corrections.
        axis: The place of the axis of rotation.
        fidelity: "gaussian": -log of corrected counts, each with its own precision. "poisson": the
            counts.
        size: Pixels per axis of the image; by default as many as the box is wide.
        width: Detector pixels of the file that the box spans; by default the detector.
        hold_out_views: Keep each n-th view out of the fit, to judge and to stop by.
        drift: Learn a polynomial in time of this degree for each detector element
            (`DetectorDrift`), which would show as rings.
        raster: Measure the sampled image (`.on(grid)`, TV and prior on the same pixels) instead of
            points on rays.

    Raises:
        ValueError: If no value is above its dark field, the fidelity is unknown, or bins do not fit
            on the detector.
    """
    scan = read_dxchange(path, rows=reading.row)
    gain = counts_per_quantum(path, reading.row)
    angles = scan.angles
    if reading.span is not None:
        angles = _even(len(angles), reading.span)
    angles = angles[:: reading.every]
    raw = [
        binned(v.reshape(-1, v.shape[-1]) / gain, reading.bin)
        for v in (scan.counts, scan.white, scan.dark)
    ]
    counts = _corrected(path, reading, *raw)
    line = counts.line
    # binning drops pixels at one end, which moves the middle
    dropped = 0.5 * (scan.counts.shape[-1] % reading.bin)
    if axis.center is None:
        how = "found"
        center = center_of_rotation(line, angles)
    else:
        how = "given"
        center = (axis.center + dropped) / reading.bin
    box = _box(line.shape[1], width, reading.bin)
    grid = Grid(box, (size or math.ceil(box.lengths[0]),) * 2)
    place: float | nn.Parameter = center
    if axis.learn_center and not raster:
        place = nn.Parameter(torch.tensor(center))
    beam = ParallelBeam(box, angles.float(), line.shape[1], pitch=1.0, center=place, subrays=2)
    rays: ParallelBeam | DetectorDrift = beam
    if drift is not None:
        rays = DetectorDrift(beam, drift, times=torch.arange(len(angles)))
    operator: Operator = rays
    if raster:
        operator = rays.on(grid)
    term = _term(operator, counts, fidelity)
    suggested = suggestion(beam, _views_held_out(term, hold_out_views))
    classical = suggested.baselines | _more_baselines(beam, drift, raster)
    notes = {
        "masked values": f"{int((~counts.good).sum())} of {counts.good.numel()}",
        f"centre of rotation {how} (px)": center * reading.bin - dropped,
        "counts a quantum": gain,
    }
    return Problem(
        [term], box, grid, suggested=replace(suggested, baselines=classical), notes=notes
    )


def _even(views: int, span: float) -> Tensor:
    """Angles (views,) in radians, evenly over `span` degrees, both ends included."""
    return torch.arange(views, dtype=torch.float64) * math.radians(span) / max(views - 1, 1)


def _corrected(path: str, reading: Reading, counts: Tensor, flat: Tensor, dark: Tensor) -> Counts:
    """Counts (views, bins), flat and dark field (1, bins) in quanta, corrected and masked."""
    counts = counts[:: reading.every]
    signal = counts - dark
    flat = (flat - dark).expand_as(counts)
    lit = torch.isfinite(flat) & (flat > 0.01 * flat.nanmedian())
    good = torch.isfinite(signal) & (signal > 0) & lit
    if not good.any():
        raise ValueError(
            f"{path}: no value of row {reading.row} is above its dark field. Are white and dark "
            "swapped?"
        )
    flat = as_bright_as_air(signal, flat, good, reading.air // reading.bin)
    return Counts(
        signal.where(good, 1.0),
        flat.where(good, 1.0),
        dark.nan_to_num(0.0).clamp(min=0),
        good,
    )


def _box(bins: int, width: float | None, bin: int) -> Box:
    """A square about the axis of rotation, in binned pixels, as wide as the detector or `width`."""
    half = 0.5 * bins
    if width is not None:
        half = 0.5 * (width / bin)
    return Box((-half, -half), (half, half), units=("px", "px"))


def _term(operator: Operator, counts: Counts, fidelity: str) -> Term:
    rows = counts.good.flatten().nonzero()[:, 0]
    dark = counts.dark.expand_as(counts.signal)
    if fidelity == "poisson":
        photons = counts.flat.clamp(min=1e-3).flatten()
        model = noise.Poisson(photons, dark.clamp(min=0).flatten())
        return Term(operator, (counts.signal + dark).clamp(min=0).flatten(), model, rows=rows)
    if fidelity == "gaussian":
        # the standard deviation of -log, to first order
        sigma = (counts.signal + dark).clamp(min=1).sqrt() / counts.signal.clamp(min=1)
        return Term(operator, counts.line.flatten(), noise.Gaussian(sigma.flatten()), rows=rows)
    raise ValueError(f"fidelity must be 'gaussian' or 'poisson', got {fidelity!r}.")


def _more_baselines(
    beam: ParallelBeam, drift: int | None, raster: bool
) -> dict[str, Callable[[Problem], Solution]]:
    more: dict[str, Callable[[Problem], Solution]] = {}
    if drift is not None:
        more["TV, drift removed"] = tv_drift_removed
    if raster:
        more["FBP"] = lambda p: filtered_backprojection(measured_by(beam, p))
    return more


def _views_held_out(term: Term, nth: int | None) -> HeldOut | None:
    if nth is None:
        return None
    assert isinstance(term.operator, Shaped)
    view = term.trusted // term.operator.shape[1]
    return HeldOut(rows=[term.trusted[view % nth == nth // 2]])
