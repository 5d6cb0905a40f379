"""WAV through scipy: sound as a field on a grid of time in seconds, channels as in the file."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError, PathLike, as_real_image, atomic_write, reading

EXPECTED = "an uncompressed WAV file"
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "float32": 1.0, "float64": 1.0}


def read_wav(path: PathLike) -> tuple[Tensor, Grid]:
    """Values (samples, channels) float32, full scale is [-1, 1); grid in s: sample i at (i + 1/2) / rate.

    8- to 32-bit integers and floats. Raises FileNotFoundError, FileFormatError (also for compressed or empty sound).
    """
    from scipy.io import wavfile

    with reading(path, EXPECTED, ("WAV",)) as file:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", wavfile.WavFileWarning
            )  # unknown chunks, such as tags, are no fault
            rate, array = wavfile.read(file)
        if array.dtype == np.uint8:
            values = (array.astype(np.float64) - 128) / 128
        elif array.dtype.name in FULL_SCALE:  # 24 bits come as the upper ones of 32
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


def write_wav(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write (samples, channels) as 16-bit PCM, clipped to full scale; the rate is one over the grid's spacing.

    Raises ValueError for a grid that is not one axis in seconds, a rate that is no whole number of Hz, NaN or Inf.
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
    with atomic_write(path) as temporary:
        wavfile.write(temporary, round(rate), pcm[:, 0] if pcm.shape[1] == 1 else pcm)
