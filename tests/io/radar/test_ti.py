"""Raw TI captures: bytes written from the documented layouts, one word after another."""

import itertools
import json
import struct

import pytest
import torch

from inverse_inr.io import FileFormatError
from inverse_inr.io.radar import CaptureSettings, read_ti, read_ti_json

FRAMES, LOOPS, SAMPLES, RECEIVERS = 2, 3, 6, 4


def settings(lanes="0x3", **changes):
    """A mmWave Studio JSON with two transmitters in turn, cut down to the settings of samples."""
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
    parts = {"frame": frame, "profile": profile, "capture": capture, "rf": rf}
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


def written(folder, layout="AWR1843", lanes="0x3"):
    """The paths of a capture of two frames and of its JSON."""
    (folder / "a.mmwave.json").write_text(json.dumps(settings(lanes)))
    (folder / "a.bin").write_bytes(b"".join(struct.pack("<h", w) for w in words(layout)))
    return folder / "a.bin", folder / "a.mmwave.json"


@pytest.mark.parametrize(("layout", "lanes"), [("AWR1843", "0x3"), ("IWR1443", "0xF")])
def test_samples_land_in_their_places(tmp_path, layout, lanes):
    capture = read_ti(*written(tmp_path, layout, lanes))
    assert capture.samples.shape == (FRAMES, LOOPS, 2, RECEIVERS, SAMPLES)
    assert capture.samples.dtype == torch.complex64
    some = [(0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (1, 2, 1, 3, 5), (0, 1, 1, 2, 3), (1, 0, 0, 1, 4)]
    for place in some:
        assert capture.samples[place].item() == complex(*value(*place))
    places = itertools.product(*map(range, (FRAMES, LOOPS, 2, RECEIVERS, SAMPLES)))
    expected = torch.tensor([value(*place) for place in places])
    assert torch.equal(torch.view_as_real(capture.samples).reshape(-1, 2), expected.float())


def test_the_json_is_read_in_si_units(tmp_path):
    about = read_ti_json(written(tmp_path, "IWR1443", "0xF")[1])
    assert about == CaptureSettings(
        77e9, pytest.approx(63.343e12), 9.121e6, SAMPLES, 6e-6, (1, 2), 4, LOOPS, FRAMES, "IWR1443"
    )


def test_q_before_i_is_turned(tmp_path):
    data, about = written(tmp_path)
    turned = settings(capture={"rlDevDataFmtCfg_t": {"iqSwapSel": 1}})
    about.write_text(json.dumps(turned))
    first = read_ti(data, about).samples[0, 0, 0, 0, 0].item()
    assert first == complex(*value(0, 0, 0, 0, 0)[::-1])


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (2 * 576 - 2, r"1\.99\d* frames of 576 bytes .* truncated"),
        (576, "holds 1 frames of 576 bytes; the JSON says 2"),
        (0, "0 bytes"),
    ],
    ids=["last word missing", "last frame missing", "empty"],
)
def test_truncated_captures_are_refused(tmp_path, kept, message):
    data, about = written(tmp_path)
    whole = data.read_bytes()
    assert len(whole) == 2 * 576
    data.write_bytes(whole[:kept])
    with pytest.raises(FileFormatError, match=message):
        read_ti(data, about)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSONDecodeError"),
        ('{"DCA1000Config": {}}', "setup"),
        (json.dumps(settings("0x7")), "3 lanes"),
        (
            json.dumps(settings(rf={"rlAdcOutCfg_t": {"fmt": {"b2AdcBits": 2, "b2AdcOutFmt": 0}}})),
            "complex",
        ),
        (json.dumps(settings(frame={"chirpEndIdx": 5})), "StopIteration"),
    ],
    ids=["no JSON", "another JSON", "three lanes", "real samples", "chirp without profile"],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path, text, message):
    data, about = written(tmp_path)
    about.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_ti(data, about)


def test_a_missing_capture_offers_the_nearest(tmp_path):
    _, about = written(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"a\.bin"):
        read_ti(tmp_path / "b.bin", read_ti_json(about))


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="layout must be one of"):
        read_ti(*written(tmp_path), layout="AWR9999")
