"""Raw captures of Texas Instruments mmWave radars (DCA1000): a .bin of int16 and the mmWave Studio JSON beside it.

Words of one chirp, complex 16-bit samples s_r[n] of receiver r:

    2 lanes  (xWR16xx, xWR18xx, xWR68xx: "AWR1843")   for each r:  I[0] I[1] Q[0] Q[1]  I[2] I[3] Q[2] Q[3] ...
    4 lanes  (xWR12xx, xWR14xx: "IWR1443")            for each n:  I_0 I_1 I_2 I_3  Q_0 Q_1 Q_2 Q_3   (4 receivers)

Chirps follow one another, frames too; with time-division MIMO each loop of a frame runs through the chirps of all
transmitters.
"""

from __future__ import annotations

import json
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
    """What the JSON says, in SI units."""

    start_frequency: float
    """Hz at the ramp's start."""
    slope: float
    """Hz/s."""
    sample_rate: float
    """Hz."""
    samples: int
    start_time: float
    """s from the ramp's start to the first sample."""
    transmitters: tuple[int, ...]
    """Bits of the transmitters that each chirp of a loop enables."""
    receivers: int
    loops: int
    frames: int
    """0 where capturing runs until stopped."""
    layout: str
    """"AWR1843" or "IWR1443", by the number of lanes."""
    swapped: bool = False
    """Q before I."""


class Capture(NamedTuple):
    samples: Tensor
    """(frames, loops, chirps of a loop, receivers, samples) complex64, in ADC counts."""
    settings: CaptureSettings


def read_ti(
    path: PathLike, settings: PathLike | CaptureSettings, layout: str | None = None
) -> Capture:
    """A raw capture and its settings (the path of the mmWave Studio .mmwave.json, or made by hand).

    `layout` "AWR1843" or "IWR1443" overrides what the JSON's lanes say. Raises FileNotFoundError, FileFormatError for
    a .bin that is no whole number of frames (truncated) or is not of the frames that the JSON names.
    """
    about = settings if isinstance(settings, CaptureSettings) else read_ti_json(settings)
    layout = about.layout if layout is None else layout
    if layout not in LAYOUTS:
        raise ValueError(f"read_ti: layout must be one of {sorted(LAYOUTS)}, got {layout!r}.")
    if layout == "IWR1443" and about.receivers != 4:
        raise ValueError(
            f"{path}: the 4-lane layout interleaves 4 receivers; the settings enable {about.receivers}."
        )
    file = existing_file(path, "raw int16 samples")
    frame = 2 * about.samples * about.receivers * len(about.transmitters) * about.loops
    size = file.stat().st_size
    shape = (about.loops, len(about.transmitters), about.receivers, about.samples)
    if size == 0 or size % (2 * frame):
        raise FileFormatError(
            f"{file}: {size} bytes are {size / (2 * frame):.4g} frames of {2 * frame} bytes (loops, chirps, receivers, "
            f"samples = {shape}, complex int16). A truncated capture, or the JSON of another one?"
        )
    count = size // (2 * frame)
    if about.frames and count != about.frames:
        raise FileFormatError(
            f"{file}: it holds {count} frames of {2 * frame} bytes; the JSON says {about.frames}. A truncated capture, "
            "or one of several files?"
        )
    words = np.fromfile(file, dtype="<i2").astype(np.float32)
    samples = _two_lanes(words, about) if layout == "AWR1843" else _four_lanes(words, about)
    return Capture(torch.from_numpy(samples.reshape(count, *shape)), about)


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
    i, q = (second, first) if about.swapped else (first, second)
    return np.ascontiguousarray(i + 1j * q, dtype=np.complex64)


def read_ti_json(path: PathLike, device: int = 0) -> CaptureSettings:
    """Settings from a mmWave Studio .mmwave.json: its first profile, the chirps of the frame, lanes and receivers.

    Raises FileNotFoundError, FileFormatError for anything else, for real or less than 16-bit samples, for chirps of
    several profiles.
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
    rf, capture = device["rfConfig"], device["rawDataCaptureConfig"]
    output = rf["rlAdcOutCfg_t"]["fmt"]
    if output["b2AdcBits"] != 2 or output["b2AdcOutFmt"] not in (1, 2):
        kind = f"b2AdcBits={output['b2AdcBits']}, b2AdcOutFmt={output['b2AdcOutFmt']}"
        raise FileFormatError(
            f"{file}: only complex 16-bit samples are read (2, and 1 or 2); it says {kind}."
        )
    frame = rf["rlFrameCfg_t"]
    first, last = int(frame["chirpStartIdx"]), int(frame["chirpEndIdx"])
    chirps = [_chirp(rf, k) for k in range(first, last + 1)]
    profiles = {int(c["profileId"]) for c in chirps}
    if len(profiles) != 1:
        raise FileFormatError(
            f"{file}: the frame's chirps use profiles {sorted(profiles)}; one is read."
        )
    entries = [p["rlProfileCfg_t"] for p in rf["rlProfiles"]]
    profile = next(p for p in entries if int(p["profileId"]) in profiles)
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


def _chirp(rf: dict[str, Any], index: int) -> dict[str, Any]:
    chirps = [c["rlChirpCfg_t"] for c in rf["rlChirps"]]
    return next(c for c in chirps if int(c["chirpStartIdx"]) <= index <= int(c["chirpEndIdx"]))


def _number(value: object) -> int:
    return int(value, 0) if isinstance(value, str) else int(value)  # pyright: ignore[reportArgumentType]


def _bits(value: object) -> int:
    return _number(value).bit_count()
