"""Raw captures of Texas Instruments mmWave radars (DCA1000).

A capture is a .bin of int16 together with the JSON of mmWave Studio. The words of one chirp are
complex 16-bit samples s_r[n] of receiver r, in one of two layouts:

    "AWR1843", 2 lanes (xWR16xx, xWR18xx, xWR68xx)
        for each r:  I[0] I[1] Q[0] Q[1]  I[2] I[3] Q[2] Q[3] ...
    "IWR1443", 4 lanes and 4 receivers (xWR12xx, xWR14xx)
        for each n:  I_0 I_1 I_2 I_3  Q_0 Q_1 Q_2 Q_3

Chirps follow one another, and so do frames. With time-division MIMO each loop of a frame runs
through the chirps of all transmitters.

A capture may come in several files, stop in the middle of a frame, or be padded with zeros: its
whole frames are read, and what was left is said.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.radar.ti_json import read_ti_json
from inverse_inr.io.radar.ti_settings import CaptureSettings, Layout
from inverse_inr.ranges import checked


class Capture(NamedTuple):
    """The samples of a capture, with its settings."""

    samples: Tensor
    """(frames, loops, chirps of a loop, receivers, samples) complex64, in ADC counts."""
    settings: CaptureSettings
    valid: Tensor
    """(frames, loops, chirps of a loop) false where a receiver has nothing but zeros: packets that
    were lost, or padding."""
    notes: dict[str, Any]
    """What of the files was left out, by name."""

    @property
    def times(self) -> Tensor:
        """Start of each ramp in s from the first frame: (frames, loops, chirps), float64.

        Raises ValueError where the settings do not say.
        """
        about = self.settings
        frames, loops = self.samples.shape[:2]
        period = about.frame_period
        if period is None:
            if frames > 1:
                raise ValueError("Capture: the time from frame to frame is not known.")
            period = 0.0
        frame = period * torch.arange(frames, dtype=torch.float64)[:, None, None]
        loop = about.loop_period * torch.arange(loops, dtype=torch.float64)[:, None]
        return frame + loop + torch.tensor(about.chirp_starts, dtype=torch.float64)


@checked
def read_ti(
    path: PathLike | Sequence[PathLike],
    settings: PathLike | CaptureSettings,
    layout: Layout | None = None,
) -> Capture:
    """Read a raw capture.

    A warning says, as `notes` do, where the capture stops within a frame or has fewer frames than
    the settings say, is padded with zeros, or lost packets.

    Args:
        path: The .bin file, or the parts of one capture in order.
        settings: The path of the mmWave Studio .mmwave.json, or settings made by hand.
        layout: "AWR1843" or "IWR1443"; by default what the settings say.

    Returns:
        The samples and the settings.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The .bin holds no whole frame, more than the settings say, or only zeros.
        ValueError: The layout is unknown or does not go with the settings, or parts are out of
            order.
    """
    about = settings
    if not isinstance(about, CaptureSettings):
        about = read_ti_json(about)
    order: str = about.layout if layout is None else layout
    if order == "IWR1443" and about.receivers != 4:
        raise ValueError(
            f"{path}: the 4-lane layout interleaves 4 receivers; "
            f"the settings enable {about.receivers}."
        )
    if order == "AWR1843" and about.samples % 2:
        raise ValueError(
            f"The 2-lane layout sends samples in pairs; the settings say {about.samples} a chirp."
        )
    files = _parts(path)
    shape = (about.loops, about.loop_chirps, about.receivers, about.samples)
    words, notes = _whole_frames(files, shape, about.frames)
    in_order = _two_lanes if order == "AWR1843" else _four_lanes
    samples = in_order(words.astype(np.float32), about).reshape(-1, *shape)
    samples = torch.from_numpy(samples[:, :, list(about.chirps)])
    valid = (samples != 0).any(-1).all(-1)
    if not bool(valid.all()):
        lost = int((~valid).sum())
        notes["chirps of zeros"] = f"{lost} of {valid.numel()}: lost packets or padding"
    if notes:
        what = "; ".join(f"{name}: {fact}" for name, fact in notes.items())
        warnings.warn(f"{files[0]}: {what}.", UserWarning, stacklevel=2)
    return Capture(samples, about, valid, notes)


def _parts(path: PathLike | Sequence[PathLike]) -> list[Path]:
    """The files of a capture; refused where numbers in their names do not ascend."""
    if isinstance(path, Sequence) and not isinstance(path, str | bytes):
        paths: list[Any] = list(path)
    else:
        paths = [path]
    if not paths:
        raise ValueError("read_ti: there are no files.")
    files = [existing_file(p, "raw int16 samples") for p in paths]
    if len({f.resolve() for f in files}) < len(files):
        raise ValueError(f"read_ti: a file is named twice: {[f.name for f in files]}.")
    names = [re.findall(r"\d+|\D+", f.name) for f in files]
    texts = {tuple(part for part in name if not part.isdigit()) for name in names}
    numbers = [[int(part) for part in name if part.isdigit()] for name in names]
    if len(texts) == 1 and numbers != sorted(numbers):
        raise ValueError(
            f"read_ti: the parts {[f.name for f in files]} are not in the order of their numbers, "
            "which is that of time. Sorted as text?"
        )
    return files


def _whole_frames(
    files: list[Path], shape: tuple[int, ...], expected: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """The words of all whole frames, and notes on what else there is."""
    frame = 2 * 2 * math.prod(shape)  # bytes of complex int16
    content = np.concatenate([np.fromfile(file, np.uint8) for file in files])
    count, rest = divmod(len(content), frame)
    said = (
        f"{files[0]}: {len(content)} bytes are {len(content) / frame:.4g} frames of {frame} bytes "
        f"(loops, chirps, receivers, samples = {shape}, complex int16)"
    )
    if not count:
        raise FileFormatError(f"{said}: no whole frame. Truncated, or the JSON of another capture?")
    notes: dict[str, Any] = {}
    if expected and count >= expected:
        rest = len(content) - expected * frame
        if content[expected * frame :].any():
            raise FileFormatError(
                f"{said}; the JSON says {expected}. The JSON of another capture, or several "
                "captures in one file?"
            )
        if rest:
            notes["padding"] = f"{rest} bytes of zeros after {expected} frames"
        count = expected
    else:
        filled = _filled(content[: count * frame].reshape(count, frame), count if expected else 0)
        if filled < count or (rest and not content[count * frame :].any()):
            notes["padding"] = f"{len(content) - filled * frame} bytes of zeros at the end"
        elif rest:
            notes["cut"] = f"{rest} bytes of a frame of {frame} at the end are left out"
        count = filled
        if count < expected:
            notes["frames missing"] = (
                f"{count} whole frames of the {expected} that the JSON says; cut off, a part "
                "missing, or the JSON of another capture?"
            )
    if not content[: count * frame].any():
        raise FileFormatError(f"{said}: nothing but zeros. Was the sensor on?")
    return content[: count * frame].view("<i2"), notes


def _filled(frames: np.ndarray, least: int) -> int:
    """Number of frames up to the last that is not all zeros, `least` at the least."""
    used = np.flatnonzero(frames.any(1))
    return max(least, int(used[-1]) + 1 if len(used) else 1)


def _two_lanes(words: np.ndarray, about: CaptureSettings) -> np.ndarray:
    pairs = words.reshape(-1, 2, 2)  # (pair of samples, I or Q, sample)
    return _complex(pairs[:, 0].ravel(), pairs[:, 1].ravel(), about)


def _four_lanes(words: np.ndarray, about: CaptureSettings) -> np.ndarray:
    by_chirp = words.reshape(-1, about.samples, 2, 4)  # (chirp, sample, I or Q, receiver)
    return _complex(by_chirp[:, :, 0].swapaxes(1, 2), by_chirp[:, :, 1].swapaxes(1, 2), about)


def _complex(first: np.ndarray, second: np.ndarray, about: CaptureSettings) -> np.ndarray:
    """I + j Q, (..., samples)."""
    if about.swapped:
        first, second = second, first
    return np.ascontiguousarray(first + 1j * second).astype(np.complex64)
