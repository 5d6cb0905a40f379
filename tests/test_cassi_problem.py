"""Spectral problems: scenes with a truth at every wavelength, GAP and ADMM, files, figures, and every slip."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr import cli, noise
from inverse_inr.io import FileFormatError, read_matlab
from inverse_inr.operators import CassiOnGrid
from inverse_inr.problems.cassi import cassi
from inverse_inr.problems.gap_tv import admm_tv, gap_iterates, gap_tv
from inverse_inr.problems.spectral_figures import spectral_figure
from inverse_inr.problems.spectral_scenes import WAVELENGTHS, SpectralScene, colorchecker, spectral_scene

BOX = ii.Box((0.0, 0.0, 450.0), (12.0, 10.0, 650.0), ("px", "px", "nm"))


def photograph() -> torch.Tensor:
    return torch.rand(12, 10, 3, generator=torch.Generator().manual_seed(0))


# --- scenes -----------------------------------------------------------------------------------------------------------


def test_a_scene_is_its_materials_times_their_spectra():
    scene = spectral_scene(photograph(), BOX)
    point = torch.tensor([3.4, 7.9, 512.5], dtype=torch.float64)  # pixel (3, 7), half-way between two table entries
    k = int(np.searchsorted(WAVELENGTHS, 512.5))
    expected = scene.abundances[3, 7] @ (0.5 * (scene.spectra[:, k - 1] + scene.spectra[:, k]))
    assert float(scene(point)) == pytest.approx(float(expected), rel=1e-6)
    grid = ii.Grid(BOX, (12, 10, 7))
    torch.testing.assert_close(scene.sample(grid), scene(grid.points()), rtol=1e-5, atol=1e-6)
    assert float(scene.sample(grid).min()) >= 0
    assert float((scene.abundances @ scene.spectra).max()) == pytest.approx(1)


def test_brighter_and_redder_pixels_are_so_in_the_scene():
    image = torch.full((12, 10, 3), 0.3)
    image[0, 0] = torch.tensor([0.9, 0.1, 0.1])
    image[0, 1] = torch.tensor([0.1, 0.1, 0.9])
    scene = spectral_scene(image, BOX)
    red, blue = (scene(torch.tensor([[0.5, 0.5, v], [0.5, 1.5, v]]))[:, 0] for v in (640.0, 460.0))
    assert red[0] > 3 * red[1]
    assert blue[1] > 3 * blue[0]


def test_measured_reflectances_are_those_of_colour_science():
    assert colorchecker().shape == (24, len(WAVELENGTHS))
    assert colorchecker()[18].mean() > 5 * colorchecker()[23].mean()  # white and black patch


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(4, 4), r"must be \(H, W, 3\)"),
        (255 * torch.rand(4, 4, 3), "Divide 8-bit values by 255"),
        (torch.full((4, 4, 3), torch.nan), "NaN"),
    ],
)
def test_images_that_are_no_scene(image, message):
    with pytest.raises(ValueError, match=message):
        spectral_scene(image, BOX)


def test_abundances_and_spectra_must_agree():
    with pytest.raises(ValueError, match="disagree"):
        SpectralScene(torch.ones(2, 2, 3), torch.ones(4, len(WAVELENGTHS)), BOX)


# --- classical --------------------------------------------------------------------------------------------------------


def test_gap_without_a_denoiser_explains_what_it_saw():
    """One exact projection: the least-norm cube of the measurements."""
    problem = cassi(size=24, bands=6, noise_level=0.0)
    camera = problem.terms[0].operator
    assert isinstance(camera, CassiOnGrid)
    y = problem.terms[0].y.reshape(camera.shape).double()
    seen = torch.ones(camera.shape, dtype=torch.bool)
    first = next(gap_iterates(camera, y, seen, lambda x: x))
    lit = camera.snapshot(torch.ones(camera.grid.shape, dtype=y.dtype)) > 0
    torch.testing.assert_close(camera.snapshot(first)[lit], y[lit], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [gap_tv, admm_tv])
def test_classical_methods_reconstruct_and_choose_by_held_out_pixels(method):
    problem = cassi(size=32, bands=4)
    strengths = (0.4, 0.1, 0.0001)
    chosen = method(problem, strengths=strengths, iterations=40)
    assert chosen.watched
    assert chosen.details["weight"] in strengths
    oracle = method(problem, "oracle", strengths=strengths, iterations=40)
    rough = method(problem, 0.0001, iterations=40)
    assert oracle.metrics()["PSNR"] > rough.metrics()["PSNR"] + 1
    assert oracle.metrics()["PSNR"] > 18


def test_any_denoiser_plugs_in():
    problem = cassi(size=16, bands=4)
    asked = []

    def blur(cube: torch.Tensor, strength: float) -> torch.Tensor:
        asked.append(strength)
        return cube.mean(-1, keepdim=True).expand_as(cube)

    flat = gap_tv(problem, 0.3, iterations=5, denoiser=blur).sample()[..., 0]
    assert asked == [0.3] * 5
    torch.testing.assert_close(flat, flat[..., :1].expand_as(flat))


def test_a_classical_method_takes_a_learnt_camera_as_it_is():
    options = {"size": 16, "bands": 4}
    known, learnt = (gap_tv(cassi(calibration=c, **options), 0.1, iterations=3) for c in ("true", "learnt"))  # type: ignore[arg-type]
    assert learnt.metrics()["PSNR"] == pytest.approx(known.metrics()["PSNR"], abs=1)  # other pixels are held out
    assert not learnt.sample().requires_grad


def test_gap_wants_one_snapshot_of_a_cube():
    from inverse_inr.problems.ct import ct

    with pytest.raises(TypeError, match="ParallelBeam"):
        gap_tv(ct(size=16, views=4))


# --- problems ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_prior_beats_gap_tv():
    """1 % noise, choices by held-out detector pixels only; the bar on real scenes is in benchmarks/cassi.py."""
    problem = cassi(size=48, bands=6)
    learnt = ii.solve(problem, steps=600, callbacks=[])
    classic = gap_tv(problem, "oracle", strengths=(0.2, 0.1, 0.05), iterations=80)
    assert learnt.metrics()["PSNR"] > classic.metrics()["PSNR"]
    assert learnt.held_out() is not None


def test_a_run_writes_the_cube_and_its_colours(tmp_path: Path):
    config = tmp_path / "small.toml"
    config.write_text('[problem]\nname = "cassi"\nsize = 16\nbands = 5\n[solver]\nsteps = 10\n')
    cli.run(config, out=tmp_path / "run")
    assert read_matlab(tmp_path / "run" / "cube.mat", "cube").shape == (16, 16, 5)
    assert {"colours.png", "figure.png", "table.json"} <= {p.name for p in (tmp_path / "run").iterdir()}


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
    """CAVE's folder, 400 to 700 nm by 10: a spectrum linear in wavelength is so at the camera's bands too."""
    from PIL import Image

    folder = tmp_path / "beads_ms"
    folder.mkdir()
    for k in range(31):
        Image.fromarray(np.full((9, 9), 2000 * k, dtype=np.uint16)).save(folder / f"beads_ms_{k + 1:02d}.png")
    problem = cassi(str(folder), size=9)
    truth = ii.sample(problem.reference, problem.grid)[0, 0, :, 0]  # type: ignore[arg-type]
    expected = 200 * (problem.grid.axes(torch.float64)[-1] - 400) / 65535
    torch.testing.assert_close(truth, expected.float())
    np.savez(tmp_path / "few.npz", cube=np.ones((9, 9, 5), np.float32))
    with pytest.raises(ValueError, match="L >= 28"):
        cassi(str(tmp_path / "few.npz"), size=9)
    with pytest.raises(FileNotFoundError):
        cassi("x.mat", size=9)


def test_shot_noise_fills_the_well():
    """Residuals have the variance of the well's electrons: (1 - η) mean / photons + (readout / photons)²."""
    mean = cassi(size=24, bands=4, noise_level=0.0).terms[0].y.double()
    term = cassi(size=24, bands=4, full_well=500.0, readout=5.0, efficiency=0.4).terms[0]
    assert isinstance(term.fidelity, noise.Sensor)
    photons = 500 / float(mean.max())
    assert float(term.fidelity.photons) == pytest.approx(photons)
    expected = 0.6 * mean / photons + (5 / photons) ** 2
    z = (term.y - mean) / expected.sqrt()
    assert float(z.square().mean()) == pytest.approx(1, abs=5 * (2 / len(mean)) ** 0.5)


def test_calibration_known_or_not():
    """A moved mask and a stretched dispersion: the true model explains the truth exactly, the nominal one does not."""
    options = {"size": 16, "bands": 6, "noise_level": 0.0, "mask_shift": (0.6, -0.4), "dispersion_scale": 1.2}

    def misfit(problem: ii.Problem) -> float:
        term = problem.terms[0]
        assert problem.reference is not None
        return float((ii.predict(term.operator, problem.reference) - term.y).abs().max())

    true, nominal, learnt = (cassi(calibration=c, **options) for c in ("true", "nominal", "learnt"))  # type: ignore[arg-type]
    assert misfit(true) < 1e-5
    assert misfit(nominal) > 0.1
    parameters = dict(learnt.terms[0].operator.named_parameters())  # type: ignore[attr-defined]
    assert sorted(name.rsplit(".", 1)[-1] for name in parameters) == ["mask_shift", "scale"]
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(torch.tensor([0.6, -0.4]) if name.endswith("shift") else torch.tensor(1.2))
    camera = learnt.terms[0].operator
    seen = ii.predict(camera, learnt.reference).reshape(camera.shape)  # type: ignore[arg-type,attr-defined]
    true_shape = true.terms[0].operator.shape  # type: ignore[attr-defined]
    torch.testing.assert_close(seen[:, : true_shape[1]].reshape(-1), true.terms[0].y)


def test_less_noise_allows_a_finer_prior_and_keeps_the_penalty():
    """Weights are relative to the data's precision: a hundred times it at a tenth of the noise."""
    coarse, finer, fine = (cassi(size=16, bands=4, noise_level=v).suggested for v in (0.02, 0.01, 0.001))
    assert coarse.options["rank"] == finer.options["rank"]
    assert fine.options["rank"][2] > finer.options["rank"][2]
    weights = [s.regularizers[0].parts[0][0] for s in (coarse, finer, fine)]  # type: ignore[attr-defined]
    assert weights[1] / weights[0] == pytest.approx(4, rel=0.05)
    assert weights[2] / weights[1] == pytest.approx(100 / 5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scene": "astronot"}, "unknown scene"),
        ({"bands": 0}, "at least 1"),
    ],
)
def test_slips(options, message):
    with pytest.raises(ValueError, match=message):
        cassi(**{"size": 16, **options})


def test_a_mask_smaller_than_the_scene(tmp_path: Path):
    savemat(tmp_path / "m.mat", {"mask": np.ones((8, 8), np.float32)})
    with pytest.raises(ValueError, match=r"the mask \(8, 8\) is smaller"):
        cassi(size=16, bands=4, mask=str(tmp_path / "m.mat"))


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


@pytest.mark.parametrize(("kind", "numbers"), [("panchromatic", ()), ("rgb", (3,))])
def test_a_second_camera_sees_the_scene_without_the_mask(kind, numbers):
    """Weighted means of the spectra, pixel on pixel; the truth explains both cameras to their noise."""
    problem = cassi(size=24, bands=12, second=kind)
    plain = problem.terms[1]
    assert plain.y.shape == (24 * 24, *numbers)
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    for term in problem.terms:
        z = term.fidelity.standardized(ii.predict(term.operator, problem.reference), term.y)  # type: ignore
        assert float(z.square().mean()) == pytest.approx(1, abs=6 * (2 / z.numel()) ** 0.5)
    if not numbers:
        mean = plain.operator.map(torch.ones_like(truth))  # type: ignore[attr-defined]
        torch.testing.assert_close(mean, torch.ones_like(mean))


def test_two_cameras_are_better_than_one():
    options = {"size": 24, "bands": 6, "seed": 1}
    alone, both = (ii.solve(cassi(**options, **more), steps=300, callbacks=[]) for more in ({}, {"second": "rgb"}))  # type: ignore[arg-type]
    assert both.metrics()["PSNR"] > alone.metrics()["PSNR"] + 1
    problem = both.problem
    classical = {name: method(problem).metrics()["PSNR"] for name, method in problem.suggested.baselines.items()}
    assert set(classical) == {"GAP-TV", "CGLS"}
    assert both.metrics()["PSNR"] > max(classical.values())


# --- seeing -----------------------------------------------------------------------------------------------------------


def test_a_figure_of_truth_and_solutions():
    problem = cassi(size=16, bands=6)
    solutions = [gap_tv(problem, 0.1, iterations=3)]
    figure = spectral_figure(problem, solutions)
    assert len(figure.axes) == 20  # colours, four bands and their error maps, spectra
    maps = [axes for axes in figure.axes if axes.images and axes.images[0].get_cmap().name == "magma"]
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    error = (solutions[0].sample()[..., 0] - truth).abs()
    assert len(maps) == 4
    shown = torch.as_tensor(np.asarray(maps[-1].images[0].get_array()))
    torch.testing.assert_close(shown, error[..., round(0.9 * 5)].to(shown))
