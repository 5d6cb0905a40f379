"""Raw TI captures: bytes written from the documented layouts, one word after another."""

import json
import struct

import pytest
import torch

from inverse_inr.io import FileFormatError
from inverse_inr.io.ti_radar import CaptureSettings, read_ti, read_ti_json

FRAMES, LOOPS, SAMPLES, RECEIVERS = 2, 3, 6, 4


def settings(lanes="0x3", **changes):
    """A mmWave Studio JSON with two transmitters in turn, cut down to what describes the samples."""
    frame = {"chirpStartIdx": 0, "chirpEndIdx": 1, "numLoops": LOOPS, "numFrames": FRAMES}
    profile = {
        "profileId": 0,
        "startFreqConst_GHz": 77.0,
        "freqSlopeConst_MHz_usec": 63.343,
        "numAdcSamples": SAMPLES,
        "digOutSampleRate": 9121,
        "adcStartTimeConst_usec": 6.0,
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
    for place, value in changes.items():
        {"frame": frame, "profile": profile, "capture": capture, "rf": rf}[place].update(value)
    return {"mmWaveDevices": [{"rfConfig": rf, "rawDataCaptureConfig": capture}]}


def value(frame, loop, chirp, receiver, sample):
    """A number of its own for each place, I positive and Q negative."""
    k = (((frame * LOOPS + loop) * 2 + chirp) * RECEIVERS + receiver) * SAMPLES + sample + 1
    return k, -k - 1000


def words(layout):
    """The words of a capture in the order in which the board sends them."""
    for frame in range(FRAMES):
        for loop in range(LOOPS):
            for chirp in range(2):
                if layout == "AWR1843":
                    for receiver in range(RECEIVERS):
                        for pair in range(0, SAMPLES, 2):
                            one, two = (
                                value(frame, loop, chirp, receiver, pair + k) for k in (0, 1)
                            )
                            yield from (one[0], two[0], one[1], two[1])
                else:
                    for sample in range(SAMPLES):
                        part = [
                            value(frame, loop, chirp, receiver, sample)
                            for receiver in range(RECEIVERS)
                        ]
                        yield from (v[0] for v in part)
                        yield from (v[1] for v in part)


def written(folder, layout, lanes):
    (folder / "a.mmwave.json").write_text(json.dumps(settings(lanes)))
    (folder / "a.bin").write_bytes(b"".join(struct.pack("<h", w) for w in words(layout)))
    return folder / "a.bin", folder / "a.mmwave.json"


@pytest.mark.parametrize(("layout", "lanes"), [("AWR1843", "0x3"), ("IWR1443", "0xF")])
def test_samples_land_in_their_places(tmp_path, layout, lanes):
    capture = read_ti(*written(tmp_path, layout, lanes))
    assert capture.samples.shape == (FRAMES, LOOPS, 2, RECEIVERS, SAMPLES)
    assert capture.samples.dtype == torch.complex64
    for place in [
        (0, 0, 0, 0, 0),
        (0, 0, 0, 0, 1),
        (1, 2, 1, 3, 5),
        (0, 1, 1, 2, 3),
        (1, 0, 0, 1, 4),
    ]:
        assert capture.samples[place].item() == complex(*value(*place))
    expected = torch.tensor(
        [
            value(f, n, c, r, s)
            for f in range(FRAMES)
            for n in range(LOOPS)
            for c in range(2)
            for r in range(RECEIVERS)
            for s in range(SAMPLES)
        ]
    )
    assert torch.equal(torch.view_as_real(capture.samples).reshape(-1, 2), expected.float())


def test_the_json_is_read_in_si_units(tmp_path):
    about = read_ti_json(written(tmp_path, "IWR1443", "0xF")[1])
    assert about == CaptureSettings(
        77e9, pytest.approx(63.343e12), 9.121e6, SAMPLES, 6e-6, (1, 2), 4, LOOPS, FRAMES, "IWR1443"
    )


def test_q_before_i_is_turned(tmp_path):
    data, _ = written(tmp_path, "AWR1843", "0x3")
    (tmp_path / "a.mmwave.json").write_text(
        json.dumps(settings(capture={"rlDevDataFmtCfg_t": {"iqSwapSel": 1}}))
    )
    first = read_ti(data, tmp_path / "a.mmwave.json").samples[0, 0, 0, 0, 0].item()
    assert first == complex(*value(0, 0, 0, 0, 0)[::-1])


def test_truncated_captures_are_refused(tmp_path):
    data, about = written(tmp_path, "AWR1843", "0x3")
    whole = data.read_bytes()
    data.write_bytes(whole[:-2])
    with pytest.raises(FileFormatError, match=r"1\.99\d* frames of 576 bytes .* truncated"):
        read_ti(data, about)
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="holds 1 frames of 576 bytes; the JSON says 2"):
        read_ti(data, about)
    data.write_bytes(b"")
    with pytest.raises(FileFormatError, match="0 bytes"):
        read_ti(data, about)


def test_other_files_are_refused(tmp_path):
    data, about = written(tmp_path, "AWR1843", "0x3")
    cases = [
        ("{", "JSONDecodeError"),
        ('{"DCA1000Config": {}}', "setup"),
        (json.dumps(settings("0x7")), "3 lanes"),
        (
            json.dumps(settings(rf={"rlAdcOutCfg_t": {"fmt": {"b2AdcBits": 2, "b2AdcOutFmt": 0}}})),
            "complex",
        ),
        (json.dumps(settings(frame={"chirpEndIdx": 5})), "StopIteration"),
    ]
    for text, message in cases:
        about.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            read_ti(data, about)
    with pytest.raises(FileNotFoundError, match=r"a\.bin"):
        read_ti(tmp_path / "b.bin", read_ti_json(written(tmp_path, "AWR1843", "0x3")[1]))
    with pytest.raises(ValueError, match="layout must be one of"):
        read_ti(*written(tmp_path, "AWR1843", "0x3"), layout="AWR9999")
