"""A sinogram of one's own, from any file and program, as a problem."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Operator, Problem
from inverse_inr.io.scans.angles import AngleUnit, Span
from inverse_inr.io.scans.arrays import read_array
from inverse_inr.operators import FanBeam, ParallelBeam
from inverse_inr.problems.ct.conventions import PROGRAMS, Convention, ViewsAlong
from inverse_inr.problems.ct.counts import corrected, quanta_of_air
from inverse_inr.problems.ct.limits import (
    Deviation,
    Fidelity,
    HeldOutNth,
    Pitch,
    Values,
    Width,
    check_bin,
    check_center,
    square_box,
    square_grid,
)
from inverse_inr.problems.ct.measured import (
    NO_NOISE,
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
from inverse_inr.problems.ct.sinogram_files import Sinogram, load_sinogram
from inverse_inr.problems.views import views_held_out
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, WholeNumber, checked


@checked
def ct_sinogram(
    path: str | Tensor,
    *,
    dataset: str | None = None,
    angles: str | Tensor | None = None,
    angle_unit: AngleUnit | None = None,
    span: Span | None = None,
    views: ViewsAlong | None = None,
    convention: Convention = "ours",
    values: Values = "line integrals",
    white: str | Positive | None = None,
    dark: str | NonNegative | None = None,
    noise_level: Deviation | None = None,
    pitch: Pitch = 1.0,
    unit: str = "px",
    center: Finite | None = None,
    learn_center: bool = False,
    source_to_axis: Positive | None = None,
    axis_to_detector: NonNegative | None = None,
    bin: Count = 1,
    air: WholeNumber = 0,
    fidelity: Fidelity = "gaussian",
    size: Count | None = None,
    width: Width | None = None,
    hold_out_views: HeldOutNth | None = None,
    raster: bool = False,
) -> Problem:
    """Load a sinogram of a parallel or fan beam: npy, npz, HDF5, MATLAB or TIFF.

    The axis of the views is the one with as many entries as there are angles. docs/ct.md says where
    angle 0 points. What was inferred stands in `notes`.

    Args:
        path: The file, or the (views, detectors) tensor itself.
        dataset: The sinogram's name in a file of several arrays; by default the only one of two
            axes.
        angles: (views,) angles as a text or .npy file, as an array's name in the same file, or as a
            tensor. By default the array angles, theta or rotation_angle of the file.
        angle_unit: "degrees" or "radians". By default the convention's own; for "ours" radians for
            a tensor, and for a file the unit that the span tells.
        span: Degrees from the first to the last view, evenly spaced, in place of angles. Negative
            for a scanner that turns backwards.
        views: "rows" for (views, detectors), "columns" for (detectors, views), where the number of
            angles does not tell.
        convention: The program whose angles and axes these are: "ours", "scikit-image", "astra" or
            "tomopy".
        values: What the numbers are: "line integrals", "transmissions" or "counts".
        white: For counts, what the detector counts without object: a number, or a file of
            (detectors,) or (frames, detectors).
        dark: For counts, what it counts without beam, in the same forms; by default 0.
        noise_level: Standard deviation of a line integral. By default estimated.
        pitch: Width of a detector bin, in `unit`.
        unit: The unit of all lengths.
        center: Distance of the axis of rotation from the detector's middle, in bins of the file. By
            default found from opposite views of a parallel beam, else 0.
        learn_center: Refine it together with the image (only with points on rays).
        source_to_axis: Distance of a fan beam's source from the axis of rotation, in `unit`.
        axis_to_detector: Distance of a fan beam's detector from the axis of rotation, in `unit`.
        bin: Neighbouring detector bins that are taken together as one.
        air: Detector bins at both ends that never see the object: each view of counts or
            transmissions is scaled there. 0 for no scaling.
        fidelity: "gaussian" for line integrals; "poisson" for counts or transmissions.
        size: Pixels per axis of the image; by default as many as the box is wide.
        width: Detector bins of the file that the box spans; by default the detector.
        hold_out_views: Keep each n-th view out of the fit, to judge and to stop by.
        raster: Measure the sampled image instead of points on rays.

    Raises:
        ValueError: Angles, axis or values are unclear or disagree, or the geometry is impossible.
    """
    program = PROGRAMS[convention]
    if (source_to_axis is None) != (axis_to_detector is None):
        raise ValueError("a fan beam needs both source_to_axis= and axis_to_detector=.")
    if learn_center and raster:
        raise ValueError("learn_center= needs points on rays: leave raster= out.")
    sinogram = load_sinogram(path, dataset, angles, angle_unit, span, views, program)
    notes: dict[str, object] = dict(sinogram.notes)
    pixels = sinogram.values.shape[1]
    check_bin(bin, pixels)
    check_center(center, pixels)
    where = "the sinogram" if isinstance(path, Tensor) else path
    try:
        measured = _measured(
            sinogram, values, white, dark, noise_level, (bin, air), fidelity, notes
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if angles is None or views is not None:
        _check_axis(measured.whole, where)
    parallel = source_to_axis is None
    by_convention = None
    if program.pivot_pixel:
        by_convention = pixels // 2 - 0.5 * (pixels - 1)
    dropped = 0.5 * (pixels % bin)
    place, how = _center(measured, sinogram.angles, center, by_convention, parallel, dropped, bin)
    notes |= {
        **measured.notes(),
        **remark_on_span(measured, span),
        f"centre of rotation {how} (bins)": place * bin - dropped,
    }
    if parallel:
        notes |= remark_on_angles(measured, sinogram.angles)
    bins = measured.line.shape[1]
    step = pitch * bin
    magnification = 1.0
    if source_to_axis is not None and axis_to_detector is not None:
        magnification = (source_to_axis + axis_to_detector) / source_to_axis
    half = 0.5 * (bins if width is None else width / bin) * step / magnification
    box = square_box(half, unit)
    grid = square_grid(box, size or math.ceil(2 * half / step * magnification - 1e-9))
    if program.pivot_pixel and width is None and bin == 1 and parallel:
        box, grid = _about_a_pixel(pixels, pitch, unit, size)
    axis: float | nn.Parameter = place * step
    if learn_center and not raster:
        axis = nn.Parameter(torch.tensor(place * step))
    turned = sinogram.angles.float()
    beam: ParallelBeam | FanBeam
    if source_to_axis is None or axis_to_detector is None:
        beam = ParallelBeam(box, turned, bins, pitch=step, center=axis, subrays=2)
    else:
        beam = FanBeam(
            box, turned, bins, source_to_axis, axis_to_detector, pitch=step, center=axis, subrays=2
        )
    operator: Operator = beam
    if raster:
        operator = beam.on(grid)
    term = term_of(operator, measured, fidelity)
    suggested = suggestion(beam, views_held_out(term, hold_out_views))
    problem = Problem([term], box, grid, suggested=suggested, notes=notes)
    return with_classical_methods(problem, beam, None, raster)


def _check_axis(line: Tensor, where: str) -> None:
    """Refuse a sinogram whose total attenuation is alike along the axis taken for the detector."""
    by_view = line.sum(1)
    by_bin = line.sum(0)
    spreads = [float(v.std() / v.abs().mean().clamp(min=1e-30)) for v in (by_view, by_bin)]
    if len(line) >= 8 and spreads[0] > 0.1 and spreads[1] < 0.02:
        raise ValueError(
            f"{where}: the total attenuation of a view varies by {spreads[0]:.0%} over the views, "
            f"and by {spreads[1]:.1%} if the other axis holds them. Transposed? views='rows' is "
            "(views, detectors), 'columns' is (detectors, views)."
        )


def _measured(
    sinogram: Sinogram,
    values: Values,
    white: str | float | None,
    dark: str | float | None,
    noise_level: float | None,
    choice: tuple[int, int],
    fidelity: Fidelity,
    notes: dict[str, object],
) -> Measured:
    """The sinogram as measurements; `choice` holds bin and air."""
    bin, air = choice
    said: dict[str, str] = {}
    numbers = sinogram.values
    try:
        if values == "counts":
            return _of_counts(sinogram, white, dark, choice, fidelity, said)
        if white is not None or dark is not None:
            raise ValueError(f"white= and dark= belong to values='counts', not to {values!r}.")
        if values == "transmissions":
            return of_transmissions(numbers, sinogram.angles, bin, air, fidelity, said)
        if values != "line integrals":
            raise ValueError(
                f"values must be 'line integrals', 'transmissions' or 'counts', got {values!r}."
            )
        return of_line_integrals(numbers, sinogram.angles, bin, air, noise_level, said)
    finally:
        notes.update(said)


def _of_counts(
    sinogram: Sinogram,
    white: str | float | None,
    dark: str | float | None,
    choice: tuple[int, int],
    fidelity: Fidelity,
    said: dict[str, str],
) -> Measured:
    counts = sinogram.values
    if white is None:
        raise ValueError("counts need white=, what the detector counts without object.")
    flat = _field(white, counts, "white")
    below = _field(0.0 if dark is None else dark, counts, "dark")
    if dark is None:
        said["dark field"] = "none given: taken as 0"
    quanta = quanta_of_air((counts - below) / (flat - below))
    gain = 1.0
    if math.isfinite(quanta):
        gain = float((flat - below).median()) / quanta
    said["counts a quantum"] = f"{gain:.4g}, from the noise of the views"
    if gain == 1.0:
        said["counts a quantum"] = (
            f"taken as 1: the views show no noise below {NO_NOISE:.0e} quanta"
        )
    zeros = fidelity == "poisson"
    return of_counts(
        *corrected(counts, flat, below, gain, math.inf, sinogram.angles, *choice, keep_zeros=zeros)
    )


def _field(field: str | float, counts: Tensor, name: str) -> Tensor:
    """A number or a file as (1, detectors)."""
    if not isinstance(field, str):
        return torch.full_like(counts[:1], float(field))
    array = torch.from_numpy(read_array(field).astype("float32"))
    frames = array.reshape(-1, array.shape[-1])
    if frames.shape[1] != counts.shape[1]:
        raise ValueError(
            f"{name}={field} has {frames.shape[1]} detector bins and the sinogram "
            f"{counts.shape[1]}."
        )
    return frames.median(0, keepdim=True).values


def _center(
    measured: Measured,
    angles: Tensor,
    center: float | None,
    by_convention: float | None,
    parallel: bool,
    dropped: float,
    bin: int,
) -> tuple[float, str]:
    """The axis in bins after binning, and how it is known."""
    if center is not None:
        return (center + dropped) / bin, "given"
    if by_convention is not None:
        return (by_convention + dropped) / bin, "by the convention"
    if not parallel:
        return dropped / bin, "taken as the middle"
    for against in remark_on_angles(measured, angles).values():
        raise ValueError(f"{against} Give center= if the angles are right.")
    try:
        return find_center(measured, angles), "found"
    except ValueError:
        return dropped / bin, "taken as the middle, as no opposite views tell it"


def _about_a_pixel(pixels: int, pitch: float, unit: str, size: int | None) -> tuple[Box, Grid]:
    """The box of a program that turns about pixel n // 2, and the image's grid in it."""
    half = (pixels // 2 + 0.5) * pitch
    box = square_box(half, unit)
    lower = -half
    image = Box((lower, lower), (lower + pixels * pitch,) * 2, units=(unit, unit))
    return box, square_grid(image, size or pixels)
