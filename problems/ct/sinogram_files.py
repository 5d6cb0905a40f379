"""A sinogram and its angles out of files, with the views first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.scans.angles import AngleUnit, check_span, even_angles, read_angles, to_radians
from inverse_inr.io.scans.arrays import array_shapes, read_array
from inverse_inr.problems.ct.conventions import Program, ViewsAlong
from inverse_inr.registry import nearest

ANGLES = ("angles", "theta", "thetas", "rotation_angle")
"""Names of arrays of angles that stand beside a sinogram in one file."""


@dataclass(frozen=True, eq=False)
class Sinogram:
    """A sinogram with its views first.

    Args:
        values: (views, detectors) float32.
        angles: (views,) float64, radians in our convention.
        notes: What was inferred, by topic.
    """

    values: Tensor
    angles: Tensor
    notes: dict[str, str]


def load_sinogram(
    path: str | Tensor,
    dataset: str | None,
    angles: str | Tensor | None,
    angle_unit: AngleUnit | None,
    span: float | None,
    views: ViewsAlong | None,
    program: Program,
) -> Sinogram:
    """Read a sinogram and its angles; the arguments are those of `ct_sinogram`.

    Args:
        path: The file, or the array itself.
        dataset: The array's name in a file of several.
        angles: A file, an array's name in the same file, or the angles themselves.
        angle_unit: Their unit.
        span: Degrees from the first to the last view, in place of angles.
        views: The axis of the views.
        program: The convention.

    Raises:
        ValueError: The array is not 2-D, the axis of the views is unclear, angles are missing or
            their number fits no axis.
    """
    notes: dict[str, str] = {}
    array, beside = _array(path, dataset, notes)
    where = "the sinogram" if isinstance(path, Tensor) else str(path)
    if array.dtype.kind == "c":
        raise ValueError(f"{where}: expected real numbers, found {array.dtype}.")
    if 0 in array.shape:
        raise ValueError(f"{where}: it is empty, its shape is {tuple(array.shape)}.")
    if array.ndim != 2:
        raise ValueError(
            f"{where}: expected a sinogram of two axes, found shape {tuple(array.shape)}. "
            "A stack of projections is read by ct_scan."
        )
    if angles is not None and span is not None:
        raise ValueError("angles= and span= both say where the views lie: give one of them.")
    check_span(span, angle_unit)
    if angles is None and span is None:
        angles = _beside(path, beside, array.shape)
        if angles is None:
            raise ValueError(
                f"{where}: no angles. Give angles= (a file) or span= in degrees. "
                f"Arrays of the file: {', '.join(beside) or 'one'}."
            )
        notes["angles"] = f"from {angles!r} beside the sinogram"
    if span is not None:
        order = _order_by_word(array.shape, views, program, where)
        sinogram = array if order == "rows" else array.T
        turned = even_angles(len(sinogram), span)
    else:
        assert angles is not None
        given, unit = _angles(path, angles, beside)
        number = given.size
        order = _order_by_number(array.shape, number, views, program, where)
        sinogram = array if order == "rows" else array.T
        turned = _in_radians(given, angle_unit, unit, program, notes)
    notes["axis of the views"] = {"rows": "0", "columns": "1"}[order]
    values = torch.from_numpy(np.ascontiguousarray(sinogram, dtype=np.float32))
    return Sinogram(values, turned + program.offset, notes)


def _array(
    path: str | Tensor, dataset: str | None, notes: dict[str, str]
) -> tuple[np.ndarray, dict[str, tuple[int, ...]]]:
    """The array, and the shapes of all arrays of its file."""
    shapes: dict[str, tuple[int, ...]] = {}
    if not isinstance(path, Tensor):
        shapes = array_shapes(path)
    if dataset is not None and not shapes:
        raise ValueError(f"dataset={dataset!r} names an array of a file of several; this is one.")
    if isinstance(path, Tensor):
        return path.detach().cpu().numpy(), {}
    if dataset is None and shapes:
        flat = [n for n, shape in shapes.items() if len(shape) == 2 and min(shape) > 1]
        if len(flat) != 1:
            raise ValueError(
                f"{path}: {len(flat)} of its arrays have two axes ({', '.join(flat[:20])}). "
                f"Name the sinogram: dataset=. Arrays: {', '.join(list(shapes)[:20])}."
            )
        dataset = flat[0]
        notes["dataset"] = f"{dataset!r}, the only array of two axes"
    array = read_array(path, dataset)
    if array.ndim > 2:
        array = array.squeeze()
    return array, shapes


def _beside(
    path: str | Tensor, shapes: dict[str, tuple[int, ...]], shape: tuple[int, ...]
) -> str | None:
    """The array of angles in the sinogram's own file."""
    if isinstance(path, Tensor):
        return None
    for name, own in shapes.items():
        last = name.replace(".", "/").rpartition("/")[2]
        if last.lower() in ANGLES and math.prod(own) in shape:
            return name
    return None


def _angles(
    path: str | Tensor, angles: str | Tensor, names: Mapping[str, tuple[int, ...]]
) -> tuple[np.ndarray, AngleUnit | None]:
    """Angles as numbers, and their unit where their kind tells it."""
    if isinstance(angles, Tensor):
        return angles.detach().cpu().double().reshape(-1).numpy(), "radians"
    if angles in names and not Path(angles).exists():
        assert isinstance(path, str)
        return np.asarray(read_array(path, angles), dtype=np.float64).reshape(-1), None
    if not Path(angles).exists() and names:
        raise ValueError(
            f"angles={angles!r} is neither a file nor an array of {path}. {nearest(angles, names)}"
        )
    return read_angles(angles), None


def _in_radians(
    given: np.ndarray,
    named: AngleUnit | None,
    kind: AngleUnit | None,
    program: Program,
    notes: dict[str, str],
) -> Tensor:
    if named is not None:
        return to_radians(given, named, "angles", notes, given=True)
    unit = program.unit or kind
    span = float(np.ptp(given)) if len(given) else 0.0
    if unit == "radians" and span > 4 * math.pi * 1.01:
        raise ValueError(
            f"the angles span {span:.4g}: {span / 2 / math.pi:.1f} turns, if these are radians. "
            "Degrees? angle_unit='degrees' (or 'radians', to say that they are)."
        )
    if unit == "radians" and len(given) > 3 and span >= 3 and (given == given.round()).all():
        raise ValueError(
            f"the {len(given)} angles are whole numbers from {given.min():.0f} to "
            f"{given.max():.0f}, as those in degrees are. angle_unit='degrees' (or 'radians', to "
            "say that they are)."
        )
    step = span / max(len(given) - 1, 1)
    if unit == "degrees" and min(
        abs(span + 0.5 * step - turn) for turn in (math.pi, 2 * math.pi)
    ) < (0.75 * step + 1e-3):
        raise ValueError(
            f"the {len(given)} angles span {span:.4g}: a few degrees, or in radians a whole number "
            "of half turns. angle_unit='radians' (or 'degrees', to say that they are)."
        )
    return to_radians(given, unit, "angles", notes)


def _order_by_number(
    shape: tuple[int, ...], number: int, views: ViewsAlong | None, program: Program, where: str
) -> ViewsAlong:
    fits = [axis for axis, n in zip(("rows", "columns"), shape, strict=True) if n == number]
    if not fits:
        raise ValueError(
            f"{where} has shape {tuple(shape)}, and there are {number} angles: they fit neither "
            "axis. A repeated last view, or angles of another scan?"
        )
    if views is not None and views not in fits:
        raise ValueError(
            f"views={views!r}: that axis of {where} has {shape[views == 'columns']} entries, and "
            f"there are {number} angles, as many as the {fits[0]}."
        )
    if len(fits) == 1:
        return "rows" if fits[0] == "rows" else "columns"
    return _order_by_word(shape, views, program, where)


def _order_by_word(
    shape: tuple[int, ...], views: ViewsAlong | None, program: Program, where: str
) -> ViewsAlong:
    order = views or program.views
    if order is None:
        raise ValueError(
            f"{where} has shape {tuple(shape)}, and nothing says which axis holds the views. "
            "Say views='rows' for (views, detectors) or 'columns' for (detectors, views); "
            "on the command line --views rows."
        )
    return order
