"""Boundary-value problems against finite differences, and images from gradients."""

import pytest
import torch

from inverse_inr import SampledField, solve
from inverse_inr.domain import pixel_grid
from inverse_inr.io import write_image
from inverse_inr.problems.fields import boundary_value, poisson_edit
from inverse_inr.problems.fields.poisson_solver import differences, spline_slopes


@pytest.mark.parametrize("equation", ["poisson", "helmholtz", "heat", "wave"])
def test_finite_differences_solve_the_same_problem(equation):
    problem = boundary_value(equation, size=32, inside=64, around=32)
    solution = problem.suggested.baselines["finite differences"](problem)
    assert solution.metrics()["relative error"] < 2e-3


def test_a_siren_solves_poisson_with_lbfgs():
    problem = boundary_value("poisson", size=32, inside=256, around=128)
    solution = solve(problem, steps=16, optimizer="lbfgs", callbacks=[])
    assert solution.metrics()["relative error"] < 1e-2


@pytest.mark.parametrize(
    ("equation", "options", "match"),
    [("poison", {}, "poisson"), ("heat", {"source": "cat"}, "belongs to 'poisson'")],
)
def test_an_equation_that_cannot_be_meant_is_refused(equation, options, match):
    with pytest.raises(ValueError, match=match):
        boundary_value(equation, **options)


def test_spline_slopes_of_a_plane_inside():
    grid = pixel_grid((12, 10))
    values = (grid.points() @ torch.tensor([0.02, -0.03]))[..., None]
    slopes, steps = spline_slopes(values, grid), differences(values, grid)
    for k, expected in enumerate((0.02, -0.03)):
        # the spline is mirrored at the border, and forgets it within a few pixels
        assert slopes[k].shape == steps[k].shape
        assert float(slopes[k][5, 4, 0]) == pytest.approx(expected, abs=1e-3)
        assert float(steps[k][5, 4, 0]) == pytest.approx(expected, abs=1e-6)


def test_slopes_midway_see_a_checker_pattern():
    grid = pixel_grid((12, 10))
    checker = (grid.points().floor().sum(-1, keepdim=True) % 2) - 0.5
    for slope in spline_slopes(checker, grid):
        assert float(slope.abs().min()) > 0.1


def test_an_image_from_its_gradient_alone():
    problem = poisson_edit("camera", source=None, bin=8, crop=24)
    truth = problem.reference
    assert isinstance(truth, SampledField)
    assert problem.suggested.baselines["sparse Poisson solver"](problem).metrics()["PSNR"] > 60
    image = solve(problem, optimizer="lbfgs", steps=30, callbacks=[]).sample(problem.grid)
    error = image - truth.values
    assert float((error - error.mean()).square().mean()) < 3e-4  # 35 dB
    checker = (problem.grid.points().floor().sum(-1, keepdim=True) % 2) - 0.5
    assert float((error * checker).mean().abs()) < 1e-3


def test_pasting_keeps_the_outside_and_takes_the_slopes_inside(tmp_path):
    grid = pixel_grid((20, 20))
    ramp = grid.points()[..., :1] / 40
    write_image(tmp_path / "ramp.tif", ramp, grid)
    write_image(tmp_path / "flat.tif", torch.full_like(ramp, 0.25), grid)
    problem = poisson_edit(
        str(tmp_path / "flat.tif"), source=str(tmp_path / "flat.tif"), mixed=False
    )
    image = problem.suggested.baselines["sparse Poisson solver"](problem).sample()
    assert torch.allclose(image, torch.tensor(0.25), atol=1e-6)
    mixed = poisson_edit(str(tmp_path / "ramp.tif"), source=str(tmp_path / "flat.tif"), mixed=True)
    image = mixed.suggested.baselines["sparse Poisson solver"](mixed).sample()
    # the steeper gradient is the ramp's own
    assert float((image - ramp)[6:-6, 6:-6].abs().max()) < 0.01


@pytest.mark.parametrize(
    ("source", "mask", "match"),
    [
        ("small.tif", None, "bring both to one size"),
        ("a.tif", "small.tif", "the mask has"),
        ("a.tif", "none.png", "region holds 0"),
    ],
)
def test_poisson_edit_refuses_images_that_do_not_fit(tmp_path, source, mask, match):
    grid = pixel_grid((20, 20))
    write_image(tmp_path / "a.tif", torch.full((20, 20, 1), 0.5), grid)
    write_image(tmp_path / "small.tif", torch.full((10, 20, 1), 0.5), pixel_grid((10, 20)))
    write_image(tmp_path / "none.png", torch.zeros(20, 20, 1), grid)
    options = {}
    if mask is not None:
        options["mask"] = str(tmp_path / mask)
    with pytest.raises(ValueError, match=match):
        poisson_edit(str(tmp_path / "a.tif"), source=str(tmp_path / source), **options)
