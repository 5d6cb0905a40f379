"""One call for people in a hurry: arrays in, arrays out, in their own unit."""

import numpy as np
import pytest
import torch
from skimage.transform import radon

from inverse_inr.problems import ct, kspace, restoration

QUICK = {"prior": "siren", "steps": 20, "regularizers": ()}


def picture(channels: int = 1) -> np.ndarray:
    """A disc on a slope, between 0 and 200."""
    y, x = np.mgrid[:24, :20]
    image = 100.0 * x / 20 + 100.0 * ((x - 10) ** 2 + (y - 12) ** 2 < 25)
    if channels == 1:
        return image
    return np.stack([image] * channels, -1)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_an_inpainted_array_is_in_its_own_unit_whatever_stands_at_lost_pixels(channels):
    image = picture(channels)
    mask = np.random.default_rng(0).random(image.shape[:2]) < 0.6
    damaged = image.copy()
    damaged[~mask] = np.nan
    found = restoration.inpainted(damaged, mask, rounds=0, solving=QUICK)
    assert found.image.shape == image.shape
    assert found.image.dtype == np.float32
    error = np.sqrt(np.mean((found.image - image) ** 2))
    assert error < 0.5 * image.std()
    assert "known pixels" in found.problem.notes
    assert "siren" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_photographs_keep_their_unit(kind):
    image = picture().astype(kind)
    found = restoration.deblurred(image, kernel="gaussian", size=1.0, rounds=0, solving=QUICK)
    assert found.image.shape == image.shape
    assert abs(found.image.mean() / image.mean() - 1) < 0.2
    found = restoration.enlarged(image, 2, rounds=0, solving=QUICK)
    assert found.image.shape == (48, 40)
    assert abs(found.image.mean() / image.mean() - 1) < 0.2


def test_noise_is_estimated_where_nothing_is_said_of_it():
    noisy = picture() / 200 + 0.05 * np.random.default_rng(1).standard_normal((24, 20))
    found = restoration.denoised(np.clip(noisy, 0, 1), rounds=0, solving=QUICK)
    assert found.image.shape == noisy.shape
    assert "estimated" in str(found.problem.notes) or "differences" in str(found.problem.notes)


def test_a_sinogram_of_scikit_image_gives_its_slice():
    image = np.zeros((32, 32))
    image[8:16, 12:24] = 1.0
    degrees = np.linspace(0, 180, 24, endpoint=False)
    sinogram = radon(image, degrees)
    found = ct.reconstruct(
        sinogram,
        degrees,
        convention="scikit-image",
        noise_level=0.05,
        raster=True,
        solving={**QUICK, "prior": "grid", "steps": 100},
    )
    assert found.image.shape == image.shape

    def likeness(other: np.ndarray) -> float:
        return float(np.corrcoef(found.image.ravel(), other.ravel())[0, 1])

    assert likeness(image) > 0.8
    assert likeness(image) > 0.2 + max(map(likeness, (image.T, image[::-1], image[:, ::-1])))


def head_and_samples() -> tuple[np.ndarray, np.ndarray]:
    """An ellipse of value 7, and its k-space of three coils whose squares sum to 1."""
    x, y = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 20), indexing="ij")
    head = 7.0 * (x**2 + 1.4 * y**2 < 0.7)
    maps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2)) for a, b in ((-1, 0), (1, 0), (0, 1))])
    maps /= np.sqrt((maps**2).sum(0))
    centred = np.fft.ifftshift(maps * head, axes=(1, 2))
    noise = np.random.default_rng(0).normal(0, 0.05, (2, 3, 24, 20))
    samples = np.fft.fftshift(np.fft.fft2(centred, norm="ortho"), axes=(1, 2))
    return head, (samples + noise[0] + 1j * noise[1]).astype(np.complex64)


def test_an_image_of_k_space_is_in_the_unit_of_the_samples():
    head, samples = head_and_samples()
    lines = np.ones(20, bool)
    lines[[1, 3, 17, 19]] = False
    damaged = samples.copy()
    damaged[..., ~lines] = np.nan
    found = kspace.image(
        damaged,
        lines,
        sigma=0.1,
        phase="coils",
        weight=1.0,
        calibration=8,
        solving={**QUICK, "prior": "grid", "steps": 400},
    )
    assert found.image.shape == head.shape
    middle = np.abs(found.image[9:11, 8:16])  # 0.1 of 7 is what a fit of 400 steps leaves
    np.testing.assert_allclose(middle.mean(), 7, atol=0.3)
    assert np.abs(found.image[head == 0]).mean() < 0.7
    assert "384 of 480" in found.problem.notes["samples"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: restoration.denoised("photo"), "image: str is no array of numbers"),
        (lambda: restoration.denoised([[1, 2], [3]]), "image: list is no array"),
        (lambda: restoration.denoised(np.zeros((3, 64, 64))), "Channels first"),
        (lambda: restoration.denoised(np.full((16, 16), np.nan)), "NaN"),
        (lambda: restoration.denoised(np.zeros(16)), r"\(h, w\) or \(h, w, c\)"),
        (lambda: restoration.inpainted(picture(), np.ones((20, 24))), "Transposed"),
        (lambda: restoration.inpainted(picture(), np.zeros((24, 20))), "keeps no pixel"),
        (lambda: restoration.inpainted(picture(), picture()), "two levels"),
        (lambda: restoration.inpainted(picture(), np.full((24, 20), np.nan)), "holds NaN or Inf"),
        (lambda: restoration.denoised(picture(), colour=3), "colour"),
        (lambda: ct.reconstruct(np.ones((5, 9)), np.zeros(4)), "4"),
        (lambda: kspace.image(picture()), "expected complex k-space, found float64"),
        (lambda: kspace.image(1j * picture(), np.ones(7)), r"mask of shape \(7,\) does not fit"),
        (lambda: kspace.image(1j * picture(), 3 * picture()), "true or 1"),
        (lambda: kspace.image(1j * picture(), noise_scan="a.h5"), "an array has no noise_scan"),
        (lambda: ct.reconstruct(torch.full((5, 9), torch.nan), np.arange(5) / 5), "NaN|finite"),
    ],
)
def test_bad_arrays_are_refused_by_name(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
