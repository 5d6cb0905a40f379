"""Meshes of level sets against closed forms, and their figures."""

import math

import pytest
import torch
from cases.mesh import BOX, CENTER, RADIUS, TETRAHEDRON, sphere
from matplotlib.figure import Figure

from inverse_inr import Box, Grid
from inverse_inr.surfaces import Mesh, level_set, mesh_errors
from inverse_inr.surfaces import plotting as plotting_3d


def on_sphere(count=3000):
    draw = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return CENTER + RADIUS * torch.nn.functional.normalize(draw, dim=-1)


@pytest.fixture(scope="module")
def mesh():
    return level_set(sphere, Grid(BOX, (44, 40, 48)))


def test_a_tetrahedron_has_the_numbers_counted_by_hand():
    assert TETRAHEDRON.is_closed
    assert (TETRAHEDRON.euler_characteristic, TETRAHEDRON.components) == (2, 1)
    assert TETRAHEDRON.volume == pytest.approx(1 / 6)
    assert TETRAHEDRON.area == pytest.approx(1.5 + math.sqrt(3) / 2)
    assert not Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces[:3]).is_closed
    turned = torch.cat([TETRAHEDRON.faces[:3], TETRAHEDRON.faces[3:].flip(1)])
    assert not Mesh(TETRAHEDRON.vertices, turned).is_closed  # one face winds the other way
    twice = torch.cat([TETRAHEDRON.faces, TETRAHEDRON.faces])
    assert not Mesh(TETRAHEDRON.vertices, twice).is_closed


def test_sphere_is_closed_and_where_it_should_be(mesh):
    assert mesh.is_closed
    assert (mesh.euler_characteristic, mesh.components) == (2, 1)
    # the volume is positive: faces turn outwards
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.01)
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


COARSE = Grid(BOX, (22, 20, 24))


def test_a_surface_that_leaves_the_box_is_open():
    assert not level_set(lambda x: sphere(x, radius=0.13), COARSE).is_closed


def test_a_missing_surface_is_named():
    with pytest.raises(ValueError, match="no surface at 0"):
        level_set(lambda x: sphere(x) + 1.0, COARSE)


def test_a_surface_on_a_plane_grid_is_refused():
    with pytest.raises(ValueError, match="3-D grid"):
        level_set(sphere, Grid(Box((0.0, 0.0), (1.0, 1.0)), (8, 8)))


def test_two_spheres_are_two_components():
    def both(x):
        return torch.minimum(sphere(x, CENTER, 0.03), sphere(x, CENTER + 0.05, 0.03))

    two = level_set(both, COARSE)
    assert (two.components, two.euler_characteristic) == (2, 4)


def test_errors_of_a_shifted_sphere(mesh):
    truth = on_sphere()
    exact = mesh_errors(mesh, sphere, truth)
    assert exact.chamfer < 1e-3
    moved = Mesh(mesh.vertices + torch.tensor([0.01, 0, 0]), mesh.faces)
    shifted = mesh_errors(moved, sphere, truth)
    # |x + s| - r is s cos to first order: its modulus is s / 2 on average, and s at most
    assert shifted.chamfer == pytest.approx(0.005, rel=0.15)
    assert shifted.hausdorff == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("vertices", "face", "message"),
    [
        (torch.zeros(3, 3), [1, 2, 3], "Counted from 1"),
        (torch.zeros(3, 2), [0, 1, 2], r"\(n, 3\) and \(m, 3\)"),
        (torch.zeros(3, 3) / 0, [0, 1, 2], "NaN"),
    ],
    ids=["counted from 1", "plane", "NaN"],
)
def test_bad_meshes_are_refused(vertices, face, message):
    with pytest.raises(ValueError, match=message):
        Mesh(vertices, torch.tensor([face]))


def test_a_mesh_without_area_has_no_samples():
    flat = Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="no area"):
        flat.sample(3)


# --- figures ------------------------------------------------------------------------------------


def test_figures_have_equal_axes_and_show_what_they_are_given(mesh, tmp_path):
    ax = plotting_3d.mesh(mesh, title="sphere")
    spans = [b - a for a, b in (ax.get_xlim(), ax.get_ylim(), ax.get_zlim())]
    assert max(spans) - min(spans) < 1e-9
    left, right = ax.get_xlim()
    x = mesh.vertices[:, 0]
    assert left < float(x.min()) < float(x.max()) < right
    assert len(ax.collections) == 1
    plotting_3d.point_cloud(on_sphere(50), axes=ax)
    assert len(ax.collections) == 2
    ax = plotting_3d.point_cloud(on_sphere(50), values=torch.arange(50.0), label="dB")
    assert [a.get_ylabel() for a in ax.figure.axes[1:]] == ["dB"]
    ax.figure.savefig(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda mesh: plotting_3d.mesh(Mesh(mesh.vertices, mesh.faces[:0])), "no faces"),
        (lambda mesh: plotting_3d.point_cloud(torch.zeros(0, 3)), r"\(n, 3\)"),
        (
            lambda mesh: plotting_3d.point_cloud(torch.zeros(4, 3), values=torch.zeros(3)),
            "one a point",
        ),
        (lambda mesh: plotting_3d.mesh(mesh, axes=Figure().subplots()), "flat"),
    ],
    ids=["no faces", "no points", "values", "flat axes"],
)
def test_figures_refuse_what_they_cannot_draw(mesh, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(mesh)
