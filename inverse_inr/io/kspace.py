"""Raw k-space of magnetic resonance: NumPy arrays, fastMRI HDF5 and ISMRMRD HDF5, Cartesian.

Arrays come out as (coils, *shape) complex64 with zero frequency at n // 2; what was not measured is zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, reading
from inverse_inr.io.hdf5 import _opened

EXPECTED = "k-space: .npy (coils, *shape), fastMRI or ISMRMRD HDF5"


class RawKSpace(NamedTuple):
    """One slice as measured."""

    values: Tensor
    """(coils, *shape) complex64, zero where nothing was measured."""
    mask: Tensor
    """(*shape) bool: what was measured."""
    spacing: tuple[float, ...] | None
    """Pixel size in mm, where the file tells."""


def read_kspace(path: PathLike, *, slice: int | None = None, coil_axis: int = 0) -> RawKSpace:
    """One slice of a file, by its suffix and content; `coil_axis` is that of a .npy array.

    slice  of files that hold several; default: the middle one
    Raises FileNotFoundError, FileFormatError (damaged, not k-space, energy not at the centre, coil axis elsewhere),
    ValueError for a slice that is not there.
    """
    if Path(path).suffix.lower() == ".npy":
        with reading(path, EXPECTED, ("npy",)) as file:
            values = np.load(file, allow_pickle=False)
        raw = _checked(path, _array(path, values, coil_axis))
        return RawKSpace(raw, (raw != 0).any(0), None)
    with _opened(path) as file:
        if "kspace" in file:
            return _fastmri(path, file, slice)
        if "dataset" in file and "data" in file["dataset"]:
            return _ismrmrd(path, file["dataset"], slice)
        names = ", ".join(sorted(file)) or "nothing"
    raise FileFormatError(
        f"{path}: expected 'kspace' (fastMRI) or 'dataset/data' (ISMRMRD), found {names}."
    )


def _array(path: PathLike, values: np.ndarray, coil_axis: int) -> Tensor:
    if values.dtype.kind != "c":
        raise FileFormatError(
            f"{path}: expected complex k-space, found {values.dtype}. Magnitude images?"
        )
    values = (
        values[None] if values.ndim == 2 and coil_axis == 0 else np.moveaxis(values, coil_axis, 0)
    )
    if values.ndim not in (3, 4):
        raise FileFormatError(
            f"{path}: expected (coils, *shape) with 2 or 3 axes of space, found {values.shape}."
        )
    coils, shape = values.shape[0], values.shape[1:]
    if len(shape) == 2 and min(shape) < coils:
        axis = int(np.argmin(shape)) + 1
        raise FileFormatError(
            f"{path}: shape {values.shape} would be {coils} coils of images {shape}. Is the coil axis in another "
            f"place? Pass coil_axis={axis}."
        )
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.complex64))


def _checked(path: PathLike, values: Tensor) -> Tensor:
    """Finite, not empty, and with its energy at n // 2, as an image's k-space has it."""
    if not torch.isfinite(torch.view_as_real(values)).all():
        raise FileFormatError(f"{path}: k-space holds NaN or Inf.")
    energy = values.abs().square().sum(0)
    if not energy.any():
        raise FileFormatError(f"{path}: k-space is zero everywhere.")
    peak = torch.unravel_index(energy.argmax(), energy.shape)
    shape = energy.shape
    off = [int(p) - n // 2 for p, n in zip(peak, shape, strict=True)]
    if any(abs(o) > max(2, n // 8) for o, n in zip(off, shape, strict=True)):
        corner = all(abs(o) >= n // 2 - max(2, n // 8) for o, n in zip(off, shape, strict=True))
        slip = (
            "In the order of an FFT? Apply fftshift."
            if corner
            else "Another axis order, or images and not k-space?"
        )
        where = tuple(int(p) for p in peak)
        raise FileFormatError(
            f"{path}: the energy of k-space peaks at {where} of {tuple(shape)}, not at the centre "
            f"{tuple(n // 2 for n in shape)}. {slip}"
        )
    return values


def _index(path: PathLike, slice: int | None, count: int) -> int:
    k = count // 2 if slice is None else slice
    if not -count <= k < count:
        raise ValueError(f"{path}: slice={slice}, but the file holds {count}.")
    return k % count


def _fastmri(path: PathLike, file: Any, slice: int | None) -> RawKSpace:
    """Zbontar et al., arXiv 1811.08839: kspace (slices[, coils], readout, lines), mask (lines,), an ISMRMRD header."""
    data = file["kspace"]
    if getattr(data, "ndim", 0) not in (3, 4) or data.dtype.kind != "c":
        found = getattr(data, "shape", "a group")
        raise FileFormatError(
            f"{path}: expected complex kspace (slices[, coils], rows, lines), found {found}."
        )
    values = np.asarray(data[_index(path, slice, data.shape[0])])
    values = values[None] if values.ndim == 2 else values
    raw = _checked(path, torch.from_numpy(values.astype(np.complex64)))
    mask = (raw != 0).any(0)
    if "mask" in file:
        lines = torch.from_numpy(np.asarray(file["mask"][()]).astype(bool)).flatten()
        if len(lines) != raw.shape[-1]:
            raise FileFormatError(
                f"{path}: mask has {len(lines)} entries and kspace {raw.shape[-1]} lines."
            )
        mask = mask & lines
    header = file["ismrmrd_header"][()] if "ismrmrd_header" in file else None
    spacing = None if header is None else _spacing(path, header, tuple(raw.shape[1:]))
    return RawKSpace(raw * mask, mask, spacing)


NOISE_SCAN = 1 << 18  # flag 19 of an ISMRMRD acquisition: no image


def _ismrmrd(path: PathLike, group: Any, slice: int | None) -> RawKSpace:
    """Inati et al., MRM 77, 2017: one record a readout, placed by its encoding counters; repetitions are averaged."""
    records = group["data"][()]
    if records.dtype.names is None or not {"head", "data"} <= set(records.dtype.names):
        raise FileFormatError(f"{path}: dataset/data holds no ISMRMRD acquisitions.")
    heads = records["head"]
    image = (heads["flags"] & NOISE_SCAN) == 0
    if not image.any():
        raise FileFormatError(f"{path}: dataset/data holds no image acquisitions.")
    if (heads["trajectory_dimensions"][image] > 0).any():
        raise FileFormatError(
            f"{path}: the acquisition is not Cartesian. Make a NonCartesianKSpace of its trajectory."
        )
    slices = np.unique(heads["idx"]["slice"][image])
    chosen = image & (heads["idx"]["slice"] == slices[_index(path, slice, len(slices))])
    if "xml" not in group:
        raise FileFormatError(f"{path}: dataset/xml, the header, is missing.")
    text = np.asarray(group["xml"][()]).reshape(-1)[0]
    size, _, centre = _encoding(path, text)
    coils = int(heads["active_channels"][chosen][0])
    values, seen = np.zeros((coils, size[0], size[1]), np.complex64), np.zeros(size[1], int)
    for head, data in zip(heads[chosen], records["data"][chosen], strict=True):
        samples = int(head["number_of_samples"])
        line = int(head["idx"]["kspace_encode_step_1"]) - centre + size[1] // 2
        first = size[0] // 2 - int(head["center_sample"])
        readout = np.asarray(data, np.float32).view(np.complex64)
        if (
            readout.size != coils * samples
            or not 0 <= line < size[1]
            or first < 0
            or first + samples > size[0]
        ):
            raise FileFormatError(
                f"{path}: a readout of {readout.size} numbers does not fit {values.shape}."
            )
        values[:, first : first + samples, line] += readout.reshape(coils, samples)
        seen[line] += 1
    raw = _checked(path, torch.from_numpy(values / np.maximum(seen, 1)).to(torch.complex64))
    return RawKSpace(raw, (raw != 0).any(0), _spacing(path, text, tuple(raw.shape[1:])))


def _spacing(path: PathLike, header: bytes | str, shape: tuple[int, ...]) -> tuple[float, ...]:
    _, view, _ = _encoding(path, header)
    return tuple(v / n for v, n in zip(view, shape, strict=False))


def _encoding(path: PathLike, header: bytes | str) -> tuple[list[int], list[float], int]:
    """Matrix size and field of view (mm) of the encoded space, and the central phase-encoding step."""
    from xml.etree import ElementTree

    def number(element: Any, where: str) -> float:
        found = (
            element.find(where, {"i": "http://www.ismrm.org/ISMRMRD"})
            if element is not None
            else None
        )
        if found is None or found.text is None:
            raise FileFormatError(f"{path}: the ISMRMRD header lacks {where.replace('i:', '')}.")
        return float(found.text)

    try:
        root = ElementTree.fromstring(header)
    except ElementTree.ParseError as error:
        raise FileFormatError(f"{path}: the ISMRMRD header is no XML ({error}).") from None
    space = "i:encoding/i:encodedSpace/"
    size = [int(number(root, f"{space}i:matrixSize/i:{a}")) for a in "xy"]
    view = [number(root, f"{space}i:fieldOfView_mm/i:{a}") for a in "xy"]
    limits = root.find(
        "i:encoding/i:encodingLimits/i:kspace_encoding_step_1",
        {"i": "http://www.ismrm.org/ISMRMRD"},
    )
    return size, view, size[1] // 2 if limits is None else int(number(limits, "i:center"))
