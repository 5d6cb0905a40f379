"""Images as problems load them: files, bins, crops, counts, grey levels, and what is refused."""

import re

import numpy as np
import pytest
import torch
from cases.image import ramp, save
from PIL import Image

from inverse_inr.domain import pixel_grid
from inverse_inr.io import FileFormatError, read_image
from inverse_inr.problems.images import binned, cropped, grey, load_image


def test_load_image_bins_and_crops_in_pixels(tmp_path):
    values, grid = load_image(save(tmp_path / "a.tif", ramp()), bin=2, crop=8)
    assert values.shape == (8, 8, 1)
    assert grid.shape == (8, 8)
    assert grid.spacing == (1.0, 1.0)
    # rows 2k, 2k + 1 are averaged; the central 8 of 12 begin at 2
    expected = ramp()[:, 0, 0].reshape(12, 2).mean(1)[2:10]
    assert torch.allclose(values[:, 0, 0], expected, atol=1e-6)


def test_counts_are_scaled_to_one(tmp_path):
    values, _ = load_image(save(tmp_path / "a.tif", 400 * ramp()))
    assert float(values.max()) == 1.0
    assert torch.allclose(values / values.min(), ramp() / ramp().min(), atol=1e-5)


def test_grey_keeps_white_and_black():
    assert torch.allclose(
        grey(torch.tensor([[[1.0, 1, 1], [0, 0, 0], [0, 1, 0]]]))[0, :, 0],
        torch.tensor([1, 0, 0.587]),
    )


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("camra", "camera"),
        ("nan.tif", "NaN"),
        ("black.png", "no value is positive"),
        ("missing.png", "no such file"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused(tmp_path, monkeypatch, name, match):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "nan.tif", ramp() * torch.nan)
    save(tmp_path / "black.png", 0 * ramp())
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        load_image(name)


def test_alpha_channel_is_refused_and_16_bits_are_kept(tmp_path):
    Image.fromarray(np.zeros((4, 4, 4), np.uint8), "RGBA").save(tmp_path / "alpha.png")
    with pytest.raises(FileFormatError, match="alpha"):
        load_image(str(tmp_path / "alpha.png"))
    fine = ramp() + 1 / 65535
    values, _ = load_image(save(tmp_path / "fine.png", fine))  # 8 bits would round 1/65535 away
    assert torch.allclose(values, fine, atol=0.6 / 65535)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bin": 0}, "bin=0"),
        ({"bin": 99}, "bin=99"),
        ({"crop": 0}, "size=0"),
        ({"crop": 99}, "crop=99 is larger than the image"),
    ],
)
def test_bins_and_crops_beyond_the_image_are_refused(options, match):
    values, grid = ramp(), pixel_grid((24, 20))
    with pytest.raises(ValueError, match=match):
        cropped(*binned(values, grid, options.get("bin", 1)), options.get("crop"))


def test_image_files_round_trip(tmp_path):
    colour = torch.rand(5, 4, 3, generator=torch.Generator().manual_seed(0))
    save(tmp_path / "a.tiff", colour)
    assert torch.equal(read_image(tmp_path / "a.tiff")[0], colour)
    Image.fromarray((255 * colour.numpy()).astype(np.uint8)).save(
        tmp_path / "a.jpg", quality=100, subsampling=0
    )
    assert float((read_image(tmp_path / "a.jpg")[0] - colour).abs().max()) < 0.05
    (tmp_path / "a.jpeg").write_text("no picture")
    with pytest.raises(FileFormatError, match=re.escape("a.jpeg")):
        read_image(tmp_path / "a.jpeg")
    with pytest.raises(ValueError, match="JPEG is read only"):
        save(tmp_path / "b.jpg", colour)
