"""Raw TI captures: words land in their places, and the JSON of mmWave Studio is read as meant."""

import itertools
import json

import pytest
import torch
from cases.ti import FRAMES, LOOPS, RECEIVERS, SAMPLES, settings, value, written

from inverse_inr.io import FileFormatError, read_ti, read_ti_json


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
    assert (about.start_frequency, about.sample_rate) == (77e9, 9.121e6)
    assert (about.slope, about.start_time) == pytest.approx((63.343e12, 6e-6))
    assert (about.samples, about.receivers) == (SAMPLES, RECEIVERS)
    assert (about.transmitters, about.layout) == ((1, 2), "IWR1443")
    assert (about.loops, about.frames) == (LOOPS, FRAMES)
    assert not about.swapped


def test_q_before_i_is_turned(tmp_path):
    data, about = written(tmp_path)
    turned = settings(capture={"rlDevDataFmtCfg_t": {"iqSwapSel": 1}})
    about.write_text(json.dumps(turned))
    first = read_ti(data, about).samples[0, 0, 0, 0, 0].item()
    assert first == complex(*value(0, 0, 0, 0, 0)[::-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is no JSON"),
        ('{"DCA1000Config": {}}', "setup"),
        (json.dumps(settings("0x7")), "3 lanes"),
        (
            json.dumps(settings(rf={"rlAdcOutCfg_t": {"fmt": {"b2AdcBits": 2, "b2AdcOutFmt": 0}}})),
            "complex",
        ),
        (json.dumps(settings(frame={"chirpEndIdx": 5})), "uses chirp 2"),
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
    with pytest.raises(ValueError, match="must be 'AWR1843' or 'IWR1443'"):
        read_ti(*written(tmp_path), layout="AWR9999")


# --- what a chirp varies of its profile -----------------------------------------------------------

VARIED = {
    "startFreqVar_MHz": (100.0, "start_frequency", 77.1e9),
    "freqSlopeVar_KHz_usec": (500.0, "slope", 63.843e12),
    "adcStartTimeVar_usec": (2.0, "start_time", 8e-6),
}


@pytest.mark.parametrize("name", VARIED)
def test_chirps_that_differ_are_refused_by_name(tmp_path, name):
    _, about = written(tmp_path, chirp1={name: VARIED[name][0]})
    with pytest.raises(FileFormatError, match=rf"chirps of a loop differ: .* chirp 1 .*{name}"):
        read_ti_json(about)


@pytest.mark.parametrize("name", VARIED)
def test_a_variation_of_the_chirps_that_are_kept_is_added(tmp_path, name):
    change, field, expected = VARIED[name]
    data, about = written(tmp_path, chirp1={name: change})
    kept = read_ti_json(about, chirps=[1])
    assert getattr(kept, field) == pytest.approx(expected)
    assert kept.transmitters == (2,)
    capture = read_ti(data, kept)
    assert capture.samples.shape == (FRAMES, LOOPS, 1, RECEIVERS, SAMPLES)
    assert capture.samples[1, 2, 0, 3, 5].item() == complex(*value(1, 2, 1, 3, 5))


def test_chirps_of_several_profiles_are_refused_unless_like_ones_are_kept(tmp_path):
    changed = settings(chirp1={"profileId": 1})
    profiles = changed["mmWaveDevices"][0]["rfConfig"]["rlProfiles"]
    first = profiles[0]["rlProfileCfg_t"]
    profiles.append({"rlProfileCfg_t": first | {"profileId": 1, "freqSlopeConst_MHz_usec": 30.0}})
    about = tmp_path / "b.json"
    about.write_text(json.dumps(changed))
    with pytest.raises(FileFormatError, match=r"slope is 3e\+13 .*profile 1 and 0"):
        read_ti_json(about)
    assert read_ti_json(about, chirps=[1]).slope == 30e12


@pytest.mark.parametrize("chirps", [[2], [1, 0], [0, 0], [], [-1], [0.5]])
def test_chirps_that_are_not_in_the_loop_are_refused(tmp_path, chirps):
    with pytest.raises((ValueError, TypeError), match="chirps="):
        read_ti_json(written(tmp_path)[1], chirps=chirps)


CODED = {"chirpStartIdx": 1, "chirpEndIdx": 1, "constBpmVal": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rf": {"rlBpmChirps": [{"rlBpmChirpCfg_t": CODED}]}}, "chirp 1 has constBpmVal=2"),
        ({"rf": {"waveformType": "continuousWave"}}, "continuous mode"),
        ({"rf": {"rlContModeEn_t": {"contModeEn": 1}}}, "continuous mode"),
        ({"rf": {"waveformType": "advancedFrameChirp"}}, "advanced frame of several"),
        (
            {"rf": {"rlAdvFrameCfg_t": {"isConfigured": 1, "frameSeq": {"numOfSubFrames": 3}}}},
            "advanced frame of 3",
        ),
        ({"capture": {"rlDevDataPathCfg_t": {"transferFmtPkt0": "0x6"}}}, "transferFmtPkt0=0x6"),
        ({"profile": {"numAdcSamples": 4000}}, "ramp of chirp 0 ends at 40 µs"),
        ({"profile": {"startFreqConst_GHz": 77e9}}, "In GHz"),
        ({"profile": {"freqSlopeConst_MHz_usec": 0}}, "slope must not be 0"),
        ({"profile": {"digOutSampleRate": float("nan")}}, "a number is nan"),
        ({"frame": {"numLoops": 0}}, "loops=0 must be"),
        ({"frame": {"chirpEndIdx": 10**12}}, "whole number"),
    ],
)
def test_modes_and_numbers_that_cannot_be_used_are_refused_by_name(tmp_path, changes, message):
    with pytest.raises(FileFormatError, match=message):
        read_ti_json(written(tmp_path, **changes)[1])


def test_a_ramp_that_runs_down_keeps_its_sign(tmp_path):
    _, about = written(tmp_path, profile={"freqSlopeConst_MHz_usec": -50.0})
    assert read_ti_json(about).slope == -50e12
