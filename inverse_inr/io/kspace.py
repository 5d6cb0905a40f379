"""Raw Cartesian k-space of magnetic resonance: NumPy arrays, fastMRI HDF5 and ISMRMRD HDF5.

Arrays come out as (coils, *shape) complex64 with zero frequency at n // 2; entries that were not
measured are zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, reading
from inverse_inr.io.hdf5 import open_hdf5

EXPECTED = "k-space: .npy (coils, *shape), fastMRI or ISMRMRD HDF5"
"""The kind of file that is read, for messages."""
NOISE_SCAN = 1 << 18
"""The bit of flag 19 of an ISMRMRD acquisition, which measures noise and belongs to no image."""
NAMESPACE = {"i": "http://www.ismrm.org/ISMRMRD"}
"""The XML namespace of ISMRMRD headers."""


class RawKSpace(NamedTuple):
    """The k-space of one slice as measured."""

    values: Tensor
    """(coils, *shape) complex64, zero where nothing was measured."""
    mask: Tensor
    """(*shape) bool, True where something was measured."""
    spacing: tuple[float, ...] | None
    """Pixel size in mm, None if the file does not tell."""


def read_kspace(path: PathLike, *, slice: int | None = None, coil_axis: int = 0) -> RawKSpace:
    """Read one slice of a file, whose suffix and content tell its format.

    Args:
        path: The file.
        slice: The slice to read from a file that holds several; the middle one by default.
        coil_axis: The axis of the coils in a .npy array.

    Returns:
        The slice.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or holds no k-space, the energy is not at the centre,
            or the coil axis is another.
        ValueError: There is no such slice.
    """
    if Path(path).suffix.lower() == ".npy":
        with reading(path, EXPECTED, ("npy",)) as file:
            values = np.load(file, allow_pickle=False)
        raw = _checked(path, _array(path, values, coil_axis))
        return RawKSpace(raw, (raw != 0).any(0), None)
    with open_hdf5(path) as file:
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
    if values.ndim == 2 and coil_axis == 0:
        values = values[None]
    else:
        values = np.moveaxis(values, coil_axis, 0)
    if values.ndim not in (3, 4):
        raise FileFormatError(
            f"{path}: expected (coils, *shape) with 2 or 3 axes of space, found {values.shape}."
        )
    coils, *shape = values.shape
    if len(shape) == 2 and min(shape) < coils:
        axis = int(np.argmin(shape)) + 1
        raise FileFormatError(
            f"{path}: shape {values.shape} would be {coils} coils of images {tuple(shape)}. "
            f"Is the coil axis in another place? Pass coil_axis={axis}."
        )
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.complex64))


def _checked(path: PathLike, values: Tensor) -> Tensor:
    """The values, refused unless they are finite, not all zero, and largest near n // 2."""
    if not torch.isfinite(torch.view_as_real(values)).all():
        raise FileFormatError(f"{path}: k-space holds NaN or Inf.")
    energy = values.abs().square().sum(0)
    if not energy.any():
        raise FileFormatError(f"{path}: k-space is zero everywhere.")
    peak = torch.unravel_index(energy.argmax(), energy.shape)
    shape = energy.shape
    off = [int(p) - n // 2 for p, n in zip(peak, shape, strict=True)]
    if any(abs(o) > max(2, n // 8) for o, n in zip(off, shape, strict=True)):
        slip = "Another axis order, or images and not k-space?"
        if all(abs(o) >= n // 2 - max(2, n // 8) for o, n in zip(off, shape, strict=True)):
            slip = "In the order of an FFT? Apply fftshift."
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
    """Read kspace (slices[, coils], readout, lines), mask (lines,) and an ISMRMRD header.

    Source:
        Zbontar et al., arXiv 1811.08839.
    """
    data = file["kspace"]
    if getattr(data, "ndim", 0) not in (3, 4) or data.dtype.kind != "c":
        found = getattr(data, "shape", "a group")
        raise FileFormatError(
            f"{path}: expected complex kspace (slices[, coils], rows, lines), found {found}."
        )
    values = np.asarray(data[_index(path, slice, data.shape[0])])
    if values.ndim == 2:
        values = values[None]
    raw = _checked(path, torch.from_numpy(values.astype(np.complex64)))
    mask = (raw != 0).any(0)
    if "mask" in file:
        lines = torch.from_numpy(np.asarray(file["mask"][()]).astype(bool)).flatten()
        if len(lines) != raw.shape[-1]:
            raise FileFormatError(
                f"{path}: mask has {len(lines)} entries and kspace {raw.shape[-1]} lines."
            )
        mask = mask & lines
    spacing = None
    if "ismrmrd_header" in file:
        spacing = _spacing(path, file["ismrmrd_header"][()], tuple(raw.shape[1:]))
    return RawKSpace(raw * mask, mask, spacing)


def _ismrmrd(path: PathLike, group: Any, slice: int | None) -> RawKSpace:
    """Place each record, a readout, by its encoding counters; repetitions are averaged.

    Source:
        Inati et al., MRM 77, 2017.
    """
    records = group["data"][()]
    if records.dtype.names is None or not {"head", "data"} <= set(records.dtype.names):
        raise FileFormatError(f"{path}: dataset/data holds no ISMRMRD acquisitions.")
    heads = records["head"]
    image = (heads["flags"] & NOISE_SCAN) == 0
    if not image.any():
        raise FileFormatError(f"{path}: dataset/data holds no image acquisitions.")
    if (heads["trajectory_dimensions"][image] > 0).any():
        raise FileFormatError(
            f"{path}: the acquisition is not Cartesian. "
            "Make a NonCartesianKSpace of its trajectory."
        )
    slices = np.unique(heads["idx"]["slice"][image])
    chosen = image & (heads["idx"]["slice"] == slices[_index(path, slice, len(slices))])
    if "xml" not in group:
        raise FileFormatError(f"{path}: dataset/xml, the header, is missing.")
    text = np.asarray(group["xml"][()]).reshape(-1)[0]
    size, _, centre = _encoding(path, text)
    coils = int(heads["active_channels"][chosen][0])
    values = _averaged(path, records[chosen], (coils, size[0], size[1]), centre)
    raw = _checked(path, torch.from_numpy(values).to(torch.complex64))
    return RawKSpace(raw, (raw != 0).any(0), _spacing(path, text, tuple(raw.shape[1:])))


def _averaged(
    path: PathLike, records: np.ndarray, shape: tuple[int, int, int], centre: int
) -> np.ndarray:
    """The readouts of one slice on their lines, (coils, readout, lines), repetitions averaged."""
    coils, length, lines = shape
    values = np.zeros(shape, np.complex64)
    seen = np.zeros(lines, int)
    for head, data in zip(records["head"], records["data"], strict=True):
        samples = int(head["number_of_samples"])
        line = int(head["idx"]["kspace_encode_step_1"]) - centre + lines // 2
        first = length // 2 - int(head["center_sample"])
        readout = np.asarray(data, np.float32).view(np.complex64)
        if (
            readout.size != coils * samples
            or not 0 <= line < lines
            or first < 0
            or first + samples > length
        ):
            raise FileFormatError(
                f"{path}: a readout of {readout.size} numbers does not fit {values.shape}."
            )
        values[:, first : first + samples, line] += readout.reshape(coils, samples)
        seen[line] += 1
    return values / np.maximum(seen, 1)


def _spacing(path: PathLike, header: bytes | str, shape: tuple[int, ...]) -> tuple[float, ...]:
    _, view, _ = _encoding(path, header)
    return tuple(v / n for v, n in zip(view, shape, strict=False))


def _encoding(path: PathLike, header: bytes | str) -> tuple[list[int], list[float], int]:
    """Matrix size and field of view (mm) of the encoded space, and the central encoding step."""
    from xml.etree import ElementTree

    def number(element: Any, where: str) -> float:
        found = element.find(where, NAMESPACE)
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
    limits = root.find("i:encoding/i:encodingLimits/i:kspace_encoding_step_1", NAMESPACE)
    centre = size[1] // 2
    if limits is not None:
        centre = int(number(limits, "i:center"))
    return size, view, centre
