"""The JSON of mmWave Studio: settings of a capture, or a refusal that names what cannot be used."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inverse_inr.io.files import FileFormatError, PathLike, existing_file
from inverse_inr.io.radar.json_numbers import number, optional_time, real, whole
from inverse_inr.io.radar.ti_settings import LAYOUTS, CaptureSettings, Layout
from inverse_inr.ranges import WholeNumber, checked

VARIATIONS = {
    "start_frequency": ("startFreqVar_MHz", 1e6, "Hz"),
    "slope": ("freqSlopeVar_KHz_usec", 1e9, "Hz/s"),
    "start_time": ("adcStartTimeVar_usec", 1e-6, "s"),
    "idle_time": ("idleTimeVar_usec", 1e-6, "s"),
}
"""What a chirp adds to its profile: the JSON's name, its unit in SI, and the SI unit."""
CONSTANTS = {
    "start_frequency": ("startFreqConst_GHz", 1e9),
    "slope": ("freqSlopeConst_MHz_usec", 1e12),
    "start_time": ("adcStartTimeConst_usec", 1e-6),
    "sample_rate": ("digOutSampleRate", 1e3),
    "samples": ("numAdcSamples", 1),
}
"""What a profile says: the JSON's name and its unit in SI."""
ADC_ONLY = 1
"""The value of transferFmtPkt0 where packets hold samples and nothing else."""


@checked
def read_ti_json(
    path: PathLike, device: WholeNumber = 0, chirps: Sequence[int] | None = None
) -> CaptureSettings:
    """Read the settings of a capture from the JSON that mmWave Studio exports.

    What a chirp varies of its profile (startFreqVar, freqSlopeVar, adcStartTimeVar, idleTimeVar) is
    added to it. One set of settings holds for all chirps that are kept, so that chirps of a loop
    that differ in frequency, slope or sampling are refused, unless `chirps` chooses like ones.

    Args:
        path: The .mmwave.json file.
        device: The number of the device in a cascade.
        chirps: Numbers of the chirps of a loop to keep, ascending from 0; all by default.

    Returns:
        The settings.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind, the mode is no frame of chirps (continuous,
            advanced frame), chirps that are kept differ or are phase-coded, the samples are real or
            have fewer than 16 bits, or packets hold more than samples.
        ValueError: There is no such chirp.
    """
    file = existing_file(path, "a mmWave Studio JSON")
    try:
        tables = json.loads(file.read_text())
        table = tables["mmWaveDevices"][device]
        rf = table["rfConfig"]
        _check_mode(file, rf)
        layout = _layout(file, table["rawDataCaptureConfig"])
        loop = _loop(file, rf)
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise _unknown(file, error) from None
    kept = _kept(path, chirps, len(loop))
    _check_alike(file, [loop[k] for k in kept], kept)
    _check_sizes(file, loop)
    try:
        return _settings(table, layout, loop, kept)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _unknown(file, error) from None


def _unknown(file: Path, error: Exception) -> FileFormatError:
    """The error for a file that is no such JSON, or whose values no capture has."""
    if str(error).startswith("CaptureSettings: "):  # readable, but no radar is set like that
        return FileFormatError(f"{file}: {str(error).removeprefix('CaptureSettings: ')}")
    why = f"{error}".rstrip(".")
    if isinstance(error, KeyError):
        why = f"it has no {error}"
    elif isinstance(error, UnicodeDecodeError):
        why = "it is no text. Files in the wrong order: capture first, then settings"
    elif isinstance(error, json.JSONDecodeError):
        why = f"it is no JSON (line {error.lineno}, column {error.colno})"
    elif isinstance(error, TypeError):
        why = "a value is missing (null) or of another type than in such files"
    return FileFormatError(
        f"{file}: expected a mmWave Studio .mmwave.json; {why}. Its .setup.json?"
    )


def _settings(
    device: dict[str, Any], layout: Layout, loop: list[dict[str, Any]], kept: tuple[int, ...]
) -> CaptureSettings:
    rf = device["rfConfig"]
    frame = rf["rlFrameCfg_t"]
    first = loop[kept[0]]
    period = frame.get("framePeriodicity_msec")
    timed = all(c["ramp_end_time"] is not None and c["idle_time"] is not None for c in loop)
    return CaptureSettings(
        first["start_frequency"],
        first["slope"],
        first["sample_rate"],
        int(first["samples"]),
        first["start_time"],
        tuple(loop[k]["transmitters"] for k in kept),
        number(rf["rlChanCfg_t"]["rxChannelEn"]).bit_count(),
        whole(frame["numLoops"]),
        whole(frame["numFrames"]),
        layout,
        bool(number(device["rawDataCaptureConfig"]["rlDevDataFmtCfg_t"].get("iqSwapSel", 0))),
        tuple(c["idle_time"] for c in loop) if timed else (),
        tuple(c["ramp_end_time"] for c in loop) if timed else (),
        None if not period else real(period) * 1e-3,
        () if len(kept) == len(loop) else kept,
        len(loop),
    )


def _check_mode(file: Path, rf: dict[str, Any]) -> None:
    """Raise FileFormatError unless the device sends frames of chirps and complex 16-bit samples."""
    mode = str(rf.get("waveformType", ""))
    continuous = number(rf.get("rlContModeEn_t", {}).get("contModeEn", 0))
    if "cont" in mode.lower() or (not mode and continuous):
        raise FileFormatError(
            f"{file}: continuous mode ({mode or 'contModeEn'}): a tone without chirps has no range "
            "and is not read."
        )
    advanced = rf.get("rlAdvFrameCfg_t", {})
    if "advanced" in mode.lower() or (not mode and number(advanced.get("isConfigured", 0))):
        count = advanced.get("frameSeq", {}).get("numOfSubFrames", "several")
        raise FileFormatError(
            f"{file}: an advanced frame of {count} sub-frames; frames of one kind of loop are read "
            "(waveformType legacyFrameChirp). Cut the sub-frames apart, and pass CaptureSettings "
            "for each."
        )
    output = rf["rlAdcOutCfg_t"]["fmt"]
    if output["b2AdcBits"] != 2 or output["b2AdcOutFmt"] not in (1, 2):
        kind = f"b2AdcBits={output['b2AdcBits']}, b2AdcOutFmt={output['b2AdcOutFmt']}"
        raise FileFormatError(
            f"{file}: only complex 16-bit samples are read (2, and 1 or 2); it says {kind}."
        )


def _layout(file: Path, capture: dict[str, Any]) -> Layout:
    """The layout by the number of lanes."""
    way = capture.get("rlDevDataPathCfg_t", {})
    content = number(way.get("transferFmtPkt0", ADC_ONLY))
    if content != ADC_ONLY:
        raise FileFormatError(
            f"{file}: transferFmtPkt0={content:#x}: packets hold chirp parameters beside samples; "
            "only packets of samples alone (0x1) are read."
        )
    if "rlDevLaneEnable_t" not in capture and "rlDevCsi2Cfg_t" in capture:
        raise FileFormatError(
            f"{file}: the samples leave through CSI2; LVDS captures (DCA1000) are read."
        )
    lanes = number(capture["rlDevLaneEnable_t"]["laneEn"]).bit_count()
    known: dict[int, Layout] = {count: name for name, count in LAYOUTS.items()}
    if lanes not in known:
        raise FileFormatError(f"{file}: {lanes} lanes are enabled; layouts of 2 and 4 are known.")
    return known[lanes]


def _loop(file: Path, rf: dict[str, Any]) -> list[dict[str, Any]]:
    """What each chirp of a loop does, in SI units, its variations added to its profile."""
    frame = rf["rlFrameCfg_t"]
    indices = range(whole(frame["chirpStartIdx"]), whole(frame["chirpEndIdx"]) + 1)
    if not 1 <= len(indices) <= 512:  # the device has 512 chirp settings
        raise FileFormatError(
            f"{file}: chirps {indices.start} to {indices.stop - 1} make no frame."
        )
    profiles = {
        whole(p["rlProfileCfg_t"]["profileId"]): p["rlProfileCfg_t"] for p in rf["rlProfiles"]
    }
    loop = []
    for index in indices:
        chirp = _entry(file, rf["rlChirps"], "rlChirpCfg_t", index)
        if chirp is None:
            raise FileFormatError(f"{file}: the frame uses chirp {index}, which is not there.")
        _check_phase(file, rf, index)
        profile = profiles[whole(chirp["profileId"])]
        loop.append(_chirp(profile, chirp))
    return loop


def _chirp(profile: dict[str, Any], chirp: dict[str, Any]) -> dict[str, Any]:
    """One chirp in SI units."""
    one: dict[str, Any] = {k: real(profile[n]) * unit for k, (n, unit) in CONSTANTS.items()}
    one["idle_time"] = optional_time(profile.get("idleTimeConst_usec"))
    one["ramp_end_time"] = optional_time(profile.get("rampEndTime_usec"))
    one["transmitters"] = number(chirp["txEnable"])
    one["profile"] = whole(chirp["profileId"])
    one["varied"] = {}
    for name, (key, unit, _) in VARIATIONS.items():
        change = real(chirp.get(key, 0.0))
        if change:
            one["varied"][key] = change
            if one[name] is not None:
                one[name] += change * unit
    return one


def _entry(file: Path, table: Any, kind: str, index: int) -> dict[str, Any] | None:
    """The settings that hold for a chirp, None if there are none; two that differ are refused."""
    entries = [row[kind] for row in table]
    found = [e for e in entries if whole(e["chirpStartIdx"]) <= index <= whole(e["chirpEndIdx"])]
    whats = [
        {k: v for k, v in e.items() if k not in ("chirpStartIdx", "chirpEndIdx")} for e in found
    ]
    if any(what != whats[0] for what in whats):
        raise FileFormatError(f"{file}: {len(found)} entries of {kind} differ for chirp {index}.")
    return found[0] if found else None


def _check_phase(file: Path, rf: dict[str, Any], index: int) -> None:
    """Raise FileFormatError where a chirp's transmitters are phase-coded."""
    for table, kind in (
        ("rlBpmChirps", "rlBpmChirpCfg_t"),
        ("rlRfPhaseShiftCfgs", "rlRfPhaseShiftCfg_t"),
    ):
        entry = _entry(file, rf.get(table) or [], kind, index)
        for key, value in (entry or {}).items():
            coded = "Bpm" in key or "PhaseShift" in key
            if coded and real(value):
                raise FileFormatError(
                    f"{file}: chirp {index} has {key}={value}: phase-coded transmitters are not "
                    "decoded."
                )


def _kept(path: PathLike, chirps: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The numbers of the chirps that are kept."""
    if chirps is None:
        return tuple(range(count))
    kept = tuple(chirps)
    whole = all(isinstance(k, int) and not isinstance(k, bool) and 0 <= k < count for k in kept)
    if not kept or not whole or list(kept) != sorted(set(kept)):
        raise ValueError(
            f"{path}: chirps={list(kept)} must be ascending numbers of the loop's {count} chirps, "
            "from 0."
        )
    return kept


def _check_alike(file: Path, loop: list[dict[str, Any]], kept: tuple[int, ...]) -> None:
    """Raise FileFormatError where chirps that are kept differ in frequencies or sampling."""
    for index, one in zip(kept, loop, strict=True):
        for name in CONSTANTS:
            if math.isclose(one[name], loop[0][name], rel_tol=1e-9, abs_tol=1e-12):
                continue
            cause = f"profile {one['profile']} and {loop[0]['profile']}"
            if one["varied"] or loop[0]["varied"]:
                cause = f"variations {one['varied'] or loop[0]['varied']}"
            raise FileFormatError(
                f"{file}: chirps of a loop differ: {name} is {one[name]:.10g} for chirp {index} "
                f"and {loop[0][name]:.10g} for chirp {kept[0]} ({cause}). One set of settings "
                f"cannot hold both: keep like ones, read_ti_json(path, chirps=[{kept[0]}])."
            )


def _check_sizes(file: Path, loop: list[dict[str, Any]]) -> None:
    """Raise FileFormatError where chirps of a loop have differing numbers of samples."""
    sizes = [int(one["samples"]) for one in loop]
    if len(set(sizes)) != 1:
        raise FileFormatError(
            f"{file}: the chirps of a loop have {sizes} samples; loops of equal chirps are read."
        )
