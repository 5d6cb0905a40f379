"""A scene that moves: exact pictures, whole times held out, and a short fit beside one at rest."""

import pytest
import torch

from inverse_inr import Solution, Solver
from inverse_inr.io import read_ply
from inverse_inr.operators import Cameras
from inverse_inr.priors.moving import DeformedPrior
from inverse_inr.problems.scene import AtTime, busy_table_top, pictures, scene_moving
from inverse_inr.problems.scene.moving import filmed, moments
from inverse_inr.problems.scene.simulated import around, table_top


def test_each_picture_is_of_its_own_time_and_the_truth_renders_as_it(tmp_path):
    problem = scene_moving(size=8, views=4, hold_out_views=2, samples=120, noise_level=0.0)
    operator = problem.terms[0].operator
    measured = problem.terms[0].y.reshape(4, 8, 8, 3)
    seen = pictures(busy_table_top(), operator)
    error = float((seen - measured).square().mean().sqrt())
    assert error < 0.1  # pixels are averages
    still = pictures(AtTime(busy_table_top(), 0.0), operator_at_rest(operator))
    assert float((still - measured)[1:].square().mean().sqrt()) > 1.2 * error
    solution = Solution(busy_table_top(), problem, "truth")
    paths = problem.suggested.write(solution, tmp_path)
    assert [p.name for p in paths] == ["orbit.gif", "depth.gif", "mesh.json", "mesh.ply"]
    mesh = read_ply(tmp_path / "mesh.ply")
    assert {"red", "green", "blue"} <= set(mesh.extra)


def operator_at_rest(operator):
    from inverse_inr.operators import VolumeRendering
    from inverse_inr.problems.scene.simulated import BOX

    return VolumeRendering(BOX, operator.cameras, operator.samples, background=1.0)


def test_a_held_out_view_is_a_held_out_time():
    problem = scene_moving(size=4, views=9, hold_out_views=4, samples=4)
    operator = problem.terms[0].operator
    solver = Solver(problem, steps=1, batch=8)
    assert operator.groups[solver.watched_rows[0]].unique().tolist() == [2, 6]
    assert len(operator.times.unique()) == 9
    assert isinstance(solver.prior, DeformedPrior)
    assert problem.grid.shape[3] > 1


def test_the_scene_stays_in_its_box_and_nothing_passes_through_another():
    for time in (0.0, 0.5, 1.0):
        solids = busy_table_top().at(time)
        assert bool((solids.centers.abs() + solids.halves <= 0.95).all())
        ball, block = solids.centers[1], solids.centers[3]
        nearest = torch.maximum((ball - block).abs() - solids.halves[3], torch.zeros(3))
        assert float(nearest.norm()) > 0.34
    torch.testing.assert_close(busy_table_top().at(0.0).centers[2], table_top().centers[2])


@pytest.mark.slow
def test_views_at_times_that_nobody_took_are_better_than_the_scene_at_rest():
    problem = scene_moving(size=16, views=24, samples=16, hold_out_views=8)
    field = Solver(problem, steps=150, batch=512).run().field
    times = moments(4, phase=0.2)
    cameras = Cameras(around(4, phase=0.5), (16, 16), 20.0)
    truth = filmed(busy_table_top(), cameras, times, 3).reshape(4, 16, 16, 3)
    operator = problem.terms[0].operator
    error = (pictures(field, operator, cameras, times) - truth).square().mean()
    frozen = pictures(field, operator, cameras, torch.full_like(times, 0.5)) - truth
    assert float(error) < 0.9 * float(frozen.square().mean())
