"""Geometry files of cone beams: the same scan in every form, and what is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.io import FileFormatError
from inverse_inr.io.scans.cone_geometry import geometry_beside, read_cone_geometry
from inverse_inr.operators import ConeBeam, ConeVectors, to_astra
from inverse_inr.operators.ct.astra_cones import placed_scanner

F64 = torch.float64
ANGLES = torch.arange(5, dtype=F64) * 2 * math.pi / 5
BOX = Box((-1.0,) * 3, (1.0,) * 3)

NIKON = """[XTekCT]
Name=part
SrcToObject=100
SrcToDetector=400
DetectorPixelsX=6
DetectorPixelsY=4
DetectorPixelSizeX=0.2
DetectorPixelSizeY=0.3
Projections=5
InitialAngle=10
AngularStep=72
WhiteLevel=60000
"""
PLAIN = """
source_distance = 100
detector_distance = 300
pixel = [0.3, 0.2]
detectors = [4, 6]
unit = "mm"
step = 72
views = 5
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def beam(**moves: Any) -> ConeBeam:
    return ConeBeam(BOX, ANGLES, (4, 6), 100.0, 300.0, (0.3, 0.2), **moves)


def frames(scanner: ConeBeam | ConeVectors) -> list[torch.Tensor]:
    return list(scanner.frame(torch.arange(scanner.shape[0])))


def test_plain_words_are_those_of_a_cone_beam(tmp_path: Path):
    moved = "center = 1.5\nvertical = -2\ntilt = 3\nroll = 2\nyaw = -4\n"
    found = read_cone_geometry(written(tmp_path, "g.toml", PLAIN + moved))
    degrees = {"tilt": 3, "roll": 2, "yaw": -4}
    turns = {name: math.radians(value) for name, value in degrees.items()}
    expected = frames(beam(center=1.5 * 0.2, vertical=-2 * 0.3, **turns))
    for part, wanted in zip(found.placed(), expected, strict=True):
        torch.testing.assert_close(part, wanted)
    assert found.unit == "mm"
    assert found.detectors == (4, 6)


def test_a_rise_is_a_helix(tmp_path: Path):
    found = read_cone_geometry(written(tmp_path, "g.toml", PLAIN + "rise = 0.5"))
    expected = frames(beam(height=0.5 * (torch.arange(5, dtype=F64) - 2)))
    for part, wanted in zip(found.placed(), expected, strict=True):
        torch.testing.assert_close(part, wanted)


@pytest.mark.parametrize("moves", [{}, {"roll": 0.1, "center": 0.3}], ids=["cone", "cone_vec"])
def test_astra_dictionaries_are_read(moves: dict[str, float], tmp_path: Path):
    made = beam(**moves)
    projection, volume = to_astra(made, Grid(BOX, (4, 4, 4)))
    plain = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in projection.items()}
    assert plain["type"] == ("cone_vec" if moves else "cone")
    text = json.dumps({"projection": plain, "volume": volume})
    found = read_cone_geometry(written(tmp_path, "g.json", text))
    for part, wanted in zip(found.placed(), frames(made), strict=True):
        torch.testing.assert_close(part, wanted, rtol=0, atol=1e-9)


def test_nikon_turns_the_other_way_and_counts_from_top_and_right(tmp_path: Path):
    found = read_cone_geometry(written(tmp_path, "g.xtekct", NIKON))
    angles = found.angles
    assert angles is not None
    torch.testing.assert_close(angles.diff(), torch.full((4,), -math.radians(72), dtype=F64))
    assert float(angles[0]) == pytest.approx(math.radians(170))
    assert found.flipped == (1, 2)
    assert found.white == 60000
    assert found.unit == "mm"
    upright = ConeBeam(BOX, angles, (4, 6), 100.0, 300.0, (0.3, 0.2))
    for part, wanted in zip(found.placed(), frames(upright), strict=True):
        torch.testing.assert_close(part, wanted)


@pytest.mark.parametrize(
    "words",
    ["ObjectOffsetX=0.5\n", "CentreOfRotationTop=2\nCentreOfRotationBottom=2\n"],
    ids=["at the object", "on the panel"],
)
def test_the_axis_of_nikon_may_be_off_the_beam(words: str, tmp_path: Path):
    found = read_cone_geometry(written(tmp_path, "g.xtekct", NIKON + words))
    scanner = placed_scanner(BOX, [part.numpy() for part in found.placed()], (4, 6))
    assert isinstance(scanner, ConeBeam)
    # a point of the axis, at -0.5 from the central ray, is seen at -2 from the panel's middle
    index, _ = scanner.locate(torch.zeros(3), 0)
    assert float(index[1]) == pytest.approx(2.5 - 2 / 0.2, abs=1e-4)
    assert float(index[0]) == pytest.approx(1.5, abs=1e-5)


def test_an_axis_of_nikon_that_leans_is_a_roll_of_the_panel(tmp_path: Path):
    found = read_cone_geometry(written(tmp_path, "g.xtekct", NIKON + "ObjectRoll=2\n"))
    scanner = placed_scanner(BOX, [part.numpy() for part in found.placed()], (4, 6))
    assert isinstance(scanner, ConeBeam)
    assert abs(float(scanner.roll)) == pytest.approx(math.radians(2), abs=1e-5)
    # the tip of an axis that leans to the right by 2 degrees is seen there
    index, _ = scanner.locate(torch.tensor([0.0, 0.0, 0.1]), 0)
    shift = (float(index[1]) - 2.5) * 0.2 / 4
    assert shift == pytest.approx(0.1 * math.sin(math.radians(2)), rel=1e-2)


def test_a_single_nikon_file_beside_the_projections_is_found(tmp_path: Path):
    assert geometry_beside(tmp_path / "p_*.tif") is None
    path = written(tmp_path, "g.xtekct", NIKON)
    assert geometry_beside(tmp_path) == geometry_beside(tmp_path / "p_*.tif") == path
    written(tmp_path, "other.xtekct", NIKON)
    assert geometry_beside(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.txt", PLAIN, "suffix '.txt'"),
        ("g.toml", "source_distance = ", "Invalid value"),
        ("g.toml", PLAIN.replace("pixel", "pixels"), "Did you mean 'pixel'"),
        ("g.toml", PLAIN.replace("source_distance = 100", ""), "lacks 'source_distance'"),
        ("g.toml", PLAIN.replace("= 100", "= -100"), "source_distance=-100 must be positive"),
        ("g.toml", PLAIN.replace("= 100", "= nan"), "not finite"),
        ("g.toml", PLAIN.replace("[0.3, 0.2]", "[0.3, 0.2, 1]"), "side of a pixel"),
        ("g.toml", PLAIN.replace("views = 5", "views = 2.5"), "whole number"),
        ("g.toml", PLAIN + 'rows_from = "up"', "'bottom' or 'top'"),
        ("g.json", "[1, 2]", "found a list"),
        ("g.json", "{", "Expecting property name"),
        ("g.json", '{"type": "parallel3d"}', "lacks 'DetectorRowCount'"),
        (
            "g.json",
            '{"type": "fanflat", "DetectorRowCount": 2, "DetectorColCount": 2}',
            "no cone beam",
        ),
        (
            "g.json",
            '{"type": "cone_vec", "DetectorRowCount": 2, "DetectorColCount": 2, "Vectors": [[1]]}',
            r"\(views, 12\)",
        ),
        ("g.xtekct", "SrcToObject=1", "no section headers"),
        ("g.xtekct", "[Other]\na=1", "no section"),
        ("g.xtekct", NIKON.replace("SrcToObject=100", ""), "lacks 'SrcToObject'"),
        ("g.xtekct", NIKON.replace("=400", "=40"), "less than SrcToObject"),
        ("g.xtekct", NIKON.replace("=100", "=hundred"), "could not convert"),
    ],
)
def test_what_is_no_geometry_is_refused(name: str, text: str, message: str, tmp_path: Path):
    with pytest.raises(FileFormatError, match=message):
        read_cone_geometry(written(tmp_path, name, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "g.toml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileFormatError, match=r"g\.toml"):
        read_cone_geometry(path)


def test_angles_must_come_from_somewhere(tmp_path: Path):
    text = PLAIN.replace("step = 72", "").replace("views = 5", "")
    found = read_cone_geometry(written(tmp_path, "g.toml", text))
    with pytest.raises(ValueError, match="says nothing of angles"):
        found.placed()
    torch.testing.assert_close(found.placed(ANGLES)[0], frames(beam())[0])
