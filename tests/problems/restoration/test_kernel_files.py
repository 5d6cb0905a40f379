"""Kernels of other people's cameras: used as they are meant, with notes, or refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from inverse_inr import Box, Grid
from inverse_inr.problems.restoration.deblurring import deblur, kernel_file

GRID = Grid(Box((0.0, 0.0), (24.0, 32.0), ("px", "px")), (24, 32))
BELL = np.outer([1, 2, 1], [1, 2, 1]) / 16


def written(folder: Path, taps: np.ndarray) -> str:
    kind = "rgb" if taps.ndim == 3 else "minisblack"
    tifffile.imwrite(folder / "k.tif", taps.astype(np.float32), photometric=kind)
    return str(folder / "k.tif")


@pytest.mark.parametrize("factor", [1.0, 16.0, 1e-3])
def test_a_kernel_is_divided_by_its_sum_whatever_that_is(tmp_path: Path, factor: float):
    taps, notes = kernel_file(written(tmp_path, factor * BELL), GRID)
    torch.testing.assert_close(taps, torch.from_numpy(BELL), rtol=1e-6, atol=1e-7)
    assert set(notes) == {"kernel"}


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        (BELL - 0.1, "of the kernel's weight is negative"),
        (np.ones((25, 3)), "Image and kernel mixed up"),
        (np.zeros((3, 3)), "no value is positive"),
        (np.stack([BELL, BELL, 2 * BELL], -1), "colours that differ"),
    ],
    ids=["negative", "large", "zero", "colours"],
)
def test_what_is_no_kernel_is_refused(tmp_path: Path, taps: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        kernel_file(written(tmp_path, taps), GRID)


def test_a_kernel_off_its_middle_or_on_a_pedestal_is_noted(tmp_path: Path):
    corner = np.pad([[1.0]], ((0, 4), (0, 4)))
    _, notes = kernel_file(written(tmp_path, corner), GRID)
    assert "-2.0 and -2.0 px off" in notes["kernel off its middle"]
    _, notes = kernel_file(written(tmp_path, np.pad(BELL, 2) + 0.02), GRID)
    assert "kernel on a pedestal" in notes
    _, notes = kernel_file(written(tmp_path, np.ones((4, 4))), GRID)
    assert notes["kernel"].endswith("its middle is (2, 2)")


def test_notes_of_a_kernel_reach_the_problem(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    problem = deblur(
        str(tmp_path / "a.png"), kernel=written(tmp_path, BELL), measured=True, rounds=0
    )
    assert "divided by its sum" in problem.notes["kernel"]
