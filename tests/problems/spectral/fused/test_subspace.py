"""Fusion in a subspace: the directions that stand above the noise, total variation, its weight."""

import pytest
import torch
from cases.spectral import affine_scene, psnr

from inverse_inr.problems.spectral import fusion
from inverse_inr.problems.spectral.fused.regression import affine_regression
from inverse_inr.problems.spectral.fused.subspace import (
    WEIGHTS,
    Subspace,
    coarse_subspace,
    subspace_tv,
)


def test_the_subspace_holds_the_scenes_spectra():
    problem, cube = affine_scene()
    space = coarse_subspace(problem)
    assert len(space.vectors) == 3
    again = space.cube(space.coefficients(cube))[..., 0]
    torch.testing.assert_close(again, cube, atol=1e-3, rtol=0)


def test_coefficients_have_standard_deviation_one():
    problem, _ = affine_scene()
    space = coarse_subspace(problem)
    coarse = problem.terms[1].y.reshape(4, 4, -1)
    spread = space.coefficients(coarse).flatten(0, 1).std(0, correction=0)
    torch.testing.assert_close(spread, torch.ones(3), atol=1e-2, rtol=0)


def test_coefficients_are_those_of_the_cube():
    space = Subspace(torch.ones(4), torch.eye(4)[:2])
    c = torch.rand(3, 3, 2)
    torch.testing.assert_close(space.coefficients(space.cube(c)[..., 0]), c)


def test_hardly_any_variation_costs_hardly_anything():
    """With a small weight the answer explains both images as regression does."""
    problem, cube = affine_scene()
    found = subspace_tv(problem, 1e-3, iterations=100)
    torch.testing.assert_close(found.sample()[..., 0], cube, atol=5e-3, rtol=0)
    assert str(found.stopped) == "weight 0.001 (given)"


def test_a_larger_weight_makes_a_flatter_cube():
    problem = fusion(size=16, factor=4, bands=6)
    edges = [
        subspace_tv(problem, weight).sample()[..., 0].diff(dim=0).abs().sum()
        for weight in (0.1, 1.0, 10.0)
    ]
    assert edges[0] > edges[1] > edges[2]


def test_held_out_measurements_choose_a_weight_that_helps():
    problem = fusion(size=32, factor=8, noise_level=0.03, bands=12)
    found = subspace_tv(problem, iterations=60)
    assert found.details["weight"] in WEIGHTS
    assert psnr(found) > psnr(affine_regression(problem)) + 1


def test_other_noise_is_refused():
    from dataclasses import replace

    from inverse_inr import fidelity

    problem, _ = affine_scene()
    terms = [problem.terms[0], replace(problem.terms[1], fidelity=fidelity.L2())]
    with pytest.raises(TypeError, match=r"need noise\.Gaussian, not L2"):
        subspace_tv(replace(problem, terms=terms))
