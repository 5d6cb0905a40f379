"""Scenes and masks from files: published folders, MATLAB files, cubes with wavelengths."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr.io import FileFormatError, read_matlab
from inverse_inr.problems.spectral import Optics, cassi
from inverse_inr.problems.spectral.gap_tv import gap_tv


def test_cubes_from_files(tmp_path: Path):
    cube = np.random.default_rng(0).random((20, 14, 9)).astype(np.float32)
    savemat(tmp_path / "c.mat", {"img": cube, "flat": cube[:14].transpose(2, 1, 0).reshape(9, -1)})
    problem = cassi(str(tmp_path / "c.mat"), variable="img", size=12, bands=3)
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    means = torch.from_numpy(cube[:12, :12]).unflatten(-1, (3, 3)).mean(-1)
    full = torch.from_numpy(cube).unflatten(-1, (3, 3)).mean(-1).max()
    torch.testing.assert_close(truth, means / full)
    flat = cassi(str(tmp_path / "c.mat"), variable="flat", size=14, bands=9)
    truth = ii.sample(flat.reference, flat.grid)[..., 0]  # type: ignore[arg-type]
    torch.testing.assert_close(truth, torch.from_numpy(cube[:14] / cube[:14].max()))


def test_published_folders_load_as_they_are(tmp_path: Path):
    """TSA's test set brings its mask, keeps its scale and its 28 bands; scenes count from 1."""
    cube = 0.5 * np.random.default_rng(0).random((12, 12, 28)).astype(np.float32)
    folder = tmp_path / "TSA_simu_data"
    (folder / "Truth").mkdir(parents=True)
    savemat(folder / "mask.mat", {"mask": np.eye(12, dtype=np.float32)})
    for k in (1, 2, 10):
        savemat(folder / "Truth" / f"scene{k:02d}.mat", {"img": cube / k})
    for number, k in ((1, 1), (3, 10)):
        problem = cassi(f"{folder}:{number}", size=12)
        truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
        torch.testing.assert_close(truth, torch.from_numpy(cube / k))
    assert torch.equal(problem.terms[0].operator.camera.mask, torch.eye(12))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="scene 4 of 3"):
        cassi(f"{folder}:4", size=12)
    for name, variable in (("cave_1024_28", "img_expand"), ("CAVE_512_28", "data_slice")):
        (tmp_path / name).mkdir()
        savemat(tmp_path / name / "scene1.mat", {variable: np.round(65536 * cube)})
        truth = ii.sample(cassi(str(tmp_path / name), size=12).reference, problem.grid)[..., 0]  # type: ignore[arg-type]
        torch.testing.assert_close(truth, torch.from_numpy(cube), atol=1e-5, rtol=0)
    (tmp_path / "KAIST_CVPR2021").mkdir()
    savemat(tmp_path / "KAIST_CVPR2021" / "7.mat", {"HSI": cube})
    assert cassi(str(tmp_path / "KAIST_CVPR2021"), size=8).grid.shape == (8, 8, 28)


def test_cubes_that_say_their_wavelengths_are_interpolated(tmp_path: Path):
    """CAVE's folder, 400 to 700 nm by 10: a linear spectrum is linear at the camera's bands too."""
    from PIL import Image

    folder = tmp_path / "beads_ms"
    folder.mkdir()
    for k in range(31):
        Image.fromarray(np.full((9, 9), 2000 * k, dtype=np.uint16)).save(
            folder / f"beads_ms_{k + 1:02d}.png"
        )
    problem = cassi(str(folder), size=9)
    truth = ii.sample(problem.reference, problem.grid)[0, 0, :, 0]  # type: ignore[arg-type]
    expected = 200 * (problem.grid.axes(torch.float64)[-1] - 400) / 65535
    torch.testing.assert_close(truth, expected.float())


def holed(folder: Path) -> str:
    """A cube (24, 20, 6) with a pixel, a value and a band that were not measured."""
    cube = np.random.default_rng(0).random((24, 20, 6)).astype(np.float32)
    cube[3, 4] = np.nan
    cube[10, 2, 3] = np.nan
    cube[..., 5] = np.nan
    np.savez(folder / "c.npz", cube=cube, wavelengths_nm=np.array([440, 500, 550, 600, 660, 700]))
    return str(folder / "c.npz")


@pytest.mark.parametrize("mode", ["single", "dual"])
def test_what_was_not_measured_is_neither_measurement_nor_truth(tmp_path: Path, mode):
    problem = cassi(holed(tmp_path), bands=4, optics=Optics(mode=mode), second="rgb")
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    unknown = truth.isnan()
    assert unknown[3, 4].all()
    assert unknown[10, 2].any()
    assert int(unknown.any(-1).sum()) == 2
    # another value at the unknown places changes no measurement that is trusted
    first, second = problem.terms
    changed = first.operator.snapshot(truth.nan_to_num(7.0)).flatten()  # type: ignore[attr-defined]
    plain = first.operator.snapshot(truth.nan_to_num(0.0)).flatten()  # type: ignore[attr-defined]
    assert torch.equal(changed[first.trusted], plain[first.trusted])
    assert not torch.equal(changed, plain)
    assert len(second.trusted) == 24 * 20 - 2
    assert "not trusted" in problem.notes["no data"]
    assert "1 without any measured value" in problem.notes["cube: empty bands"]


def test_metrics_do_not_count_what_was_not_measured(tmp_path: Path):
    problem = cassi(holed(tmp_path), bands=4)
    truth = ii.sample(problem.reference, problem.grid)  # type: ignore[arg-type]
    image = ii.SampledField(truth.nan_to_num(1e6) + 0.01, problem.grid)
    known = truth[~truth.isnan()]
    found = ii.Solution(image, problem, "shifted by 0.01").metrics()
    span = float(known.max() - known.min())
    assert found["PSNR"] == pytest.approx(20 * np.log10(span / 0.01), abs=1e-3)
    assert "SSIM" not in found
    oracle = gap_tv(problem, "oracle", strengths=(0.1,), iterations=3)
    assert np.isfinite(oracle.metrics()["PSNR"])


def test_a_cube_of_which_no_detector_pixel_sees_only_measured_places_is_refused(tmp_path: Path):
    cube = np.ones((9, 9, 4), np.float32)
    cube[..., 0] = np.nan
    cube[0, 0] = [1, np.nan, 1, 1]
    np.savez(tmp_path / "c.npz", cube=cube)
    with pytest.raises(ValueError, match="every detector pixel sees"):
        cassi(str(tmp_path / "c.npz"), bands=4, optics=Optics(step=0.0))


def test_a_scene_that_sends_no_light_through_the_mask_is_refused(tmp_path: Path):
    cube = np.zeros((9, 9, 4), np.float32)
    cube[0, 0] = 1
    np.savez(tmp_path / "c.npz", cube=cube)
    savemat(tmp_path / "m.mat", {"mask": 1.0 - np.eye(9)})
    optics = Optics(mask=str(tmp_path / "m.mat"))
    with pytest.raises(ValueError, match="no light reaches the detector"):
        cassi(str(tmp_path / "c.npz"), bands=4, optics=optics)


def test_a_cube_of_fewer_bands_is_refused(tmp_path: Path):
    np.savez(tmp_path / "few.npz", cube=np.ones((9, 9, 5), np.float32))
    with pytest.raises(ValueError, match="L >= 28"):
        cassi(str(tmp_path / "few.npz"), size=9)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(FileNotFoundError):
        cassi("x.mat", size=9)


def test_matlab_files_of_both_kinds(tmp_path: Path):
    values = np.arange(24.0).reshape(2, 3, 4)
    savemat(tmp_path / "v5.mat", {"img": values})
    with h5py.File(tmp_path / "v73.mat", "w", userblock_size=512) as file:
        file["img"] = values.T  # as MATLAB stores it
    for name in ("v5.mat", "v73.mat"):
        np.testing.assert_array_equal(read_matlab(tmp_path / name, "img"), values)
        with pytest.raises(FileFormatError, match="variables: img"):
            read_matlab(tmp_path / name, "image")
    (tmp_path / "cut.mat").write_bytes((tmp_path / "v5.mat").read_bytes()[:150])
    with pytest.raises(FileFormatError, match="truncated"):
        read_matlab(tmp_path / "cut.mat", "img")


def test_indian_pines_as_tensorly_ships_it():
    problem = cassi("indian_pines", size=24, bands=10)
    cube = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    assert cube.shape == (24, 24, 10)
    assert 0 < float(cube.min()) < float(cube.max()) <= 1
