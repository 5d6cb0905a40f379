"""Fusion: its instruments, what is suggested, a fit beside the classical methods, slips."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases.spectral import affine_scene, psnr

from inverse_inr import Grid, as_linear_map, solve
from inverse_inr.command.config import Run
from inverse_inr.problems.spectral import fusion, spectral_sr
from inverse_inr.problems.spectral.fused.problem import coarse_pixels, fused, interpolated


@pytest.mark.parametrize("blur", [0.0, 1.2])
def test_coarse_pixels_are_means_and_have_an_adjoint(blur):
    grid = fusion(size=8, factor=4, bands=3).grid
    operator, cube = coarse_pixels(grid, 4, blur), torch.rand(8, 8, 3)
    assert operator.shape == (2, 2, 3)
    if not blur:
        assert torch.allclose(operator.map(cube)[1, 0], cube[4:, :4].mean((0, 1)))
    torch.testing.assert_close(operator.map(torch.ones(8, 8, 3)), torch.ones(2, 2, 3))
    linear = as_linear_map(operator, grid, dtype=torch.float64)
    x, y = torch.rand(8, 8, 3, 1).double(), torch.rand(12).double()
    torch.testing.assert_close((linear(x) * y).sum(), (x * linear.adjoint(y)).sum())


def test_a_blur_widens_a_point_by_its_standard_deviation():
    grid = Grid(fusion(size=8, factor=4, bands=3).grid.box, (33, 33, 1))
    point = torch.zeros(33, 33, 1)
    point[16, 16] = 1
    line = coarse_pixels(grid, 1, 2.0).map(point)[..., 0].sum(1)
    place = torch.arange(33.0) - 16
    assert float((line * place**2).sum()) == pytest.approx(4.0, rel=0.05)


def test_fusion_has_two_terms_whose_weights_are_those_of_a_likelihood():
    problem = fusion(size=8, factor=4, bands=3)
    assert [len(t.operator) for t in problem.terms] == [64, 12]
    assert problem.terms[1].weight == pytest.approx(12 / (64 * 3))
    assert interpolated(problem).sample().shape == (8, 8, 3, 1)


@pytest.mark.slow
def test_a_fit_is_better_than_regression_and_no_worse_than_its_own_mean():
    problem = fusion(size=32)
    fit = psnr(solve(problem, callbacks=[]))
    others = {name: psnr(method(problem)) for name, method in problem.suggested.baselines.items()}
    assert fit > others["affine regression"] + 1, others
    assert fit > max(others.values()) - 0.1, others


def test_a_fit_keeps_an_exact_answer():
    problem, cube = affine_scene()
    found = solve(problem, callbacks=[]).sample()[..., 0]
    torch.testing.assert_close(found, cube, atol=5e-3, rtol=0)


def test_the_preset_is_checked_and_runs():
    run = Run.read(Path(__file__).parents[4] / "problems" / "fusion.toml")
    assert isinstance(run.problem().grid, Grid)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fusion(size=10, factor=4), ValueError, "must divide size=10"),
        (
            lambda: coarse_pixels(spectral_sr(size=8, bands=3).grid, 3),
            ValueError,
            "must divide the grid's 8 x 8",
        ),
        (lambda: _swapped(), TypeError, "the first term.*must see some channels"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def _swapped():
    problem = fusion(size=8, factor=4, bands=3)
    fine, coarse = problem.terms
    return fused(replace(coarse, weight=1.0), fine, problem.grid)
