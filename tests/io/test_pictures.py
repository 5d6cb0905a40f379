"""Pictures of every kind: orientation, palettes, alpha, byte orders, planes, compressions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps

from inverse_inr.io import FileFormatError, inferences, read_image

STORED = (5 * np.arange(48, dtype=np.uint8)).reshape(6, 8)
COLOURS = np.stack([STORED, STORED[::-1], STORED[:, ::-1]], -1)


def turned(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    if path.suffix == ".tif":
        tifffile.imwrite(path, STORED, extratags=[(274, "H", 1, orientation, True)])
    elif path.suffix == ".jpg":
        Image.fromarray(STORED).save(path, exif=exif, quality=100)
    else:
        Image.fromarray(STORED).save(path, exif=exif)


def levels(path: Path) -> np.ndarray:
    return np.rint(255 * read_image(path)[0].numpy()).astype(int)


# --- orientation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(9))
def test_the_orientation_tag_is_obeyed_in_every_format(
    tmp_path: Path, suffix: str, orientation: int
):
    turned(tmp_path / f"a{suffix}", orientation)
    turned(tmp_path / "reference.png", orientation)
    expected = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "reference.png")))
    found = levels(tmp_path / f"a{suffix}")[..., 0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (3 if suffix == ".jpg" else 0)


def test_a_turned_picture_says_so(tmp_path: Path):
    turned(tmp_path / "a.png", 6)
    with inferences() as found:
        read_image(tmp_path / "a.png")
    assert found == [f"{tmp_path / 'a.png'}: turned as its orientation tag 6 says."]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_orientation_that_there_is_not_is_refused(tmp_path: Path, suffix: str):
    turned(tmp_path / f"a{suffix}", 9)
    with pytest.raises(FileFormatError, match="orientation tag says 9"):
        read_image(tmp_path / f"a{suffix}")


def test_pages_are_turned_one_by_one(tmp_path: Path):
    pages = np.stack([STORED, STORED // 2])
    tag = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", extratags=tag)
    values, grid = read_image(tmp_path / "a.tif")
    assert grid.shape == (2, 8, 6)
    assert np.array_equal(np.rint(255 * values[0, ..., 0].numpy()), np.rot90(STORED, -1))


# --- palettes and alpha ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_palette_is_read_as_its_colours(tmp_path: Path, suffix: str):
    image = Image.fromarray(COLOURS).quantize(16)
    image.save(tmp_path / f"a{suffix}")
    assert np.array_equal(levels(tmp_path / f"a{suffix}"), np.array(image.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_opaque_alpha_is_dropped_and_that_is_said(tmp_path: Path, suffix: str):
    Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / f"a{suffix}")
    with inferences() as found:
        assert np.array_equal(levels(tmp_path / f"a{suffix}"), COLOURS)
    assert "opaque everywhere" in found[0]


def clear(path: Path, mode: str) -> None:
    """A picture of which one pixel is half transparent."""
    image = Image.fromarray(COLOURS).convert(mode)
    image.putpixel((2, 3), (9,) * (len(image.getbands()) - 1) + (128,))
    image.save(path)


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", ".png"), ("LA", ".png"), ("RGBA", ".tif")])
def test_a_transparent_pixel_is_refused(tmp_path: Path, mode: str, suffix: str):
    clear(tmp_path / f"a{suffix}", mode)
    with pytest.raises(FileFormatError, match=r"1 of 48 pixels are transparent .*alpha"):
        read_image(tmp_path / f"a{suffix}")
    kept, _ = read_image(tmp_path / f"a{suffix}", alpha=True)
    assert float(kept[3, 2, -1]) == pytest.approx(128 / 255)


def test_a_premultiplied_alpha_is_called_so(tmp_path: Path):
    array = np.concatenate([COLOURS, COLOURS[..., :1]], -1)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(FileFormatError, match="premultiplied alpha"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "1"])
def test_a_transparent_colour_is_alpha_too(tmp_path: Path, mode: str):
    image = Image.fromarray(COLOURS).convert(mode)
    key: Any = image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=key if mode != "1" else min(key, 1))
    with pytest.raises(FileFormatError, match="pixels are transparent"):
        read_image(tmp_path / "a.png")


# --- other kinds ----------------------------------------------------------------------------------


def test_what_pillow_would_halve_is_refused(tmp_path: Path):
    """PNG of 16 bits in colour: its header alone is enough."""
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[24] = 16
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(
        FileFormatError, match=r"16-bit RGB\. Convert it to 8-bit RGB, or to a TIFF"
    ):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_grey_of_any_depth_reaches_one(tmp_path: Path, bits: int):
    array: np.ndarray = (STORED > 100) if bits == 1 else STORED.astype(f"u{bits // 8}")
    Image.fromarray(array).save(tmp_path / "a.png")
    full = {1: 1, 8: 255, 16: 65535}[bits]
    assert np.allclose(read_image(tmp_path / "a.png")[0][..., 0].numpy(), array / full, atol=1e-7)


def test_an_animation_is_refused(tmp_path: Path):
    frames = [Image.fromarray(STORED), Image.fromarray(STORED[::-1].copy())]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(FileFormatError, match="an animation of 2 frames"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_colours_of_printers_are_refused(tmp_path: Path, suffix: str):
    Image.new("CMYK", (5, 4)).save(tmp_path / f"a{suffix}")
    with pytest.raises(FileFormatError, match=r"CMYK|SEPARATED"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "u4", "f2", "f4", "f8"])
def test_tiff_samples_without_a_white_stay_as_they_are(tmp_path: Path, kind: str, order: str):
    array = (STORED.astype(int) // 2 - 20).clip(0 if kind == "u4" else -99).astype(order + kind)
    tifffile.imwrite(tmp_path / "a.tif", array, byteorder=order)
    assert np.array_equal(read_image(tmp_path / "a.tif")[0][..., 0].numpy(), array.astype("f4"))


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_tiff_planes_are_channels(tmp_path: Path, planes: Any):
    array = COLOURS if planes == "contig" else np.moveaxis(COLOURS, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", array, planarconfig=planes, photometric="rgb")
    assert np.array_equal(levels(tmp_path / "a.tif"), COLOURS)


@pytest.mark.parametrize("how", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_tiff_compressions_are_read(tmp_path: Path, how: str):
    Image.fromarray(COLOURS).save(tmp_path / "a.tif", compression=how)
    assert np.array_equal(levels(tmp_path / "a.tif"), COLOURS)


def test_where_zero_is_white_values_are_turned_round(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", STORED, photometric="miniswhite")
    assert np.array_equal(levels(tmp_path / "a.tif")[..., 0], 255 - STORED.astype(int))


def test_pages_of_two_sizes_are_refused(tmp_path: Path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(STORED)
        file.write(STORED[:3])
    with pytest.raises(FileFormatError, match=r"found 2 of shapes \(6, 8\), \(3, 8\)"):
        read_image(tmp_path / "a.tif")


def test_an_unnamed_sample_is_refused(tmp_path: Path):
    array = np.concatenate([COLOURS, COLOURS[..., :1]], -1)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(FileFormatError, match=r"1 of them unnamed \(UNSPECIFIED\)"):
        read_image(tmp_path / "a.tif")


def test_strips_of_one_pixel_are_pictures(tmp_path: Path):
    for shape in ((1, 8), (6, 1), (1, 1)):
        tifffile.imwrite(tmp_path / "a.tif", STORED[: shape[0], : shape[1]])
        Image.fromarray(STORED[: shape[0], : shape[1]].copy()).save(tmp_path / "a.png")
        assert torch.equal(read_image(tmp_path / "a.tif")[0], read_image(tmp_path / "a.png")[0])
