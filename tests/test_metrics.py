"""Metrics against their definitions and scikit-image."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from inverse_inr.metrics import (
    band_psnr,
    dice,
    ergas,
    iou,
    nrmse,
    psnr,
    psnr_of_span,
    relative_error,
    span,
    spectral_angle,
    ssim,
    where_known,
)


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


def test_the_psnr_of_tables_and_figures_takes_the_span_of_the_reference() -> None:
    image, reference = pair(12, 13)
    expected = psnr(image, reference, data_range=float(reference.max() - reference.min()))
    assert psnr_of_span(image, reference) == pytest.approx(expected)
    in_other_units = psnr_of_span(300 * image + 20, 300 * reference + 20)
    assert in_other_units == pytest.approx(expected, abs=1e-3)
    turned = torch.polar(reference, torch.ones(()))
    assert psnr_of_span(torch.polar(image.abs(), torch.zeros(())), turned) == pytest.approx(
        psnr_of_span(image.abs(), reference), abs=1e-4
    )
    with pytest.raises(ValueError, match="constant or not finite"):
        span(torch.ones(4, 4))


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


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((20, 24, 31), {}, r"31 channels or a volume; pass ndim=2 or ndim=3"),
        ((20, 10), {}, "11-pixel window"),
        ((12, 12, 3, 2), {"ndim": 2}, "at most one channel axis"),
        ((20,), {}, "at most one channel axis"),
    ],
    ids=["channels or depth", "small", "two channel axes", "one axis"],
)
def test_ssim_refuses_shapes_that_it_cannot_tell(
    shape: tuple[int, ...], options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ssim(*pair(*shape), data_range=1.0, **options)


def test_ssim_refuses_complex_images() -> None:
    with pytest.raises(ValueError, match="moduli"):
        ssim(torch.ones(20, 20), torch.ones(20, 20, dtype=torch.complex64), data_range=1.0)


def test_gradients_and_integers_are_welcome() -> None:
    image, reference = pair(16, 16)
    value = psnr(image.requires_grad_(), reference, data_range=1.0)
    assert isinstance(value, float)
    counts = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    assert psnr(counts, counts.flip(0), data_range=255) < psnr(counts, counts, data_range=255)
    black = torch.zeros(2, 2, dtype=torch.uint8)
    assert relative_error(black, torch.full((2, 2), 200, dtype=torch.uint8)) == 1


metrics = pytest.mark.parametrize("metric", [psnr, nrmse, ssim])
IMAGE, REFERENCE = pair(16, 16)


@metrics
@pytest.mark.parametrize(
    ("image", "reference", "error", "message"),
    [
        (
            IMAGE[..., None],
            REFERENCE,
            ValueError,
            r"image has shape \(16, 16, 1\) and reference \(16, 16\)",
        ),
        (IMAGE, REFERENCE / 0 * 0, ValueError, "the reference has NaN"),
        (IMAGE.numpy(), REFERENCE, TypeError, r"image=.* must be a tensor. Pass torch.as_tensor"),
        (IMAGE[:0], REFERENCE[:0], ValueError, "empty"),
    ],
    ids=["shapes", "NaN", "numpy", "empty"],
)
def test_bad_images_are_named(metric, image, reference, error, message) -> None:
    with pytest.raises(error, match=message):
        metric(image, reference, data_range=1.0)


@metrics
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_data_range_that_is_not_positive_and_finite_is_refused(metric, bad: float) -> None:
    with pytest.raises(ValueError, match=r"data_range=\S+ must be a number above 0"):
        metric(IMAGE, REFERENCE, data_range=bad)


@metrics
def test_a_missing_data_range_is_named(metric) -> None:
    with pytest.raises(TypeError, match="data_range"):
        metric(IMAGE, REFERENCE)


@pytest.mark.parametrize(
    ("metric", "mask", "message"),
    [
        (
            partial(psnr, data_range=1.0),
            torch.zeros(16, 16, dtype=torch.bool),
            "the mask is empty",
        ),
        (relative_error, torch.ones(16, 16), "must be boolean"),
        (relative_error, torch.ones(16, 15, dtype=torch.bool), r"mask has shape \(16, 15\)"),
    ],
    ids=["empty", "no booleans", "shape"],
)
def test_bad_masks_are_named(metric, mask: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(IMAGE, REFERENCE, mask=mask)


# --- cubes --------------------------------------------------------------------------------------


def test_psnr_is_given_band_by_band():
    cube = torch.rand(5, 6, 3, dtype=torch.float64)
    off = cube + torch.tensor([0.1, 0.01, 0.2])
    assert torch.allclose(
        band_psnr(off, cube), torch.tensor([20.0, 40.0, 13.9794], dtype=torch.float64)
    )
    assert torch.allclose(band_psnr(2 * off, 2 * cube, data_range=2.0), band_psnr(off, cube))


def test_the_spectral_angle_is_a_mean_in_degrees():
    spectra = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    turned = torch.tensor([[[1.0, 1.0], [5.0, 5.0], [1.0, 1.0]]])
    # 45 and 0 degrees; the third pixel has no angle
    assert spectral_angle(turned, spectra) == pytest.approx(22.5, abs=1e-5)
    assert spectral_angle(spectra * 3, spectra) == pytest.approx(0.0, abs=1e-6)
    mask = torch.tensor([[True, False, True]])
    assert spectral_angle(turned, spectra, mask=mask) == pytest.approx(45.0)
    assert spectral_angle(torch.zeros_like(spectra), spectra) == pytest.approx(90.0)
    tiny = torch.tensor([[[1.0, 1e-9]]], dtype=torch.float64)
    assert spectral_angle(tiny, torch.tensor([[[1.0, 0.0]]])) == pytest.approx(
        math.degrees(1e-9), rel=1e-6
    )
    with pytest.raises(ValueError, match="no angle"):
        spectral_angle(spectra, torch.zeros_like(spectra))


def test_ergas_is_the_relative_error_in_percent():
    reference = torch.full((4, 4, 2), 2.0) * torch.tensor([1.0, 2.0])
    assert ergas(reference, reference) == 0.0
    # 10 % of the mean in each band
    assert ergas(1.1 * reference, reference) == pytest.approx(10.0, rel=1e-5)
    assert ergas(1.1 * reference, reference, ratio=0.25) == pytest.approx(2.5, rel=1e-5)
    with pytest.raises(ValueError, match="mean zero"):
        ergas(reference, reference * torch.tensor([1.0, 0.0]))


def test_pixels_whose_truth_is_nan_are_left_out():
    image, truth = torch.rand(4, 5, 1), torch.rand(4, 5, 1)
    assert where_known(image, truth) == (image, truth)
    truth[1, 2] = float("nan")
    kept, known = where_known(image, truth)
    assert kept.shape == known.shape == (19,)
    assert torch.equal(known, truth[~truth.isnan()])


def test_overlap_of_two_squares_is_in_closed_form():
    """4 pixels each, 2 of them shared: Dice 2 * 2 / 8, intersection over union 2 / 6."""
    first, second = torch.zeros(2, 4, 4, dtype=torch.long)
    first[:2, :2] = 1
    second[:2, 1:3] = 1
    assert float(dice(first, second, classes=2)[1]) == 0.5
    assert float(iou(first, second, classes=2)[1]) == pytest.approx(1 / 3)
    assert bool(dice(first, second, classes=3)[2].isnan())
    for metric in (dice, iou):
        assert torch.equal(metric(first, first, classes=2), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (torch.zeros(3, 4, dtype=torch.long), ValueError, "another grid"),
        (torch.full((4, 4), 255), ValueError, "255 is a border|values from 255"),
        (torch.zeros(4, 4), TypeError, "whole numbers"),
        (torch.zeros(0, 4, dtype=torch.long), ValueError, "empty"),
    ],
)
@pytest.mark.parametrize("metric", [dice, iou])
def test_label_maps_that_do_not_fit_are_refused(metric, labels, error, words):
    with pytest.raises(error, match=words):
        metric(labels, torch.zeros(4, 4, dtype=torch.long), classes=2)
