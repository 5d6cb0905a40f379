"""ISMRMRD with a trajectory: radial and spiral samples, the unit told by their reach."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cases.mrd import WRITERS, Readout, Space, header, write_own

from inverse_inr import Grid, phantoms, predict, sample
from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.operators import birdcage_maps, centred_box, radial_trajectory, spiral_trajectory
from inverse_inr.problems.kspace import kspace_scan
from inverse_inr.problems.kspace.simulated import measure

N, COILS, PIXEL = 32, 3, 2.0
GRID = Grid(centred_box((N, N), (PIXEL, PIXEL), ("mm", "mm")), (N, N))
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def readouts(k: torch.Tensor, factor: float, third: bool = False) -> list[Readout]:
    """Readouts of a phantom along k (cycles per mm), which the file holds times `factor`."""
    truth = phantoms.shepp_logan(GRID.box)
    values = measure(truth, birdcage_maps(GRID.box, COILS).double(), k.reshape(-1, 2), GRID)
    values = values.reshape(*k.shape[:2], COILS).movedim(-1, 1).numpy() / 10
    tracks = (factor * k).numpy()
    if third:
        tracks = np.concatenate([tracks, np.ones((*tracks.shape[:2], 1))], -1)
    return [Readout(v, (), {}, t) for v, t in zip(values, tracks, strict=True)]


SPACE = Space((N, N), (N * PIXEL, N * PIXEL), trajectory="radial")
UNITS = {"cycles per pixel": PIXEL, "cycles per field of view": N * PIXEL}
UNITS["radians per pixel"] = 2 * math.pi * PIXEL


@writers
@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_of_a_trajectory_is_told_by_its_reach(tmp_path: Path, write, unit: str):
    k = radial_trajectory(GRID, 9, 40)
    lines = readouts(k, UNITS[unit], third=True)
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([SPACE])))
    assert raw.trajectory is not None
    torch.testing.assert_close(raw.trajectory, k, rtol=0, atol=1e-6)
    assert raw.values.shape == (COILS, 9, 40)
    assert raw.notes["trajectory unit"].startswith(unit)
    assert raw.image_shape == (N, N)
    assert not raw.fully_sampled


@pytest.mark.parametrize("trajectory", ["radial", "spiral"])
@pytest.mark.parametrize("finer", [1, 2])
def test_a_trajectory_makes_a_problem_that_predicts_its_samples(
    tmp_path: Path, trajectory: str, finer: int
):
    k = radial_trajectory(GRID, 48, 64)
    if trajectory == "spiral":
        k = spiral_trajectory(GRID, 12, 400)
    space = Space((N, N), (N * PIXEL, N * PIXEL), trajectory=trajectory)
    path = write_own(tmp_path / "a.h5", readouts(k, PIXEL), header([space]))
    problem = kspace_scan(str(path), finer=finer, learn_coils="none", phase="both")
    assert problem.grid.shape == GRID.shape
    term = problem.terms[0]
    baseline = problem.suggested.baselines["zero-filled"](problem).sample()
    image = sample(lambda p: baseline_at(baseline, p), term.operator.grid)  # pyright: ignore
    seen = predict(term.operator, lambda p: image)
    assert float((seen.detach() - term.y).norm() / term.y.norm()) < 0.45


def baseline_at(values: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    from inverse_inr import SampledField

    return SampledField(values, GRID)(points)


REFUSED = {
    "no trajectory": ([Readout(np.ones((2, 8)))], "acquisitions have no trajectory"),
    "no unit": (readouts(radial_trajectory(GRID, 3, 40), 3.3), "tells no unit"),
    "lengths": (
        readouts(radial_trajectory(GRID, 1, 40), PIXEL)
        + readouts(radial_trajectory(GRID, 1, 30), PIXEL),
        "differ in channels or samples",
    ),
    "NaN": ([Readout(np.ones((2, 8)), (), {}, np.full((8, 2), np.nan))], "holds NaN"),
    "one axis": ([Readout(np.ones((2, 8)), (), {}, np.ones((8, 1)))], r"have \[1\] dimensions"),
}


@pytest.mark.parametrize("slip", REFUSED)
def test_a_trajectory_that_cannot_be_used_is_refused(tmp_path: Path, slip: str):
    lines, message = REFUSED[slip]
    path = write_own(tmp_path / "a.h5", lines, header([SPACE]))
    with pytest.raises(FileFormatError, match=message):
        read_kspace(path)


def test_undersampling_a_trajectory_is_refused(tmp_path: Path):
    lines = readouts(radial_trajectory(GRID, 9, 40), PIXEL)
    path = write_own(tmp_path / "a.h5", lines, header([SPACE]))
    with pytest.raises(ValueError, match="holds a trajectory"):
        kspace_scan(str(path), acceleration=2.0)
