"""Lines of sight are free: carving finds empty places and leaves the body alone."""

import torch

from inverse_inr.problems.radar import surfaces
from inverse_inr.problems.radar.carving import free_space, outside
from inverse_inr.problems.radar.two_stages import fit_distance


def scene():
    """A plate with a cylinder, and points that lie exactly on it."""
    problem = surfaces(
        "cylinder on a plate", azimuths=16, heights=4, tones=10, pitch=0.018, scatterers=400, seed=2
    )
    points = problem.notes["shape"].scatterers(150, torch.Generator().manual_seed(0))[0]
    return problem, points.float()


def test_carved_places_lie_outside_of_the_body():
    problem, points = scene()
    found = free_space(problem, points)
    depth = -problem.notes["shape"](found.double())[..., 0]
    assert len(found) > 100
    assert float((depth > 0.5 * problem.grid.spacing[0]).double().mean()) < 0.05


def test_more_votes_carve_less():
    problem, points = scene()
    assert len(free_space(problem, points, votes=4)) < len(free_space(problem, points))


def test_beyond_the_hull_is_outside():
    problem, points = scene()
    found = outside(problem, points)
    corner = problem.grid.points(torch.float32)[0, 0, 0]
    assert float((found - corner).norm(dim=1).min()) < 1e-6
    line = torch.linspace(-0.05, 0.05, 9)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    assert torch.equal(outside(problem, line), free_space(problem, line))  # no hull


def test_a_distance_is_positive_where_nothing_is():
    """Points on a sphere and a free cap: the surface gives way there."""
    problem, _ = scene()
    draw = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    normals = torch.nn.functional.normalize(draw, dim=1)
    cloud = 0.05 * normals
    cap = torch.tensor([0.0, 0.0, 0.04]) + 0.005 * draw[:100]
    free = fit_distance(cloud, normals, problem.box, scale=0.009, free=cap, steps=60)
    closed = fit_distance(cloud, normals, problem.box, scale=0.009, steps=60)
    middle = torch.tensor([[0.0, 0.0, 0.04]])
    assert float(free(middle)) > float(closed(middle)) + 0.005
