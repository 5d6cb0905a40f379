"""Shared by the tests of TI captures: a JSON of mmWave Studio, and words in documented order."""

import itertools
import json
import struct

FRAMES, LOOPS, SAMPLES, RECEIVERS = 2, 3, 6, 4


def settings(lanes="0x3", **changes):
    """A mmWave Studio JSON with two transmitters in turn, cut down to the settings of samples."""
    frame = {"chirpStartIdx": 0, "chirpEndIdx": 1, "numLoops": LOOPS, "numFrames": FRAMES}
    frame["framePeriodicity_msec"] = 50.0
    profile = {
        "profileId": 0,
        "startFreqConst_GHz": 77.0,
        "freqSlopeConst_MHz_usec": 63.343,
        "numAdcSamples": SAMPLES,
        "digOutSampleRate": 9121,
        "adcStartTimeConst_usec": 6.0,
        "idleTimeConst_usec": 7.0,
        "rampEndTime_usec": 40.0,
    }
    chirps = [
        {"chirpStartIdx": k, "chirpEndIdx": k, "profileId": 0, "txEnable": f"0x{1 << k}"}
        for k in (0, 1)
    ]
    rf = {
        "rlChanCfg_t": {"rxChannelEn": "0xF"},
        "rlAdcOutCfg_t": {"fmt": {"b2AdcBits": 2, "b2AdcOutFmt": 1}},
        "rlFrameCfg_t": frame,
        "rlProfiles": [{"rlProfileCfg_t": profile}],
        "rlChirps": [{"rlChirpCfg_t": c} for c in chirps],
    }
    capture = {"rlDevLaneEnable_t": {"laneEn": lanes}, "rlDevDataFmtCfg_t": {"iqSwapSel": 0}}
    parts = {"frame": frame, "profile": profile, "capture": capture, "rf": rf}
    parts |= {f"chirp{k}": chirp for k, chirp in enumerate(chirps)}
    for place, change in changes.items():
        parts[place].update(change)
    return {"mmWaveDevices": [{"rfConfig": rf, "rawDataCaptureConfig": capture}]}


def value(frame, loop, chirp, receiver, sample):
    """A number of its own for each place, I positive and Q negative."""
    k = (((frame * LOOPS + loop) * 2 + chirp) * RECEIVERS + receiver) * SAMPLES + sample + 1
    return k, -k - 1000


def awr1843(*chirp):
    """The words of one chirp of an AWR1843: receiver after receiver, samples in pairs, I I Q Q."""
    for receiver, pair in itertools.product(range(RECEIVERS), range(0, SAMPLES, 2)):
        one = value(*chirp, receiver, pair)
        two = value(*chirp, receiver, pair + 1)
        yield from (one[0], two[0], one[1], two[1])


def iwr1443(*chirp):
    """The words of one chirp of an IWR1443: sample after sample, I of all receivers, then Q."""
    for sample in range(SAMPLES):
        part = [value(*chirp, receiver, sample) for receiver in range(RECEIVERS)]
        yield from (v[0] for v in part)
        yield from (v[1] for v in part)


LAYOUTS = {"AWR1843": awr1843, "IWR1443": iwr1443}


def words(layout):
    """The words of a capture in the order in which the board sends them."""
    for chirp in itertools.product(range(FRAMES), range(LOOPS), range(2)):
        yield from LAYOUTS[layout](*chirp)


def written(folder, layout="AWR1843", lanes="0x3", **changes):
    """The paths of a capture of two frames and of its JSON."""
    (folder / "a.mmwave.json").write_text(json.dumps(settings(lanes, **changes)))
    (folder / "a.bin").write_bytes(b"".join(struct.pack("<h", w) for w in words(layout)))
    return folder / "a.bin", folder / "a.mmwave.json"
