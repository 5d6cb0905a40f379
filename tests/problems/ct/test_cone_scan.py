"""Cone-beam scans from files: what is written is what is reconstructed, the right way round."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, metrics, predict, sample
from inverse_inr.io import FileFormatError, write_hdf5
from inverse_inr.operators import ConeBeam, ConeVectors, fdk
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.problems.ct import cone_scan, feldkamp

VIEWS, ROWS, COLUMNS = 40, 20, 26
BOX = Box((-1.0,) * 3, (1.0,) * 3, ("mm",) * 3)
SOURCE, PANEL, PITCH = 5.0, 2.5, 0.12
FIELD = Ellipsoids(
    torch.tensor([[0.25, -0.2, 0.1], [-0.35, 0.3, -0.2]]),
    torch.tensor([[0.3, 0.2, 0.35], [0.15, 0.25, 0.2]]),
    torch.eye(3).expand(2, 3, 3),
    torch.tensor([0.8, 1.2]),
)
PLAIN = f"""
source_distance = {SOURCE}
detector_distance = {PANEL}
pixel = {PITCH}
unit = "mm"
step = 9
views = {VIEWS}
"""
NIKON = f"""[XTekCT]
SrcToObject={SOURCE}
SrcToDetector={SOURCE + PANEL}
DetectorPixelsX={COLUMNS}
DetectorPixelsY={ROWS}
DetectorPixelSizeX={PITCH}
DetectorPixelSizeY={PITCH}
Projections={VIEWS}
InitialAngle=0
AngularStep=9
WhiteLevel=50000
"""


def counts(angles: Tensor, **moves: Any) -> Tensor:
    """(views, rows, columns) counts without noise: 50000 in air, a dark field of 100."""
    beam = ConeBeam(BOX, angles, (ROWS, COLUMNS), SOURCE, PANEL, PITCH, **moves)
    origin, direction = beam.rays(torch.arange(len(beam)), 2)
    line = FIELD.line_integral(origin, direction).mean(1)
    return beam.unflatten(100 + 50000 * torch.exp(-line))


def degrees(*values: float) -> Tensor:
    return torch.arange(VIEWS, dtype=torch.float64) * math.radians(values[0]) + math.radians(
        sum(values[1:])
    )


def stack(folder: Path, frames: Tensor) -> Path:
    import tifffile

    path = folder / "scan.tif"
    tifffile.imwrite(path, frames.numpy().astype(np.uint16))
    return path


def flats(folder: Path) -> dict[str, str]:
    import tifffile

    rng = np.random.default_rng(0)
    noisy = 50100 + np.sqrt(50000) * rng.standard_normal((5, ROWS, COLUMNS))
    tifffile.imwrite(folder / "white.tif", noisy.astype(np.uint16))
    tifffile.imwrite(folder / "dark.tif", np.full((ROWS, COLUMNS), 100, np.uint16))
    return {"white": str(folder / "white.tif"), "dark": str(folder / "dark.tif")}


def geometry(folder: Path, text: str = PLAIN, name: str = "g.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def error(problem: Any, rays: int = 2) -> float:
    """The relative error of the closed form's line integrals on the rays that were read."""
    beam = problem.terms[0].operator
    origin, direction = beam.rays(torch.arange(len(beam)), rays)
    exact = FIELD.line_integral(origin, direction).mean(1)
    return float((problem.terms[0].y - exact).norm() / exact.norm())


def test_tiff_with_flat_and_dark_fields_is_read(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    problem = cone_scan(str(path), geometry(tmp_path), **flats(tmp_path))
    beam = problem.terms[0].operator
    assert isinstance(beam, ConeBeam)
    assert beam.shape == (VIEWS, ROWS, COLUMNS)
    assert error(problem) < 0.03
    assert problem.box.units == ("mm",) * 3
    voxel = PITCH * SOURCE / (SOURCE + PANEL)
    assert problem.grid.spacing == pytest.approx((voxel,) * 3, rel=0.05)
    assert problem.box.lengths[2] == pytest.approx(ROWS * voxel, rel=1e-3)


@pytest.mark.slow
def test_fdk_of_a_read_scan_is_the_object(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    problem = cone_scan(str(path), geometry(tmp_path), **flats(tmp_path))
    found = feldkamp(problem).sample()
    truth = sample(FIELD, problem.grid, average=3)
    assert float(metrics.psnr(found, truth, data_range=1.2)) > 24


def test_a_nikon_folder_needs_no_more_than_its_path(tmp_path: Path):
    frames = counts(degrees(-9, 180)).flip(1, 2)
    geometry(tmp_path, NIKON, "part.xtekct")
    stack(tmp_path, frames - 100)
    problem = cone_scan(str(tmp_path))
    assert error(problem) < 0.01
    assert isinstance(problem.terms[0].operator, ConeBeam)


@pytest.mark.parametrize("bin", [2, 3])
def test_binned_pixels_see_the_same_object(bin: int, tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    problem = cone_scan(str(path), geometry(tmp_path), bin=bin, every=2, **flats(tmp_path))
    beam = problem.terms[0].operator
    assert isinstance(beam, ConeBeam)
    assert beam.shape == (VIEWS // 2, ROWS // bin, COLUMNS // bin)
    assert error(problem, 2 * bin) < 0.06


@pytest.mark.slow
def test_center_is_the_offset_of_the_axis_in_pixels(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0), center=1.5 * PITCH))
    plain = cone_scan(str(path), geometry(tmp_path), **flats(tmp_path))
    moved = cone_scan(str(path), geometry(tmp_path), center=1.5, **flats(tmp_path))
    assert error(moved) < 0.03 < error(plain)
    learnt = cone_scan(str(path), geometry(tmp_path), learn_center=True, **flats(tmp_path))
    beam = learnt.terms[0].operator
    assert isinstance(beam, ConeBeam)
    assert beam.center.requires_grad
    rows = torch.tensor([0, 5])
    assert predict(beam, lambda p: p[..., :1].square(), rows).requires_grad


def test_line_integrals_of_hdf5_and_free_positions(tmp_path: Path):
    """Places of each view, as a calibration gives them, in ASTRA's coordinates."""
    import json

    angles = degrees(9, 0)
    line = -((counts(angles) - 100) / 50000).log()
    write_hdf5(tmp_path / "scan.h5", {"lines": line.float()})
    beam = ConeBeam(BOX, angles, (ROWS, COLUMNS), SOURCE, PANEL, PITCH)
    parts = [part.clone() for part in beam.frame(torch.arange(VIEWS))]
    wobble = 1 + 0.01 * torch.sin(torch.arange(VIEWS).double())[:, None]
    for k in (0, 1):
        parts[k] = parts[k] * wobble
    astra = [torch.stack([p[:, 1], -p[:, 0], p[:, 2]], -1) for p in parts]
    table = {
        "type": "cone_vec",
        "DetectorRowCount": ROWS,
        "DetectorColCount": COLUMNS,
        "Vectors": torch.cat(astra, 1).tolist(),
    }
    where = geometry(tmp_path, json.dumps(table), "g.json")
    given: dict[str, Any] = {
        "names": {"data": "lines", "theta": None},
        "values": "line integrals",
        "unit": "cm",
    }
    problem = cone_scan(str(tmp_path / "scan.h5"), where, **given)
    assert isinstance(problem.terms[0].operator, ConeVectors)
    with pytest.raises(ValueError, match="free positions"):
        cone_scan(str(tmp_path / "scan.h5"), where, center="auto", **given)
    assert "FDK" not in problem.suggested.baselines
    assert problem.box.units == ("cm",) * 3
    assert error(problem) < 0.1


def test_views_can_be_held_out(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    problem = cone_scan(str(path), geometry(tmp_path), hold_out_views=5, **flats(tmp_path))
    stopping = problem.suggested.stopping
    assert stopping is not None
    (fit,), (watch,) = stopping.split(problem.terms, 0)
    views = (watch // (ROWS * COLUMNS)).unique()
    assert len(views) == VIEWS // 5
    assert not bool(torch.isin(fit // (ROWS * COLUMNS), views).any())


@pytest.mark.parametrize(
    ("change", "text", "message"),
    [
        ({}, PLAIN.replace(f"views = {VIEWS}", "views = 39"), "40 projections, the geometry"),
        ({}, PLAIN + "detectors = [26, 20]\n", "Rows and columns swapped"),
        ({}, PLAIN.replace("step = 9\n", ""), "says nothing of angles"),
        ({"bin": 21}, PLAIN, "bin=21"),
        ({"every": 40}, PLAIN, "every=40"),
        ({"hold_out_views": 41}, PLAIN, "hold_out_views=41"),
        ({"voxel": 1e-4}, PLAIN, "needs"),
    ],
    ids=["views", "pixels", "angles", "bin", "every", "hold out", "voxel"],
)
def test_what_does_not_fit_together_is_refused(
    change: dict[str, Any], text: str, message: str, tmp_path: Path
):
    path = stack(tmp_path, counts(degrees(9, 0)))
    with pytest.raises(ValueError, match=message):
        cone_scan(str(path), geometry(tmp_path, text), **flats(tmp_path), **change)


def test_files_that_are_not_there_or_damaged_are_named(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    with pytest.raises(FileNotFoundError, match="needs geometry="):
        cone_scan(str(path))
    with pytest.raises(FileNotFoundError, match=r"missing\.toml"):
        cone_scan(str(path), str(tmp_path / "missing.toml"))
    cut = tmp_path / "cut.tif"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FileFormatError, match=r"cut\.tif"):
        cone_scan(str(cut), geometry(tmp_path))


@pytest.mark.slow
def test_fdk_on_the_problem_is_the_operator_s(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    problem = cone_scan(str(path), geometry(tmp_path), hold_out_views=40, **flats(tmp_path))
    beam = problem.terms[0].operator
    assert isinstance(beam, ConeBeam)
    some = torch.arange(VIEWS) != 20
    expected = fdk(
        beam.of_views(some), beam.unflatten(problem.terms[0].y)[some], Grid(BOX, (4,) * 3), "hann"
    )
    assert expected.shape == (4, 4, 4, 1)
    assert feldkamp(problem).sample(Grid(BOX, (4,) * 3)).shape == (4, 4, 4, 1)


@pytest.mark.parametrize("bin", [1, 2])
@pytest.mark.parametrize("kind", ["counts", "line integrals"])
def test_the_axis_is_found_and_noted(tmp_path: Path, bin: int, kind: str):
    frames = counts(degrees(9, 0), center=1.3 * PITCH)
    if kind == "counts":
        path = stack(tmp_path, frames)
        given = flats(tmp_path)
    else:
        path = tmp_path / "lines.h5"
        write_hdf5(path, {"exchange/data": -((frames - 100) / 50000).log()})
        given = {"values": kind}
    problem = cone_scan(str(path), geometry(tmp_path), center="auto", bin=bin, **given)
    beam = problem.terms[0].operator
    assert float(beam.center) / PITCH == pytest.approx(1.3, abs=0.1)
    assert "from conjugate rays" in str(problem.notes["center of rotation"])
    assert float(str(problem.notes["center of rotation"]).split()[0]) == pytest.approx(1.3, abs=0.1)


def test_an_axis_of_a_tilted_panel_is_not_sought(tmp_path: Path):
    path = stack(tmp_path, counts(degrees(9, 0)))
    tilted = geometry(tmp_path, PLAIN + "tilt = 3.0\n")
    with pytest.raises(ValueError, match="upright"):
        cone_scan(str(path), tilted, center="auto", **flats(tmp_path))
