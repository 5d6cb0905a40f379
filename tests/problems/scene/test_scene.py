"""Scenes from pictures: held-out views, a flight, an object removed, files of other programs."""

import json
import math

import pytest
import torch

from inverse_inr import Box, Grid, Solution, Solver
from inverse_inr.io import write_image
from inverse_inr.operators import Cameras
from inverse_inr.problems.scene import Removed, pictures, scene, scene_views
from inverse_inr.problems.scene.simulated import around, photographed, table_top


def test_every_nth_picture_is_held_out_whole():
    problem = scene(size=6, views=9, hold_out_views=4, samples=4)
    operator = problem.terms[0].operator
    solver = Solver(problem, steps=1, batch=8)
    assert operator.groups[solver.watched_rows[0]].unique().tolist() == [2, 6]
    assert len(solver.watched_rows[0]) == 2 * 36
    with pytest.raises(ValueError, match="there are 9 views"):
        scene(size=6, views=9, hold_out_views=10)


def test_the_truth_renders_as_it_is_measured_and_is_drawn(tmp_path):
    problem = scene(size=8, views=4, hold_out_views=2, samples=400, noise_level=0.0)
    operator = problem.terms[0].operator
    seen = pictures(table_top(), operator)
    assert seen.shape == (4, 8, 8, 3)
    measured = problem.terms[0].y.reshape(4, 8, 8, 3)
    assert float((seen - measured).square().mean().sqrt()) < 0.1  # pixels are averages
    solution = Solution(table_top(), problem, "truth")
    figure = problem.suggested.figure(problem, [solution])
    assert any("PSNR" in axes.get_title() for axes in figure.axes)
    assert problem.suggested.write is not None
    paths = problem.suggested.write(solution, tmp_path)
    assert [p.name for p in paths] == ["orbit.gif", "depth.gif", "mesh.json", "mesh.ply"]
    assert all(p.stat().st_size > 1000 for p in paths if p.suffix != ".json")


@pytest.mark.slow
def test_views_that_nobody_took_are_predicted_and_an_object_can_be_removed():
    problem = scene(size=24, views=24, samples=32, hold_out_views=8)
    solution = Solver(problem, steps=200).run()
    operator = problem.terms[0].operator
    cameras = Cameras(around(4, phase=0.5), (24, 24), 30.0)

    def decibels(field: torch.nn.Module, solids) -> float:
        truth = photographed(solids, cameras, torch.ones(3), 3).reshape(4, 24, 24, 3)
        error = (pictures(field, operator, cameras) - truth).square().mean()
        return -10 * math.log10(float(error))

    assert decibels(solution.field, table_top()) > 31
    ball = Box((-0.8, -0.7, -0.43), (-0.02, 0.05, 0.3))
    without = Removed(solution.field, ball)
    assert decibels(without, table_top().without(1)) > 30
    assert (
        decibels(solution.field, table_top().without(1))
        < decibels(without, table_top().without(1)) - 1.5
    )


def written(folder, views: int = 3, **changes):
    """Pictures and a transforms.json as NeRF's data has them."""
    cameras = Cameras(around(views), (8, 10), 12.0)
    colours = photographed(table_top(), cameras, torch.ones(3), 2).reshape(views, 8, 10, 3)
    frames = []
    for k, picture in enumerate(colours.float()):
        grid = Grid(Box((0.0, 0.0), (8.0, 10.0)), (8, 10))
        write_image(folder / f"r_{k}.png", picture, grid)
        pose = torch.cat([cameras.poses[k], torch.tensor([[0.0, 0.0, 0.0, 1.0]])]).tolist()
        frames.append({"file_path": f"./r_{k}", "transform_matrix": pose})
    content = {"camera_angle_x": 2 * math.atan(0.5 * 10 / 12.0), "frames": frames, **changes}
    path = folder / "transforms.json"
    path.write_text(json.dumps(content))
    return path, colours


def test_pictures_with_a_transforms_json_are_read(tmp_path):
    path, colours = written(tmp_path)
    problem = scene_views(str(path), hold_out_views=2, samples=8, cells=8)
    operator = problem.terms[0].operator
    assert operator.shape == (3, 8, 10)
    torch.testing.assert_close(
        problem.terms[0].y.reshape(3, 8, 10, 3), colours.float(), atol=3e-3, rtol=0
    )
    torch.testing.assert_close(operator.cameras.lens[:2], torch.tensor([12.0, 12.0]).double())
    assert problem.channels == 13
    assert problem.notes["pictures"] == "3 of 8 x 10 pixels"
    halved = scene_views(str(path), hold_out_views=2, samples=8, cells=8, bin=2)
    assert halved.terms[0].operator.shape == (3, 4, 5)
    torch.testing.assert_close(
        halved.terms[0].operator.cameras.lens[:2], torch.tensor([6.0, 6.0]).double()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": []}, "no frames"),
        ({"frames": [{"file_path": "a"}]}, "transform_matrix"),
        ({"fl_x": None}, "fl_x=None must be a number"),
        ({"camera_angle_x": "wide"}, "camera_angle_x='wide' must be a number"),
        ({"camera_angle_x": 40.0}, "camera_angle_x=40 must lie between 0 and π. In degrees"),
    ],
    ids=["empty", "no pose", "no lens", "word", "degrees"],
)
def test_a_file_that_says_too_little_is_refused(tmp_path, changes, message):
    path, _ = written(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        scene_views(str(path), hold_out_views=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pose: (2 * pose[:3]).tolist(), "pose 1 is no rotation"),
        (lambda pose: pose.mT.tolist(), "last row of pose 1 is .*Rows for columns"),
        (lambda pose: pose[:, :3].tolist(), "pose of ./r_1 must be 4 rows of 4 finite numbers"),
        (lambda pose: [[None] * 4] * 4, "pose of ./r_1 is no matrix"),
        (lambda pose: [*pose.tolist()[:2], [0.0], [0.0] * 4], "pose of ./r_1 is no matrix"),
    ],
    ids=["scaled", "transposed", "square", "null", "ragged"],
)
def test_a_pose_that_is_none_is_refused_by_its_picture(tmp_path, change, message):
    path, _ = written(tmp_path)
    content = json.loads(path.read_text())
    frame = content["frames"][1]
    frame["transform_matrix"] = change(torch.tensor(frame["transform_matrix"]))
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        scene_views(str(path), hold_out_views=2)


def test_cameras_that_see_nothing_are_named(tmp_path):
    path, _ = written(tmp_path)
    content = json.loads(path.read_text())
    flip = torch.tensor([1.0, -1.0, -1.0, 1.0])

    def turned(frames):
        for frame in frames:
            pose = torch.tensor(frame["transform_matrix"], dtype=torch.float64)
            frame["transform_matrix"] = (pose * flip).tolist()
        path.write_text(json.dumps(content))
        return scene_views(str(path), hold_out_views=2, samples=4, cells=8)

    problem = turned(content["frames"][1:2])
    assert problem.notes["pictures that see nothing of the cube"] == "./r_1"
    with pytest.raises(ValueError, match="none of the 3 cameras sees the box"):
        turned([content["frames"][0], content["frames"][2]])


def test_pictures_that_are_missing_or_other_files_are_named(tmp_path):
    path, _ = written(tmp_path)
    (tmp_path / "r_1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"r_1\.png"):
        scene_views(str(path), hold_out_views=2)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        scene_views(str(tmp_path / "other.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="expected a transforms"):
        scene_views(str(tmp_path / "bad.json"))
    with pytest.raises(ValueError, match="the region has 2"):
        Removed(torch.nn.Identity(), Box((0.0, 0.0), (1.0, 1.0)))
