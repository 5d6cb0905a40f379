"""Angles: units that are named, units that the span tells, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cases.scan import half_turn, write_scan

from inverse_inr.io import FileFormatError, read_scan
from inverse_inr.io.scans.angles import RADIANS, even_angles, read_angles, to_radians

HALF = half_turn(180).numpy()


@pytest.mark.parametrize("unit", [*RADIANS, "Degrees", "RAD", " rad "])
def test_a_named_unit_is_obeyed(unit: str):
    values = HALF / RADIANS[unit.strip().lower()]
    assert np.allclose(to_radians(values, unit, "theta", {}), HALF)


@pytest.mark.parametrize("turn", [1, 2], ids=["half a turn", "a turn"])
@pytest.mark.parametrize("ends", [0, 1], ids=["without the end", "with the end"])
@pytest.mark.parametrize("views", [45, 180, 1800])
def test_radians_without_a_unit_are_known_by_their_span(turn: int, ends: int, views: int):
    angles = np.arange(views) * turn * math.pi / (views - ends)
    notes: dict[str, str] = {}
    assert np.allclose(to_radians(angles, None, "theta", notes), angles)
    assert "read as radians" in notes["angles"]


@pytest.mark.parametrize(
    "degrees",
    [
        np.arange(180.0),
        np.linspace(0, 360, 721),
        np.linspace(-60, 60, 41),
        np.arange(400) * 137.50776,
    ],
    ids=["half a turn", "a turn", "tilts", "golden"],
)
def test_degrees_without_a_unit_are_known_by_their_span(degrees: np.ndarray):
    notes: dict[str, str] = {}
    assert np.allclose(to_radians(degrees, None, "theta", notes), np.deg2rad(degrees))
    assert "read as degrees" in notes["angles"]


@pytest.mark.parametrize(
    ("values", "unit", "message"),
    [
        (np.linspace(0, 2, 50), None, r"span 2: 2 degrees, or 115 degrees if these are radians"),
        (np.linspace(0, 4 * math.pi, 500), None, "4 half turns in radians, or 12.6 degrees"),
        (np.linspace(0, 180, 50), "furlong", "found units 'furlong'"),
        (np.array([0.0, np.nan, 2.0, np.inf]), "deg", "at views 1, 3 of 4"),
        (np.zeros(1), None, "has no unit"),
    ],
    ids=["limited", "two turns", "unknown", "nan", "one view"],
)
def test_unclear_angles_are_refused(values: np.ndarray, unit: str | None, message: str):
    with pytest.raises(FileFormatError, match=message):
        to_radians(values, unit, "theta", {})


def test_a_span_of_few_degrees_by_the_file_s_unit_is_said(tmp_path: Path):
    notes: dict[str, str] = {}
    to_radians(0.5 * HALF, "degrees", "theta", notes)
    assert "only 1.56 degrees by its unit" in notes["angles"]


@pytest.mark.parametrize(
    ("values", "unit", "fact"),
    [
        (HALF, "degrees", "half a turn in radians"),
        (2 * HALF, "deg", "a turn in radians"),
        (np.arange(180.0), "rad", "half a turn in degrees"),
        (np.arange(0.0, 361.0, 2.0), "radians", "a turn in degrees"),
        (1000 * HALF, None, "half a turn in milliradians"),
        (np.arange(0.0, 360e3, 2e3), None, "a turn in thousandths of a degree"),
    ],
)
def test_a_turn_in_another_unit_contradicts_the_file_s(
    values: np.ndarray, unit: str | None, fact: str
):
    with pytest.raises(FileFormatError, match=fact):
        to_radians(values, unit, "theta", {})


def test_many_turns_in_degrees_are_no_milliradians():
    assert np.allclose(to_radians(np.arange(0.0, 3240.0, 2.0), None, "theta", {})[1], np.pi / 90)


def test_the_caller_has_the_last_word(tmp_path: Path):
    path = write_scan(tmp_path / "a.h5", theta=HALF[::2], units="degrees")
    angles = read_scan(path, angle_unit="radians").angles
    assert np.allclose(angles, HALF[::2])  # type: ignore[arg-type]
    nonsense = write_scan(tmp_path / "b.h5", theta=np.full(90, np.nan), units="furlong")
    assert np.allclose(read_scan(nonsense, span=180.0).angles, even_angles(90, 180.0))  # type: ignore[arg-type]
    given = read_scan(nonsense, angles=torch.from_numpy(HALF[::2])).angles
    assert np.allclose(given, HALF[::2])  # type: ignore[arg-type]
    (tmp_path / "angles.txt").write_text("# degrees\n" + "\n".join(map(str, range(90))))
    listed = read_scan(nonsense, angles=tmp_path / "angles.txt").angles
    assert np.allclose(listed, np.deg2rad(np.arange(90)))  # type: ignore[arg-type]


def test_a_scan_without_angles_says_so(tmp_path: Path):
    assert read_scan(write_scan(tmp_path / "a.h5", theta=None)).angles is None


def test_a_negative_span_turns_backwards():
    assert torch.allclose(even_angles(5, -180.0), -even_angles(5, 180.0))


@pytest.mark.parametrize("text", ["0 1 2", "0,1,2", "0\n1\n2\n", "# a\n0; 1; 2"])
def test_lists_of_angles_in_any_form(tmp_path: Path, text: str):
    (tmp_path / "a.txt").write_text(text)
    assert read_angles(tmp_path / "a.txt").tolist() == [0, 1, 2]


def test_a_list_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "a.txt").write_text("angle one two")
    with pytest.raises(FileFormatError, match="expected a list of angles"):
        read_angles(tmp_path / "a.txt")
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    with pytest.raises(FileFormatError, match=r"shape \(3, 4\)"):
        read_angles(tmp_path / "a.npy")
