"""Radar files: GOTCHA, CV Domes, HDF5 (reference test 25)."""

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
def test_gotcha_image_entropy(data, files, expected):
    """Test 25: 256 x 256 pixels, 100 m, Hamming in frequency; 8.074 is the reference's number for four degrees."""
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
    place = {
        k: np.ones(5, np.float32) * v
        for k, v in (("x", 7e3), ("y", 0.0), ("z", 7e3), ("r0", 9899.5))
    }
    return {"fp": np.ones((8, 5), np.complex64), "freq": f, **place}


def test_gotcha_files_that_are_wrong(tmp_path):
    path = mat(tmp_path / "good.mat", **good_gotcha())
    assert read_gotcha(path).y.shape == (5, 8)
    (tmp_path / "cut.mat").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileFormatError, match=r"cut\.mat"):
        read_gotcha(tmp_path / "cut.mat")
    with pytest.raises(FileFormatError, match="one position a pulse"):
        read_gotcha(mat(tmp_path / "short.mat", **(good_gotcha() | {"x": np.ones(4, np.float32)})))
    missing = {k: v for k, v in good_gotcha().items() if k != "r0"}
    with pytest.raises(FileFormatError, match=r"has no \['r0'\]"):
        read_gotcha(mat(tmp_path / "missing.mat", **missing))
    other = mat(
        tmp_path / "other.mat",
        **(good_gotcha() | {"freq": np.linspace(8e9, 9e9, 8).astype(np.float32)}),
    )
    with pytest.raises(FileFormatError, match="Another collection"):
        read_gotcha([path, other])
    with pytest.raises(FileFormatError, match="no autofocus"):
        read_gotcha(path, autofocus=True)


def test_cv_domes(tmp_path):
    """A far-field point at x0: exp(+j k·x0) with sign -1's k = -(4π f / c) u."""
    f, azimuth, place = (
        np.linspace(8, 9, 61),
        np.array([0.0, 10.0, 350.0]),
        np.array([0.5, -0.3, 0.2]),
    )
    a, e = np.deg2rad(azimuth), np.deg2rad(30.0)
    u = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full(3, np.sin(e))], 1)
    hh = np.exp(4j * np.pi * f[:, None] * 1e9 / SPEED_OF_LIGHT * (u @ place))
    path = mat(tmp_path / "car.mat", hh=hh, FGHz=f, azim=azimuth, elev=30.0)
    phases = read_cv_domes(path, azimuths=(0.0, 90.0))
    assert phases.y.shape == (2, 61)
    box = Box((-1.0,) * 3, (1.0,) * 3)
    operator = radar_of(phases, box, Grid(box, (1, 1, 1)))
    y = echoes(operator, torch.from_numpy(place[None]))
    assert float((y - phases.y).abs().max()) < 0.02  # the curvature at 10 km
    with pytest.raises(ValueError, match="no polarisation 'vv'"):
        read_cv_domes(path, "vv")
    with pytest.raises(ValueError, match=r"no pulse has an azimuth in \(20"):
        read_cv_domes(path, azimuths=(20.0, 30.0))


def some_data(pulses: int = 4) -> PhaseData:
    t = torch.randn(pulses, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) + 5.0
    y = torch.randn(pulses, 6, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    return PhaseData(
        y, torch.linspace(9e9, 9.5e9, 6, dtype=F64), t, t + 0.1, torch.ones(pulses, dtype=F64), -1
    )


def test_hdf5_round_trip(tmp_path):
    write_radar(tmp_path / "a.h5", some_data())
    again = read_radar(tmp_path / "a.h5")
    for a, b in zip(again, some_data(), strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))
    write_radar(tmp_path / "b.h5", some_data()._replace(reference_path=torch.ones(3, dtype=F64)))
    with pytest.raises(FileFormatError, match=r"\(4, 4, 4, 3\) pulses"):
        read_radar(tmp_path / "b.h5")
    write_radar(tmp_path / "c.h5", some_data()._replace(sign=0))
    with pytest.raises(FileFormatError, match="sign must be"):
        read_radar(tmp_path / "c.h5")
