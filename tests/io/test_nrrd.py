"""NRRD volumes: what other programs write, channels, units, and what is refused by name."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases.io import grid_of

from inverse_inr import io
from inverse_inr.domain import Box, Grid, pixel_grid

SLICER = """NRRD0005
# Complete NRRD file format specification at:
# http://teem.sourceforge.net/nrrd/format.html
type: short
dimension: 3
space: left-posterior-superior
sizes: 2 3 4
space directions: (-2,0,0) (0,0.5,0) (0,0,3)
kinds: domain domain domain
endian: little
encoding: {encoding}
space origin: (10,-20,30)
modality:=CT

"""


def plain(**fields: str) -> bytes:
    """A header of 2 x 3 bytes, with some fields changed or added ("_" in a keyword is a space)."""
    told = {"type": "uchar", "dimension": "2", "sizes": "2 3", "encoding": "raw"}
    told |= {name.replace("_", " "): value for name, value in fields.items()}
    return b"NRRD0001\n" + "".join(f"{k}: {v}\n" for k, v in told.items()).encode() + b"\n"


@pytest.mark.parametrize(
    ("encoding", "pack"), [("raw", bytes), ("gzip", gzip.compress), ("bz2", bz2.compress)]
)
def test_a_volume_of_slicer(tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]):
    """The first axis is the fastest; left and posterior become NIfTI's right and anterior."""
    array = np.arange(24, dtype="<i2").reshape(2, 3, 4, order="F")
    path = tmp_path / "a.nrrd"
    path.write_bytes(SLICER.format(encoding=encoding).encode() + pack(array.tobytes(order="F")))
    values, grid = io.read_image(path)
    assert np.array_equal(values[..., 0].numpy(), array)
    assert grid == Grid(Box((0, 0, 0), (4, 1.5, 12), ("mm",) * 3), (2, 3, 4))
    affine = np.array(grid.affine)
    assert (affine @ [0, 0, 0, 1])[:3].tolist() == [-10, 20, 30]
    assert (affine @ [1, 2, 3, 1])[:3].tolist() == [-8, 19, 39]


def test_channels_units_and_corners_come_back(tmp_path: Path):
    grid = Grid(Box((-1, 0, 400), (1, 0.1, 700), ("cm", "arc second", "")), (3, 2, 5))
    values = torch.randn(3, 2, 5, 4)
    io.write_image(tmp_path / "a.NRRD", values, grid)
    back, lattice = io.read_image(tmp_path / "a.NRRD")
    assert torch.equal(back, values)
    assert lattice == grid
    assert lattice.affine is None


def test_a_vector_field_keeps_its_affine(tmp_path: Path):
    affine = [[0.0, 0.0, 3.0, 5.0], [0.5, 0.0, 0.0, 6.0], [0.0, 1.25, 0.0, 7.0], [0, 0, 0, 1.0]]
    grid = grid_of((3, 2, 5)).with_affine(affine)
    values = torch.randn(3, 2, 5, 3)
    io.write_image(tmp_path / "a.nrrd", values, grid)
    back, lattice = io.read_image(tmp_path / "a.nrrd")
    assert torch.equal(back, values)
    assert (lattice, lattice.affine) == (grid, grid.affine)


def test_a_header_without_spacings_is_in_pixels(tmp_path: Path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(plain() + bytes(range(6)))
    values, grid = io.read_image(path)
    assert values[..., 0].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert grid == pixel_grid((2, 3))
    path.write_bytes(plain(spacings="0.5 2", units='"mm" "s"') + bytes(6))
    assert io.read_image(path)[1] == Grid(Box((0, 0), (1, 6), ("mm", "s")), (2, 3))


def test_lines_of_windows_end_the_header_and_are_data_after_it(tmp_path: Path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(plain().replace(b"\n", b"\r\n") + b"\r\n\r\n\r\n")
    assert io.read_image(path)[0].flatten().tolist() == [13, 13, 13, 10, 10, 10]


def test_bytes_of_big_endian_numbers_are_swapped(tmp_path: Path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(plain(type="ushort", endian="big") + np.arange(6, dtype=">u2").tobytes())
    assert io.read_image(path)[0][..., 0].tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (plain(data_file="a.raw"), "no data in this file"),
        (plain(byte_skip="12") + bytes(18), "to be skipped"),
        (plain(kinds="vector vector") + bytes(6), "one may hold channels"),
        (plain(dimension="3") + bytes(6), "disagree"),
        (plain(encoding="zstd") + bytes(6), "'zstd'"),
        (plain(type="block") + bytes(6), "'block'"),
        (plain(type="short") + bytes(12), "no endian"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "a.nrrd"
    path.write_bytes(content)
    with pytest.raises(io.FileFormatError, match=rf"found a.* NRRD file of .*{reason}"):
        io.read_image(path)


def test_what_cannot_be_written_is_refused(tmp_path: Path):
    path, values = tmp_path / "a.nrrd", torch.rand(4, 3, 1)
    with pytest.raises(ValueError, match="complex"):
        io.write_image(path, values + 1j, grid_of((4, 3)))
    with pytest.raises(ValueError, match="three axes"):
        io.write_image(path, values, grid_of((4, 3)).with_affine(np.eye(4).tolist()))
    with pytest.raises(ValueError, match="quotes"):
        io.write_image(path, values, Grid(Box((0, 0), (1, 1), ('"', "mm")), (4, 3)))
    assert not path.exists()


def test_an_axis_without_direction_holds_channels(tmp_path: Path):
    told = plain(dimension="3", sizes="2 3 1", space_directions="none (1,0) (0,2)")
    (tmp_path / "a.nrrd").write_bytes(told + bytes(range(6)))
    values, grid = io.read_nrrd(tmp_path / "a.nrrd")
    assert values.shape == (3, 1, 2)
    assert grid.spacing == (1, 2)
