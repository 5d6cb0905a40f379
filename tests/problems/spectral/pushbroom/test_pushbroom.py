"""Push-broom cubes: what correlation and the joint fit find of their distortions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import inverse_inr as ii
from inverse_inr import Problem, Solution, io
from inverse_inr.operators.spectral.pushbroom import PushBroom
from inverse_inr.problems.spectral import Distortions, pushbroom, pushbroom_scan
from inverse_inr.problems.spectral.pushbroom import correcting, correlation, fitting
from inverse_inr.problems.spectral.pushbroom.scenes import light_with_lines

STRONG = Distortions(smile=2.5, keystone=0.0, stray=0.0)


def small(**keywords: object) -> Problem:
    options = {"lines": 4, "samples": 20, "bands": 40, "seed": 3, **keywords}
    return pushbroom(**options)  # pyright: ignore[reportArgumentType]


def rms(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found.detach() - truth).square().mean().sqrt())


def surfaces(solution: Solution) -> tuple[torch.Tensor, torch.Tensor]:
    operator = solution.problem.terms[0].operator
    assert isinstance(operator, PushBroom)
    return operator.surfaces


def test_without_distortions_and_noise_nothing_is_to_be_corrected():
    none = Distortions(0.0, 0.0, 0.0)
    problem = small(lines=2, bands=20, distortions=none, noise_level=0.0, known=True)
    for solution in (correcting.uncorrected(problem), correcting.with_true_distortions(problem)):
        assert solution.metrics()["relative error"] < 2e-3  # one look at each band


def test_the_largest_distortions_are_those_that_were_asked_for():
    smile, keystone = small(lines=1, bands=16).notes["smile, keystone"]
    assert float(smile.abs().max()) == pytest.approx(2.0)
    assert float(keystone.abs().max()) == pytest.approx(0.6)


@pytest.mark.slow
def test_correlation_with_the_lines_of_the_air_finds_a_smile():
    problem = small(bands=60, distortions=STRONG, noise_level=1e-3)
    found = correcting.corrected(problem)
    truth = problem.notes["smile, keystone"][0]
    assert rms(found.details["smile"], truth) < 0.15 * rms(torch.zeros(()), truth)
    assert found.metrics()["PSNR"] > correcting.uncorrected(problem).metrics()["PSNR"] + 3


def test_shifted_samples_are_moved_back():
    i = np.arange(40.0)
    one = np.sin(0.4 * i)[None] + np.cos(0.15 * i)[None]
    other = np.sin(0.4 * (i + 0.7))[None] + np.cos(0.15 * (i + 0.7))[None]
    shift, variance = correlation._moved_by(one, other, 1.5)
    assert shift == pytest.approx(0.7, abs=0.02)
    assert variance < 1e-3
    assert correlation._moved_by(one, -other, 0.5)[1] == np.inf


def test_one_border_that_moves_with_wavelength_spoils_no_keystone():
    """A scene of which a quarter is another one from the middle band on; summed, it errs by 0.2."""
    place, band = np.indices((48, 60))
    keystone = 0.3 * (2 * (band + 0.5) / 60 - 1)
    x = place + keystone + 1.2 * ((place >= 36) & (band >= 30))
    lines = np.arange(6.0)[:, None, None]
    cube = np.sin(0.5 * x + lines) + np.cos(0.23 * x - 2 * lines) + 0.5 * np.sin(0.9 * x)
    found = correlation.keystone_by_bands(cube, 1.5)
    assert float(np.sqrt(np.square(found - keystone).mean())) < 0.02


def test_lines_whose_contrast_changes_in_another_way_each_spoil_no_keystone():
    """Two borders side by side, of contrasts that trade places from band to band and by lines."""
    place, band = np.arange(48)[:, None], np.arange(60)[None]
    keystone = 0.3 * (2 * (band + 0.5) / 60 - 1)
    left, right = (
        np.tanh(((place + keystone) % 12 - at) / 1.2) for at in (4.5, 7.5)
    )  # in each block of samples
    turn = band / 59
    cube = np.stack([(1 - turn) * left + turn * right, turn * left + (1 - turn) * right])
    found = correlation.keystone_by_bands(cube, 1.5)
    assert float(np.sqrt(np.square(found - keystone).mean())) < 0.05


def test_stray_light_is_taken_off():
    frames = np.random.default_rng(0).random((2, 9, 7))
    seen = correcting.with_stray(frames, 0.2, (0.3, 0.3))
    assert np.abs(seen - frames).max() > 0.02
    assert correcting.without_stray(seen, 0.2, (0.3, 0.3), 40) == pytest.approx(frames, abs=1e-9)


def test_the_frame_matrix_is_the_operator_on_its_field():
    """Two ways to one number: the matrix of a line, and the operator that looks at the splines."""
    problem = small(lines=4, samples=16, bands=16, known=True)
    operator = problem.terms[0].operator
    assert isinstance(operator, PushBroom)
    smile, keystone = operator.surfaces
    model = fitting.FrameModel(operator, torch.eye(6, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(4, 20, 6, generator=generator, dtype=torch.float64)
    share = torch.tensor(0.04, dtype=torch.float64)
    by_matrix = (model.matrix(smile, keystone, share) @ c.flatten(1).mT).mT
    whole = PushBroom(
        operator.grid,
        fwhm=operator.fwhm,
        light=operator.light,
        smile=operator.smile,
        keystone=operator.keystone,
        stray=0.04,
        stride=(1, 1),
    )
    seen = ii.predict(whole, fitting.SplineSpectra(operator.grid, c))
    # looks beyond the outer samples and bands are held inside by both
    assert torch.allclose(seen.double().reshape(4, -1), by_matrix, atol=1e-4)


@pytest.mark.slow
def test_the_joint_fit_beats_correlation():
    problem = pushbroom(lines=6, samples=32, bands=48, seed=3)
    fit = fitting.joint_fit(problem, hold_out=False)
    classical = correcting.corrected(problem)
    assert fit.metrics()["PSNR"] > classical.metrics()["PSNR"] + 1.5
    assert float(fit.learnt["0.stray"]) == pytest.approx(0.04, abs=0.01)
    assert rms(surfaces(fit)[0], problem.notes["smile, keystone"][0]) < 0.15


@pytest.mark.slow
def test_held_out_rows_lead_to_nothing():
    problem = small(lines=2, samples=16, bands=20)
    first = fitting.joint_fit(problem, steps=1)
    y = problem.terms[0].y.clone()
    y[first.watched[0]] = 0.5
    changed = replace(problem, terms=[replace(problem.terms[0], y=y)])
    again = fitting.joint_fit(changed, steps=1)
    begin = fitting._Fit(problem, True)
    assert torch.equal(begin.fitted, fitting._Fit(changed, True).fitted)
    assert not bool(begin.fitted.flatten()[first.watched[0]].any())
    assert torch.allclose(surfaces(again)[0], surfaces(first)[0])
    assert torch.allclose(again.sample(), first.sample())


def scan_files(folder: Path) -> tuple[str, str, Problem]:
    problem = small(samples=20, bands=30, lines=20)
    nm = np.arange(620.0, 980.5, 0.5)
    table = np.stack([nm, light_with_lines(torch.from_numpy(nm)).numpy()], 1)
    np.savetxt(folder / "light.txt", table)
    grid = problem.grid.with_metadata(
        {
            "format": "ENVI",
            "header": {"map info": "UTM, 1, 1, 379123.1, 4640987.7, 3.1, 2.9, 13, North, WGS-84"},
            "bands": [{}] * 30,
            "nm": problem.grid.axes(torch.float64)[2].tolist(),
            "fwhm": [6.0] * 30,
            "transform": [3.1, 0.0, 379123.1, 0.0, -2.9, 4640987.7],
        }
    )
    io.write_image(folder / "a.hdr", problem.terms[0].y.reshape(*grid.shape, 1), grid)
    return str(folder / "a.hdr"), str(folder / "light.txt"), problem


@pytest.mark.slow
def test_a_measured_cube_keeps_its_place_on_the_map(tmp_path: Path):
    path, light, simulated = scan_files(tmp_path)
    problem = pushbroom_scan(path, light)
    assert torch.equal(problem.terms[0].y, simulated.terms[0].y)
    solution = problem.suggested.baselines["correlation"](problem)
    solution.write(tmp_path / "b.hdr")
    assert (
        "map info = {UTM, 1, 1, 379123.1, 4640987.7, 3.1, 2.9, 13, North, WGS-84}"
        in (tmp_path / "b.hdr").read_text()
    )
    record = io.read_record(tmp_path / "b.hdr")
    assert record is not None
    assert record["method"] == "correlation"
    cube = io.read_cube(path)
    cube.values[0, 0, 0] = torch.nan
    io.write_envi(tmp_path / "c.hdr", cube)
    with pytest.raises(ValueError, match="some values were not measured"):
        pushbroom_scan(str(tmp_path / "c.hdr"), light)


@pytest.mark.parametrize("name", ["samples", "bands"])
def test_a_cube_that_tells_no_distortion_is_refused(name: str):
    with pytest.raises(ValueError, match="fewer than 16"):
        small(**{name: 8})
