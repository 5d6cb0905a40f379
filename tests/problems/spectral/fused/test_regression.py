"""Regression on the coarse cube: exact on affine scenes, means of GSA, shrinkage, slips."""

import pytest
import torch
from cases.spectral import affine_scene, psnr

from inverse_inr import sample
from inverse_inr.problems.spectral import fusion, spectral_sr
from inverse_inr.problems.spectral.fused.instruments import coarse_cube, filled, fine_image
from inverse_inr.problems.spectral.fused.regression import (
    above_noise,
    affine_regression,
    affine_weights,
    denoised_regression,
    gsa,
)


@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_regression_recovers_an_affine_scene(blur):
    """The channels are seen through the coarse instrument, so its blur does not matter."""
    problem, cube = affine_scene(blur=blur)
    found = affine_regression(problem).sample()[..., 0]
    torch.testing.assert_close(found, cube, atol=1e-3, rtol=0)


def test_regression_knows_what_a_dark_pixel_has():
    problem, cube = affine_scene(offset=0.3)
    weights = affine_weights(fine_image(problem), coarse_cube(problem))
    assert weights.shape == (4, cube.shape[-1])
    torch.testing.assert_close(affine_regression(problem).sample()[..., 0], cube, atol=1e-3, rtol=0)


def test_gsa_keeps_the_mean_of_each_coarse_band():
    problem = fusion(size=16, factor=4, bands=6)
    coarse = coarse_cube(problem)
    seen = coarse.operator.map(gsa(problem).sample()[..., 0])
    torch.testing.assert_close(seen.mean((0, 1)), coarse.values.mean((0, 1)))


def test_gsa_is_exact_on_an_affine_scene():
    problem, cube = affine_scene()
    torch.testing.assert_close(gsa(problem).sample()[..., 0], cube, atol=5e-4, rtol=0)


def test_removing_noise_first_helps_regression():
    problem = fusion(size=32, factor=8, noise_level=0.03)
    assert psnr(denoised_regression(problem)) > psnr(affine_regression(problem)) + 2


def test_singular_values_of_noise_are_left_out():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 30, generator=generator)
    assert above_noise(noise, 1.1).abs().max() < 1e-6
    lone = torch.outer(torch.ones(200), torch.linspace(1, 2, 30))
    found = above_noise(lone + 0.1 * noise, 0.1)
    assert (found - lone).norm() < 0.25 * (0.1 * noise).norm()


def test_few_coarse_pixels_need_a_map_of_low_rank():
    """Four coarse pixels of 28 bands with noise: most of an unrestricted map is noise."""
    problem = fusion(size=16, factor=4, noise_level=0.05)
    fine, coarse = fine_image(problem), coarse_cube(problem)
    cube = sample(problem.reference, problem.grid)[..., 0]
    clear = torch.cat([cube @ fine.response.T, torch.ones(16, 16, 1)], -1)
    errors = [
        (clear @ affine_weights(fine, coarse, few) - cube).square().mean() for few in (True, False)
    ]
    assert errors[0] < 0.95 * errors[1]


def test_unknown_pixels_become_means_of_their_neighbours():
    known = torch.ones(5, 5, 1, dtype=torch.bool)
    known[2, 2] = False
    values = torch.arange(25.0).reshape(5, 5, 1)
    assert float(filled(values * known, known)[2, 2]) == pytest.approx(12.0)
    assert float(filled(values * 0, known * False).sum()) == 0


def test_regression_sees_only_the_rows_to_trust():
    """Rows that are held out say nothing: a fit on the rest does not change with them."""
    from dataclasses import replace

    problem = fusion(size=16, factor=4, bands=6)
    terms = []
    for term in problem.terms:
        keep = torch.arange(len(term.operator)) % 7 != 3
        y = torch.where(keep.reshape(-1, *(1,) * (term.y.ndim - 1)), term.y, float("nan"))
        terms.append(replace(term, y=y, rows=keep.nonzero()[:, 0]))
    for method in (affine_regression, gsa, denoised_regression):
        image = method(replace(problem, terms=terms)).sample()
        assert bool(image.isfinite().all())


@pytest.mark.parametrize("method", [affine_regression, gsa, denoised_regression])
def test_what_is_no_fusion_is_refused(method):
    with pytest.raises(TypeError, match=r"the last of 1 terms.*must be the second"):
        method(spectral_sr(size=8, bands=4))
