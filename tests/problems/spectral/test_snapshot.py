"""Cameras of other people: dispersed either way along either axis, in fractions; masks turned."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral import Detector, Optics, cassi, cassi_real
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.gap_tv import gap_tv
from inverse_inr.problems.spectral.mask_turn import TURNS, turned_mask
from inverse_inr.problems.spectral.snapshot import grey_scene

Axis = Literal[0, 1]
SIZE = (60, 48)


def camera_of(mask: torch.Tensor, bands: int, step: float, axis: Axis, **keywords) -> CASSI:
    box = ii.Box((0.0, 0.0, 450.0), (*map(float, mask.shape), 650.0), ("px", "px", "nm"))
    centres = band_centres(bands)
    return CASSI(box, mask, centres, steps(centres, step), axis=axis, **keywords)


def measured(
    folder: Path,
    step: float = 2.0,
    axis: Axis = 1,
    bands: int = 5,
    size: tuple[int, int] = SIZE,
    **keywords,
) -> tuple[torch.Tensor, tuple[str, str]]:
    """A smooth scene behind a random mask with 0.5 % noise, in files; and the snapshot."""
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(*size, generator=generator) < 0.5).float() * 0.9 + 0.05
    a = camera_of(mask, bands, step, axis, **keywords)
    i, j, wavelength = a.bands.points().unbind(-1)
    scene = (1 + torch.sin(i / 9) * torch.cos(j / 7)) * (1 + 0.002 * (wavelength - 550))
    y = a.on(a.bands).snapshot(scene)
    y = y + 0.005 * y.max() * torch.randn(y.shape, generator=generator)
    savemat(folder / "y.mat", {"meas_real": y.numpy()})
    savemat(folder / "m.mat", {"mask": mask.numpy()})
    return y, (str(folder / "y.mat"), str(folder / "m.mat"))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [2.0, -2.0, 2.1, -0.7])
def test_dispersion_of_either_sign_along_either_axis(tmp_path: Path, step: float, axis: Axis):
    y, files = measured(tmp_path, step, axis)
    options: dict[str, Any] = {"register": False, "background": 0.0, "noise_level": 0.005}
    problem = cassi_real(*files, bands=5, step=step, axis=axis, **options)
    term = problem.terms[0]
    assert term.operator.shape == y.shape  # type: ignore[attr-defined]
    assert y.shape[axis] == SIZE[axis] + int(np.ceil(4 * abs(step) - 1e-6))
    found = gap_tv(problem, strengths=(0.1,), iterations=20)
    assert (found.held_out() or 99) < 12


@pytest.mark.parametrize(
    ("axis", "step"), [pytest.param(0, 2.0, marks=pytest.mark.slow), (1, -2.0)]
)
def test_the_mask_is_found_across_the_dispersion_whatever_its_axis(
    tmp_path: Path, step: float, axis: Axis
):
    size = SIZE if axis else SIZE[::-1]
    shift = torch.tensor([0.6, 0.0] if axis else [0.0, 0.6])
    keywords = {"psf": 0.7, "placement": Placement(shift)}
    _, files = measured(tmp_path, step, axis, 8, size, **keywords)
    problem = cassi_real(*files, bands=8, step=step, axis=axis, calibrate=("mask",))
    camera = problem.terms[0].operator.camera  # type: ignore[attr-defined]
    assert float(camera.mask_shift[1 - axis].detach()) == pytest.approx(0.6, abs=0.1)
    assert not camera.mask_shift[axis].any()
    assert not camera.mask_stretch[axis].any()
    assert any(key.startswith("mask lies") for key in problem.notes)


def test_lines_are_counted_across_the_dispersion(tmp_path: Path):
    _, files = measured(tmp_path, axis=0)
    problem = cassi_real(*files, bands=5, axis=0, register=False, rows=(10, 40))
    assert problem.grid.shape == (60, 30, 5)
    with pytest.raises(ValueError, match=r"rows=\(10, 60\) .* <= 48"):
        cassi_real(*files, bands=5, axis=0, rows=(10, 60))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axis": 0}, r"need \(68, 48\). Dispersed along axis 1\? Pass axis=1"),
        ({"step": 2.1}, "a fraction of a pixel lights the whole pixel"),
        ({"step": 0.0}, "step=0 lays all bands on one place"),
        ({"bands": 6}, "Another number of bands"),
        ({"wavelengths": [500.0, 600.0]}, "2 wavelengths for bands=5"),
        ({"wavelengths": [500.0, 490.0, 600.0, 610.0, 620.0]}, "must rise"),
        ({"background": 1e6}, "background=1e[+]06 is not below the brightest pixel"),
        ({"rows": (30, 10)}, "first < last"),
        ({"variable": "none"}, "variables: meas_real"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_files_and_options_that_disagree_are_refused(tmp_path: Path, changed, message):
    _, files = measured(tmp_path)
    with pytest.raises(ValueError, match=message):
        cassi_real(*files, **({"bands": 5, "register": False} | changed))


def test_a_detector_that_cuts_a_fraction_off_is_refused(tmp_path: Path):
    y, files = measured(tmp_path, step=2.1)
    assert y.shape == (60, 57)
    savemat(tmp_path / "y.mat", {"meas_real": y[:, :-1].numpy()})
    with pytest.raises(ValueError, match=r"reaches 8.4 px"):
        cassi_real(*files, bands=5, step=2.1)


def test_the_wavelengths_of_a_camera_are_told_or_noted(tmp_path: Path):
    _, files = measured(tmp_path)
    assumed = cassi_real(*files, bands=5, register=False)
    assert "assumed" in assumed.notes["wavelengths"]
    own = [700.0, 720.0, 760.0, 800.0, 900.0]
    told = cassi_real(*files, bands=5, register=False, wavelengths=own)
    assert told.grid.axes(torch.float64)[-1].tolist() == own
    assert (told.box.lower[2], told.box.upper[2]) == (690.0, 950.0)
    assert "wavelengths" not in told.notes


@pytest.mark.parametrize(
    "shape", [pytest.param((4, 6), id="small"), pytest.param((60, 48), id="dark")]
)
def test_a_snapshot_that_tells_nothing_is_refused(tmp_path: Path, shape: tuple[int, int]):
    generator = np.random.default_rng(0)
    light = 1.0 if shape == (4, 6) else 0.0
    y = light * generator.random((shape[0], shape[1] + 8))
    savemat(tmp_path / "y.mat", {"meas_real": y})
    savemat(tmp_path / "m.mat", {"mask": generator.random(shape)})
    with pytest.raises(ValueError, match=r"too small to tell its noise|no positive value"):
        cassi_real(str(tmp_path / "y.mat"), str(tmp_path / "m.mat"), bands=5, register=False)


# --- which way round the mask lies ----------------------------------------------------------------


@pytest.mark.parametrize("name", [*list(TURNS)[1:], "inverted"])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mask_that_is_not_the_right_way_round_is_refused(tmp_path: Path, name: str, axis: Axis):
    _, files = measured(tmp_path, axis=axis, size=(64, 64))
    mask = camera_mask = torch.from_numpy(_mask(files[1]))
    mask = 1 - camera_mask if name == "inverted" else TURNS[name](camera_mask)
    savemat(files[1], {"mask": mask.contiguous().numpy()})
    with pytest.raises(ValueError, match="does not lie as in the camera") as caught:
        cassi_real(*files, bands=5, axis=axis, register=False)
    inverted = "inverted (open where it is closed)"
    named = next(n for n in [inverted, *list(TURNS)[1:]] if f"Give it {n}, or" in str(caught.value))
    back = 1 - mask if named == inverted else TURNS[named](mask)
    torch.testing.assert_close(back, camera_mask)  # the advice can be followed
    assert cassi_real(*files, bands=5, axis=axis, register=False, check_mask=False).grid.shape


def _mask(path: str) -> np.ndarray:
    from scipy.io import loadmat

    return loadmat(path)["mask"]


@pytest.mark.parametrize(
    "placement",
    [
        Placement(),
        Placement(torch.tensor([1.5, -0.8])),
        Placement(torch.tensor([20.0, 15.0])),
        Placement(torch.tensor([0.5, 0.5]), 0.01, torch.tensor([[1.5, 0.5], [-0.5, 1.0]])),
    ],
    ids=["nominal", "shifted", "far off", "turned and stretched a little"],
)
@pytest.mark.parametrize("size", [(24, 24), (64, 64)], ids=["small", "larger"])
def test_a_mask_that_is_not_quite_in_its_place_raises_no_alarm(
    tmp_path: Path, placement: Placement, size: tuple[int, int]
):
    _, files = measured(tmp_path, size=size, psf=0.6, placement=placement)
    problem = cassi_real(*files, bands=5, register=False, noise_level=0.01)
    assert "details correlate" in problem.notes["mask, as filed"]


def test_symmetric_and_uniform_masks_raise_no_alarm():
    trusted = torch.ones(64, 72, dtype=torch.bool)
    for mask in (torch.ones(64, 64), (torch.arange(64) % 4 < 2).float().expand(64, 64)):
        a = camera_of(mask, 5, 2.0, 1)
        found = turned_mask(
            grey_scene(a), mask, lambda m: grey_scene(camera_of(m, 5, 2.0, 1)), trusted
        )
        assert not found.speaks_against


def test_the_real_mask_is_recognised_and_its_turned_copies_are_not(data):
    """Lines 330 to 460 of the measured scene, whose mask is off by 0.8 to -1.3 px and blurred."""
    files = str(data.file("tsa_real_scene1.mat")), str(data.file("tsa_real_mask.mat"))
    y = torch.from_numpy(np.asarray(read_matlab(files[0], "meas_real"))).float()[330:460]
    mask = torch.from_numpy(np.asarray(read_matlab(files[1], "mask"))).float()[330:460]
    trusted = torch.ones_like(y, dtype=torch.bool)

    def grey(code: torch.Tensor) -> torch.Tensor:
        return grey_scene(camera_of(code, 28, 2.0, 1))

    assert not turned_mask(y, mask, grey, trusted).speaks_against
    mirrored = turned_mask(y, mask.flip(1).contiguous(), grey, trusted)
    assert mirrored.speaks_against
    assert mirrored.name == "flipped along axis 1 (mirrored)"


# --- simulated cameras ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["single", "dual"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [-2.0, 1.3])
def test_simulated_cameras_disperse_either_way_too(mode, axis, step):
    optics = Optics(step=step, mode=mode, axis=axis)
    problem = cassi(size=20, bands=4, optics=optics, detector=Detector(noise_level=0.0))
    term = problem.terms[0]
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    seen = term.operator.snapshot(truth)  # type: ignore[attr-defined]
    torch.testing.assert_close(seen.flatten(), term.y)
    longer = int(np.ceil(3 * abs(step))) if mode == "single" else 0
    assert seen.shape == ((20 + longer, 20) if axis == 0 else (20, 20 + longer))
