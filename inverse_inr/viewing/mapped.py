"""Images in `.npz` files, of which one plane or one line is read and not the whole."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from inverse_inr.domain import Box, Grid
from inverse_inr.io import read_image
from inverse_inr.io.files import FileFormatError, reading

EXPECTED = "an image in a .npz file"
MEMBER = "values.npy"
LOCAL_HEADER = 30
"""Bytes before the name of a file in a ZIP archive; the last four are two lengths."""

MOST = 1024
"""Pixels of a plane along each axis; of more, every second, third ... one is sent."""
MOST_OF_A_LINE = 8192
BLOCKS, BLOCK = 256, 2**12
"""How much of an image its window is taken from: blocks, and values of each."""

Part = Literal["value", "modulus", "phase", "real", "imaginary"]
PARTS: dict[Part, Callable[..., np.ndarray]] = {
    "modulus": np.abs,
    "phase": np.angle,
    "real": np.real,
    "imaginary": np.imag,
}


@dataclass(frozen=True)
class Mapped:
    """Values that stay in their file until they are looked at.

    Args:
        values: (*shape, c), mapped.
        grid: The lattice of the values.
    """

    values: np.ndarray
    grid: Grid

    @property
    def is_complex(self) -> bool:
        """Whether the values have a modulus and a phase."""
        return self.values.dtype.kind == "c"

    @property
    def channels(self) -> int:
        """Number of values of each pixel."""
        return self.values.shape[-1]


def open_mapped(path: Path) -> Mapped:
    """Open an image without reading it; one that is compressed is read whole.

    Args:
        path: A `.npz` file as `write_image` writes it.

    Returns:
        The values and their grid. An unchanged file is opened once.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind.
        MemoryError: It is compressed and larger than the memory at hand.
    """
    with reading(path, EXPECTED, ("ZIP",)) as file:
        found = file.stat()
        return _opened(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=32)
def _opened(path: Path, _time: int, size: int) -> Mapped:
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        held = {member.filename: member for member in archive.infolist()}
        if MEMBER not in held or held[MEMBER].compress_type != zipfile.ZIP_STORED:
            values, grid = read_image(path)  # it says what is missing
            return Mapped(values.numpy(), grid)
        stream.seek(held[MEMBER].header_offset + LOCAL_HEADER - 4)
        lengths = np.frombuffer(stream.read(4), "<u2")
        stream.seek(int(lengths.sum()), 1)
        values = _mapped(path, stream, size)
    with np.load(path, allow_pickle=False) as arrays:
        corners = [tuple(arrays[name].tolist()) for name in ("lower", "upper", "units")]
    box = Box(*corners)
    if values.ndim != box.ndim + 1 or not values.size:
        raise FileFormatError(
            f"{path}: 'values' of shape {values.shape} do not fit a box of {box.ndim} axes. "
            "No channel axis?"
        )
    return Mapped(values, Grid(box, values.shape[:-1]))


def _mapped(path: Path, stream: object, size: int) -> np.ndarray:
    """The array whose header begins where the stream is."""
    read = {(1, 0): np.lib.format.read_array_header_1_0}
    header = read.get(
        np.lib.format.read_magic(stream),  # pyright: ignore[reportArgumentType]
        np.lib.format.read_array_header_2_0,
    )
    shape, fortran, dtype = header(stream)  # pyright: ignore[reportArgumentType]
    if dtype.kind not in "iufbc":
        raise FileFormatError(f"{path}: expected numbers in 'values', found dtype {dtype}.")
    start = stream.tell()  # pyright: ignore[reportAttributeAccessIssue]
    if start + math.prod(shape) * dtype.itemsize > size:
        raise FileFormatError(f"{path}: 'values' of shape {shape} are more than the file holds.")
    order = "F" if fortran else "C"
    return np.memmap(path, dtype, "r", start, shape, order)


def plane(
    image: Mapped, axes: tuple[int, int], at: tuple[int, ...], channel: int | None, part: Part
) -> np.ndarray:
    """Take a plane out of an image.

    Args:
        image: The image.
        axes: The axes that run down and to the right.
        at: (d,) indices of a pixel through which the plane lies.
        channel: The channel; None for the first three as red, green and blue.
        part: What is taken of complex values; "value" for real ones.

    Returns:
        (height, width), or (height, width, 3), float32, thinned to `MOST` pixels along an axis.

    Raises:
        IndexError: An axis, an index or the channel is not there.
        ValueError: The axes are one, or the part is none of these values.
    """
    down, right = axes
    index = _indices(image, at, axes, MOST)
    if down == right:
        raise ValueError(f"plane: axes {axes} are one.")
    if channel is None and image.channels < 3:
        raise IndexError(f"an image of {image.channels} channels has no colours")
    found = image.values[(*index, slice(3) if channel is None else _channel(image, channel))]
    if down > right:
        found = found.swapaxes(0, 1)
    return _part(found, part)


def line(
    image: Mapped, axis: int, at: tuple[int, ...], channel: int | None, part: Part
) -> np.ndarray:
    """Take a line out of an image.

    Args:
        image: The image.
        axis: The axis along which it runs; d, the number of axes, for the channels.
        at: (d,) indices of a pixel through which it runs.
        channel: The channel; None for the mean of all.
        part: What is taken of complex values; "value" for real ones.

    Returns:
        (n,) float32, thinned to `MOST_OF_A_LINE` values.

    Raises:
        IndexError: The axis, an index or the channel is not there.
        ValueError: The part is none of these values.
    """
    if axis == image.grid.ndim:
        return _part(image.values[(*_indices(image, at, (), MOST), slice(None))], part)
    index = _indices(image, at, (axis,), MOST_OF_A_LINE)
    if channel is None:
        return _part(image.values[(*index, slice(None))], part).mean(-1)
    return _part(image.values[(*index, _channel(image, channel))], part)


def window(image: Mapped, part: Part) -> dict[str, float]:
    """Find the range of values in which an image is shown, from a sample of it.

    Args:
        image: The image.
        part: What is taken of complex values; "value" for real ones.

    Returns:
        "low" and "high", between which all but two in a thousand values lie; "least" and "most".
        All are 0 where no value is finite.
    """
    flat = image.values.reshape(-1, order="A")
    if flat.size > BLOCKS * BLOCK:
        first = np.linspace(0, flat.size - BLOCK, BLOCKS).astype(np.int64)
        flat = np.concatenate([flat[k : k + BLOCK] for k in first])
    found = _part(flat, part)
    found = found[np.isfinite(found)]
    if not found.size:
        return dict.fromkeys(("low", "high", "least", "most"), 0.0)
    low, high = np.quantile(found, [0.001, 0.999])
    ends = {"low": low, "high": high, "least": found.min(), "most": found.max()}
    return {name: float(value) for name, value in ends.items()}


def _part(values: np.ndarray, part: Part) -> np.ndarray:
    """A part of the values in float32, which is what a page draws."""
    if (part == "value") == (values.dtype.kind == "c") or part not in ("value", *PARTS):
        raise ValueError(f"part={part!r} is none of values of dtype {values.dtype}.")
    if part != "value":
        values = PARTS[part](values)
    return np.ascontiguousarray(values, np.float32)


def _indices(
    image: Mapped, at: tuple[int, ...], free: tuple[int, ...], most: int
) -> list[int | slice]:
    shape = image.grid.shape
    if len(at) != len(shape) or not all(0 <= k < n for k, n in zip(at, shape, strict=True)):
        raise IndexError(f"at={at} is no pixel of an image of shape {shape}")
    index: list[int | slice] = list(at)
    for axis in free:
        if not 0 <= axis < len(shape):
            raise IndexError(f"axis {axis} is none of the {len(shape)} of this image")
        index[axis] = slice(None, None, step(shape[axis], most))
    return index


def step(count: int, most: int) -> int:
    """Say how many pixels lie between two that are sent.

    Args:
        count: Pixels along an axis.
        most: Most that are sent.
    """
    return -(-count // most)


def _channel(image: Mapped, channel: int) -> int:
    if not 0 <= channel < image.channels:
        raise IndexError(f"channel {channel} is none of the {image.channels} of this image")
    return channel
