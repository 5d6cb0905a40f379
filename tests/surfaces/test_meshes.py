"""Meshes of level sets against closed forms; PLY files there and back, and the ones that must be refused."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from inverse_inr import Box, Grid
from inverse_inr.io import FileFormatError
from inverse_inr.io.ply import read_ply, write_ply
from inverse_inr.surfaces import Mesh, level_set, mesh_errors
from inverse_inr.surfaces import plotting as plotting_3d

BOX = Box((-0.12, -0.1, -0.1), (0.1, 0.1, 0.14), ("m",) * 3)
CENTER, RADIUS = torch.tensor([-0.01, 0.005, 0.02], dtype=torch.float64), 0.06
TETRAHEDRON = Mesh(
    torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def sphere(points, center=CENTER, radius=RADIUS):
    return torch.linalg.vector_norm(points - center.to(points), dim=-1, keepdim=True) - radius


def on_sphere(count=3000):
    draw = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return CENTER + RADIUS * torch.nn.functional.normalize(draw, dim=-1)


@pytest.fixture(scope="module")
def mesh():
    return level_set(sphere, Grid(BOX, (44, 40, 48)))


def test_tetrahedron_by_hand():
    assert TETRAHEDRON.is_closed
    assert (TETRAHEDRON.euler_characteristic, TETRAHEDRON.components) == (2, 1)
    assert TETRAHEDRON.volume == pytest.approx(1 / 6)
    assert TETRAHEDRON.area == pytest.approx(1.5 + math.sqrt(3) / 2)
    assert not Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces[:3]).is_closed
    turned = torch.cat([TETRAHEDRON.faces[:3], TETRAHEDRON.faces[3:].flip(1)])
    assert not Mesh(TETRAHEDRON.vertices, turned).is_closed  # one face winds the other way
    assert not Mesh(
        TETRAHEDRON.vertices, torch.cat([TETRAHEDRON.faces, TETRAHEDRON.faces])
    ).is_closed


def test_sphere_is_closed_and_where_it_should_be(mesh):
    assert mesh.is_closed
    assert (mesh.euler_characteristic, mesh.components) == (2, 1)
    assert mesh.volume == pytest.approx(
        4 / 3 * math.pi * RADIUS**3, rel=0.01
    )  # positive: faces turn outwards
    assert mesh.area == pytest.approx(4 * math.pi * RADIUS**2, rel=0.01)
    assert float(sphere(mesh.vertices).abs().max()) < 2e-4  # spacing 5 mm
    outwards = torch.nn.functional.normalize(mesh.vertices - CENTER, dim=1)
    assert float((mesh.vertex_normals * outwards).sum(1).min()) > 0.98
    assert float(sphere(mesh.sample(2000)).abs().max()) < 4e-4


def test_density_turns_outwards_too():
    def density(points):
        return -sphere(points)

    mesh = level_set(density, Grid(BOX, (22, 20, 24)), inside="above")
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.03)


def test_open_and_missing_surfaces():
    grid = Grid(BOX, (22, 20, 24))
    assert not level_set(lambda x: sphere(x, radius=0.13), grid).is_closed
    with pytest.raises(ValueError, match="no surface at 0"):
        level_set(lambda x: sphere(x) + 1.0, grid)
    with pytest.raises(ValueError, match="3-D grid"):
        level_set(sphere, Grid(Box((0.0, 0.0), (1.0, 1.0)), (8, 8)))
    two = level_set(
        lambda x: torch.minimum(sphere(x, CENTER, 0.03), sphere(x, CENTER + 0.05, 0.03)), grid
    )
    assert (two.components, two.euler_characteristic) == (2, 4)


def test_errors_of_a_shifted_sphere(mesh):
    truth = on_sphere()
    exact = mesh_errors(mesh, sphere, truth)
    assert exact.chamfer < 1e-3
    shifted = mesh_errors(
        Mesh(mesh.vertices + torch.tensor([0.01, 0, 0]), mesh.faces), sphere, truth
    )
    # |x + s| - r is s cos to first order: its modulus is s / 2 on average, and s at most
    assert shifted.chamfer == pytest.approx(0.005, rel=0.15)
    assert shifted.hausdorff == pytest.approx(0.01, rel=0.05)


def test_bad_meshes_are_refused():
    vertices = torch.zeros(3, 3)
    with pytest.raises(ValueError, match="Counted from 1"):
        Mesh(vertices, torch.tensor([[1, 2, 3]]))
    with pytest.raises(ValueError, match=r"\(n, 3\) and \(m, 3\)"):
        Mesh(vertices[:, :2], torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="NaN"):
        Mesh(vertices / 0, torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="no area"):
        Mesh(vertices, torch.tensor([[0, 1, 2]])).sample(3)


# --- PLY ------------------------------------------------------------------------------------------------------------


def test_ply_round_trip(tmp_path, mesh):
    colour = (255 * torch.rand(len(mesh.vertices), generator=torch.Generator().manual_seed(0))).to(
        torch.uint8
    )
    write_ply(
        tmp_path / "a.ply",
        mesh.vertices,
        mesh.faces,
        normals=mesh.vertex_normals,
        extra={"red": colour},
    )
    read = read_ply(tmp_path / "a.ply")
    assert torch.equal(read.vertices, mesh.vertices)
    assert torch.equal(read.faces, mesh.faces)
    assert torch.equal(read.extra["red"], colour.float())
    assert torch.allclose(
        torch.stack([read.extra[k] for k in ("nx", "ny", "nz")], 1), mesh.vertex_normals.float()
    )
    write_ply(tmp_path / "cloud.ply", mesh.vertices)
    assert read_ply(tmp_path / "cloud.ply").faces.shape == (0, 3)


def test_ply_layout_is_the_documented_one(tmp_path):
    """Bytes by hand: header, three doubles a vertex, a count and three ints a face."""
    write_ply(tmp_path / "a.ply", TETRAHEDRON.vertices, TETRAHEDRON.faces)
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
    assert head.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"element vertex 4\nproperty double x\n" in head
    assert np.frombuffer(body[:96], "<f8").tolist() == TETRAHEDRON.vertices.flatten().tolist()
    assert body[96] == 3
    assert np.frombuffer(body[97:109], "<i4").tolist() == [0, 2, 1]
    assert len(body) == 96 + 4 * 13


def test_ascii_and_big_endian_are_read(tmp_path):
    head = "ply\nformat {} 1.0\ncomment by hand\nelement vertex 3\nproperty float x\nproperty float y\n"
    head += "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(head.format("ascii") + "0 0 0\n1 0 0\n0 2 0\n3 0 1 2\n")
    body = (
        np.array([0, 0, 0, 1, 0, 0, 0, 2, 0], ">f4").tobytes()
        + b"\x03"
        + np.array([0, 1, 2], ">i4").tobytes()
    )
    (tmp_path / "b.ply").write_bytes(head.format("binary_big_endian").encode() + body)
    for name in ("a.ply", "b.ply"):
        read = read_ply(tmp_path / name)
        assert read.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0]]
        assert read.faces.tolist() == [[0, 1, 2]]
    (tmp_path / "a.ply").write_text(head.format("ascii") + "0 0 0\n1 0 0\n0 2 0\n")
    with pytest.raises(FileFormatError, match="promises 1 of 'face', the file ends after 0"):
        read_ply(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_text(head.format("ascii") + "0 0 0\n1 0 0\n0 2\n3 0 1 2\n")
    with pytest.raises(FileFormatError, match="as many numbers"):
        read_ply(tmp_path / "a.ply")
    (tmp_path / "b.ply").write_bytes(
        head.format("binary_big_endian").encode() + body[:-4] + b"\0\0\0\x09"
    )
    with pytest.raises(FileFormatError, match="vertices up to 9; there are 3"):
        read_ply(tmp_path / "b.ply")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.ply"
    write_ply(path, TETRAHEDRON.vertices, TETRAHEDRON.faces)
    whole = path.read_bytes()
    cases = [
        (whole[:-3], "promises 4 of 'face', the file ends after 3. Truncated"),
        (b"solid", "no header"),
        (whole.replace(b"double x", b"quad x"), "is no PLY"),
        (whole[:40], "no header"),
        (b"", "empty file"),
    ]
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=message):
            read_ply(path)
    with pytest.raises(ValueError, match=r"normals has shape \(3, 3\)"):
        write_ply(path, TETRAHEDRON.vertices, normals=torch.zeros(3, 3))
    with pytest.raises(ValueError, match="Counted from 1"):
        write_ply(path, TETRAHEDRON.vertices, TETRAHEDRON.faces + 1)
    with pytest.raises(ValueError, match="cannot be the name"):
        write_ply(path, TETRAHEDRON.vertices, extra={"x": torch.zeros(4)})


# --- figures --------------------------------------------------------------------------------------------------------


def test_figures_have_equal_axes_and_show_what_they_are_given(mesh, tmp_path):
    ax = plotting_3d.mesh(mesh, title="sphere")
    spans = [b - a for a, b in (ax.get_xlim(), ax.get_ylim(), ax.get_zlim())]
    assert max(spans) - min(spans) < 1e-9
    assert (
        ax.get_xlim()[0]
        < float(mesh.vertices[:, 0].min())
        < float(mesh.vertices[:, 0].max())
        < ax.get_xlim()[1]
    )
    assert len(ax.collections) == 1
    plotting_3d.point_cloud(on_sphere(50), axes=ax)
    assert len(ax.collections) == 2
    ax = plotting_3d.point_cloud(on_sphere(50), values=torch.arange(50.0), label="dB")
    assert [a.get_ylabel() for a in ax.figure.axes[1:]] == ["dB"]
    ax.figure.savefig(tmp_path / "a.png")


def test_figures_refuse_what_they_cannot_draw(mesh):
    with pytest.raises(ValueError, match="no faces"):
        plotting_3d.mesh(Mesh(mesh.vertices, mesh.faces[:0]))
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        plotting_3d.point_cloud(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="one a point"):
        plotting_3d.point_cloud(torch.zeros(4, 3), values=torch.zeros(3))
    with pytest.raises(ValueError, match="flat"):
        plotting_3d.mesh(mesh, axes=Figure().subplots())
