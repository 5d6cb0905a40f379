"""Patch Gaussians against closed forms: the Wiener filter, shrinkage, and images that must stay."""

import pytest
import torch

from inverse_inr.denoisers import PatchGaussians
from inverse_inr.denoisers.patch_gaussians import posterior_mean, shrunk


def test_the_posterior_mean_of_a_gaussian_is_the_wiener_filter():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    power = torch.tensor([9.0, 4.0, 1.0, 0.25, 0.0, 0.0], dtype=torch.float64)
    covariance = (basis * power) @ basis.T
    mean = torch.arange(6, dtype=torch.float64)[None]
    noisy = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    expected = mean + (noisy - mean) @ basis * (power / (power + 0.5**2)) @ basis.T
    torch.testing.assert_close(posterior_mean(noisy, mean, covariance, 0.5), expected)


def test_shrinkage_approaches_the_wiener_filter_with_many_samples():
    generator = torch.Generator().manual_seed(0)
    power = torch.tensor([9.0, 4.0, 0.0, 0.0], dtype=torch.float64)
    clean = torch.randn(20000, 4, generator=generator, dtype=torch.float64) * power.sqrt()
    noisy = clean + 0.5 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    expected = noisy * power / (power + 0.25)
    assert float((shrunk(noisy, 0.5) - expected).abs().max()) < 0.2
    # a direction without signal keeps nothing of its noise but the mean's
    assert float(shrunk(noisy, 0.5)[:, 2:].std()) < 0.02


def test_shrinkage_of_pure_noise_leaves_its_mean():
    generator = torch.Generator().manual_seed(1)
    noisy = 3.0 + torch.randn(50, 120, 25, generator=generator, dtype=torch.float64)
    kept = (shrunk(noisy, 1.0) - noisy.mean(1, keepdim=True)).abs().amax((1, 2))
    # the largest eigenvalue of noise fluctuates about the edge: a few groups keep one direction
    assert float((kept < 1e-6).double().mean()) > 0.5


@pytest.mark.parametrize("shape", [(24, 20), (19,), (9, 8, 7)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_truth_as_first_estimate_and_no_noise_give_the_truth(shape, channels):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(*shape, channels, generator=generator, dtype=torch.float64)
    clean = PatchGaussians().given(image, image, 1e-4)
    torch.testing.assert_close(clean, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(24, 20, 1), (20, 24, 3), (6, 9, 1), (3, 3, 1), (1, 8, 1)])
def test_a_flat_image_of_any_size_stays(shape):
    flat = torch.full(shape, 0.4, dtype=torch.float64)
    torch.testing.assert_close(PatchGaussians()(flat, 0.1), flat)


def test_an_image_without_texture_loses_nearly_all_its_noise():
    generator = torch.Generator().manual_seed(0)
    noisy = 0.4 + 0.05 * torch.randn(24, 24, 3, generator=generator)
    assert float((PatchGaussians()(noisy, 0.05) - 0.4).square().mean().sqrt()) < 0.01
