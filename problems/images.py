"""Reading images for problems: examples, files, phantoms and masks, averaged and cropped.

Images are photographs: values between 0 and 1 at pixel centres, on a grid in pixels (in mm for
NIfTI and DICOM). Axis 0 points down, axis 1 to the right, channels are last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, SampledField, phantoms
from inverse_inr.domain import pixel_grid
from inverse_inr.io import inferences, read_image
from inverse_inr.problems.masks import FoundMask, mask_of_array, read_mask
from inverse_inr.problems.pixels import binned as binned
from inverse_inr.problems.pixels import binned_known, picture_of_array
from inverse_inr.problems.pixels import cropped as cropped
from inverse_inr.problems.pixels import grey as grey
from inverse_inr.problems.pixels import slice_of as slice_of
from inverse_inr.ranges import Count, WholeNumber, checked
from inverse_inr.registry import nearest

EXAMPLES = {
    "astronaut": "astronaut.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "moon": "moon.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}
"""Images that scikit-image brings along: the file of each name."""

ImageOrFile = str | Tensor
"""An example's name, a file, or (h, w) or (h, w, c) values."""

PHANTOMS = {"shepp_logan": phantoms.shepp_logan, "gaussian_blobs": phantoms.gaussian_blobs}
"""Analytic truths by name: functions of a box."""


class Picture(NamedTuple):
    """A picture as a problem uses it, and what was inferred on the way."""

    values: Tensor
    """(h, w, c) float32; zero where a pixel is not known."""
    grid: Grid
    known: Tensor
    """(h, w) boolean: the pixels that are known."""
    notes: dict[str, Any]
    """What a problem's `notes` should say."""


@checked
def load_image(
    image: ImageOrFile,
    *,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
) -> tuple[Tensor, Grid]:
    """Read an image: an example by name, or a PNG, JPEG, TIFF, NIfTI, DICOM or npz file.

    Values above 1, as CT numbers or counts are, are divided by the largest. Transparent pixels are
    refused.

    Args:
        image: An example's name, a file, or (h, w) or (h, w, c) values.
        slice: The slice of a volume along its last axis, the middle by default; or the page of a
            TIFF stack, which has no default.
        bin: Pixels that are averaged along each axis; a rest at the end is dropped.
        crop: Then the central square of at most so many pixels is kept.

    Returns:
        Values (h, w, c) float32 and their grid in px, or in mm for NIfTI and DICOM.

    Raises:
        ValueError: The name is unknown, the image holds NaN or Inf or nothing positive, there is no
            such slice, or `read_image` refuses the file.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    return picture.values, picture.grid


@checked
def load_picture(
    image: ImageOrFile,
    *,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    mask: ImageOrFile | None = None,
    complete: bool = False,
) -> Picture:
    """Read an image as `load_image` does, with a mask of the known pixels, and notes.

    Pixels that are not known decide nothing: not the scale, not the mean of a large pixel.

    Args:
        image: An example's name, a file, or (h, w) or (h, w, c) values.
        slice: The slice, as in `load_image`.
        bin: Pixels that are averaged along each axis, those that are known. A large pixel is known
            where more than half of it is.
        crop: The largest side in pixels.
        mask: An image file of two levels or (h, w) values of two levels, as large as the image
            before it is binned and cropped; None if all pixels are known.
        complete: The pixels that the mask calls lost have values too, as those of a truth have.

    Returns:
        The picture.

    Raises:
        ValueError: As in `load_image`, of the known pixels; or the mask has another size, or knows
            no pixel.
    """
    found = _mask(mask)
    with inferences() as inferred:
        values, grid, behind = _read(image, with_alpha=found is not None and not complete)
    image = in_words(image)
    if grid.ndim == 3:
        values, grid = slice_of(values, grid, slice, image)
    elif slice is not None:
        raise ValueError(f"slice={slice}: {image} is a single picture.")
    if grid.ndim != 2:
        raise ValueError(f"{image}: expected a picture or a volume, found {grid.ndim} axes.")
    known = torch.ones(grid.shape, dtype=torch.bool)
    notes: dict[str, Any] = {}
    if inferred:
        notes["file"] = " ".join(inferred)
    if found is not None:
        known = fitting(found.known, grid, image, found.where)
        if behind and values.shape[-1] in (2, 4):
            values = _behind(values, known, image)
    if not complete:
        values = torch.where(known[..., None], values, 0.0)
    if not torch.isfinite(values).all():
        raise ValueError(
            f"{image} holds NaN or Inf in {int((~torch.isfinite(values)).any(-1).sum())} pixels. "
            "Are they lost? A mask says so: inpaint with mask=, measured=True."
        )
    if not known.any():
        raise ValueError(
            f"{in_words(mask)}: the mask of {grid.shape} pixels keeps no pixel. Inverted?"
        )
    largest = float(values.max())
    if not largest > 0:
        raise ValueError(f"{image}: no value is positive, so there is nothing to see.")
    if largest > 1:
        values = values / largest
        notes["white"] = f"{largest:.6g} of {image}, its largest known value"
    means, kept, large = binned_known(values, known, grid, bin)
    if complete:
        means = binned(values, grid, bin)[0]
    values, known = cropped(means, large, crop)[0], cropped(kept, large, crop)[0]
    if found is not None:
        notes["known pixels"] = (
            f"{int(known.sum())} of {known.numel()} "
            f"({100 * float(known.double().mean()):.3g} %), {found.where}"
        )
    return Picture(values, cropped(means, large, crop)[1], known, notes)


def _mask(mask: ImageOrFile | None) -> FoundMask | None:
    if mask is None:
        return None
    if isinstance(mask, str):
        return read_mask(mask)
    return mask_of_array(mask)


def _read(image: ImageOrFile, with_alpha: bool) -> tuple[Tensor, Grid, bool]:
    """Values and grid of a file or an array, and whether they may have an alpha channel."""
    if isinstance(image, Tensor):
        return *picture_of_array(image), False
    file = _file(image)
    if with_alpha and file.suffix.lower() in (".png", ".tif", ".tiff"):
        return *read_image(file, alpha=True), True
    return *read_image(file), False


def in_words(image: ImageOrFile | None) -> str:
    """Name an image in a message: its file, or "the array".

    Args:
        image: The file, or the values.
    """
    if isinstance(image, Tensor):
        return "the array"
    return str(image)


def _behind(values: Tensor, known: Tensor, image: str) -> Tensor:
    """The colours of a picture with alpha, all of whose known pixels must be opaque."""
    clear = int((known & (values[..., -1] < 1)).sum())
    if clear:
        raise ValueError(
            f"{image}: {clear} pixels that the mask calls known are transparent. Flatten the image "
            "onto a background, or use its alpha as the mask."
        )
    return values[..., :-1]


def fitting(known: Tensor, grid: Grid, image: str, where: str) -> Tensor:
    """Make sure that a mask is one of an image.

    Args:
        known: (h, w) boolean.
        grid: The grid of the image.
        image: The image's name in messages.
        where: What the mask is, in words.

    Returns:
        The mask.

    Raises:
        ValueError: It has another size.
    """
    if tuple(known.shape) != grid.shape:
        slip = " Transposed?" if tuple(known.shape) == grid.shape[::-1] else ""
        raise ValueError(
            f"{image} has {grid.shape} pixels, the mask has {tuple(known.shape)} ({where}).{slip}"
        )
    return known


@checked
def load_truth(phantom: str, index: WholeNumber | None) -> tuple[Field, Box]:
    """Read a truth of one channel: a phantom by name, or an image file.

    Args:
        phantom: A name of `PHANTOMS`, "gaussian_blobs:7" for blobs at other places, drawn from that
            seed, or a file, which keeps its own resolution and unit.
        index: The slice of a volume along its last axis; default: the middle.

    Returns:
        The field and its box. The values of a file are scaled so that the largest is 1.

    Raises:
        ValueError: The name is unknown, the file holds NaN or Inf, or there is no such slice.
    """
    box = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
    if phantom in PHANTOMS:
        return PHANTOMS[phantom](box), box
    name, _, number = phantom.partition(":")
    if name == "gaussian_blobs" and number.isdecimal():
        return phantoms.gaussian_blobs(box, seed=int(number)), box
    if not Path(phantom).suffix:
        raise ValueError(
            f"Unknown phantom {phantom!r}. {nearest(phantom, PHANTOMS)} A file needs a suffix."
        )
    values, grid = read_image(phantom)
    if values.shape[-1] != 1:
        values = values.mean(-1, keepdim=True)
    if grid.ndim == 3:
        values, grid = slice_of(values, grid, index, phantom)
    if not torch.isfinite(values).all():
        raise ValueError(f"{phantom} holds NaN or Inf.")
    largest = float(values.max())
    if not largest > 0:
        raise ValueError(f"{phantom}: no value is positive, so there is nothing to see.")
    return SampledField(values / largest, grid), grid.box


def _file(image: str) -> Path:
    """The file of an example, or the file itself."""
    if image in EXAMPLES:
        import skimage.data

        return Path(skimage.data.__file__).parent / EXAMPLES[image]
    if not Path(image).suffix and not Path(image).exists():
        raise ValueError(
            f"Unknown image {image!r}. {nearest(image, EXAMPLES)} A file needs a suffix."
        )
    return Path(image)


@checked
def load_mask(mask: str, grid: Grid, bin: Count = 1, crop: Count | None = None) -> Tensor:
    """Read a mask of two levels from an image file, as `read_mask` does.

    Args:
        mask: The image file.
        grid: The grid that the mask must fit after binning and cropping.
        bin: Pixels that are averaged along each axis; a large one is kept where most of it is.
        crop: The largest side in pixels.

    Returns:
        (h, w) boolean, True where the image has the brighter of its two levels.

    Raises:
        ValueError: The mask has another size than `grid`, is no picture of two levels, or cannot be
            read.
    """
    found = read_mask(mask)
    own = pixel_grid((found.known.shape[0], found.known.shape[1]))
    values, own = cropped(*binned(found.known[..., None].float(), own, bin), crop)
    return fitting(values[..., 0] > 0.5, grid, "the image", found.where)
