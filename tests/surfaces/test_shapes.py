"""Insides, exact distances, open surfaces, losses and files of shapes, against closed forms."""

import importlib.util
import math

import pytest
import torch
from cases.mesh import TETRAHEDRON

from inverse_inr import Box, Grid
from inverse_inr.io import FileFormatError, write_ply
from inverse_inr.problems.radar.two_stages import fit_distance
from inverse_inr.problems.shapes import cloud_on, distance_of_solid
from inverse_inr.surfaces import (
    ClampedL1,
    CrossEntropy,
    Mesh,
    OnSurface,
    distance_to,
    distance_to_sheet,
    inside,
    intersection_over_union,
    level_set,
    normal_consistency,
    open_surface,
    read_cloud,
    read_mesh,
    winding_number,
)

CUBE = Box((-1.0,) * 3, (1.0,) * 3)
F64 = torch.float64


def patch(points):
    """The unsigned distance of the square |x|, |y| <= 1/2 in the plane z = 0.03."""
    over = (points[..., :2].abs() - 0.5).clamp(min=0)
    up = points[..., 2:] - 0.03
    return torch.linalg.vector_norm(torch.cat([over, up], -1), dim=-1, keepdim=True)


def test_an_open_square_keeps_its_boundary():
    for n in (13, 20):
        mesh = open_surface(patch, Grid(CUBE, (n,) * 3))
        voxel = 2 / n
        assert not mesh.is_closed
        assert (mesh.components, mesh.euler_characteristic) == (1, 1)  # a disc: no hole, no lid
        assert mesh.area == pytest.approx(1, abs=0.08)
        assert float(mesh.vertices[:, :2].abs().max()) == pytest.approx(0.5, abs=voxel)
        middle = mesh.vertices[mesh.vertices[:, :2].abs().amax(1) < 0.5 - voxel]
        torch.testing.assert_close(middle[:, 2], torch.full_like(middle[:, 2], 0.03))


def test_a_bowl_is_a_disc_and_a_sphere_without_sign_is_a_sphere():
    bowl = open_surface(distance_of_solid("bowl"), Grid(CUBE, (32,) * 3))
    assert (bowl.components, bowl.euler_characteristic) == (1, 1)
    assert bowl.area == pytest.approx(2 * math.pi * 0.36, rel=0.03)
    sphere = distance_of_solid("sphere")
    ball = open_surface(lambda p: sphere(p).abs(), Grid(CUBE, (32,) * 3))
    assert (ball.components, ball.euler_characteristic) == (1, 2)
    assert ball.area == pytest.approx(4 * math.pi * 0.36, rel=0.01)


def test_two_sheets_are_not_joined_between_them():
    """Slopes part in the middle of two sheets too, where distances are too long for an edge."""

    def sheets(points):
        return (points[..., 2:].abs() - 0.4).abs()

    mesh = open_surface(sheets, Grid(CUBE, (15,) * 3))
    assert mesh.components == 2
    torch.testing.assert_close(
        mesh.vertices[:, 2].abs(), torch.full((len(mesh.vertices),), 0.4).double()
    )


def test_no_surface_is_said_with_the_distance_and_the_voxel():
    with pytest.raises(ValueError, match=r"the least distance is 3.*A finer grid"):
        open_surface(
            lambda p: 3 + 0 * p[..., :1] + 0 * p.sum(-1, keepdim=True), Grid(CUBE, (6,) * 3)
        )


def test_a_tetrahedron_winds_once_around_its_inside():
    points = torch.tensor([[0.1, 0.1, 0.1], [0.3, 0.3, 0.3], [0.4, 0.4, 0.4], [-0.1, 0.2, 0.2]])
    expected = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=F64)
    torch.testing.assert_close(winding_number(TETRAHEDRON, points), expected, atol=1e-9, rtol=0)
    assert inside(TETRAHEDRON, points).tolist() == [True, True, False, False]


def test_faces_above_tell_what_winding_numbers_tell():
    """A torus and a box whose faces stand upright, near to the surface and far from it."""
    for name in ("torus", "box"):
        mesh = level_set(distance_of_solid(name), Grid(CUBE, (14,) * 3))
        generator = torch.Generator().manual_seed(0)
        near = mesh.sample(300) + 0.01 * torch.randn(300, 3, dtype=F64, generator=generator)
        far = CUBE.random_points(300, dtype=F64, generator=generator) * 1.3
        places = torch.cat([near, far])
        told = inside(mesh, places)
        assert torch.equal(told, winding_number(mesh, places) > 0.5)
        assert 0 < int(told.sum()) < len(told)


def test_distances_from_a_tetrahedron_are_those_of_face_edge_and_corner():
    points = torch.tensor([[0.2, 0.2, -0.5], [-0.3, -0.4, 0.5], [2.0, 0.0, 0.0], [0.1, 0.1, 0.1]])
    expected = torch.tensor([0.5, 0.5, 1.0, 0.1], dtype=F64)
    torch.testing.assert_close(distance_to(TETRAHEDRON, points), expected)


def test_a_cloud_on_a_plane_is_a_sheet_that_ends():
    flat = torch.rand(2000, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    cloud = torch.cat([flat, 0 * flat[:, :1]], 1)
    inner, high, beside = torch.tensor([[[0.5, 0.4, 0]], [[0.3, 0.6, 0.2]], [[1.5, 0.5, 0]]]).to(
        F64
    )
    spacing = 2000**-0.5
    assert float(distance_to_sheet(cloud, inner)) < 0.1 * spacing
    assert float(distance_to_sheet(cloud, high)) == pytest.approx(0.2, rel=1e-3)
    assert float(distance_to_sheet(cloud, beside)) == pytest.approx(0.5, abs=4 * spacing)


def test_a_mesh_that_is_open_or_inside_out_has_no_inside():
    point = torch.zeros(1, 3)
    with pytest.raises(ValueError, match="inside: the mesh of 3 faces is not closed"):
        inside(Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces[:3]), point)
    with pytest.raises(ValueError, match=r"faces turn inwards .*flip"):
        inside(Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces.flip(1)), point)


@pytest.mark.parametrize("name", ["sphere", "box", "torus", "bowl"])
def test_clouds_lie_on_their_shapes_and_normals_are_slopes(name):
    distance = distance_of_solid(name)
    points, normals = cloud_on(name, 500, seed=1)
    assert float(distance(points).abs().max()) < 1e-9
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(500, dtype=F64))
    if name != "bowl":
        torch.testing.assert_close(
            distance(points + 0.01 * normals)[:, 0], torch.full((500,), 0.01).double()
        )


def test_metrics_of_equal_shapes_are_one_and_of_shells_known():
    sphere = distance_of_solid("sphere")
    mesh = level_set(sphere, Grid(CUBE, (32,) * 3))
    points, normals = cloud_on("sphere", 3000)
    assert normal_consistency(mesh, points, normals, 3000) > 0.99
    assert intersection_over_union(sphere, sphere, CUBE, 5000) == 1
    smaller = intersection_over_union(lambda p: sphere(p) + 0.1, sphere, CUBE)
    assert smaller == pytest.approx((5 / 6) ** 3, abs=0.01)
    with pytest.raises(ValueError, match="nothing is inside"):
        intersection_over_union(lambda p: sphere(p) + 9, lambda p: sphere(p) + 9, CUBE, 100)


def test_losses_are_their_formulas():
    f, y = torch.tensor([0.5, -0.05, 0.02]), torch.tensor([0.3, 0.05, 0.02])
    assert float(ClampedL1(0.1)(f, y)) == pytest.approx((0.0 + 0.1 + 0.0) / 3)
    logit = torch.tensor([0.0, 2.0])
    expected = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    assert float(CrossEntropy()(logit, torch.tensor([1, 1]))) == pytest.approx(expected)
    points, normals = cloud_on("sphere", 50)
    sphere = distance_of_solid("sphere")
    given = {"points": points, "scale": 1.0, "oriented": True}
    assert float(OnSurface(normals=normals, **given)(sphere, points).detach()) == pytest.approx(
        0, abs=1e-9
    )
    assert float(OnSurface(normals=-normals, **given)(sphere, points).detach()) == pytest.approx(2)


def test_meshes_and_clouds_come_from_ply(tmp_path):
    path = tmp_path / "a.ply"
    # each face has corners of its own, as STL has them
    loose = TETRAHEDRON.vertices[TETRAHEDRON.faces].reshape(-1, 3)
    write_ply(path, loose, torch.arange(12).reshape(4, 3))
    mesh = read_mesh(path)
    assert len(mesh.vertices) == 4
    assert mesh.is_closed
    points, normals = cloud_on("sphere", 20)
    write_ply(path, points, normals=3 * normals)
    cloud = read_cloud(path)
    torch.testing.assert_close(cloud.points, points)
    torch.testing.assert_close(cloud.normals, normals, atol=1e-6, rtol=0)
    with pytest.raises(FileFormatError, match=r"no faces. A point cloud"):
        read_mesh(path)
    normals[7] = math.nan
    write_ply(path, points, normals=normals)
    with pytest.raises(
        FileFormatError, match="1 of 20 normals are NaN or zero, the first at point 7"
    ):
        read_cloud(path)
    write_ply(path, points[:0])
    with pytest.raises(FileFormatError, match=r"the cloud is empty|vert"):
        read_cloud(path)


@pytest.mark.skipif(
    importlib.util.find_spec("trimesh") is None,
    reason="OBJ and STL need trimesh: pip install 'inverse-inr[shapes]'",
)
def test_an_obj_is_read(tmp_path):
    path = tmp_path / "a.obj"
    lines = [f"v {x} {y} {z}" for x, y, z in TETRAHEDRON.vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in TETRAHEDRON.faces.tolist()]
    path.write_text("\n".join(lines))
    assert read_mesh(path).volume == pytest.approx(1 / 6)


def test_an_stl_without_trimesh_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "trimesh", None)
    (tmp_path / "a.stl").write_text("solid a\nendsolid a\n")
    with pytest.raises(ImportError, match=r"pip install 'inverse-inr\[shapes\]'"):
        read_mesh(tmp_path / "a.stl")


def test_a_distance_is_fitted_to_three_points():
    """So few points are drawn many times each: they have no distance from each other."""
    points = torch.tensor([[0.001, 0, 0], [0, 0.001, 0], [0, 0, 0.001]])
    normals = torch.nn.functional.normalize(points, dim=1)
    box = Box((-0.1,) * 3, (0.1,) * 3, ("m",) * 3)
    distance = fit_distance(points, normals, box, scale=0.006, steps=3)
    assert bool(torch.isfinite(distance(points)).all())
