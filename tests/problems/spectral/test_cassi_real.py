"""A measured snapshot: pixels to trust, noise and background, and what the camera may learn."""

from pathlib import Path

import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr import noise
from inverse_inr.operators import CassiOnGrid
from inverse_inr.problems.spectral import Detector, cassi, cassi_real
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.gap_tv import gap_tv


def test_a_real_snapshot_and_its_untrusted_pixels(tmp_path: Path):
    simulated = cassi(size=20, bands=4)
    camera = simulated.terms[0].operator
    assert isinstance(camera, CassiOnGrid)
    y = simulated.terms[0].y.reshape(20, 26).clone()
    y = y.clamp(min=0)
    y[3, 4], y[5, 6] = -1.0, 100.0
    savemat(tmp_path / "y.mat", {"meas_real": y.numpy()})
    savemat(tmp_path / "m.mat", {"mask": camera.camera.mask.numpy()})
    paths = str(tmp_path / "y.mat"), str(tmp_path / "m.mat")
    problem = cassi_real(*paths, bands=4, noise_level=0.01)
    assert problem.notes["negative or saturated pixels"] == "2 of 520"
    assert problem.notes["hot pixels"].startswith("1 ")
    assert len(problem.terms[0].trusted) == 518
    assert cassi_real(*paths, bands=4, noise_level=0.01, rows=(2, 12)).grid.shape == (10, 20, 4)
    with pytest.raises(ValueError, match=r"5 bands 2 px apart along axis 1 need \(20, 28\)"):
        cassi_real(*paths, bands=5)


@pytest.mark.slow
def test_noise_and_background_are_read_off_a_snapshot():
    """A dim grey scene behind a random mask over a pedestal: its level, and electrons per unit."""
    generator = torch.Generator().manual_seed(0)
    coded = (
        10 + torch.randn(200, 400, generator=generator).cumsum(1) / 20
    )  # slow along the dispersed axis
    bright = (torch.arange(200) < 100).float()[:, None] * 9 + 1
    mean = 0.5 + 0.02 * coded * bright
    y = noise.Sensor(4000.0, readout=10.0).sample(mean, generator)
    dark = uncoded_light(y, coded)
    assert dark == pytest.approx(0.5, abs=0.02)
    model = shot_noise(y - dark, torch.ones(y.shape, dtype=torch.bool), coded[..., None])
    assert float(model.photons) == pytest.approx(4000, rel=0.1)
    expected = mean / 4000 + (10 / 4000) ** 2
    torch.testing.assert_close(model.variance(mean - dark), expected, rtol=0.1, atol=0)


def test_shot_noise_behind_a_known_mask_is_not_taken_for_the_mask():
    """Single pixels of a random mask over a scene that shades slowly, four bands."""
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(64, 64, generator=generator) < 0.5).float()
    down, across = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    coded, mean = torch.zeros(64, 70, 4), torch.zeros(64, 70)
    for band in range(4):
        columns = slice(2 * band, 2 * band + 64)
        coded[:, columns, band] = mask
        mean[:, columns] += mask * (0.2 + down * across + 0.1 * band * down)
    y = noise.Sensor(1000.0, readout=5.0).sample(mean, generator)
    everywhere = torch.ones(y.shape, dtype=torch.bool)
    found = shot_noise(y, everywhere, coded)
    level = mean.mean()
    true = noise.Sensor(1000.0, readout=5.0).variance(level)
    assert 0.7 < float(found.variance(level) / true) < 1.3  # measured: 0.75
    blind = shot_noise(y, everywhere)
    assert float(blind.variance(level) / true) > 5  # the mask itself, where it is not told
    with pytest.raises(ValueError, match="the first two axes are the detector's"):
        shot_noise(y, everywhere, coded[:10])


def test_what_a_measured_camera_may_learn(tmp_path: Path):
    simulated = cassi(size=12, bands=4, detector=Detector(noise_level=0.0))
    camera = simulated.terms[0].operator
    folder = tmp_path / "TSA_real_data"
    (folder / "Measurements").mkdir(parents=True)
    savemat(folder / "mask.mat", {"mask": camera.camera.mask.numpy()})  # type: ignore[attr-defined]
    savemat(
        folder / "Measurements" / "scene1.mat",
        {"meas_real": simulated.terms[0].y.reshape(12, 18).numpy()},
    )
    parts = ("mask", "dispersion", "gains", "psf")
    problem = cassi_real(f"{folder}:1", bands=4, calibrate=parts, noise_level=0.01)
    operator = problem.terms[0].operator
    names = [name.rsplit(".", 1)[-1] for name, _ in operator.named_parameters()]  # type: ignore[attr-defined]
    assert sorted(names) == ["mask_shift", "mask_stretch", "psf", "response", "scale"]
    before = [p.clone() for p in operator.parameters()]  # type: ignore[attr-defined]
    found = ii.solve(problem, steps=3, callbacks=[])
    assert len(found.learnt) == 5
    assert all(bool(torch.isfinite(v).all()) for v in found.learnt.values())
    assert all(torch.equal(a, b) for a, b in zip(before, operator.parameters(), strict=True))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"cannot calibrate \['lens'\]"):
        cassi_real(f"{folder}:1", bands=4, calibrate=("lens",))


@pytest.mark.slow
def test_the_measured_scene_is_explained_better_than_by_the_camera_of_its_files(data):
    """On 36 of its 660 lines, judged by pixels that neither fit saw."""
    files = str(data.file("tsa_real_scene1.mat")), str(data.file("tsa_real_mask.mat"))
    classic = gap_tv(
        cassi_real(*files, rows=(392, 428), register=False), strengths=(0.4, 0.1), iterations=30
    )
    problem = cassi_real(*files, rows=(392, 428))
    found = ii.solve(problem, steps=200, callbacks=[])
    assert (found.held_out() or 0) < 0.9 * (classic.held_out() or 0)
    assert 0.4 < float(problem.terms[0].operator.camera.psf) < 1.0  # type: ignore[attr-defined]
