"""A measured parallel-beam scan, as line integrals or as Poisson counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from inverse_inr import Operator, Problem
from inverse_inr.io import Scan, read_scan
from inverse_inr.io.scans.angles import AngleUnit, Span
from inverse_inr.operators import DetectorDrift, ParallelBeam
from inverse_inr.problems.ct.counts import corrected, flat_field_from_air, quanta_of_air
from inverse_inr.problems.ct.limits import (
    DriftDegree,
    Fidelity,
    HeldOutNth,
    Values,
    Width,
    check_bin,
    check_center,
    square_box,
    square_grid,
)
from inverse_inr.problems.ct.measured import (
    Measured,
    find_center,
    of_counts,
    of_line_integrals,
    of_transmissions,
    remark_on_angles,
    remark_on_span,
    term_of,
    with_classical_methods,
)
from inverse_inr.problems.ct.simulated import suggestion
from inverse_inr.problems.views import views_held_out
from inverse_inr.ranges import Count, Finite, WholeNumber, checked


@checked
def ct_scan(
    path: str,
    *,
    row: WholeNumber = 0,
    bin: Count = 1,
    every: Count = 1,
    air: WholeNumber = 0,
    names: Mapping[str, str | None] | None = None,
    white: str | None = None,
    dark: str | None = None,
    angles: str | Tensor | None = None,
    angle_unit: AngleUnit | None = None,
    span: Span | None = None,
    values: Values = "counts",
    center: Finite | None = None,
    learn_center: bool = True,
    fidelity: Fidelity = "gaussian",
    size: Count | None = None,
    width: Width | None = None,
    hold_out_views: HeldOutNth | None = None,
    drift: DriftDegree | None = None,
    raster: bool = False,
) -> Problem:
    """Load one detector row of a parallel-beam scan: HDF5 or TIFF projections.

    HDF5 is read in the layouts of `io.scans.layouts` (DXchange, NXtomo, plain names) or by `names`.
    Lengths are in (binned) detector pixels. Values that no attenuation explains are masked and
    counted by kind in `notes`, which also say what was inferred.

    Args:
        path: An HDF5 file, or a TIFF file, a folder of them, or a pattern such as "scan/p_*.tif".
        row: Detector row, from 0.
        bin: Neighbouring detector pixels that are taken together as one, at least 1.
        every: Only each n-th view is used, n at least 1.
        air: Detector pixels at both ends that never see the object. Each view is scaled to the flat
            field there. 0 for no scaling.
        names: Datasets of HDF5 by part (data, white, white_after, dark, theta, image_key); None or
            "" for a part that is absent.
        white: TIFF frames without object, in place of those of the file.
        dark: TIFF frames without beam, in place of those of the file.
        angles: (views,) tensor in radians, or a text or .npy file, in place of the file's angles.
        angle_unit: "degrees" or "radians"; None for what the file or the span says.
        span: Degrees from the first to the last view, in place of all angles. Negative for a
            scanner that turns backwards.
        values: What the file's numbers are: "counts", "transmissions" or "line integrals".
        center: Distance of the axis of rotation from the detector's middle, in pixels of the file.
            None to find it from opposite views.
        learn_center: Refine it together with the image (only with points on rays, not on a raster).
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
        ValueError: Angles or flat fields are missing or fit no layout, no value can be trusted, the
            fidelity is unknown, or bins do not fit on the detector.
    """
    scan = read_scan(
        path,
        rows=row,
        names=names,
        white=white,
        dark=dark,
        angles=angles,
        angle_unit=angle_unit,
        span=span,
    )
    if scan.angles is None:
        raise ValueError(
            f"{path}: the scan has no angles. Give angles= (a file or radians) or span= in degrees."
        )
    pixels = scan.counts.shape[-1]
    check_bin(bin, pixels)
    check_center(center, pixels)
    if every > 1 and every >= len(scan.angles):
        raise ValueError(f"{path}: every={every} leaves one of the {len(scan.angles)} views.")
    notes: dict[str, object] = dict(scan.notes)
    used = scan.angles[::every]
    measured = measured_row(path, row, scan, used, values, (bin, every, air), fidelity, notes)
    # binning drops pixels at one end, which moves the middle
    dropped = 0.5 * (pixels % bin)
    how = "given"
    place = ((center or 0.0) + dropped) / bin
    if center is None:
        how = "found"
        place = find_center(measured, used)
    bins = measured.line.shape[1]
    box = square_box(0.5 * (bins if width is None else width / bin), "px")
    grid = square_grid(box, size or math.ceil(box.lengths[0]))
    axis: float | nn.Parameter = place
    if learn_center and not raster:
        axis = nn.Parameter(torch.tensor(place))
    beam = ParallelBeam(box, used.float(), bins, pitch=1.0, center=axis, subrays=2)
    rays: ParallelBeam | DetectorDrift = beam
    if drift is not None:
        rays = DetectorDrift(beam, drift, times=torch.arange(len(used)))
    operator: Operator = rays
    if raster:
        operator = rays.on(grid)
    term = term_of(operator, measured, fidelity)
    notes |= {
        **measured.notes(),
        **remark_on_span(measured, span if every == 1 else None),
        **remark_on_angles(measured, used),
        f"centre of rotation {how} (px)": place * bin - dropped,
    }
    problem = Problem(
        [term],
        box,
        grid,
        suggested=suggestion(beam, views_held_out(term, hold_out_views)),
        notes=notes,
    )
    return with_classical_methods(problem, beam, drift, raster)


def measured_row(
    path: str,
    row: int,
    scan: Scan,
    angles: Tensor,
    values: Values,
    choice: tuple[int, int, int],
    fidelity: Fidelity,
    notes: dict[str, object],
) -> Measured:
    """Make measurements of one detector row.

    Args:
        path: The file, for messages.
        row: The number of the row, for messages.
        scan: The scan of this row alone.
        angles: (views,) of the views that are used, in radians.
        values: What the numbers are.
        choice: The bin, each how-manieth view is used, and the pixels of air at both ends.
        fidelity: The noise model that will be asked for.
        notes: What is inferred is written here.

    Raises:
        ValueError: No value can be trusted, or flat fields are missing.
    """
    bin, every, air = choice
    counts = scan.counts[::every, 0]
    said: dict[str, str] = {}
    try:
        if values == "line integrals":
            return of_line_integrals(counts, angles, bin, air, None, said)
        if values == "transmissions":
            return of_transmissions(counts, angles, bin, air, fidelity, said)
        if values != "counts":
            raise ValueError(
                f"values must be 'counts', 'transmissions' or 'line integrals', got {values!r}."
            )
        white = _flat_field(scan, counts, every, air, said)
        gain = _gain(scan, counts, white, said)
        notes["counts a quantum"] = gain
        zeros = fidelity == "poisson"
        return of_counts(
            *corrected(
                counts, white, scan.dark, gain, scan.ceiling, angles, bin, air, keep_zeros=zeros
            )
        )
    except ValueError as error:
        raise ValueError(f"{path}, row {row}: {error}") from None
    finally:
        notes.update(said)


def _flat_field(scan: Scan, counts: Tensor, every: int, air: int, said: dict[str, str]) -> Tensor:
    """Frames without object (views or 1, detectors), from the file or from the air in the views."""
    if scan.white is not None:
        if scan.white.ndim == 3:
            return scan.white[::every, 0]
        return scan.white
    try:
        white = flat_field_from_air(counts, scan.dark, air)
    except ValueError as error:
        raise ValueError(
            f"{error} Name the flat fields (names=dict(white=...) or white=), give air=, or say "
            "that these are no counts: values='transmissions' or 'line integrals'."
        ) from None
    said["flat field"] = (
        "none in the file: each view's is the line between the light at both ends of the detector, "
        "which see an even beam"
    )
    return white


def _gain(scan: Scan, counts: Tensor, white: Tensor, said: dict[str, str]) -> float:
    """Counts per quantum: by photon transfer, else from the noise of the views, else 1."""
    if scan.gain is not None and math.isfinite(float(scan.gain[0])):
        return float(scan.gain[0])
    flat = white - scan.dark
    quanta = quanta_of_air(((counts - scan.dark) / flat).where(flat > 0, torch.nan))
    level = float(flat.nanmedian())
    if math.isinf(quanta) or not level > 0:
        said["gain"] = "taken as 1: neither flat fields nor views show the noise of photons"
        return 1.0
    said["gain"] = "from the noise of the views, as there are fewer than three flat fields"
    return level / quanta
