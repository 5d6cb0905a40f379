"""Sinograms of one's own: formats, axes, units, values, geometry."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
import torch
from cases.scan import AIR, BINS, fbp_error, half_turn, relative_error, sinogram
from torch import Tensor

from inverse_inr import noise
from inverse_inr.problems.ct import ct_sinogram

ANGLES = half_turn()
QUARTER = math.pi / 2
USUAL = 0.13
"""The relative error of FBP on the disks with the right geometry."""


# --- files ---


def write(path: Path, values: np.ndarray, angles: np.ndarray) -> Path:
    """The sinogram, with its angles in the file where the format can hold them."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, sinogram=values, theta=angles)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {"sinogram": values, "angles": angles})
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["entry/sinogram"] = values
            file["entry/theta"] = angles
    else:
        tifffile.imwrite(path, values.astype("f4"), photometric="minisblack")
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".mat", ".tif"])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_format(tmp_path: Path, suffix: str, transposed: bool):
    line = sinogram(ANGLES).numpy()
    path = write(tmp_path / f"s{suffix}", line.T if transposed else line, ANGLES.rad2deg().numpy())
    np.savetxt(tmp_path / "angles.txt", ANGLES.rad2deg().numpy())
    beside: Any = {"angles": str(tmp_path / "angles.txt")}
    assert fbp_error(ct_sinogram(str(path), **beside)) < USUAL
    if suffix in (".npz", ".h5", ".mat"):
        problem = ct_sinogram(str(path))
        assert fbp_error(problem) < USUAL
        assert "read as degrees" in problem.notes["angles"]
        assert "the only array of two axes" in problem.notes["dataset"]
        name = {".npz": "theta", ".h5": "entry/theta", ".mat": "angles"}[suffix]
        assert fbp_error(ct_sinogram(str(path), angles=name)) < USUAL


def test_fields_of_a_struct_of_matlab(tmp_path: Path):
    """As the limited-angle data of HTC2022 are kept."""
    parameters = {"angles": ANGLES.rad2deg().numpy(), "pixelSize": 0.05}
    scan = {"type": "2D", "sinogram": sinogram(ANGLES).numpy(), "parameters": parameters}
    scipy.io.savemat(tmp_path / "a.mat", {"CtDataFull": scan})
    problem = ct_sinogram(str(tmp_path / "a.mat"))
    assert fbp_error(problem) < USUAL
    assert "'CtDataFull.sinogram'" in problem.notes["dataset"]


def several(folder: Path) -> str:
    np.savez(folder / "s.npz", a=np.ones((4, 5)), b=np.ones((4, 5)))
    return str(folder / "s.npz")


def square(folder: Path) -> str:
    np.save(folder / "s.npy", sinogram(half_turn(BINS)).numpy())
    return str(folder / "s.npy")


def oblong(folder: Path) -> str:
    np.save(folder / "s.npy", sinogram(ANGLES).numpy())
    return str(folder / "s.npy")


def stack(folder: Path) -> str:
    np.save(folder / "s.npy", np.ones((9, 8, 7)))
    return str(folder / "s.npy")


def complex_numbers(folder: Path) -> str:
    np.save(folder / "s.npy", np.ones((9, 8)) * 1j)
    return str(folder / "s.npy")


def text(folder: Path) -> str:
    (folder / "s.csv").write_text("1 2 3")
    return str(folder / "s.csv")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (several, {"span": 180.0}, "2 of its arrays have two axes"),
        (several, {"dataset": "c", "span": 180.0}, "expected an array 'c'"),
        (several, {"dataset": "a"}, "no angles.*a, b"),
        (stack, {"span": 180.0}, r"found shape \(9, 8, 7\).*ct_scan"),
        (complex_numbers, {"span": 180.0}, "expected real numbers"),
        (text, {"span": 180.0}, r"expected an array as \.npy"),
        (square, {"angles": half_turn(BINS)}, "which axis holds the views"),
        (oblong, {"span": 178.0}, "which axis holds the views"),
        (oblong, {"angles": half_turn(91)}, "there are 91 angles: they fit neither"),
        (oblong, {"angles": ANGLES, "views": "columns"}, "as many as the rows"),
        (oblong, {"span": 178.0, "views": "columns"}, "views='rows'"),
        (oblong, {"angles": ANGLES, "span": 180.0}, "give one of them"),
        (oblong, {"angles": ANGLES.rad2deg()}, "28.3 turns.*angle_unit='degrees'"),
        (oblong, {"angles": ANGLES, "convention": "scikit-image"}, "angle_unit='radians'"),
        (oblong, {"angles": ANGLES, "convention": "scikit_image"}, "Did you mean 'scikit-image'"),
        (oblong, {"angles": ANGLES, "values": "counts"}, "counts need white="),
        (oblong, {"angles": ANGLES, "white": 1.0}, "belong to values='counts'"),
        (oblong, {"angles": ANGLES, "values": "attenuation"}, "values='attenuation' must be"),
        (oblong, {"angles": ANGLES, "fidelity": "poisson"}, "needs counts"),
        (oblong, {"angles": ANGLES, "source_to_axis": 100.0}, "needs both source_to_axis"),
        (oblong, {"angles": ANGLES, "pitch": 0.0}, "pitch=0.0 must be a number from"),
        (oblong, {"angles": ANGLES, "bin": 0}, "bin=0 must be a whole number"),
        (oblong, {"angles": ANGLES, "bin": 73}, "bin=73: the detector has 72"),
        (oblong, {"angles": ANGLES, "center": 80.0}, "from its edge.* Its middle is 36"),
        (oblong, {"angles": ANGLES, "dataset": "s"}, "dataset='s' names an array of a file"),
        (oblong, {"angles": ANGLES, "air": 3}, "these are line integrals"),
        (oblong, {"angles": ANGLES, "hold_out_views": 91}, "there are 90 views"),
        (oblong, {"span": 178.0, "angle_unit": "radians"}, "is in degrees"),
        (oblong, {"angles": ANGLES, "size": 10**7}, "an image of 10000000 x 10000000 pixels"),
        (oblong, {"angles": ANGLES * math.nan}, "NaN or Inf at views 0, 1"),
    ],
)
def test_what_is_unclear_is_refused(
    tmp_path: Path, make: Any, options: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        ct_sinogram(make(tmp_path), **options)


def test_a_square_sinogram_is_read_by_word_or_by_the_program_s_own_axis():
    angles = half_turn(BINS)
    assert fbp_error(ct_sinogram(sinogram(angles), angles=angles, views="rows")) < USUAL
    line = sinogram(angles + QUARTER, center=0.5)
    made = ct_sinogram(line.T, angles=angles.rad2deg(), convention="scikit-image")
    assert fbp_error(made) < USUAL


# --- values ---


def drawn(rate: Tensor) -> Tensor:
    return torch.poisson(rate.float(), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fidelity", ["gaussian", "poisson"])
def test_transmissions_and_counts_know_their_photons(fidelity: Any):
    counts = drawn(AIR * torch.exp(-sinogram(ANGLES)))
    seen = ct_sinogram(counts / AIR, angles=ANGLES, values="transmissions", fidelity=fidelity)
    assert float(seen.notes["quanta of air"].split(",")[0]) == pytest.approx(AIR, rel=0.2)
    dim = ct_sinogram(
        3 * counts + 7,
        angles=ANGLES,
        values="counts",
        white=3 * AIR + 7,
        dark=7.0,
        fidelity=fidelity,
    )
    assert float(dim.notes["counts a quantum"].split(",")[0]) == pytest.approx(3, rel=0.2)
    for problem in (seen, dim):
        assert fbp_error(problem) < USUAL + 0.02
        model = problem.terms[0].fidelity
        assert isinstance(model, noise.Noise)
        residual = model.standardized(sinogram(ANGLES).flatten().float(), problem.terms[0].y)
        assert float(residual.square().mean()) == pytest.approx(1, abs=0.25)


def test_flat_and_dark_fields_of_counts_from_files(tmp_path: Path):
    gain = 1 + 0.2 * torch.sin(torch.arange(BINS) / 5.0)
    counts = drawn(AIR * gain * torch.exp(-sinogram(ANGLES))) + 50
    np.save(tmp_path / "white.npy", (drawn((AIR * gain).expand(20, -1)) + 50).numpy())
    np.save(tmp_path / "dark.npy", np.full(BINS, 50.0))
    problem = ct_sinogram(
        counts,
        angles=ANGLES,
        values="counts",
        white=str(tmp_path / "white.npy"),
        dark=str(tmp_path / "dark.npy"),
    )
    assert fbp_error(problem) < USUAL + 0.02


def test_the_noise_of_line_integrals_is_estimated_or_given():
    noisy = sinogram(ANGLES) + 0.02 * torch.randn(
        90, BINS, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    problem = ct_sinogram(noisy, angles=ANGLES)
    estimate = float(problem.notes["noise of a line integral"].split(",")[0])
    assert estimate == pytest.approx(0.02, rel=0.3)
    model: Any = ct_sinogram(noisy, angles=ANGLES, noise_level=0.5).terms[0].fidelity
    assert torch.allclose(model.sigma, torch.tensor(0.5))


def test_lost_values_are_interpolated():
    line = sinogram(ANGLES)
    line[30:40, 20] = math.nan
    problem = ct_sinogram(line, angles=ANGLES)
    assert problem.notes["masked values"] == f"10 of {90 * BINS}"
    assert fbp_error(problem) < USUAL


# --- geometry ---


def test_lengths_are_in_the_unit_of_the_pitch():
    problem = ct_sinogram(sinogram(ANGLES), angles=ANGLES, pitch=0.25, unit="mm", center=1.0)
    assert problem.box.units == ("mm", "mm")
    assert problem.box.lengths == pytest.approx((18, 18))
    assert float(problem.terms[0].operator.center) == pytest.approx(0.25)  # type: ignore[attr-defined]
    binned: Any = ct_sinogram(sinogram(ANGLES), angles=ANGLES, pitch=0.25, center=1.0, bin=5)
    # bins of five drop the last two of 72, which moves the middle by one
    assert float(binned.terms[0].operator.center) == pytest.approx(0.25 * 2.0)
    assert binned.terms[0].operator.pitch == pytest.approx(1.25)


@pytest.mark.parametrize("span", [360.0, -360.0])
def test_a_turn_whose_end_was_not_measured_is_said(span: float):
    angles = torch.arange(90) * math.radians(span) / 90
    problem = ct_sinogram(sinogram(angles, center=1.3), span=span, views="rows")
    assert f"then span={span * 89 / 90:.6g}" in problem.notes["span"]
    angles = torch.arange(90) * math.radians(span) / 89
    whole = ct_sinogram(sinogram(angles, center=1.3), span=span, views="rows")
    assert "span" not in whole.notes


def test_without_opposite_views_the_axis_is_the_middle_and_said_to_be():
    some = ANGLES[:40]
    problem = ct_sinogram(sinogram(some), angles=some)
    assert (
        problem.notes["centre of rotation taken as the middle, as no opposite views tell it (bins)"]
        == 0
    )


def test_views_are_held_out_and_rasters_are_measured():
    problem = ct_sinogram(sinogram(ANGLES), angles=ANGLES, hold_out_views=9, raster=True)
    solution = problem.suggested.baselines["FBP"](problem)
    assert solution.held_out() is not None
    assert relative_error(solution.sample(), problem.grid) < USUAL + 0.02
