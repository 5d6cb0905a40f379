"""PLY files there and back; damaged files, and meshes that PLY cannot hold, are refused."""

import numpy as np
import pytest
import torch
from cases.mesh import BOX, TETRAHEDRON, sphere

from inverse_inr import Grid
from inverse_inr.io import FileFormatError
from inverse_inr.io.ply import read_ply, write_ply
from inverse_inr.surfaces import level_set


def test_a_mesh_is_read_as_it_was_written(tmp_path):
    mesh = level_set(sphere, Grid(BOX, (44, 40, 48)))
    shades = torch.rand(len(mesh.vertices), generator=torch.Generator().manual_seed(0))
    colour = (255 * shades).to(torch.uint8)
    options = {"normals": mesh.vertex_normals, "extra": {"red": colour}}
    write_ply(tmp_path / "a.ply", mesh.vertices, mesh.faces, **options)
    read = read_ply(tmp_path / "a.ply")
    assert torch.equal(read.vertices, mesh.vertices)
    assert torch.equal(read.faces, mesh.faces)
    assert torch.equal(read.extra["red"], colour.float())
    normals = torch.stack([read.extra[k] for k in ("nx", "ny", "nz")], 1)
    assert torch.allclose(normals, mesh.vertex_normals.float())
    write_ply(tmp_path / "cloud.ply", mesh.vertices)
    assert read_ply(tmp_path / "cloud.ply").faces.shape == (0, 3)


def test_ply_layout_is_the_documented_one(tmp_path):
    """The bytes are a header, three doubles per vertex, a count and three ints per face."""
    write_ply(tmp_path / "a.ply", TETRAHEDRON.vertices, TETRAHEDRON.faces)
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
    assert head.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"element vertex 4\nproperty double x\n" in head
    assert np.frombuffer(body[:96], "<f8").tolist() == TETRAHEDRON.vertices.flatten().tolist()
    assert body[96] == 3
    assert np.frombuffer(body[97:109], "<i4").tolist() == [0, 2, 1]
    assert len(body) == 96 + 4 * 13


HEAD = """ply
format {} 1.0
comment by hand
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
"""
ASCII = HEAD.format("ascii").encode()
BIG_ENDIAN = HEAD.format("binary_big_endian").encode()
CORNERS = np.array([0, 0, 0, 1, 0, 0, 0, 2, 0], ">f4").tobytes()
FACE = b"\x03" + np.array([0, 1, 2], ">i4").tobytes()


@pytest.mark.parametrize(
    "content",
    [ASCII + b"0 0 0\n1 0 0\n0 2 0\n3 0 1 2\n", BIG_ENDIAN + CORNERS + FACE],
    ids=["ascii", "big endian"],
)
def test_ascii_and_big_endian_are_read(tmp_path, content):
    (tmp_path / "a.ply").write_bytes(content)
    read = read_ply(tmp_path / "a.ply")
    assert read.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0]]
    assert read.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            ASCII + b"0 0 0\n1 0 0\n0 2 0\n",
            "promises 1 of 'face', the file ends after 0",
        ),
        (ASCII + b"0 0 0\n1 0 0\n0 2\n3 0 1 2\n", "as many numbers"),
        (
            BIG_ENDIAN + CORNERS + FACE[:-4] + b"\0\0\0\x09",
            "vertices up to 9; there are 3",
        ),
        (b"solid", "no header"),
        (b"", "empty file"),
    ],
    ids=["no face", "two coordinates", "vertex 9", "another format", "empty"],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, content, message):
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_ply(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda whole: whole[:-3],
            "promises 4 of 'face', the file ends after 3. Truncated",
        ),
        (lambda whole: whole.replace(b"double x", b"quad x"), "is no PLY"),
        (lambda whole: whole[:40], "no header"),
    ],
    ids=["last bytes missing", "unknown type", "header cut off"],
)
def test_damaged_files_are_refused(tmp_path, damage, message):
    path = tmp_path / "a.ply"
    write_ply(path, TETRAHEDRON.vertices, TETRAHEDRON.faces)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileFormatError, match=message):
        read_ply(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normals": torch.zeros(3, 3)}, r"normals has shape \(3, 3\)"),
        ({"faces": TETRAHEDRON.faces + 1}, "Counted from 1"),
        ({"extra": {"x": torch.zeros(4)}}, "cannot be the name"),
    ],
    ids=["normals", "faces", "name"],
)
def test_meshes_that_ply_cannot_hold_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_ply(tmp_path / "a.ply", TETRAHEDRON.vertices, **options)
