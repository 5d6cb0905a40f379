"""ISMRMRD acquisitions along a trajectory: radial, spiral and any other."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.kspace.acquisitions import REVERSED, Acquisitions
from inverse_inr.io.kspace.header import Encoding
from inverse_inr.io.kspace.raw import RawKSpace, check_finite


def read_trajectory(
    imaging: Acquisitions, encoding: Encoding, noise: Tensor | None, notes: dict[str, str]
) -> RawKSpace:
    """Read samples with the places in k-space that the file gives.

    The standard does not fix the unit of trajectories. It is told by how far they reach: half a
    cycle per pixel, half the matrix in cycles per field of view, or π radians per pixel.

    Args:
        imaging: The acquisitions.
        encoding: Their encoding space.
        noise: The covariance of the receivers, or None.
        notes: Gets a note on the unit.

    Returns:
        The samples, (coils, readouts, samples), with their trajectory in cycles per mm.

    Raises:
        FileFormatError: There is no trajectory, readouts differ in length or were turned round, or
            the unit cannot be told.
    """
    path = imaging.path
    name = encoding.trajectory or "not Cartesian"
    if not imaging.field("trajectory_dimensions").all():
        raise FileFormatError(
            f"{path}: the header's trajectory is {name}, but acquisitions have no trajectory. "
            "Make a NonCartesianKSpace of the nominal one."
        )
    if imaging.flagged(REVERSED).any():
        raise FileFormatError(f"{path}: reversed readouts (flag 22) of a trajectory {name}.")
    tracks = imaging.trajectories()
    samples = imaging.readouts()
    lengths = {v.shape for v in samples}
    if len(lengths) > 1:
        raise FileFormatError(
            f"{path}: readouts of a trajectory {name} differ in channels or samples: "
            f"{sorted(lengths)[:4]}."
        )
    shape = _image_shape(path, tracks, encoding)
    k = np.stack([t[:, : len(shape)] for t in tracks]).astype(np.float64)
    spacing = encoding.encoded.spacing(len(shape))
    cycles = k * _per_pixel(path, k, shape, notes)
    values = torch.from_numpy(np.stack(samples, 1))
    check_finite(path, values)
    pixel = np.array(spacing or (1.0,) * len(shape))
    notes["trajectory"] = f"{name}, {values.shape[1]} readouts of {values.shape[2]} samples"
    return RawKSpace(
        values,
        torch.ones(values.shape[1:], dtype=torch.bool),
        spacing,
        noise=noise,
        trajectory=torch.from_numpy(cycles / pixel),
        shape=shape,
        notes=notes,
    )


def _image_shape(path: PathLike, tracks: list[np.ndarray], encoding: Encoding) -> tuple[int, ...]:
    axes = {t.shape[1] for t in tracks}
    flat = encoding.encoded.size[2] == 1
    # a third number of a flat trajectory is a density weight by custom, and not used
    if len(axes) > 1 or not axes <= {2, 3} or (axes == {2} and not flat):
        raise FileFormatError(
            f"{path}: trajectories have {sorted(axes)} dimensions for a matrix of "
            f"{encoding.encoded.size}."
        )
    if flat:
        return encoding.encoded.size[:2]
    return encoding.encoded.size


def _per_pixel(
    path: PathLike, k: np.ndarray, shape: tuple[int, ...], notes: dict[str, str]
) -> np.ndarray:
    """Factors from the file's unit to cycles per pixel."""
    if not np.isfinite(k).all():
        raise FileFormatError(f"{path}: the trajectory holds NaN or Inf.")
    reach = np.abs(k).max((0, 1))
    n = np.array(shape)
    units = {
        "cycles per pixel": np.ones(len(shape)),
        "cycles per field of view": 1 / n,
        "radians per pixel": np.full(len(shape), 1 / (2 * math.pi)),
    }
    fits = [
        name for name, factor in units.items() if 0.8 < float((reach * factor).max()) / 0.5 < 1.02
    ]
    if len(fits) != 1:
        raise FileFormatError(
            f"{path}: the trajectory reaches {reach.tolist()}, which tells no unit: neither 1/2 "
            f"(cycles per pixel) nor {(n / 2).tolist()} (cycles per field of view) nor π (radians "
            "per pixel)."
        )
    notes["trajectory unit"] = f"{fits[0]}, told by its reach {float(reach.max()):.4g}"
    return units[fits[0]]
