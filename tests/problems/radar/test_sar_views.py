"""The box on the ground in closed form, and the problem of novel views on a small scale."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import predict, priors
from inverse_inr.command.config import Run
from inverse_inr.operators import SarImage
from inverse_inr.problems.radar import sar_views
from inverse_inr.problems.radar.box_scene import BoxOnGround, dark_runs
from inverse_inr.problems.radar.novel_views import nearest_views, novel_radar, render, view_errors
from inverse_inr.problems.radar.sar_views import BOX
from inverse_inr.problems.radar.tomography import tomography

SCENE = BoxOnGround()


def radar(*views: tuple[float, float], pixels: int = 60, pitch: float = 0.3, **options) -> SarImage:
    incidence, azimuth = torch.tensor(views, dtype=torch.float64).deg2rad().unbind(1)
    return SarImage(BOX, incidence, azimuth, (pixels, pixels), pitch, **options)


def scene_as_field(scene: BoxOnGround, density: float = 200.0) -> ii.Field:
    """The same scene filled: opaque, isotropic."""
    cos, sin = math.cos(scene.heading), math.sin(scene.heading)

    def field(points: Tensor) -> Tensor:
        x, y = (points[..., k] - scene.center[k] for k in (0, 1))
        along, across, z = (cos * x + sin * y).abs(), (cos * y - sin * x).abs(), points[..., 2]
        inside = (
            (along < scene.size[0] / 2)
            & (across < scene.size[1] / 2)
            & (z < scene.size[2])
            & (z > 0)
        )
        sigma = torch.where(inside, scene.rough, scene.ground)
        return torch.stack(
            [density * (((z <= 0) & (z > -0.12)) | inside).to(points), sigma.to(points)], -1
        )

    return field


def test_exact_images_agree_with_the_volumetric_projection():
    """Surfaces in closed form, and a filled volume on a fine lattice: two models of one scene."""
    scene = BoxOnGround(glint=0.0)
    a = radar((55.0, 30.0), samples=5, lines=2)
    rows = torch.arange(20, 40)
    volume, exact = predict(a, scene_as_field(scene), rows), scene.images(a)[0, 20:40]
    assert (
        float((volume - exact).norm() / exact.norm()) < 0.18
    )  # a lattice of 6 cm beats with the surfaces
    assert float(volume.sum() / exact.sum()) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("view", [(50.0, 0.0), (60.0, 75.0), (40.0, 200.0)])
def test_brightness_of_the_ground_and_of_the_whole(view: tuple[float, float]):
    """Gamma cot(incidence) on the ground; the box reflects by its faces' area across the line."""
    a = radar(view)
    image, theta = SCENE.images(a)[0], math.radians(view[0])
    open_ground = torch.tensor(
        [[3.5, 3.5, 0.0], [-4.5, 4.0, 0.0], [4.0, -4.0, 0.0]], dtype=torch.float64
    )
    line, r = a.locate(open_ground, 0).round().long().unbind(-1)
    torch.testing.assert_close(
        image[line, r], torch.full_like(image[line, r], SCENE.ground / math.tan(theta))
    )
    u = a.frame(torch.tensor([0]))[0][0]
    length, width, height = SCENE.size
    cos, sin = math.cos(SCENE.heading), math.sin(SCENE.heading)
    facing = torch.stack([(cos * u[0] + sin * u[1]).abs(), (cos * u[1] - sin * u[0]).abs(), u[2]])
    areas = facing * torch.tensor(
        [width * height, length * height, length * width], dtype=torch.float64
    )
    faces = float((areas * (SCENE.rough + SCENE.glint * facing**SCENE.order)).sum())
    blocked = float(areas.sum())  # of the ground, on a plane across the line of sight
    plane = BOX.lengths[0] * BOX.lengths[1] * math.cos(theta)
    total = faces + SCENE.ground * (plane - blocked)
    assert float(image.sum()) * a.pitch**2 == pytest.approx(total, rel=2e-3)


def test_shadows_of_exact_images_have_the_closed_form_length():
    a = radar((50.0, 15.0), (60.0, 100.0), (55.0, 260.0), pixels=240, pitch=0.075)
    images = SCENE.images(a, lines=4, heights=12)
    for view in range(3):
        interval = SCENE.shadows(a, view)
        threshold = 0.5 * SCENE.ground / math.tan(float(a.incidence[view]))
        length = interval[:, 1] - interval[:, 0]
        error = (dark_runs(images[view], threshold, interval) - length)[length > 12]
        assert len(error) > 20
        assert float(error.abs().median()) < 0.5
        assert float(error.abs().max()) < 3  # where the line leaves a corner


def test_the_shadow_of_a_broadside_box():
    """A length h tan(incidence); its far edge has the range of a point that far behind."""
    scene = BoxOnGround(size=(4.0, 2.0, 1.5), center=(0.0, 0.0), heading=0.0)
    a = radar((55.0, 0.0))
    interval, theta = scene.shadows(a, 0)[30], math.radians(55.0)
    end = torch.tensor([-2.0 - 1.5 * math.tan(theta), 0.0, 0.0], dtype=torch.float64)
    assert float(interval[1]) == pytest.approx(float(a.locate(end, 0)[1]) + 0.5)
    top = torch.tensor([-2.0, 0.0, 1.5], dtype=torch.float64)
    front = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    begin = max(float(a.locate(p, 0)[1]) for p in (top, front)) + 0.5
    assert float(interval[0]) == pytest.approx(begin)
    assert scene.shadows(a, 0)[2].isnan().all()


def test_dark_runs_are_measured_between_pixels():
    line = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    intervals = torch.tensor([[3.0, 7.0], [math.nan, math.nan], [0.0, 2.0]])
    lengths = dark_runs(line.expand(3, -1), 0.5, intervals)
    assert float(lengths[0]) == pytest.approx(4.0)
    assert bool(lengths[1].isnan())
    assert float(lengths[2]) == 0.0
    assert float(dark_runs(torch.zeros(1, 10), 0.5, intervals[:1])) == pytest.approx(10.0)


SMALL = {"views": 8, "pixels": 24, "pitch": 0.75, "degree": 1}


def test_the_problem_and_its_novel_views(tmp_path: Path):
    problem = sar_views(**SMALL, looks=16.0)
    a = problem.terms[0].operator
    assert isinstance(a, SarImage)
    assert problem.channels == a.channels == 5
    novel = novel_radar(a, 4)
    directions = [r.frame(torch.arange(r.shape[0]))[0] for r in (a, novel)]
    assert float((directions[0] @ directions[1].T).max()) < math.cos(
        math.radians(10)
    )  # none was measured
    assert nearest_views(problem, novel).shape == (4, 24, 24)
    prior = priors.hash(
        problem.box, 5, coarsest=4, finest=12, levels=3, log2_table=10, width=16, depth=1
    )
    fit = ii.solve(problem, prior, steps=60, batch=24, callbacks=[])
    classic = tomography(problem)
    nearest = view_errors(SCENE, novel, nearest_views(problem, novel))["PSNR"]
    for solution in (fit, classic):
        assert view_errors(SCENE, novel, render(novel, solution.field))["PSNR"] > max(
            18.0, nearest + 1
        )
    assert classic.held_out() is not None
    assert problem.suggested.figure is not None
    assert problem.suggested.write is not None
    assert problem.suggested.figure(problem, [classic, fit]) is not None
    (path,) = problem.suggested.write(fit, tmp_path)
    assert json.loads(path.read_text())["PSNR"] == pytest.approx(
        view_errors(SCENE, novel_radar(a), render(novel_radar(a), fit.field))["PSNR"]
    )


def test_noise_is_the_seed_and_the_images_are_not():
    first, second, other = (sar_views(**SMALL, seed=s).terms[0].y for s in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_an_exact_scene_has_no_errors():
    a = novel_radar(radar((50.0, 0.0), (60.0, 15.0)), 2)
    errors = view_errors(SCENE, a, SCENE.images(a))
    assert errors["PSNR"] == math.inf
    assert abs(errors["shadow, mean"]) < 0.5


def test_the_preset_is_valid():
    Run.read(Path(__file__).parents[3] / "problems" / "sar_views.toml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 3}, "views=3 must be"),
        ({"size": (4.0, 2.0)}, "size=.* There are 2"),
        ({"size": (4.0, 2.0, 3.0)}, "does not fit"),
        ({"incidences": (5.0, 95.0)}, "Number 1 is 95"),
    ],
)
def test_refusals(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        sar_views(**{**SMALL, **options})
