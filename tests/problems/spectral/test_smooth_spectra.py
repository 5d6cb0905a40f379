"""Smoothest spectra of colours: what they keep, linear and exponential spectra, examples."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from inverse_inr import Box, Grid, SampledField, Solution
from inverse_inr.problems.spectral import spectral_sr
from inverse_inr.problems.spectral.from_colours import camera, measured, spectra_of
from inverse_inr.problems.spectral.smooth_spectra import (
    smoothest_log_spectra,
    smoothest_spectra,
    spectra_like,
)

BANDS = 12
GRID = Grid(Box((0.0, 0.0, 420.0), (6.0, 6.0, 700.0), ("px", "px", "nm")), (6, 6, BANDS))
WAVES = torch.linspace(0, 1, BANDS)


def seen(cube: torch.Tensor, noise_level: float = 1e-4):
    """The problem of the colours of a cube (6, 6, BANDS)."""
    term = measured(camera(GRID), cube[..., None], noise_level, 0)
    return spectra_of(term, GRID, reference=SampledField(cube[..., None], GRID))


def bright() -> torch.Tensor:
    return 0.2 + 0.8 * torch.rand(6, 6, 1, generator=torch.Generator().manual_seed(0))


def answer(solution: Solution) -> torch.Tensor:
    return solution.sample()[..., 0]


def test_a_linear_spectrum_is_its_own_smoothest():
    cube = bright() * (0.3 + 0.5 * WAVES)
    found = answer(smoothest_spectra(seen(cube)))
    torch.testing.assert_close(found, cube, atol=5e-3, rtol=0)


def test_a_grey_spectrum_is_its_own_flattest():
    cube = bright() * torch.ones(BANDS)
    for method in (partial(smoothest_spectra, order=1), smoothest_log_spectra):
        torch.testing.assert_close(answer(method(seen(cube))), cube, atol=5e-3, rtol=0)


def test_colours_are_kept_to_the_noise():
    problem = spectral_sr(size=8)
    for method in (smoothest_spectra, partial(smoothest_spectra, order=1)):
        assert method(problem).misfit([problem.terms[0].trusted]) <= 0.51  # half of chi² = 1
    assert smoothest_log_spectra(problem).misfit([problem.terms[0].trusted]) <= 1


def test_a_large_weight_makes_spectra_straight():
    stiff = answer(smoothest_spectra(spectral_sr(size=8), 1e9))
    bend = stiff[..., 2:] - 2 * stiff[..., 1:-1] + stiff[..., :-2]
    assert bend.abs().max() < 1e-3 * stiff.abs().max()


def test_logarithms_make_positive_spectra_that_scale_with_brightness():
    problem = spectral_sr(size=8, noise_level=0.05)
    spectra = answer(smoothest_log_spectra(problem))
    assert float(spectra.min()) > 0
    term = problem.terms[0]
    model = type(term.fidelity)(7 * term.fidelity.sigma)
    brighter = replace(problem, terms=[replace(term, y=7 * term.y, fidelity=model)])
    torch.testing.assert_close(
        answer(smoothest_log_spectra(brighter)), 7 * spectra, rtol=1e-3, atol=1e-3
    )


def test_removing_noise_first_helps():
    problem = spectral_sr(size=32, noise_level=0.03)
    plain = smoothest_log_spectra(problem).psnr()
    assert smoothest_log_spectra(problem, denoised=True).psnr() > plain + 2


def test_three_examples_that_make_up_the_scene_give_it_back():
    examples = torch.stack([WAVES**k for k in range(3)])
    mix = torch.rand(6, 6, 3, generator=torch.Generator().manual_seed(1))
    cube = mix @ examples
    found = answer(spectra_like(seen(cube, 1e-5), examples))
    torch.testing.assert_close(found, cube, atol=2e-2, rtol=0)


def test_examples_of_other_bands_are_refused():
    with pytest.raises(ValueError, match=r"examples of shape \(3, 5\) must be finite, \(n, 12\)"):
        spectra_like(seen(bright() * WAVES), torch.rand(3, 5))
