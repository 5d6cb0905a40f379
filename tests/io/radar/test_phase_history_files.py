"""Radar files: GOTCHA, CV Domes and HDF5 are read, and wrong ones are named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.radar import F64

from inverse_inr import Box, Grid
from inverse_inr.io import (
    FileFormatError,
    PhaseData,
    read_cv_domes,
    read_gotcha,
    read_radar,
    write_radar,
)
from inverse_inr.operators import backproject
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.matched_filter import image_entropy
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.phase_data import radar_of


@pytest.mark.parametrize(("files", "expected"), [(2, 8.092), (4, 8.074)])
def test_gotcha_images_have_the_published_entropy(data, files, expected):
    """An image of 256 x 256 pixels and 100 m, with a Hamming taper in frequency.

    The reference gives an entropy of 8.074 for four degrees.
    """
    phases = read_gotcha([data.file(f"gotcha_pass1_HH_az00{k}.mat") for k in range(1, files + 1)])
    assert phases.y.shape[1] == 424
    line = torch.linspace(-50, 50, 256, dtype=F64)
    x, y = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    box = Box((-50.0, -50.0, -0.1), (50.0, 50.0, 0.1))
    operator = radar_of(phases, box, Grid(box, (64, 64, 1)))
    taper = torch.hamming_window(424, periodic=False)
    image = backproject(operator, phases.y, points, weights=taper)
    assert image_entropy(image) == pytest.approx(expected, abs=0.02)
    some = points[::997]
    exact = backproject(operator, phases.y, some, weights=taper, interpolate=False)
    quick = backproject(operator, phases.y, some, weights=taper)
    assert float((quick - exact).norm() / exact.norm()) < 0.012


def test_gotcha_frequencies_are_uniform_again(data):
    phases = read_gotcha(data.file("gotcha_pass1_HH_az001.mat"))
    step = phases.frequencies.diff()
    assert float(step.max() - step.min()) < 1e-4
    assert phases.sign == -1
    assert phases.y.shape == (117, 424)


def mat(path: Path, **fields: object) -> Path:
    from scipy.io import savemat

    savemat(path, {"data": fields})
    return path


def good_gotcha() -> dict[str, object]:
    f = np.linspace(9e9, 9.6e9, 8).astype(np.float32)
    numbers = {"x": 7e3, "y": 0.0, "z": 7e3, "r0": 9899.5}
    place = {name: np.ones(5, np.float32) * number for name, number in numbers.items()}
    return {"fp": np.ones((8, 5), np.complex64), "freq": f, **place}


@pytest.fixture
def gotcha(tmp_path) -> Path:
    """A small valid file of five pulses and eight frequencies."""
    return mat(tmp_path / "good.mat", **good_gotcha())


def test_a_gotcha_file_holds_pulses_by_frequencies(gotcha):
    assert read_gotcha(gotcha).y.shape == (5, 8)


def test_a_gotcha_file_that_is_cut_off_is_named(gotcha, tmp_path):
    (tmp_path / "cut.mat").write_bytes(gotcha.read_bytes()[:-200])
    with pytest.raises(FileFormatError, match=r"cut\.mat"):
        read_gotcha(tmp_path / "cut.mat")


def test_a_gotcha_file_with_a_position_too_few_is_refused(tmp_path):
    short = good_gotcha() | {"x": np.ones(4, np.float32)}
    with pytest.raises(FileFormatError, match="one position a pulse"):
        read_gotcha(mat(tmp_path / "short.mat", **short))


def test_a_gotcha_file_without_a_field_is_refused(tmp_path):
    missing = {k: v for k, v in good_gotcha().items() if k != "r0"}
    with pytest.raises(FileFormatError, match=r"has no \['r0'\]"):
        read_gotcha(mat(tmp_path / "missing.mat", **missing))


def test_gotcha_files_of_two_collections_are_refused(gotcha, tmp_path):
    lower = good_gotcha() | {"freq": np.linspace(8e9, 9e9, 8).astype(np.float32)}
    other = mat(tmp_path / "other.mat", **lower)
    with pytest.raises(FileFormatError, match="Another collection"):
        read_gotcha([gotcha, other])


def test_a_gotcha_file_without_autofocus_says_so(gotcha):
    with pytest.raises(FileFormatError, match="no autofocus"):
        read_gotcha(gotcha, autofocus=True)


PLACE = np.array([0.5, -0.3, 0.2])


@pytest.fixture
def domes(tmp_path) -> Path:
    """A far-field point at x0 = PLACE: exp(+j k·x0), where k = -(4π f / c) u as sign -1 has it."""
    f = np.linspace(8, 9, 61)
    azimuth = np.array([0.0, 10.0, 350.0])
    a, e = np.deg2rad(azimuth), np.deg2rad(30.0)
    u = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full(3, np.sin(e))], 1)
    hh = np.exp(4j * np.pi * f[:, None] * 1e9 / SPEED_OF_LIGHT * (u @ PLACE))
    return mat(tmp_path / "car.mat", hh=hh, FGHz=f, azim=azimuth, elev=30.0)


def test_cv_domes_hold_the_echo_of_a_far_point(domes):
    phases = read_cv_domes(domes, azimuths=(0.0, 90.0))
    assert phases.y.shape == (2, 61)
    box = Box((-1.0,) * 3, (1.0,) * 3)
    operator = radar_of(phases, box, Grid(box, (1, 1, 1)))
    y = echoes(operator, torch.from_numpy(PLACE[None]))
    assert float((y - phases.y).abs().max()) < 0.02  # the curvature at 10 km


@pytest.mark.parametrize(
    ("polarisation", "options", "message"),
    [
        (("vv",), {}, "no polarisation 'vv'"),
        ((), {"azimuths": (20.0, 30.0)}, r"no pulse has an azimuth in \(20"),
    ],
    ids=["polarisation", "azimuths"],
)
def test_what_cv_domes_do_not_hold_is_named(domes, polarisation, options, message):
    with pytest.raises(ValueError, match=message):
        read_cv_domes(domes, *polarisation, **options)


def some_data(pulses: int = 4) -> PhaseData:
    t = torch.randn(pulses, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) + 5.0
    y = torch.randn(pulses, 6, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    return PhaseData(
        y, torch.linspace(9e9, 9.5e9, 6, dtype=F64), t, t + 0.1, torch.ones(pulses, dtype=F64), -1
    )


def test_hdf5_files_are_read_as_they_were_written(tmp_path):
    write_radar(tmp_path / "a.h5", some_data())
    again = read_radar(tmp_path / "a.h5")
    for a, b in zip(again, some_data(), strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference_path": torch.ones(3, dtype=F64)}, r"\(4, 4, 4, 3\) pulses"),
        ({"sign": 0}, "sign must be"),
    ],
    ids=["pulses", "sign"],
)
def test_hdf5_files_that_contradict_themselves_are_refused(tmp_path, change, message):
    write_radar(tmp_path / "b.h5", some_data()._replace(**change))
    with pytest.raises(FileFormatError, match=message):
        read_radar(tmp_path / "b.h5")
