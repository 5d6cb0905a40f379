"""Meshes out of densities: closed forms, the level that rays choose, and fields without surface."""

import json

import pytest
import torch

from inverse_inr import Grid, Solution
from inverse_inr.io import read_ply
from inverse_inr.problems.scene import Solids, mesh_of, scene, surface_density
from inverse_inr.problems.scene.meshes import colours_at, write_mesh

BALL = Solids(
    torch.tensor([[0.1, -0.1, 0.1]]),
    torch.full((1, 3), 0.5),
    torch.zeros(1),
    torch.tensor([20.0]),
    torch.tensor([[0.9, 0.2, 0.4]]),
)


def soft_ball(points: torch.Tensor) -> torch.Tensor:
    """The ball with an edge as wide as a cell, of which half the density is at the radius."""
    away = (points - torch.tensor([0.1, -0.1, 0.1]).to(points)).norm(dim=-1, keepdim=True)
    density = 20 * torch.sigmoid((0.5 - away) / 0.02)
    return torch.cat([density, *[torch.full_like(density, c) for c in (0.9, 0.2, 0.4)]], -1)


def problem(size: int = 24):
    return scene(size=size, views=2, hold_out_views=2, samples=96, noise_level=0.0)


@pytest.mark.parametrize("opaque", [1, 20])
def test_the_edge_of_a_ball_is_where_its_radius_is_however_opaque_it_is(opaque):
    """Half of the largest density would be at 0.42 where the ball is twenty times denser inside."""
    made = problem()
    operator = made.terms[0].operator

    def ball(points: torch.Tensor) -> torch.Tensor:
        values = soft_ball(points)
        inner = (points - BALL.centers.to(points)).norm(dim=-1, keepdim=True) < 0.42
        return torch.cat([values[..., :1] * torch.where(inner, opaque, 1), values[..., 1:]], -1)

    assert 4 < surface_density(ball, operator) < 10
    mesh = mesh_of(ball, operator, made.grid, factor=2)
    assert mesh.is_closed
    away = (mesh.vertices - BALL.centers).norm(dim=1)
    assert float((away - 0.5).abs().max()) < 0.03
    torch.testing.assert_close(
        colours_at(soft_ball, mesh.vertices), BALL.colours.expand(len(away), 3), atol=1e-6, rtol=0
    )


def test_a_level_of_one_s_own_moves_the_surface():
    made = problem()
    operator = made.terms[0].operator
    grid = Grid(made.box, (40, 40, 30))
    low, high = (mesh_of(soft_ball, operator, grid, level=level).volume for level in (2.0, 18.0))
    assert low > high > 0


def test_a_mesh_is_written_with_its_colours_and_its_density(tmp_path):
    paths = write_mesh(Solution(soft_ball, problem(), "truth"), tmp_path)
    assert [p.name for p in paths] == ["mesh.json", "mesh.ply"]
    assert 4 < json.loads(paths[0].read_text())["density"] < 10
    read = read_ply(paths[1])
    assert len(read.faces) > 100
    assert set(read.extra["red"].tolist()) == {230}


def test_a_field_without_a_surface_says_so(tmp_path):
    made = problem(4)

    def fog(points):
        return torch.full((*points.shape[:-1], 4), 0.1).to(points)

    with pytest.raises(ValueError, match="none of 32 rays loses nine tenths"):
        surface_density(fog, made.terms[0].operator)
    (path,) = write_mesh(Solution(fog, made, "fog"), tmp_path)
    assert "loses nine tenths" in json.loads(path.read_text())["no surface"]
