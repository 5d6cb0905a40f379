"""Where angle 0 points: sinograms in closed form, and those that other programs make."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from cases.scan import disks_on, fbp_error, half_turn, sinogram

from inverse_inr import Box, Grid
from inverse_inr.operators import FanBeam
from inverse_inr.problems.ct import ct_sinogram, filtered_backprojection

ANGLES = half_turn()
QUARTER = math.pi / 2
USUAL = 0.13
"""The relative error of FBP on the disks with the right geometry."""


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("center", [0.0, 2.7])
def test_our_own_convention(center: float, transposed: bool):
    line = sinogram(ANGLES, center=center)
    problem = ct_sinogram(line.T if transposed else line, angles=ANGLES)
    assert fbp_error(problem) < USUAL
    found = problem.notes["centre of rotation found (bins)"]
    assert found == pytest.approx(center, abs=0.15)
    assert problem.notes["axis of the views"] == "01"[transposed]


@pytest.mark.parametrize(
    ("convention", "unit"), [("scikit-image", 180 / math.pi), ("astra", 1.0), ("tomopy", 1.0)]
)
def test_other_programs_begin_a_quarter_turn_later(convention: Any, unit: float):
    """In closed form: s = x1 cos - x0 sin, angles in the program's own unit."""
    line = sinogram(ANGLES + QUARTER, center=0.5 * (convention == "scikit-image"))
    if convention == "scikit-image":
        line = line.T
    problem = ct_sinogram(line, angles=ANGLES * unit, convention=convention)
    assert fbp_error(problem) < USUAL


def test_the_wrong_convention_shows():
    line = sinogram(ANGLES)
    for wrong in (
        ct_sinogram(line, angles=ANGLES, convention="astra"),
        ct_sinogram(line, angles=-ANGLES),
    ):
        assert fbp_error(wrong) > 3 * USUAL


def picture(size: int) -> np.ndarray:
    grid = Grid(Box((-36.0, -36.0), (36.0, 36.0)), (size, size))
    return disks_on(grid).numpy()


def seen_error(problem: Any, image: np.ndarray) -> float:
    found = filtered_backprojection(problem).sample().squeeze(-1).numpy()
    return float(np.linalg.norm(found - image) / np.linalg.norm(image))


@pytest.mark.parametrize("size", [72, 73])
def test_sinograms_that_scikit_image_made(size: int):
    from skimage.transform import radon

    image = picture(size)
    degrees = np.arange(0, 180, 2.0)
    made = torch.from_numpy(radon(image, degrees, circle=True))
    problem = ct_sinogram(made, angles=torch.from_numpy(degrees), convention="scikit-image")
    assert problem.grid.shape == (size, size)
    assert seen_error(problem, image) < USUAL + 0.02
    assert problem.notes["centre of rotation by the convention (bins)"] == (0.5, 0)[size % 2]


@pytest.mark.parametrize("size", [72, 73])
@pytest.mark.parametrize("fan", [False, True])
def test_sinograms_that_astra_made(size: int, fan: bool):
    astra = pytest.importorskip("astra", reason="ASTRA (the ct extra) is not installed")
    image = picture(size)
    radians = np.arange(0, 2 * math.pi if fan else math.pi, math.radians(2))
    geometry = astra.create_proj_geom("parallel", 1.0, size, radians)
    options: Any = {}
    if fan:
        geometry = astra.create_proj_geom("fanflat", 2.0, size, radians, 150.0, 150.0)
        options = {"source_to_axis": 150.0, "axis_to_detector": 150.0, "pitch": 2.0}
    kind = "line_fanflat" if fan else "linear"
    projector = astra.create_projector(kind, geometry, astra.create_vol_geom(size, size))
    number, made = astra.create_sino(image, projector)
    astra.data2d.delete(number)
    astra.projector.delete(projector)
    problem = ct_sinogram(
        torch.from_numpy(made), angles=torch.from_numpy(radians), convention="astra", **options
    )
    assert isinstance(problem.terms[0].operator, FanBeam) is fan
    assert seen_error(problem, image) < USUAL + 0.03


def test_a_scanner_that_turns_backwards_has_a_negative_span():
    problem = ct_sinogram(sinogram(-ANGLES), span=-178.0, views="rows")
    assert fbp_error(problem) < USUAL
