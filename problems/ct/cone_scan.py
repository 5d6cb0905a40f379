"""A measured cone-beam scan: projections, flat and dark fields, and a geometry file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, Term, noise
from inverse_inr.io import Scan, read_scan
from inverse_inr.io.scans.angles import AngleUnit, Span
from inverse_inr.io.scans.cone_geometry import geometry_beside, read_cone_geometry
from inverse_inr.io.scans.cone_record import ConeGeometry
from inverse_inr.memory import require
from inverse_inr.operators import ConeBeam, ConeVectors
from inverse_inr.operators.ct.astra_cones import placed_scanner
from inverse_inr.problems.ct.cone import by_voxels, cone_suggestion, spare_views_held_out
from inverse_inr.problems.ct.cone_center import cone_center
from inverse_inr.problems.ct.limits import HeldOutNth, Values, check_bin
from inverse_inr.problems.ct.panels import Panels, binned_panels, panels_of
from inverse_inr.ranges import Count, Finite, Positive, WholeNumber, checked

MOST_VOXELS = 2**16
"""Voxels along a side beyond which a voxel is a slip."""


@checked
def cone_scan(
    path: str,
    geometry: str | None = None,
    *,
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
    center: Finite | Literal["auto"] = 0.0,
    learn_center: bool = False,
    unit: str | None = None,
    width: Positive | None = None,
    height: Positive | None = None,
    voxel: Positive | None = None,
    hold_out_views: HeldOutNth | None = None,
) -> Problem:
    """Load a cone-beam scan: HDF5 or TIFF projections and a geometry file.

    Each detector row is corrected and masked as `ct_scan` does it. The volume has the unit of the
    geometry, so that `Solution.write` says how large a voxel is.

    Args:
        path: An HDF5 file, or a TIFF file, a folder of them, or a pattern such as "scan/p_*.tif".
        geometry: Nikon's .xtekct; or .json or .toml with one of ASTRA's dictionaries ('cone',
            'cone_vec') or the words of `io.scans.cone_words`. None for the only .xtekct in the
            folder of the projections.
        bin: Detector pixels along each axis that are taken together as one, at least 1.
        every: Only each n-th view is used, n at least 1.
        air: Detector pixels at both ends of each row that never see the object. Each view is scaled
            to the flat field there. 0 for no scaling.
        names: Datasets of HDF5 by part, as in `ct_scan`.
        white: TIFF frames without object, in place of those of the file.
        dark: TIFF frames without beam, in place of those of the file.
        angles: (views,) tensor in radians, or a text or .npy file, in place of all others.
        angle_unit: "degrees" or "radians"; None for what the file or the span says.
        span: Degrees from the first to the last view, in place of all angles. Negative for a
            scanner that turns backwards.
        values: What the file's numbers are: "counts", "transmissions" or "line integrals".
        center: Offset correction: what is added to the geometry's shift of the axis of rotation, in
            pixels of the file. "auto" finds it from conjugate rays (`cone_center`); what was found
            stands in `Problem.notes`.
        learn_center: Refine it together with the volume (of a circular scan fitted by rays).
        unit: The unit of lengths, where the geometry does not say.
        width: Side of the volume across the axis; by default what all views see.
        height: Of the volume along the axis; by default what is seen in its middle.
        voxel: Side of a voxel; by default a binned pixel at the axis of rotation.
        hold_out_views: Keep each n-th view out of the fit, to judge and to stop by.

    Raises:
        FileNotFoundError: There is no such file, or no geometry beside the projections.
        ValueError: Files contradict each other, angles or flat fields are missing, or no value can
            be trusted; or center="auto" finds no axis that is sure.
        OutOfMemoryError: The volume does not fit the memory at hand.
    """
    where = geometry or geometry_beside(path)
    if where is None:
        raise FileNotFoundError(
            f"{path}: a cone-beam scan needs geometry=, a file that says where source and panel "
            "are; there is no single .xtekct beside the projections."
        )
    placed = read_cone_geometry(where)
    scan = read_scan(
        path,
        names=names,
        white=white,
        dark=dark,
        angles=angles,
        angle_unit=angle_unit,
        span=span,
    )
    given = angles is not None or span is not None
    scan = _upright(scan, placed, f"{path} with {where}", given)
    views, rows, columns = scan.counts.shape
    check_bin(bin, min(rows, columns))
    if center != "auto" and abs(center) > columns:
        raise ValueError(
            f"cone_scan: center={center:g} shifts the axis of rotation by more pixels than the "
            f"{columns} columns of the panel."
        )
    if every > 1 and every >= views:
        raise ValueError(f"{path}: every={every} leaves one of the {views} views.")
    parts = _placed(placed, scan, given, where)
    if center != "auto":
        parts[1] = parts[1] - center * parts[2]
    notes: dict[str, object] = {**scan.notes, **placed.notes}
    panels = binned_panels(panels_of(path, scan, every, air, values, notes), bin)
    parts = _binned_places([part[::every] for part in parts], (rows, columns), bin)
    counts = (rows // bin, columns // bin)
    if center == "auto":
        shift, error = _found_center(parts, panels, placed.unit)
        notes["center of rotation"] = (
            f"{bin * shift:.2f} pixels from where the geometry has it, from conjugate rays "
            f"(standard error {bin * error:.2f})"
        )
        parts[1] = parts[1] - shift * parts[2]
    box, side = _field_of_view(parts, counts, unit or placed.unit, (width, height))
    _require_sizes(side, max(box.lengths), width=width, height=height, voxel=voxel)
    if voxel is None:
        voxel = side
    shape = tuple(max(1, round(length / voxel)) for length in box.lengths)
    require(
        f"cone_scan: a volume of {shape} voxels", 16.0 * math.prod(shape), "A larger voxel or bin."
    )
    beam = placed_scanner(box, [part.numpy() for part in parts], counts)
    if learn_center:
        _learn_center(beam)
    good = panels.good.flatten()
    term = Term(
        beam,
        panels.line.flatten(),
        noise.Gaussian(panels.sigma.flatten()),
        rows=None if bool(good.all()) else good.nonzero()[:, 0],
    )
    circular = isinstance(beam, ConeBeam) and float(beam.height.detach().abs().max()) == 0
    notes["masked values"] = f"{int((~good).sum())} of {len(good)}"
    return by_voxels(
        Problem(
            [term],
            box,
            Grid(box, shape),
            suggested=cone_suggestion(spare_views_held_out(term, hold_out_views), circular),
            notes=notes,
        )
    )


def _upright(scan: Scan, placed: ConeGeometry, what: str, given: bool) -> Scan:
    """The scan with rows and columns in the order of the coordinates, as large as it should be."""
    shape = tuple(scan.counts.shape)
    if placed.detectors is not None and shape[1:] != placed.detectors:
        slip = ""
        if shape[1:] == placed.detectors[::-1]:
            slip = " Rows and columns swapped?"
        raise ValueError(
            f"{what}: projections have {shape[1:]} pixels (rows, columns), the geometry says "
            f"{placed.detectors}.{slip}"
        )
    views = shape[0]
    known = placed.angles
    if placed.source.ndim == 2:
        known = placed.source[:, 0]
    if known is not None and len(known) != views and not given:
        raise ValueError(
            f"{what}: there are {views} projections, the geometry describes {len(known)} views. "
            "Flat fields among the projections, or a repeated last view?"
        )
    parts = {"counts": scan.counts, "white": scan.white, "dark": scan.dark}
    if scan.white is None and placed.white is not None:
        parts["white"] = torch.full_like(scan.dark, placed.white)
    for name, part in parts.items():
        if part is not None:
            axes = [axis - 3 for axis in placed.flipped]
            parts[name] = part.flip(axes) if axes else part
    gain = scan.gain
    if gain is not None and 1 in placed.flipped:
        gain = gain.flip(0)
    return scan._replace(**parts, gain=gain)


def _placed(placed: ConeGeometry, scan: Scan, given: bool, where: object) -> list[Tensor]:
    """Source and panel at all views; the caller's angles come first, then the geometry's."""
    angles = scan.angles if given or placed.angles is None else placed.angles
    if placed.source.ndim == 2:
        angles = None
    try:
        return placed.placed(angles)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _binned_places(parts: list[Tensor], counts: tuple[int, int], bin: int) -> list[Tensor]:
    """Source and panel for binned pixels; pixels dropped at the ends move the middle."""
    source, middle, across, along = parts
    dropped = [0.5 * (n % bin) for n in counts]
    middle = middle - dropped[0] * along - dropped[1] * across
    return [source, middle, bin * across, bin * along]


def _found_center(parts: list[Tensor], panels: Panels, unit: str) -> tuple[float, float]:
    """How far the axis lies from where the geometry has it, and its standard error, in pixels."""
    counts = (panels.line.shape[1], panels.line.shape[2])
    box, _ = _field_of_view(parts, counts, unit, (None, None))
    beam = placed_scanner(box, [part.numpy() for part in parts], counts)
    if not isinstance(beam, ConeBeam):
        raise ValueError(
            'cone_scan: center="auto" is for a circular scan, not for free positions. Give center '
            "as a number."
        )
    found, error = cone_center(beam, panels.line.where(panels.good, math.nan))
    return (found - float(beam.center.detach().mean())) / beam.pitch, error / beam.pitch


def _field_of_view(
    parts: list[Tensor],
    counts: tuple[int, int],
    unit: str,
    given: tuple[float | None, float | None],
) -> tuple[Box, float]:
    """The box about the axis that some view sees, and the size of a pixel at the axis."""
    source, middle, across, along = parts
    sides = [_at_axis(source, middle + sign * 0.5 * counts[1] * across) for sign in (-1, 1)]
    ends = [_at_axis(source, middle + sign * 0.5 * counts[0] * along) for sign in (-1, 1)]
    nearest, part = _at_axis(source, middle)
    width = given[0] or 2 * max(float(place[:, :2].norm(dim=-1).max()) for place, _ in sides)
    height = given[1] or 2 * max(float(place[:, 2].abs().max()) for place, _ in ends)
    pitch = float((part * across.norm(dim=-1)).median())
    if not (width > 0 and height > 0 and pitch > 0 and bool(torch.isfinite(nearest).all())):
        raise ValueError("cone_scan: the views of this geometry see nothing about the axis.")
    half = (width / 2, width / 2, height / 2)
    return Box(tuple(-h for h in half), half, (unit,) * 3), pitch


def _require_sizes(pixel: float, longest: float, **sizes: float | None) -> None:
    """Refuse lengths that cannot be meant: beside a pixel at the axis, or the whole volume."""
    for name, size in sizes.items():
        least = 0.1 * pixel
        if name == "voxel":
            least = longest / MOST_VOXELS
        if size is not None and size < least:
            raise ValueError(
                f"cone_scan: {name}={size:g} is too small: a pixel at the axis is {pixel:g}, the "
                f"volume {longest:g} long. Another unit of length?"
            )


def _at_axis(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Where the rays to some targets pass the axis closest, and at which part of their way."""
    way = target - source
    flat = way[:, :2]
    part = -(source[:, :2] * flat).sum(-1) / flat.square().sum(-1)
    return source + part[:, None] * way, part


def _learn_center(beam: ConeBeam | ConeVectors) -> None:
    if not isinstance(beam, ConeBeam):
        raise ValueError("cone_scan: learn_center is for a circular scan, not for free positions.")
    start = beam.center.detach().clone()
    del beam.center
    beam.center = nn.Parameter(start)
