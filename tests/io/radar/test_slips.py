"""Radar files with a slip of unit, type or timing: refused with the fact that speaks against it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from inverse_inr.io import (
    CaptureSettings,
    FileFormatError,
    matlab_struct,
    read_cv_domes,
    read_gotcha,
)

AZIMUTHS = np.arange(0, 360, 0.5)
ECHOES = np.ones((16, len(AZIMUTHS)), complex)


def domes(folder: Path, **changed: Any) -> Path:
    fields = {"hh": ECHOES, "vv": 2 * ECHOES, "FGHz": np.linspace(7.6, 10.6, 16)[:, None]}
    fields |= {"azim": AZIMUTHS, "elev": 30.0} | changed
    savemat(folder / "a.mat", {"data": fields})
    return folder / "a.mat"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"FGHz": np.linspace(7.6e9, 10.6e9, 16)[:, None]}, "FGHz .* no radar sends"),
        ({"azim": np.deg2rad(AZIMUTHS)}, "a whole turn in radians"),
        ({"elev": np.deg2rad(30.0)}, "In radians"),
        ({"hh": ECHOES.real}, "hh must be complex"),
    ],
)
def test_domes_with_a_slip_are_refused(tmp_path: Path, changed: dict[str, Any], message: str):
    with pytest.raises(FileFormatError, match=message):
        read_cv_domes(domes(tmp_path, **changed))


def test_few_degrees_are_not_taken_for_a_turn_in_radians(tmp_path: Path):
    few = slice(0, 13)  # up to 6 degrees
    path = domes(tmp_path, hh=ECHOES[:, few], vv=ECHOES[:, few], azim=AZIMUTHS[few])
    assert len(read_cv_domes(path).y) == 13


def test_polarisations_are_named_in_either_case(tmp_path: Path):
    path = domes(tmp_path)
    assert float(read_cv_domes(path, "VV").y.abs().max()) == 2
    with pytest.raises(ValueError, match=r"no polarisation 'azim' among \['hh', 'vv'\]"):
        read_cv_domes(path, "azim")


def test_pulses_without_an_azimuth_are_named(tmp_path: Path):
    azimuths = np.r_[np.nan, AZIMUTHS[1:]]
    data = read_cv_domes(domes(tmp_path, azim=azimuths))
    assert len(data.y) == 719
    assert data.notes["pulses left out"] == "1 of 720 without an azimuth"


def gotcha(folder: Path, **changed: Any) -> Path:
    fields = {"fp": np.ones((8, 5), complex), "freq": np.linspace(9.3e9, 9.9e9, 8)}
    fields |= {name: np.full(5, 7e3) for name in "xyz"} | {"r0": np.full(5, 12124.0)} | changed
    savemat(folder / "g.mat", {"data": fields})
    return folder / "g.mat"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fp": np.ones((8, 5))}, "fp must be complex"),
        ({"freq": np.r_[np.nan, np.linspace(9.3e9, 9.9e9, 7)]}, "1 NaN or Inf, the first at 0"),
        ({"freq": np.linspace(9.3, 9.9, 8)}, "GHz and Hz mixed up"),
        ({n: np.full(5, 7.0) for n in "xyz"} | {"r0": np.full(5, 12.124)}, "Positions in km"),
    ],
)
def test_gotcha_with_a_slip_is_refused(tmp_path: Path, changed: dict[str, Any], message: str):
    assert read_gotcha(gotcha(tmp_path)).y.shape == (5, 8)
    with pytest.raises(FileFormatError, match=message):
        read_gotcha(gotcha(tmp_path, **changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sample_rate": 8e9}, "sample_rate=8e[+]09 Hz is beyond"),
        ({"transmitters": (1, 0)}, "chirp 1 enables no transmitter"),
        ({"frame_period": 1e-4}, "3 loops last 0.282 ms, longer than the 0.1 ms"),
    ],
)
def test_settings_that_no_capture_has_are_refused(changed: dict[str, Any], message: str):
    usual: dict[str, Any] = {
        "start_frequency": 77e9,
        "slope": 70e12,
        "sample_rate": 8e6,
        "samples": 8,
        "start_time": 5e-6,
        "transmitters": (1, 2),
        "receivers": 4,
        "loops": 3,
        "frames": 2,
        "layout": "AWR1843",
        "idle_times": (7e-6, 7e-6),
        "ramp_end_times": (40e-6, 40e-6),
    }
    assert CaptureSettings(**usual, frame_period=0.04).loops == 3
    with pytest.raises(ValueError, match=message):
        CaptureSettings(**(usual | changed))


def test_structs_of_both_versions_come_through_one_door(tmp_path: Path):
    import h5py

    savemat(tmp_path / "5.mat", {"data": {"a": np.arange(6.0).reshape(2, 3)}})
    with h5py.File(tmp_path / "73.mat", "w") as file:
        file.create_group("data")["a"] = np.arange(6.0).reshape(2, 3).T
    for name in ("5.mat", "73.mat"):
        found = matlab_struct(tmp_path / name, "data")
        np.testing.assert_array_equal(found["a"], np.arange(6.0).reshape(2, 3))
