"""CPHD as sarpy writes it is read back, without what it flags; damaged files are refused."""

import sys
import warnings

import numpy as np
import pytest
import torch
from cases.cphd import PULSES, write_cphd

from inverse_inr.io import FileFormatError
from inverse_inr.io.radar import read_cphd

sarpy = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@sarpy
def test_cphd_in_local_metres(tmp_path):
    y, antennas, frequencies = write_cphd(tmp_path / "a.cphd")
    data = read_cphd(tmp_path / "a.cphd")
    assert data.sign == -1
    np.testing.assert_array_equal(data.y.numpy(), y)
    np.testing.assert_array_equal(data.frequencies.numpy(), frequencies)
    # ECF coordinates are rounded to 1e-9 m
    np.testing.assert_allclose(data.transmitters.numpy(), antennas[0], atol=1e-8)
    np.testing.assert_allclose(data.receivers.numpy(), antennas[1], atol=1e-8)
    legs = np.linalg.norm(antennas, axis=2).sum(0)
    np.testing.assert_allclose(data.reference_path.numpy(), legs, atol=1e-8)
    some = read_cphd(tmp_path / "a.cphd", vectors=slice(1, 4))
    np.testing.assert_array_equal(some.y.numpy(), y[1:4])
    assert torch.equal(some.transmitters, data.transmitters[1:4])


@sarpy
@pytest.mark.parametrize(
    ("kept", "message"),
    [(-8, r"bytes of signal at .* A truncated copy"), (100, "CPHD")],
    ids=["last sample missing", "header alone"],
)
def test_cphd_files_that_are_cut_off_are_refused(tmp_path, kept, message):
    write_cphd(tmp_path / "a.cphd")
    whole = (tmp_path / "a.cphd").read_bytes()
    (tmp_path / "b.cphd").write_bytes(whole[:kept])
    with pytest.raises(FileFormatError, match=message):
        read_cphd(tmp_path / "b.cphd")


@sarpy
def test_an_nitf_file_is_no_cphd_file(tmp_path):
    pytest.importorskip("sarpy")
    (tmp_path / "c.cphd").write_bytes(b"NITF02.10")
    with pytest.raises(FileFormatError, match=r"not 'CPHD/1\.'"):
        read_cphd(tmp_path / "c.cphd")


@sarpy
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "TOA"}, "domain TOA"),
        ({"steps": (5e4, 0)}, "first frequency changes by 2.5e"),
        ({"steps": (0, 1e3)}, "step by 5000 Hz"),
    ],
    ids=["times", "first frequency", "step"],
)
def test_cphd_files_without_common_frequencies_are_refused(tmp_path, options, message):
    write_cphd(tmp_path / "a.cphd", **options)
    with pytest.raises(FileFormatError, match=message):
        read_cphd(tmp_path / "a.cphd")


@sarpy
def test_vectors_that_are_flagged_are_left_out(tmp_path):
    """SIGNAL is 1 for a normal echo; anything else is not what the scene sent back."""
    flags = [1, 1, 0, 1, 2, 1]
    y, antennas, _ = write_cphd(tmp_path / "a.cphd", flags=flags)
    data = read_cphd(tmp_path / "a.cphd")
    good = [0, 1, 3, 5]
    np.testing.assert_array_equal(data.y.numpy(), y[good])
    np.testing.assert_allclose(data.transmitters.numpy(), antennas[0][good], atol=1e-8)
    assert data.notes["vectors left out"].startswith("2 of 6")
    some = read_cphd(tmp_path / "a.cphd", vectors=slice(2, 4))
    np.testing.assert_array_equal(some.y.numpy(), y[3:4])
    with pytest.raises(ValueError, match="none of the 1 vectors"):
        read_cphd(tmp_path / "a.cphd", vectors=slice(2, 3))


@sarpy
@pytest.mark.parametrize("name", ["TxTime", "aFDOP", "SC0", "TxPos"])
def test_vectors_that_lack_a_parameter_are_left_out(tmp_path, name):
    column = np.full((PULSES, 3) if name == "TxPos" else PULSES, 9e9)
    column[4] = np.nan
    y, _, _ = write_cphd(tmp_path / "a.cphd", **{name: column})
    data = read_cphd(tmp_path / "a.cphd")
    np.testing.assert_array_equal(data.y.numpy(), np.delete(y, 4, 0))
    assert data.notes["vectors left out"].endswith(": 4")


@sarpy
def test_a_parameter_that_no_vector_has_flags_none(tmp_path):
    write_cphd(tmp_path / "a.cphd", TDTropoSRP=np.nan)
    assert len(read_cphd(tmp_path / "a.cphd").y) == PULSES


@sarpy
def test_samples_outside_the_saved_band_are_left_out(tmp_path):
    y, _, f = write_cphd(tmp_path / "a.cphd", FX1=9.0021e9, FX2=9.0051e9)
    data = read_cphd(tmp_path / "a.cphd")
    np.testing.assert_array_equal(data.frequencies.numpy(), f[2:6])
    np.testing.assert_array_equal(data.y.numpy(), y[:, 2:6])
    assert "frequencies left out" in data.notes


@sarpy
def test_frequencies_that_descend_are_turned_round_with_their_samples(tmp_path):
    y, _, f = write_cphd(tmp_path / "a.cphd", SC0=9.006e9, SCSS=-1e6)
    data = read_cphd(tmp_path / "a.cphd")
    np.testing.assert_array_equal(data.frequencies.numpy(), f)
    np.testing.assert_array_equal(data.y.numpy(), y[:, ::-1])


@sarpy
def test_a_channel_is_chosen_by_name_or_number(tmp_path):
    y, _, _ = write_cphd(tmp_path / "a.cphd", channels=("HH", "HV", "VV"))
    for channel in ("HV", 1):
        np.testing.assert_array_equal(read_cphd(tmp_path / "a.cphd", channel).y.numpy(), y + 1)
    with pytest.raises(ValueError, match=r"has 3 channels; choose one: .* HH, HV, VV"):
        read_cphd(tmp_path / "a.cphd")


@sarpy
@pytest.mark.parametrize("channel", ["hv", 3, -1])
def test_a_channel_that_is_not_there_is_refused(tmp_path, channel):
    write_cphd(tmp_path / "a.cphd", channels=("HH", "HV"))
    with pytest.raises(ValueError, match="there is no channel"):
        read_cphd(tmp_path / "a.cphd", channel)


def test_without_sarpy_the_extra_is_named(tmp_path, monkeypatch):
    for name in [m for m in sys.modules if m.split(".")[0] == "sarpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "a.cphd").write_bytes(b"CPHD/1.0.1")
    with warnings.catch_warnings(), pytest.raises(ImportError, match=r"inverse-inr\[radar\]"):
        read_cphd(tmp_path / "a.cphd")
