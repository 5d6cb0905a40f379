"""WAV through scipy: sound as a field on a grid of time in seconds, channels as in the file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import (
    FileFormatError,
    PathLike,
    as_real_image,
    atomic_write,
    describe,
    reading,
)
from inverse_inr.io.sizes import check_claim
from inverse_inr.ranges import checked

EXPECTED = "an uncompressed WAV file"
"""The kind of file that is read, for messages."""
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "float32": 1.0, "float64": 1.0}
"""The sample that becomes 1, by the type of the samples."""


@checked
def read_wav(path: PathLike) -> tuple[Tensor, Grid]:
    """Read sound of 8- to 32-bit integers or of floats.

    Args:
        path: The file.

    Returns:
        Values (samples, channels) float32, with full scale [-1, 1), and a grid in s: sample i is at
        (i + 1/2) / rate.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, cut, of another kind, compressed or empty.
        MemoryError: The sound is larger than the memory at hand.
    """
    from scipy.io import wavfile

    with reading(path, EXPECTED, ("WAV",)) as file:
        _check_chunks(file)
        with warnings.catch_warnings():
            # unknown chunks, such as tags, are no fault
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, array = wavfile.read(file)
        if array.dtype == np.uint8:
            values = (array.astype(np.float64) - 128) / 128
        elif array.dtype.name in FULL_SCALE:  # 24 bits come as the upper bits of 32
            values = array.astype(np.float64) / FULL_SCALE[array.dtype.name]
        else:
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found samples of type {array.dtype}."
            )
        if not len(values) or rate <= 0:
            raise FileFormatError(
                f"{file}: expected {EXPECTED}, found {len(values)} samples at {rate} Hz."
            )
    grid = Grid(Box((0.0,), (len(values) / rate,), ("s",)), (len(values),))
    return torch.from_numpy(values.astype(np.float32).reshape(len(values), -1)), grid


def _check_chunks(file: Path) -> None:
    """Refuse samples that the file promises and does not hold: scipy would return what is there."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            raise FileFormatError(f"{file}: expected {EXPECTED}, found {describe(file)}.")
        order = "big" if head[:4] == b"RIFX" else "little"
        while True:
            name = stream.read(8)
            if len(name) < 8:
                raise FileFormatError(
                    f"{file}: expected {EXPECTED}, found one without samples. Truncated?"
                )
            length = int.from_bytes(name[4:], order)
            if name[:4] == b"data":
                check_claim(file, (length,), 1, held=size - stream.tell())
                return
            stream.seek(length + length % 2, 1)


@checked
def write_wav(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write sound as 16-bit PCM, clipped to full scale; the rate is one over the grid's spacing.

    Args:
        path: The file to write.
        values: (samples, channels), with full scale [-1, 1).
        grid: A grid of one axis in seconds.

    Raises:
        ValueError: The grid is not one axis in seconds, the rate is no whole number of Hz, or
            values are NaN or infinite.
    """
    from scipy.io import wavfile

    array = as_real_image(values, grid, path)
    if grid.ndim != 1 or grid.box.units[0] not in ("s", ""):
        raise ValueError(
            f"{path}: WAV holds one axis in seconds, not {grid.ndim} in {grid.box.units}. Use .npz."
        )
    rate = 1 / grid.spacing[0]
    if abs(rate - round(rate)) > 1e-3 or round(rate) < 1:
        raise ValueError(
            f"{path}: WAV needs a whole number of samples a second; the grid has {rate:.6g}."
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{path}: values hold NaN or Inf, which no WAV can. Pass values.nan_to_num()."
        )
    pcm = np.clip(np.rint(array.astype(np.float64) * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    if pcm.shape[1] == 1:
        pcm = pcm[:, 0]
    with atomic_write(path) as temporary:
        wavfile.write(temporary, round(rate), pcm)
