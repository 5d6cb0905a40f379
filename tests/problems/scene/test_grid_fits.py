"""Fits of a grid to pictures: what varies, where it begins, and the weight that views choose."""

import pytest
import torch

from inverse_inr import Box, Grid, priors
from inverse_inr.evaluation import Memo
from inverse_inr.problems.scene import OpacityVariation, scene, scene_fits
from inverse_inr.problems.scene.grid_fits import begin_clear, variation_on

BOX = Box((-40.0,) * 3, (40.0,) * 3)
GRID = Grid(BOX, (8,) * 3)


def wall(density: float):
    """One half of the box is dense, the other empty; colours are everywhere the same."""

    def field(points: torch.Tensor) -> torch.Tensor:
        there = (points[..., :1] > 0).to(points)
        return torch.cat([density * there, torch.ones_like(points)], -1)

    return field


def test_what_is_opaque_does_not_vary_more_when_it_is_denser():
    variation = OpacityVariation(GRID)
    none = torch.zeros(0, 3)
    # one step across 8 x 8 faces of the 8³ cells, of height 1 - exp(-σ h), over h = 10, 4 channels
    thin = float(variation(wall(0.05), none))
    assert thin == pytest.approx((1 - 2.718281828**-0.5) / (10 * 8 * 4), rel=1e-3)
    dense, denser = (float(variation(wall(sigma), none)) for sigma in (10.0, 1000.0))
    assert dense == pytest.approx(1 / (10 * 8 * 4), rel=1e-3)
    assert denser == pytest.approx(dense, rel=1e-5)


def test_of_a_scene_that_moves_one_time_is_seen():
    def after(points: torch.Tensor) -> torch.Tensor:
        return wall(10.0)(points[..., :3]) * (points[..., 3:] > 0.5)

    none = torch.zeros(0, 4)
    assert float(OpacityVariation(GRID, time=0.2)(after, none)) == 0
    assert float(OpacityVariation(GRID, time=0.7)(after, none)) > 0


def test_patches_see_as_much_as_the_whole_grid_in_the_mean():
    assert variation_on(GRID).patch is None
    assert variation_on(Grid(BOX, (64,) * 3)).patch == 32
    torch.manual_seed(0)
    values = torch.rand(8, 8, 8, 1)

    def rough(points: torch.Tensor) -> torch.Tensor:
        index = ((points + 40) / 10).long().clamp(0, 7)
        seen = values[index[..., 0], index[..., 1], index[..., 2]].to(points)
        return torch.cat([0 * seen, seen, seen, seen], -1)

    whole = OpacityVariation(GRID)(rough, torch.zeros(0, 3))
    parts = [OpacityVariation(GRID, patch=5)(rough, torch.zeros(0, 3)) for _ in range(60)]
    # the whole grid has layers at its far faces whose next one is missing
    assert float(torch.stack(parts).mean()) == pytest.approx(float(whole), rel=0.15)


def test_a_grid_begins_as_thin_haze_whatever_the_unit():
    head = ["exp", "sigmoid", "sigmoid", "sigmoid"]
    prior = priors.create("grid", BOX, 4, head=head, cells=8.0)
    begin_clear(BOX)(prior)
    seen = prior(GRID.points())
    torch.testing.assert_close(seen[..., 0], torch.full((8, 8, 8), 1 / 40))
    torch.testing.assert_close(seen[..., 1:], torch.full((8, 8, 8, 3), 0.5))
    other = priors.create("grid", BOX, 4, cells=8.0)
    begin_clear(BOX)(other)
    assert not bool(next(other.parameters()).any())


@pytest.mark.slow
def test_held_out_views_choose_the_weight_and_the_report_has_it():
    problem = scene(size=12, views=12, samples=16, hold_out_views=6)
    grid, hashed = scene_fits(problem, steps=60)
    details = grid.solution.details
    by_weight = details["held-out by weight"]
    assert f"{details['weight of TV']:.4g}" == min(by_weight, key=lambda weight: by_weight[weight])
    assert (grid.solution.method, hashed.solution.method) == ("grid, TV", "hash")
    held_out = grid.solution.held_out()
    assert held_out is not None
    assert held_out < by_weight["0"]
    again = grid.made_again()
    assert again.details["weight of TV"] == details["weight of TV"]
    assert not any(len(rows) for rows in again.watched)


def test_variation_at_a_time_is_computed_as_the_field_computes():
    """A memo, which a solver hands to regularizers, has no parameters that tell the precision."""
    field = torch.nn.Linear(4, 4).double()
    variation = OpacityVariation(GRID, time=0.5)
    none = torch.zeros(0, 4)
    found = variation(Memo(field), none)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, variation(field, none))
