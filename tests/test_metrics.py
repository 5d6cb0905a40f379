"""Metrics against their definitions and scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from inverse_inr.metrics import band_psnr, ergas, nrmse, psnr, relative_error, spectral_angle, ssim


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    reference = torch.rand(*shape, generator=g)
    return reference + 0.1 * torch.randn(*shape, generator=g), reference


def test_psnr_is_its_definition() -> None:
    reference = torch.zeros(8, 9, 1)
    assert psnr(reference + 0.1, reference, data_range=1.0) == pytest.approx(20.0, abs=1e-5)
    assert psnr(reference + 0.1, reference, data_range=10.0) == pytest.approx(40.0, abs=1e-5)
    assert psnr(reference, reference, data_range=1.0) == math.inf
    image, reference = pair(12, 13)
    mse = (image.double() - reference.double()).square().mean().item()
    assert psnr(image, reference, data_range=2.0) == pytest.approx(
        10 * math.log10(4 / mse), rel=1e-12
    )
    assert nrmse(image, reference, data_range=2.0) == pytest.approx(math.sqrt(mse) / 2, rel=1e-12)


def test_relative_error_is_l2() -> None:
    reference = torch.tensor([[3.0, 4.0]])
    assert relative_error(torch.tensor([[3.0, 5.0]]), reference) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="zero everywhere"):
        relative_error(reference, torch.zeros(1, 2))


def test_complex_errors_count_phase() -> None:
    reference = torch.ones(4, 4, dtype=torch.complex64)
    assert relative_error(1j * reference, reference) == pytest.approx(math.sqrt(2))
    assert psnr(1j * reference, reference, data_range=1.0) == pytest.approx(-10 * math.log10(2))


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_mask_leaves_out_what_lies_outside(channels: tuple[int, ...]) -> None:
    image, reference = pair(10, 12, *channels)
    mask = torch.zeros(10, 12, dtype=torch.bool)
    mask[2:7, 3:9] = True
    inside = image[2:7, 3:9], reference[2:7, 3:9]
    image[0, 0] = math.nan  # outside
    assert psnr(image, reference, data_range=1.0, mask=mask) == pytest.approx(
        psnr(*inside, data_range=1.0)
    )
    assert relative_error(image, reference, mask=mask) == pytest.approx(relative_error(*inside))


@pytest.mark.parametrize(
    ("shape", "ndim", "channel_axis"),
    [
        ((20, 24), None, None),
        ((20, 24, 1), None, -1),
        ((20, 24, 3), None, -1),
        ((20, 24, 31), 2, -1),
        ((20, 14, 12), 3, None),
        ((20, 14, 12, 1), None, -1),
        ((20, 14, 12, 2), None, -1),
    ],
)
def test_ssim_is_that_of_scikit_image(
    shape: tuple[int, ...], ndim: int | None, channel_axis: int | None
) -> None:
    image, reference = pair(*shape)
    expected = structural_similarity(
        image.double().numpy(),
        reference.double().numpy(),
        data_range=1.5,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=channel_axis,
    )
    got = ssim(image, reference, data_range=1.5, ndim=ndim)
    assert got == pytest.approx(float(np.asarray(expected)), abs=1e-12)
    assert 0.1 < got < 0.999
    assert ssim(reference, reference, data_range=1.5, ndim=ndim) == pytest.approx(1)


def test_ssim_refuses_what_it_cannot_tell() -> None:
    with pytest.raises(ValueError, match=r"31 channels or a volume; pass ndim=2 or ndim=3"):
        ssim(*pair(20, 24, 31), data_range=1.0)
    with pytest.raises(ValueError, match="11-pixel window"):
        ssim(*pair(20, 10), data_range=1.0)
    with pytest.raises(ValueError, match="at most one channel axis"):
        ssim(*pair(12, 12, 3, 2), data_range=1.0, ndim=2)
    with pytest.raises(ValueError, match="at most one channel axis"):
        ssim(*pair(20), data_range=1.0)
    with pytest.raises(ValueError, match="moduli"):
        ssim(torch.ones(20, 20), torch.ones(20, 20, dtype=torch.complex64), data_range=1.0)


def test_gradients_and_integers_are_welcome() -> None:
    image, reference = pair(16, 16)
    value = psnr(image.requires_grad_(), reference, data_range=1.0)
    assert isinstance(value, float)
    counts = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    assert psnr(counts, counts.flip(0), data_range=255) < psnr(counts, counts, data_range=255)
    assert (
        relative_error(
            torch.zeros(2, 2, dtype=torch.uint8), torch.full((2, 2), 200, dtype=torch.uint8)
        )
        == 1
    )


@pytest.mark.parametrize("metric", [psnr, nrmse, ssim])
def test_bad_input_is_named(metric) -> None:
    image, reference = pair(16, 16)
    with pytest.raises(ValueError, match=r"image has shape \(16, 16, 1\) and reference \(16, 16\)"):
        metric(image[..., None], reference, data_range=1.0)
    with pytest.raises(ValueError, match="the reference has NaN"):
        metric(image, reference / 0 * 0, data_range=1.0)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be positive"):
            metric(image, reference, data_range=bad)
    with pytest.raises(TypeError, match="data_range"):
        metric(image, reference)
    with pytest.raises(TypeError, match="from_numpy"):
        metric(image.numpy(), reference, data_range=1.0)
    with pytest.raises(ValueError, match="empty"):
        metric(image[:0], reference[:0], data_range=1.0)


def test_bad_masks_are_named() -> None:
    image, reference = pair(16, 16)
    with pytest.raises(ValueError, match="the mask is empty"):
        psnr(image, reference, data_range=1.0, mask=torch.zeros(16, 16, dtype=torch.bool))
    with pytest.raises(ValueError, match="must be boolean"):
        relative_error(image, reference, mask=torch.ones(16, 16))
    with pytest.raises(ValueError, match=r"mask has shape \(16, 15\)"):
        relative_error(image, reference, mask=torch.ones(16, 15, dtype=torch.bool))


# --- cubes -----------------------------------------------------------------------------------------------------------


def test_psnr_of_bands():
    cube = torch.rand(5, 6, 3, dtype=torch.float64)
    off = cube + torch.tensor([0.1, 0.01, 0.2])
    assert torch.allclose(
        band_psnr(off, cube), torch.tensor([20.0, 40.0, 13.9794], dtype=torch.float64)
    )
    assert torch.allclose(band_psnr(2 * off, 2 * cube, data_range=2.0), band_psnr(off, cube))


def test_spectral_angle():
    spectra = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    turned = torch.tensor([[[1.0, 1.0], [5.0, 5.0], [1.0, 1.0]]])
    assert spectral_angle(turned, spectra) == pytest.approx(
        22.5, abs=1e-5
    )  # 45 and 0; the third has no angle
    assert spectral_angle(spectra * 3, spectra) == pytest.approx(0.0, abs=1e-6)
    assert spectral_angle(
        turned, spectra, mask=torch.tensor([[True, False, True]])
    ) == pytest.approx(45.0)
    assert spectral_angle(torch.zeros_like(spectra), spectra) == pytest.approx(90.0)
    tiny = torch.tensor([[[1.0, 1e-9]]], dtype=torch.float64)
    assert spectral_angle(tiny, torch.tensor([[[1.0, 0.0]]])) == pytest.approx(
        math.degrees(1e-9), rel=1e-6
    )
    with pytest.raises(ValueError, match="no angle"):
        spectral_angle(spectra, torch.zeros_like(spectra))


def test_ergas():
    reference = torch.full((4, 4, 2), 2.0) * torch.tensor([1.0, 2.0])
    assert ergas(reference, reference) == 0.0
    # 10 % of the mean in each band
    assert ergas(1.1 * reference, reference) == pytest.approx(10.0, rel=1e-5)
    assert ergas(1.1 * reference, reference, ratio=0.25) == pytest.approx(2.5, rel=1e-5)
    with pytest.raises(ValueError, match="mean zero"):
        ergas(reference, reference * torch.tensor([1.0, 0.0]))
