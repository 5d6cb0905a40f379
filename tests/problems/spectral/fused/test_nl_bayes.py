"""NL-Bayes: constants become constant, texture stays, noise goes; units do not matter."""

import pytest
import torch

from inverse_inr.problems.images import load_image
from inverse_inr.problems.spectral.fused.nl_bayes import nl_bayes


def noisy(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return image + sigma * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))


def rms(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def test_an_image_without_texture_loses_nearly_all_its_noise():
    flat = torch.full((24, 24, 3), 0.4)
    assert rms(nl_bayes(noisy(flat, 0.05), 0.05), flat) < 0.01


def test_an_image_without_noise_stays():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(16, 16, 2, generator=generator)
    assert rms(nl_bayes(image, 1e-5), image) < 1e-4


def test_a_photograph_is_nearer_to_the_truth():
    image = load_image("coffee")[0][100:148, 200:248]
    found = nl_bayes(noisy(image, 0.03), 0.03)
    assert rms(found, image) < 0.75 * 0.03


def test_units_do_not_matter():
    image = noisy(load_image("cat")[0][60:84, 60:84], 0.02)
    torch.testing.assert_close(
        nl_bayes(100 * image, 2.0), 100 * nl_bayes(image, 0.02), rtol=1e-3, atol=0.05
    )


def test_an_even_patch_is_refused():
    with pytest.raises(ValueError, match="patch=4 must be an odd number"):
        nl_bayes(torch.rand(8, 8, 3), 0.1, patch=4)
