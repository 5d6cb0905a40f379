"""Shapes from clouds and meshes: what is sought, what comes out, what is refused."""

import math

import pytest
import torch
from cases.mesh import TETRAHEDRON

from inverse_inr import Box, Grid, Problem, Solver
from inverse_inr.io import FileFormatError, read_ply, write_ply
from inverse_inr.operators import Values
from inverse_inr.priors import siren
from inverse_inr.problems.shapes import (
    as_distance,
    cloud_on,
    distance_of_solid,
    shape_cloud,
    shape_mesh,
    surface_of,
)
from inverse_inr.problems.shapes.meshes import signed_distance
from inverse_inr.problems.shapes.output import figure, write_surface
from inverse_inr.surfaces import Occupancy, UnsignedDistance, intersection_over_union, level_set


def places_of(problem: Problem) -> torch.Tensor:
    operator = problem.terms[0].operator
    assert isinstance(operator, Values)
    return operator.positions()


def test_the_box_holds_the_cloud_with_a_margin():
    problem = shape_cloud("torus", points=200, margin=0.25, cells=20)
    points = places_of(problem)
    longest = float((points.amax(0) - points.amin(0)).max())
    for k in range(3):
        assert problem.box.lower[k] == pytest.approx(float(points[:, k].min()) - 0.25 * longest)
    assert max(problem.grid.spacing) < 1.2 * min(problem.grid.spacing)


def test_simple_surfaces_pass_through_the_points():
    problem = shape_cloud("sphere", points=800, cells=16)
    exact = distance_of_solid("sphere")
    for name, method in problem.suggested.baselines.items():
        overlap = intersection_over_union(method(problem).field, exact, problem.box, 5000)
        assert overlap > 0.97, name


def test_the_kinds_have_their_losses_and_values():
    occupancy = shape_mesh("sphere", kind="occupancy").terms[0]
    assert set(occupancy.y.unique().tolist()) == {0.0, 1.0}
    assert type(occupancy.fidelity).__name__ == "CrossEntropy"
    signed = shape_mesh("sphere").terms[0]
    exact = distance_of_solid("sphere")(places_of(shape_mesh("sphere")))[:, 0]
    torch.testing.assert_close(signed.y, exact.float())
    assert float(shape_mesh("bowl").terms[0].y.min()) >= 0
    assert float(shape_cloud("bowl", points=100).terms[0].y.min()) >= 0


def test_signed_distances_of_a_mesh_are_those_of_its_shape():
    exact = distance_of_solid("sphere")
    mesh = level_set(exact, Grid(Box((-1.0,) * 3, (1.0,) * 3), (40,) * 3))
    places = torch.rand(300, 3, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    assert float((signed_distance(mesh, places) - exact(places)[:, 0]).abs().max()) < 4e-3


def test_an_inside_begins_as_a_sphere():
    box = Box((-1.0,) * 3, (3.0,) * 3)
    still = siren(box, width=4, depth=1)
    logit = Occupancy(box, still, radius=0.5, strength=1e-9, softness=0.1)
    places = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.5, 1.0], [1.0, 1.0, 3.0]])
    torch.testing.assert_close(logit(places)[:, 0], torch.tensor([5.0, 0.0, -15.0]))


def test_points_alone_give_a_surface_that_is_open_where_they_end():
    problem = shape_cloud("bowl", points=3000, cells=20)
    simple = problem.suggested.baselines["nearest point"](problem)
    mesh = surface_of(simple)
    assert not mesh.is_closed
    assert float(distance_of_solid("bowl")(mesh.vertices).mean()) < 0.5 * max(problem.grid.spacing)


def test_a_run_writes_a_surface_and_draws_it(tmp_path):
    problem = shape_cloud("sphere", points=100, cells=8)
    solution = Solver(problem, steps=1).run()  # it starts from a sphere
    (path,) = write_surface(solution, tmp_path)
    assert len(read_ply(path).faces) > 20
    assert len(figure(problem, [solution, solution]).axes) == 2


def test_an_unsigned_fit_asks_for_slopes_and_refuses_frames():
    from inverse_inr import priors

    box = Box((-1.0,) * 3, (1.0,) * 3)
    with pytest.raises(TypeError, match="'nerv' makes whole frames"):
        UnsignedDistance(box, priors.nerv(box, bandwidth=4.0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: shape_cloud(str(path)), FileFormatError, "NaN or zero"),
        (lambda path: shape_mesh(str(path)), FileFormatError, "no faces"),
        (lambda path: shape_cloud("tora"), ValueError, "Unknown shape 'tora'.*'torus'"),
        (lambda path: shape_mesh("bowl", kind="occupancy"), ValueError, "open and has no inside"),
        (lambda path: shape_cloud("there.ply"), FileNotFoundError, "no file"),
    ],
)
def test_bad_shapes_are_refused_by_name(tmp_path, call, error, message):
    points, normals = cloud_on("sphere", 10)
    normals[2] = math.nan
    write_ply(tmp_path / "a.ply", points, normals=normals)
    with pytest.raises(error, match=message):
        call(tmp_path / "a.ply")


def test_points_without_normals_have_an_unsigned_distance_only(tmp_path):
    points, _ = cloud_on("sphere", 40)
    write_ply(tmp_path / "a.ply", points)
    assert shape_cloud(str(tmp_path / "a.ply")).notes["distance"] == "unsigned"
    with pytest.raises(ValueError, match=r"no normals .*which say where the inside is"):
        shape_cloud(str(tmp_path / "a.ply"), distance="signed")


def test_an_open_mesh_has_no_occupancy(tmp_path):
    path = tmp_path / "open.ply"
    write_ply(path, TETRAHEDRON.vertices, TETRAHEDRON.faces[:3])
    with pytest.raises(ValueError, match="the mesh of 3 faces is not closed"):
        shape_mesh(str(path), kind="occupancy")
    assert shape_mesh(str(path), kind="unsigned").notes["kind"] == "unsigned"


@pytest.mark.slow
def test_a_cloud_of_one_s_own_becomes_a_closed_surface(tmp_path):
    """A box of millimetres far from the origin, as a scanner's file has it."""
    points, normals = cloud_on("box", 3000, seed=7)
    shift = torch.tensor([40.0, -7.0, 120.0]).double()
    write_ply(tmp_path / "scan.ply", 0.005 * points + shift, normals=normals)
    problem = shape_cloud(str(tmp_path / "scan.ply"))
    solution = Solver(problem, steps=400).run()
    mesh = surface_of(solution)
    assert mesh.is_closed
    assert (mesh.components, mesh.euler_characteristic) == (1, 2)
    assert mesh.volume == pytest.approx(8 * 0.6 * 0.45 * 0.35 * 0.005**3, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("sphere", "signed"), ("box", "signed"), ("torus", "signed"), ("box", "occupancy")],
)
def test_a_learnt_mesh_overlaps_its_shape(name, kind):
    problem = shape_mesh(name, kind=kind, seed=5)
    solution = Solver(problem).run()
    exact = distance_of_solid(name)
    overlap = intersection_over_union(as_distance(solution), exact, problem.box)
    assert overlap > 0.99
    assert surface_of(solution).is_closed


@pytest.mark.slow
def test_a_learnt_bowl_stays_open():
    solution = Solver(shape_mesh("bowl", seed=5), steps=1500).run()
    mesh = surface_of(solution, 2)
    assert not mesh.is_closed
    assert float(mesh.vertices[:, 2].max()) < 0.05
    assert mesh.area == pytest.approx(2 * math.pi * 0.36, rel=0.1)
