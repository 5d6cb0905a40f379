"""Pixels of an image that is read: a slice of a volume, means of several pixels, the centre."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.domain import pixel_grid
from inverse_inr.io.maps.georeference import moved
from inverse_inr.ranges import Count, WholeNumber, checked


@checked
def slice_of(
    values: Tensor, grid: Grid, index: WholeNumber | None, image: str
) -> tuple[Tensor, Grid]:
    """One slice of a volume along its last axis, or one page of a TIFF stack.

    Args:
        values: (h, w, slices, c), or (pages, h, w, c) of a TIFF file.
        grid: The grid of the volume.
        index: The number of the slice; None for the middle. Pages have no default.
        image: The volume's name in messages.

    Returns:
        Values (h, w, c) and their grid, which lies where the slice does.

    Raises:
        ValueError: There is no such slice, or no page is chosen.
    """
    if image.lower().endswith((".tif", ".tiff")):
        return _page_of(values, grid, index, image)
    k = index
    if k is None:
        k = grid.shape[2] // 2
    if not 0 <= k < grid.shape[2]:
        raise ValueError(f"slice={k}: {image} has {grid.shape[2]} slices along its last axis.")
    box = Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
    plane = Grid(box, grid.shape[:2], metadata=grid.metadata)
    return values[:, :, k], plane.with_affine(_moved(grid, (0, 0, k), 1))


def _page_of(values: Tensor, grid: Grid, index: int | None, image: str) -> tuple[Tensor, Grid]:
    """One page of a TIFF stack, whose pages need not be slices of anything."""
    pages = grid.shape[0]
    if index is None or not 0 <= index < pages:
        asked = "" if index is None else f"slice={index}: "
        raise ValueError(
            f"{asked}{image} has {pages} pages; say which is meant: slice=0 to slice={pages - 1}."
        )
    box = Box(grid.box.lower[1:], grid.box.upper[1:], grid.box.units[1:])
    return values[index], Grid(box, grid.shape[1:])


@checked
def binned(values: Tensor, grid: Grid, bin: Count) -> tuple[Tensor, Grid]:
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
    metadata = moved(grid.metadata, (0, 0), (bin, bin))
    return means, large.with_affine(_moved(grid, (bin - 1) / 2, bin)).with_metadata(metadata)


@checked
def cropped(values: Tensor, grid: Grid, size: Count | None) -> tuple[Tensor, Grid]:
    """Keep the centre of an image, on a grid that begins at the same corner as the whole.

    Args:
        values: (*shape, c).
        grid: The grid of the values.
        size: The largest side in pixels; None keeps everything.

    Returns:
        Values (*smaller shape, c) and their grid, its affine carried along.

    Raises:
        ValueError: `size` is below 1, or no side is as large.
    """
    if size is None:
        return values, grid
    if size < 1:
        raise ValueError(f"crop={size} must be at least 1 pixel.")
    if size > max(grid.shape):
        raise ValueError(
            f"crop={size} is larger than the image, which has {grid.shape} pixels after binning. "
            f"crop={max(grid.shape)} keeps all of it."
        )
    shape = tuple(min(size, n) for n in grid.shape)
    start = [(n - m) // 2 for n, m in zip(grid.shape, shape, strict=True)]
    inner = values[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
    kept = grid.crop([0] * grid.ndim, shape).with_affine(_moved(grid, start, 1))
    return inner, kept.with_metadata(moved(grid.metadata, start[:2], (1, 1)))


def binned_known(
    values: Tensor, known: Tensor, grid: Grid, bin: int
) -> tuple[Tensor, Tensor, Grid]:
    """Average the known pixels of each large pixel.

    Args:
        values: (*shape, c), zero where a pixel is not known.
        known: (*shape) boolean.
        grid: The grid of the values.
        bin: Pixels along each axis of a large one.

    Returns:
        Means (*large shape, c), zero where a large pixel is not known, as most of it must be; which
        are known (*large shape); and their grid.

    Raises:
        ValueError: As `binned`.
    """
    if known.all():
        values, large = binned(values, grid, bin)
        return values, torch.ones(large.shape, dtype=torch.bool), large
    share, large = binned(known[..., None].double(), grid, bin)
    sums = binned(values.double(), grid, bin)[0]
    kept = share[..., 0] > 0.5
    means = torch.where(kept[..., None], sums / share.clamp(min=1e-12), 0.0)
    return means.float(), kept, large


def _moved(grid: Grid, start: float | Sequence[float], step: float) -> list[list[float]] | None:
    """The affine of a lattice that begins at pixel `start` of the grid, its pixels `step` apart."""
    if grid.affine is None:
        return None
    index = torch.eye(4, dtype=torch.float64)
    index[:3, :3] *= step
    index[:3, 3] = torch.as_tensor(start, dtype=torch.float64)
    return (torch.tensor(grid.affine, dtype=torch.float64) @ index).tolist()


def picture_of_array(values: Tensor) -> tuple[Tensor, Grid]:
    """Make a picture of an array as a reader would of a file.

    Args:
        values: (h, w) or (h, w, c) numbers, c at most 4.

    Returns:
        (h, w, c) float32, and the grid in pixels.

    Raises:
        ValueError: The array has another form or is complex.
    """
    shape = tuple(values.shape)
    if values.is_complex() or values.ndim not in (2, 3) or not values.numel():
        raise ValueError(
            f"An image as an array is (h, w) or (h, w, c) of real numbers, not {shape} of "
            f"{values.dtype}."
        )
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[-1] > 4:
        slip = ""
        if shape[0] <= 4:
            slip = " Channels first? Pass image.movedim(0, -1)."
        raise ValueError(
            f"An image as an array of shape {shape} has {shape[-1]} channels: at most 4.{slip}"
        )
    return values.detach().cpu().float(), pixel_grid((shape[0], shape[1]))


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
