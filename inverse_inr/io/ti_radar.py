"""Raw captures of Texas Instruments mmWave radars (DCA1000).

A capture is a .bin of int16 together with the JSON of mmWave Studio. The words of one chirp are
complex 16-bit samples s_r[n] of receiver r, in one of two layouts:

    "AWR1843", 2 lanes (xWR16xx, xWR18xx, xWR68xx)
        for each r:  I[0] I[1] Q[0] Q[1]  I[2] I[3] Q[2] Q[3] ...
    "IWR1443", 4 lanes and 4 receivers (xWR12xx, xWR14xx)
        for each n:  I_0 I_1 I_2 I_3  Q_0 Q_1 Q_2 Q_3

Chirps follow one another, and so do frames. With time-division MIMO each loop of a frame runs
through the chirps of all transmitters.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, existing_file

LAYOUTS = {"AWR1843": 2, "IWR1443": 4}
"""LVDS lanes of the two documented layouts."""


@dataclass(frozen=True)
class CaptureSettings:
    """The settings of a capture, as its JSON says, in SI units."""

    start_frequency: float
    """Frequency at the ramp's start, in Hz."""
    slope: float
    """Slope of the ramp, in Hz/s."""
    sample_rate: float
    """Rate of the samples, in Hz."""
    samples: int
    """Samples per chirp and receiver."""
    start_time: float
    """Time from the ramp's start to the first sample, in s."""
    transmitters: tuple[int, ...]
    """Bits of the transmitters that each chirp of a loop enables."""
    receivers: int
    """Number of receivers that are on."""
    loops: int
    """Loops per frame."""
    frames: int
    """Number of frames, 0 if capturing runs until it is stopped."""
    layout: str
    """"AWR1843" or "IWR1443", by the number of lanes."""
    swapped: bool = False
    """True if Q comes before I."""


class Capture(NamedTuple):
    """The samples of a capture, with its settings."""

    samples: Tensor
    """(frames, loops, chirps of a loop, receivers, samples) complex64, in ADC counts."""
    settings: CaptureSettings


def read_ti(
    path: PathLike, settings: PathLike | CaptureSettings, layout: str | None = None
) -> Capture:
    """Read a raw capture.

    Args:
        path: The .bin file.
        settings: The path of the mmWave Studio .mmwave.json, or settings made by hand.
        layout: "AWR1843" or "IWR1443"; by default what the settings say.

    Returns:
        The samples and the settings.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The .bin is no whole number of frames (truncated), or does not have as many
            as the settings say.
        ValueError: The layout is unknown or does not go with the settings.
    """
    about = settings
    if not isinstance(about, CaptureSettings):
        about = read_ti_json(about)
    if layout is None:
        layout = about.layout
    if layout not in LAYOUTS:
        raise ValueError(f"read_ti: layout must be one of {sorted(LAYOUTS)}, got {layout!r}.")
    if layout == "IWR1443" and about.receivers != 4:
        raise ValueError(
            f"{path}: the 4-lane layout interleaves 4 receivers; "
            f"the settings enable {about.receivers}."
        )
    file = existing_file(path, "raw int16 samples")
    shape = (about.loops, len(about.transmitters), about.receivers, about.samples)
    count = _frames(file, shape, about.frames)
    words = np.fromfile(file, dtype="<i2").astype(np.float32)
    in_order = _two_lanes if layout == "AWR1843" else _four_lanes
    samples = in_order(words, about)
    return Capture(torch.from_numpy(samples.reshape(count, *shape)), about)


def _frames(file: Path, shape: tuple[int, ...], expected: int) -> int:
    """The number of frames in a file; refused if it is not whole or not as expected (0: any)."""
    frame = 2 * 2 * math.prod(shape)  # bytes of complex int16
    size = file.stat().st_size
    if size == 0 or size % frame:
        raise FileFormatError(
            f"{file}: {size} bytes are {size / frame:.4g} frames of {frame} bytes "
            f"(loops, chirps, receivers, samples = {shape}, complex int16). "
            "A truncated capture, or the JSON of another one?"
        )
    count = size // frame
    if expected and count != expected:
        raise FileFormatError(
            f"{file}: it holds {count} frames of {frame} bytes; the JSON says {expected}. "
            "A truncated capture, or one of several files?"
        )
    return count


def _two_lanes(words: np.ndarray, about: CaptureSettings) -> np.ndarray:
    if about.samples % 2:
        raise ValueError(
            f"The 2-lane layout sends samples in pairs; the settings say {about.samples} a chirp."
        )
    pairs = words.reshape(-1, 2, 2)  # (pair of samples, I or Q, sample)
    return _complex(pairs[:, 0].ravel(), pairs[:, 1].ravel(), about)


def _four_lanes(words: np.ndarray, about: CaptureSettings) -> np.ndarray:
    by_chirp = words.reshape(-1, about.samples, 2, 4)  # (chirp, sample, I or Q, receiver)
    return _complex(by_chirp[:, :, 0].swapaxes(1, 2), by_chirp[:, :, 1].swapaxes(1, 2), about)


def _complex(first: np.ndarray, second: np.ndarray, about: CaptureSettings) -> np.ndarray:
    if about.swapped:
        first, second = second, first
    return np.ascontiguousarray(first + 1j * second, dtype=np.complex64)


def read_ti_json(path: PathLike, device: int = 0) -> CaptureSettings:
    """Read the settings of a capture: profile, chirps of the frame, lanes and receivers.

    Args:
        path: The .mmwave.json of mmWave Studio.
        device: The number of the device in the file.

    Returns:
        The settings, in SI units.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind, the samples are real or have fewer than 16
            bits, or the chirps belong to several profiles.
    """
    file = existing_file(path, "a mmWave Studio JSON")
    try:
        tables = json.loads(file.read_text())
        return _settings(file, tables["mmWaveDevices"][device])
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
        why = f"{type(error).__name__}: {error}"
        raise FileFormatError(
            f"{file}: expected a mmWave Studio .mmwave.json; {why}. Its .setup.json?"
        ) from None


def _settings(file: Path, device: dict[str, Any]) -> CaptureSettings:
    rf = device["rfConfig"]
    capture = device["rawDataCaptureConfig"]
    output = rf["rlAdcOutCfg_t"]["fmt"]
    if output["b2AdcBits"] != 2 or output["b2AdcOutFmt"] not in (1, 2):
        kind = f"b2AdcBits={output['b2AdcBits']}, b2AdcOutFmt={output['b2AdcOutFmt']}"
        raise FileFormatError(
            f"{file}: only complex 16-bit samples are read (2, and 1 or 2); it says {kind}."
        )
    frame = rf["rlFrameCfg_t"]
    first = int(frame["chirpStartIdx"])
    last = int(frame["chirpEndIdx"])
    chirps = [_chirp(rf, k) for k in range(first, last + 1)]
    profile = _profile(file, rf, chirps)
    lanes = _bits(capture["rlDevLaneEnable_t"]["laneEn"])
    known = {count: name for name, count in LAYOUTS.items()}
    if lanes not in known:
        raise FileFormatError(f"{file}: {lanes} lanes are enabled; layouts of 2 and 4 are known.")
    return CaptureSettings(
        float(profile["startFreqConst_GHz"]) * 1e9,
        float(profile["freqSlopeConst_MHz_usec"]) * 1e12,
        float(profile["digOutSampleRate"]) * 1e3,
        int(profile["numAdcSamples"]),
        float(profile["adcStartTimeConst_usec"]) * 1e-6,
        tuple(_number(c["txEnable"]) for c in chirps),
        _bits(rf["rlChanCfg_t"]["rxChannelEn"]),
        int(frame["numLoops"]),
        int(frame["numFrames"]),
        known[lanes],
        bool(capture["rlDevDataFmtCfg_t"].get("iqSwapSel", 0)),
    )


def _profile(file: Path, rf: dict[str, Any], chirps: list[dict[str, Any]]) -> dict[str, Any]:
    """The one profile that all chirps use."""
    profiles = {int(c["profileId"]) for c in chirps}
    if len(profiles) != 1:
        raise FileFormatError(
            f"{file}: the frame's chirps use profiles {sorted(profiles)}; one is read."
        )
    entries = [p["rlProfileCfg_t"] for p in rf["rlProfiles"]]
    return next(p for p in entries if int(p["profileId"]) in profiles)


def _chirp(rf: dict[str, Any], index: int) -> dict[str, Any]:
    chirps = [c["rlChirpCfg_t"] for c in rf["rlChirps"]]
    return next(c for c in chirps if int(c["chirpStartIdx"]) <= index <= int(c["chirpEndIdx"]))


def _number(value: Any) -> int:
    """A whole number, which may be written as text: "0xF"."""
    if isinstance(value, str):
        return int(value, 0)
    return int(value)


def _bits(value: object) -> int:
    return _number(value).bit_count()
