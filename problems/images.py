"""Reading images for problems: examples, files, phantoms and masks, averaged and cropped.

Images are photographs: values between 0 and 1 at pixel centres, on a grid in pixels (in mm for
NIfTI and DICOM). Axis 0 points down, axis 1 to the right, channels are last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, SampledField, phantoms
from inverse_inr.io import read_image
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

PHANTOMS = {"shepp_logan": phantoms.shepp_logan, "gaussian_blobs": phantoms.gaussian_blobs}
"""Analytic truths by name: functions of a box."""


def load_image(
    image: str, *, slice: int | None = None, bin: int = 1, crop: int | None = None
) -> tuple[Tensor, Grid]:
    """Read an image: an example by name, or a PNG, JPEG, TIFF, NIfTI, DICOM or npz file.

    Values above 1, as CT numbers or counts are, are divided by the largest. Alpha channels are
    refused.

    Args:
        image: An example's name, or a file.
        slice: The slice of a volume along its last axis; default: the middle.
        bin: Pixels that are averaged along each axis; a rest at the end is dropped.
        crop: Then the central square of at most so many pixels is kept.

    Returns:
        Values (h, w, c) float32 and their grid in px, or in mm for NIfTI and DICOM.

    Raises:
        ValueError: The name is unknown, the image holds NaN or Inf or nothing positive, there is no
            such slice, or `read_image` refuses the file.
    """
    values, grid = read_image(_file(image))
    if not torch.isfinite(values).all():
        raise ValueError(f"{image} holds NaN or Inf.")
    if grid.ndim == 3:
        values, grid = slice_of(values, grid, slice, image)
    if grid.ndim != 2:
        raise ValueError(f"{image}: expected a picture or a volume, found {grid.ndim} axes.")
    largest = float(values.max())
    if not largest > 0:
        raise ValueError(f"{image}: no value is positive, so there is nothing to see.")
    if largest > 1:
        values = values / largest
    return cropped(*binned(values, grid, bin), crop)


def load_truth(phantom: str, index: int | None) -> tuple[Field, Box]:
    """Read a truth of one channel: a phantom by name, or an image file.

    Args:
        phantom: A name of `PHANTOMS`, or a file, which keeps its own resolution and unit.
        index: The slice of a volume along its last axis; default: the middle.

    Returns:
        The field and its box. The values of a file are scaled so that the largest is 1.

    Raises:
        ValueError: The name is unknown, the file holds NaN or Inf, or there is no such slice.
    """
    if phantom in PHANTOMS:
        box = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
        return PHANTOMS[phantom](box), box
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
    return SampledField(values / max(float(values.max()), 1e-30), grid), grid.box


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


def slice_of(values: Tensor, grid: Grid, index: int | None, image: str) -> tuple[Tensor, Grid]:
    """One slice of a volume along its last axis.

    Args:
        values: (h, w, slices, c).
        grid: The grid of the volume.
        index: The number of the slice; None for the middle.
        image: The volume's name in messages.

    Returns:
        Values (h, w, c) and their grid, without an affine.

    Raises:
        ValueError: There is no such slice.
    """
    k = index
    if k is None:
        k = grid.shape[2] // 2
    if not 0 <= k < grid.shape[2]:
        raise ValueError(f"slice={k}: {image} has {grid.shape[2]} slices along its last axis.")
    box = Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
    return values[:, :, k], Grid(box, grid.shape[:2])


def binned(values: Tensor, grid: Grid, bin: int) -> tuple[Tensor, Grid]:
    """Average pixels along each axis, on the grid of the large pixels.

    In a box in px the unit becomes the large pixel; lengths in mm stay.

    Args:
        values: (*shape, c).
        grid: The grid of the values.
        bin: Pixels that are averaged along each axis; a rest at the end is dropped.

    Returns:
        Means (*large shape, c) and their grid, its affine carried along.

    Raises:
        ValueError: `bin` lies outside 1 to the smaller side.
    """
    if not 1 <= bin <= min(grid.shape):
        raise ValueError(
            f"bin={bin} must lie between 1 and the image's smaller side, {min(grid.shape)}."
        )
    if bin == 1:
        return values, grid
    shape = tuple(n // bin for n in grid.shape)
    means = values[tuple(slice(n * bin) for n in shape)]
    for k in reversed(range(grid.ndim)):
        means = means.unflatten(k, (-1, bin)).mean(k + 1)
    scale = [h * bin for h in grid.spacing]
    for k, unit in enumerate(grid.box.units):
        if unit == "px":
            scale[k] = 1.0
    upper = tuple(a + n * h for a, n, h in zip(grid.box.lower, shape, scale, strict=True))
    large = Grid(Box(grid.box.lower, upper, grid.box.units), shape)
    return means, large.with_affine(_moved(grid, (bin - 1) / 2, bin))


def cropped(values: Tensor, grid: Grid, size: int | None) -> tuple[Tensor, Grid]:
    """Keep the centre of an image, on a grid that begins at the same corner as the whole.

    Args:
        values: (*shape, c).
        grid: The grid of the values.
        size: The largest side in pixels; None keeps everything.

    Returns:
        Values (*smaller shape, c) and their grid, its affine carried along.

    Raises:
        ValueError: `size` is below 1.
    """
    if size is None:
        return values, grid
    if size < 1:
        raise ValueError(f"crop={size} must be at least 1 pixel.")
    shape = tuple(min(size, n) for n in grid.shape)
    start = [(n - m) // 2 for n, m in zip(grid.shape, shape, strict=True)]
    inner = values[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
    return inner, grid.crop([0] * grid.ndim, shape).with_affine(_moved(grid, start, 1))


def _moved(grid: Grid, start: float | Sequence[float], step: float) -> list[list[float]] | None:
    """The affine of a lattice that begins at pixel `start` of the grid, its pixels `step` apart."""
    if grid.affine is None:
        return None
    index = torch.eye(4, dtype=torch.float64)
    index[:3, :3] *= step
    index[:3, 3] = torch.as_tensor(start, dtype=torch.float64)
    return (torch.tensor(grid.affine, dtype=torch.float64) @ index).tolist()


def load_mask(mask: str, grid: Grid, bin: int = 1, crop: int | None = None) -> Tensor:
    """Read a mask from an image file.

    Args:
        mask: The image file.
        grid: The grid that the mask must fit after binning and cropping.
        bin: Pixels that are averaged along each axis.
        crop: The largest side in pixels.

    Returns:
        (h, w) boolean, True where the image is brighter than half.

    Raises:
        ValueError: The mask has another size than `grid`, is no picture, or cannot be read.
    """
    values, own = read_image(mask)
    if own.ndim != 2:
        raise ValueError(f"{mask}: a mask is a picture, found {own.ndim} axes.")
    kept = cropped(*binned(values, own, bin), crop)[0].mean(-1) > 0.5
    if kept.shape != grid.shape:
        raise ValueError(
            f"{mask}: the mask has {tuple(kept.shape)} pixels, the image {grid.shape}."
        )
    return kept


def grey(values: Tensor) -> Tensor:
    """The grey image of a colour image, by the luma weights of ITU-R BT.601, as in PIL.

    Args:
        values: (h, w, 3), or (h, w, 1), which stays.

    Returns:
        (h, w, 1).
    """
    if values.shape[-1] == 1:
        return values
    return (values * values.new_tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)
