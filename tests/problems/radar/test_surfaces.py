"""Signed distances: closed forms of their terms, the two stages, and scatterers on a surface."""

import importlib
import math
from pathlib import Path

import pytest
import torch

from inverse_inr import Box, Grid, Solution, priors
from inverse_inr.command.config import Run
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.derivatives import gradient
from inverse_inr.evaluation import Memo
from inverse_inr.io import read_ply
from inverse_inr.problems.radar import surfaces
from inverse_inr.problems.radar.surface_scenes import shape
from inverse_inr.problems.radar.surfaces import direct
from inverse_inr.problems.radar.two_stages import fit_distance, sub_apertures, two_stages
from inverse_inr.surfaces import (
    Eikonal,
    IsoPoints,
    NearSurface,
    OffSurface,
    OnSurface,
    SignedDistance,
    Surface,
    cloud_normals,
    distance_of,
    level_set,
    mesh_errors,
    project,
    spread,
)

BOX = Box((-0.1, -0.1, -0.1), (0.1, 0.1, 0.1), ("m",) * 3)
RADIUS = 0.05


def sphere(points):
    return torch.linalg.vector_norm(points, dim=-1, keepdim=True) - RADIUS


def number(value):
    return value.detach().item()


def on_sphere(count=400, seed=0):
    normals = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    normals = torch.nn.functional.normalize(normals, dim=1)
    return RADIUS * normals, normals


def points(count=500, seed=0):
    return BOX.random_points(count, generator=torch.Generator().manual_seed(seed))


def test_a_signed_distance_starts_as_a_closed_sphere():
    for correction, options in (("siren", {}), ("hash", {"interpolation": "smoothstep"})):
        field = SignedDistance(BOX, correction, radius=0.06, **options)
        mesh = level_set(field, Grid(BOX, (24, 24, 24)))
        assert mesh.is_closed
        assert mesh.euler_characteristic == 2
        assert float((torch.linalg.vector_norm(mesh.vertices, dim=1) - 0.06).abs().max()) < 0.006
        assert field(torch.zeros(1, 3)) < 0  # negative inside
        assert {id(p) for g in field.param_groups() for p in g["params"]} == {
            id(p) for p in field.parameters()
        }


def test_bad_signed_distances_are_refused():
    with pytest.raises(ValueError, match="3-D in one unit"):
        SignedDistance(Box((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(ValueError, match="3-D in one unit"):
        SignedDistance(Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ("m", "m", "s")))
    with pytest.raises(TypeError, match="derivatives"):
        SignedDistance(BOX, "relu", width=16)
    with pytest.raises(TypeError, match=r"\['width'\] belong"):
        SignedDistance(BOX, priors.siren(BOX), width=16)


def test_eikonal_is_zero_for_distances_only():
    where = points()
    assert number(Eikonal()(sphere, where)) < 1e-10
    assert number(Eikonal()(lambda x: 3 * sphere(x), where)) == pytest.approx(4.0, rel=1e-5)
    assert number(Eikonal()(lambda x: 0 * sphere(x), where)) == pytest.approx(1.0)


def test_on_and_off_surface_terms_in_closed_form():
    cloud, normals = on_sphere()
    assert number(OnSurface(cloud, normals, count=4000)(sphere, points())) < 1e-5
    shifted = OnSurface(cloud * 1.2, normals, scale=0.01)  # 10 mm outside, in units of 10 mm
    assert number(shifted(sphere, points())) == pytest.approx(1.0, rel=1e-4)
    sideways = torch.nn.functional.normalize(torch.linalg.cross(normals, normals.roll(1, 1)), dim=1)
    assert number(OnSurface(cloud, sideways)(sphere, points())) == pytest.approx(1.0, rel=1e-4)
    assert (
        number(OnSurface(cloud, -normals)(sphere, points())) < 1e-5
    )  # the sign of a normal is not used
    assert number(OffSurface(0.01)(lambda x: 0 * x[:, :1] + 0.02, points())) == pytest.approx(
        0.1353, rel=1e-3
    )
    assert (
        number(IsoPoints(cloud, normals, 0.01)(sphere, points())) < 0.02
    )  # nearest normals are a few degrees off


def test_projection_and_repulsion_stay_on_the_surface():
    start = 1.3 * on_sphere()[0] + 0.003
    found = project(sphere, start, 4)
    assert float(sphere(found).abs().max()) < 1e-6
    assert (
        float(sphere(project(sphere, start, 1, reach=0.001)).abs().max()) > 0.01
    )  # steps are limited
    moved = project(sphere, spread(found, torch.nn.functional.normalize(found, dim=1)), 4)

    def nearest(cloud):
        return (torch.cdist(cloud, cloud) + torch.eye(len(cloud))).min(1).values

    assert float(nearest(moved).std() / nearest(moved).mean()) < float(
        nearest(found).std() / nearest(found).mean()
    )


def test_normals_of_a_cloud():
    cloud, normals = on_sphere(2000)
    assert float((cloud_normals(cloud, 0.01) * normals).sum(1).abs().min()) > 0.97
    assert cloud_normals(cloud[:3], 1e-4).abs().sum() == 0  # lone points have none


class Shell(torch.nn.Module):
    """Scatterers on the sphere of `RADIUS` and a haze everywhere."""

    def __init__(self, haze: float = 0.02) -> None:
        super().__init__()
        self.haze = haze

    def forward(self, points):
        return torch.exp(-0.5 * (sphere(points) / 0.012).square()) + self.haze


def pulled(field: Surface, grid: Grid) -> torch.Tensor:
    """Distances from the true sphere, after a hundred steps under the penalty alone."""
    optimizer = torch.optim.Adam(field.distance.parameters(), lr=1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        (30 * NearSurface(grid, 0.012)(field, points()) + Eikonal()(field, points())).backward()
        optimizer.step()
    return sphere(level_set(distance_of(field), grid).vertices)


def test_a_surface_is_pulled_to_what_scatters():
    grid = Grid(BOX, (11, 11, 11))
    for radius in (0.035, 0.07):
        field = Surface(SignedDistance(BOX, radius=radius), Shell())
        assert (
            float(pulled(field, grid).abs().max()) < 0.008
        )  # from 15 and 20 mm away, voxels of 18 mm


class Ball(torch.nn.Module):
    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, points):
        return torch.linalg.vector_norm(points, dim=-1, keepdim=True) - self.radius


def cheapest_radius(penalty, haze: float) -> float:
    """The concentric sphere, to half a millimetre, that the penalty prefers; nothing is fitted."""
    radii = [0.03 + 0.0005 * k for k in range(111)]
    return min(
        radii, key=lambda r: number(penalty(Surface(Ball(r), Shell(haze)), torch.zeros(0, 3)))
    )


class Unbounded(NearSurface):
    """With |f| itself in place of 1 - exp(-|f| / length): what the penalty must not be."""

    def __call__(self, field, points):
        size = field.sample(self.grid).abs()
        far = distance_of(field)(self.grid.points(size.dtype)).abs() / self.length
        return (size + size.square() / size.max() * far).mean()


def test_a_haze_does_not_pull_a_surface_away():
    """Half the energy is haze, mostly outside: without the bound the surface moves by 3.5 mm."""
    grid = Grid(BOX, (40, 40, 40))

    def moved(penalty):
        return cheapest_radius(penalty, 0.2) - cheapest_radius(penalty, 0.0)

    assert abs(moved(NearSurface(grid, 0.012))) < 0.002  # measured: 0.0005
    assert moved(Unbounded(grid, 0.012)) > 0.003


class Constant(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, points):
        return self.value + 0 * points[..., :1]


def test_near_surface_in_closed_form():
    field = Surface(Constant(0.03), Constant(2.0))
    # |sigma| + sigma² / max · (1 - exp(-|f| / length))
    expected = 2 + 2 * (1 - math.exp(-3))
    assert number(NearSurface(Grid(BOX, (4, 4, 4)), 0.01)(field, points())) == pytest.approx(
        expected
    )


def test_a_surface_is_a_field_and_a_prior():
    field = Surface(SignedDistance(BOX), priors.hash(BOX, levels=2, coarsest=4, finest=8))
    assert distance_of(Memo(field)) is field.distance
    assert distance_of(sphere) is sphere
    assert torch.allclose(
        field.sample(Grid(BOX, (5, 6, 7))), field(Grid(BOX, (5, 6, 7)).points()), atol=1e-6
    )
    groups = [id(p) for g in field.param_groups() for p in g["params"]]
    assert sorted(groups) == sorted(id(p) for p in field.parameters())


@pytest.mark.parametrize("name", ["sphere", "box"])  # the concave one: test_aspects.py
def test_exact_shapes(name):
    body = shape(name)
    where, normals = body.scatterers(2000, torch.Generator().manual_seed(0))
    assert float(body(where).abs().max()) < 1e-12
    assert float(body(where + 0.003 * normals).min()) == pytest.approx(0.003, abs=1e-9)
    slope = gradient(body, where + 0.004 * normals)[:, 0]
    assert number((slope * normals).sum(1).min()) > 1 - 1e-9
    assert body(torch.tensor([body.center])) < 0


def test_unknown_scene_names_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown scene 'spheres'.*sphere"):
        shape("spheres")


def test_stage_two_closes_a_box_from_noisy_points():
    body = shape("box")
    generator = torch.Generator().manual_seed(0)
    cloud, normals = (v.float() for v in body.scatterers(600, generator))
    noisy = cloud + 0.002 * torch.randn(cloud.shape, generator=generator)
    field = fit_distance(noisy, normals, BOX, scale=0.006, steps=50)
    mesh = level_set(field, Grid(BOX, (24, 24, 24)))
    assert mesh.is_closed
    assert (mesh.components, mesh.euler_characteristic) == (1, 2)
    start = level_set(SignedDistance(BOX), Grid(BOX, (24, 24, 24)))
    assert mesh_errors(mesh, body, cloud).chamfer < 0.5 * mesh_errors(start, body, cloud).chamfer


def test_sub_apertures_are_sectors_of_azimuth():
    problem = surfaces("sphere", azimuths=8, heights=2, pitch=0.03, scatterers=50)
    groups = sub_apertures(problem, 4)
    assert sorted(torch.cat(groups).tolist()) == list(range(16))
    assert groups[0].tolist() == [0, 1, 8, 9]


def test_direct_keeps_its_start_and_is_a_function_of_the_seed():
    problem = surfaces("sphere", azimuths=12, heights=4, pitch=0.03, scatterers=50)
    start = SignedDistance(problem.box).requires_grad_(False)
    state = {k: v.clone() for k, v in start.state_dict().items()}
    one, two = (direct(problem, start, steps=4, batch=16) for _ in range(2))
    assert all(torch.equal(v, state[k]) for k, v in start.state_dict().items())
    assert not any(p.requires_grad for p in start.parameters())
    assert torch.equal(one.sample(), two.sample())
    where = points()
    assert torch.equal(distance_of(one.field)(where), distance_of(two.field)(where))
    assert not torch.equal(distance_of(one.field)(where), start(where))


def test_a_run_writes_the_surface(tmp_path, monkeypatch):
    Run.read(Path(__file__).parents[3] / "problems" / "surfaces.toml")
    problem = surfaces("sphere", azimuths=8, heights=2, pitch=0.03, scatterers=50)
    start = SignedDistance(problem.box, radius=0.04).requires_grad_(False)
    module = importlib.import_module(
        "inverse_inr.problems.radar.surfaces"
    )  # the room exports a function of its name
    monkeypatch.setattr(module, "two_stages", lambda p: Solution(start, p, "two stages"))
    assert problem.suggested.write is not None
    (path,) = problem.suggested.write(Solution(start, problem, "any"), tmp_path)
    vertices = read_ply(path).vertices
    assert float((torch.linalg.vector_norm(vertices, dim=1) - 0.04).abs().max()) < 0.002


@pytest.mark.slow
def test_two_stages_from_echoes():
    problem = surfaces("sphere", azimuths=24, pitch=0.012, scatterers=600)
    solution = two_stages(problem, steps=150)
    body = problem.notes["shape"]
    truth = body.scatterers(2000, torch.Generator().manual_seed(1))[0]
    mesh = level_set(solution.field, Grid(problem.box, (32,) * 3))
    assert mesh.is_closed
    assert (mesh.components, mesh.euler_characteristic) == (1, 2)
    assert mesh_errors(mesh, body, truth).hausdorff < SPEED_OF_LIGHT / (
        2 * 4e9
    )  # one range resolution
