"""Videos as files: GIF and TIFF by what is always here, MP4 where PyAV is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io import FileFormatError, atomic_write, read_image
from inverse_inr.ranges import FiniteTensor, Positive, checked

CODED = (".mp4", ".mov", ".mkv", ".avi", ".webm")
"""Suffixes of video files that need PyAV."""


@checked
def read_film(path: str) -> Tensor:
    """Read a video.

    Args:
        path: A GIF, a TIFF stack whose pages are the frames, or an MP4 or the like.

    Returns:
        (rows, columns, frames, channels) between 0 and 1.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is no video of these kinds, or has a single frame.
        ImportError: An MP4 or the like, without PyAV.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file.absolute()}.")
    suffix = file.suffix.lower()
    if suffix in (".tif", ".tiff"):
        values, lattice = read_image(file)
        if lattice.ndim != 3:
            raise FileFormatError(f"{file}: a single page of {lattice.shape} pixels is no video.")
        return values.movedim(0, 2) / max(1.0, float(values.max()))
    if suffix != ".gif" and suffix not in CODED:
        raise FileFormatError(f"{file}: a video is a .gif, a .tif stack or one of {CODED}.")
    import imageio.v3 as imageio

    every: Any = None  # the word of either plugin for all frames
    plugin = "pillow"
    if suffix in CODED:
        _require_av(f"{file}: reading {suffix}")
        every = ...
        plugin = "pyav"
    try:
        frames = imageio.imread(file, plugin=plugin, index=every)
    except (OSError, ValueError, IndexError, SyntaxError) as error:
        raise FileFormatError(f"{file}: it cannot be read as a video: {error}") from None
    if frames.ndim == 3:
        frames = frames[None] if frames.shape[-1] in (3, 4) else frames[..., None]
    if frames.ndim != 4 or len(frames) < 2:
        raise FileFormatError(f"{file}: a single frame is no video.")
    if frames.shape[-1] == 4:
        frames = frames[..., :3]
    return torch.from_numpy(frames.copy()).movedim(0, 2).float() / 255


@checked
def write_film(path: str | Path, clip: FiniteTensor, rate: Positive = 12.0) -> Path:
    """Write a video.

    Args:
        path: The file, .gif or .mp4 (H.264).
        clip: (rows, columns, frames, 1 or 3) between 0 and 1; what lies beyond is cut.
        rate: Frames per second.

    Returns:
        The path.

    Raises:
        ValueError: The clip has another shape, or the suffix is another one.
        ImportError: An MP4, without PyAV.
    """
    file = Path(path)
    if clip.ndim != 4 or clip.shape[-1] not in (1, 3) or not clip.numel():
        raise ValueError(
            f"write_film: clip must be (rows, columns, frames, 1 or 3), got {tuple(clip.shape)}."
        )
    suffix = file.suffix.lower()
    if suffix not in (".gif", ".mp4"):
        raise ValueError(f"write_film: path={str(file)!r} must end with .gif or .mp4.")
    import imageio.v3 as imageio

    frames = (255 * clip.detach().clamp(0, 1)).round().to(torch.uint8).movedim(2, 0)
    array: np.ndarray = frames.expand(-1, -1, -1, 3).contiguous().cpu().numpy()
    with atomic_write(file) as part:
        if suffix == ".gif":
            imageio.imwrite(part, array, extension=".gif", duration=1000 / rate, loop=0)
        else:
            _require_av(f"write_film: {file}")
            imageio.imwrite(part, array, extension=".mp4", plugin="pyav", codec="libx264", fps=rate)
    return file


def _require_av(what: str) -> None:
    """Refuse where PyAV is missing, and say how to get it."""
    if importlib.util.find_spec("av") is None:
        raise ImportError(
            f"{what} needs PyAV: pip install 'inverse-inr[video]'. GIF needs nothing."
        )
