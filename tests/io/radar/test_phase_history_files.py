"""Radar files: GOTCHA, CV Domes and HDF5 are read, and wrong ones are named."""

import math
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
    uniform_where_rounded,
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


@pytest.fixture
def around(tmp_path) -> Path:
    """Pulses every half degree from 0 to 359.5, whose echoes are their azimuths."""
    azimuth = np.arange(0, 360, 0.5)
    hh = np.tile(azimuth, (16, 1)).astype(complex)
    return mat(tmp_path / "car.mat", hh=hh, FGHz=np.linspace(8, 9, 16), azim=azimuth, elev=30.0)


@pytest.mark.parametrize(
    ("azimuths", "first", "count"),
    [
        ((0, 360), 0, 720),
        ((-5, 5), 355, 21),
        ((350, 370), 350, 41),
        ((350, 10), 350, 41),
        ((-370, -350), 350, 41),
        ((90, 90), 90, 1),
        ((720, 730), 0, 21),
        ((-180, 180), 0, 720),
        ((10, 5), 10, 711),
    ],
)
def test_a_sector_may_cross_north(around, azimuths, first, count):
    phases = read_cv_domes(around, azimuths=azimuths)
    expected = (first + 0.5 * np.arange(count)) % 360
    np.testing.assert_allclose(phases.y[:, 0].real.numpy(), expected)
    x, y, _ = phases.transmitters.T.numpy()
    looked = np.rad2deg(np.arctan2(y, x))
    np.testing.assert_allclose(np.cos(np.deg2rad(looked - expected)), 1.0)


@pytest.mark.parametrize("azimuths", [(0, 361), (0, math.nan), (0, math.inf), (1,), "hh", (0, "5")])
def test_sectors_that_are_none_are_refused(around, azimuths):
    with pytest.raises((ValueError, TypeError), match="azimuths"):
        read_cv_domes(around, azimuths=azimuths)


def test_several_elevations_are_refused(tmp_path):
    path = mat(
        tmp_path / "a.mat",
        hh=np.ones((4, 2), complex),
        FGHz=np.linspace(8, 9, 4),
        azim=[0.0, 1.0],
        elev=[30.0, 40.0],
    )
    with pytest.raises(FileFormatError, match="one elevation"):
        read_cv_domes(path)


@pytest.mark.parametrize("name", ["x", "r0"])
def test_a_range_in_another_unit_than_the_position_is_refused(tmp_path, name):
    fields = good_gotcha()
    if name == "r0":
        fields["r0"] = np.full(5, 9.8995)
    else:
        fields |= {k: np.full(5, 7.0) for k in "xyz"}
    with pytest.raises(FileFormatError, match="in km"):
        read_gotcha(mat(tmp_path / "a.mat", **fields))


def test_frequencies_that_descend_are_turned_round_with_their_samples(tmp_path):
    fields = good_gotcha()
    fp = (np.arange(40).reshape(8, 5) + 1j).astype(np.complex64)
    up = read_gotcha(mat(tmp_path / "up.mat", **fields | {"fp": fp}))
    down = fields | {"fp": fp[::-1], "freq": np.asarray(fields["freq"])[::-1]}
    turned = read_gotcha(mat(tmp_path / "down.mat", **down))
    assert torch.equal(turned.y, up.y)
    assert torch.allclose(turned.frequencies, up.frequencies, rtol=1e-12)


def test_notched_float32_frequencies_lie_on_their_lattice_again():
    f = torch.linspace(9.3e9, 9.9e9, 400, dtype=F64)
    kept = torch.cat([f[:100], f[131:]])
    back = uniform_where_rounded(kept.float())
    assert float((back - kept).abs().max()) < 600
    steps = back.diff() / (f[1] - f[0])
    assert float((steps / steps[0] - (steps / steps[0]).round()).abs().max()) < 1e-6


def some_data(pulses: int = 4) -> PhaseData:
    t = torch.randn(pulses, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) + 5.0
    y = torch.randn(pulses, 6, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    return PhaseData(
        y, torch.linspace(9e9, 9.5e9, 6, dtype=F64), t, t + 0.1, torch.ones(pulses, dtype=F64), -1
    )


def test_hdf5_files_are_read_as_they_were_written(tmp_path):
    write_radar(tmp_path / "a.h5", some_data())
    again = read_radar(tmp_path / "a.h5")
    for a, b in zip(again[:6], some_data()[:6], strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))
    assert not again.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference_path": torch.ones(3, dtype=F64)}, r"\(4, 4, 4, 3\) pulses"),
        ({"sign": 0}, "sign must be"),
        ({"transmitters": torch.ones(4, 2, dtype=F64)}, "transmitters must be"),
        ({"y": torch.ones(4, 6)}, "complex"),
        ({"y": torch.ones(0, 6, dtype=torch.complex64)}, "y must be"),
    ],
    ids=["pulses", "sign", "places", "real", "empty"],
)
def test_hdf5_files_that_contradict_themselves_are_refused(tmp_path, change, message):
    write_radar(tmp_path / "b.h5", some_data()._replace(**change))
    with pytest.raises(FileFormatError, match=message):
        read_radar(tmp_path / "b.h5")


def test_hdf5_files_in_other_units_are_refused(tmp_path):
    import h5py

    write_radar(tmp_path / "b.h5", some_data())
    with h5py.File(tmp_path / "b.h5", "a") as file:
        file.attrs["units"] = "km,GHz"
    with pytest.raises(FileFormatError, match="units says 'km,GHz'"):
        read_radar(tmp_path / "b.h5")
