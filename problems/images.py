"""What the image problems share: reading an image, the raster it is judged on, and a figure beside its measurement.

Images are photographs: values between 0 and 1 at pixel centres, on a grid in pixels (in mm for NIfTI and DICOM).
Axis 0 points down, axis 1 to the right, channels are last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Problem, SampledField, Solution, metrics, phantoms
from inverse_inr.io import read_image, write_image
from inverse_inr.registry import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = {
    "astronaut": "astronaut.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "moon": "moon.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}
"""Images that scikit-image brings along."""

PHANTOMS = {"shepp_logan": phantoms.shepp_logan, "gaussian_blobs": phantoms.gaussian_blobs}
"""Analytic truths by name."""

Picture = Callable[[Problem], Tensor]


def load_image(
    image: str, *, slice: int | None = None, bin: int = 1, crop: int | None = None
) -> tuple[Tensor, Grid]:
    """Values (H, W, c) float32 and their grid: an example by name, or a PNG, JPEG, TIFF, NIfTI, DICOM or npz file.

    slice  of a volume, along its last axis (default: the middle)
    bin    average `bin` pixels along each axis; a rest at the end is dropped
    crop   then keep the central square of at most so many pixels

    Values beyond [0, 1], as CT numbers or counts are, are divided by the largest. Alpha channels are refused.
    Raises ValueError for an unknown name, NaN or Inf, an image that is zero; and what `read_image` raises.
    """
    values, grid = read_image(_file(image))
    if not torch.isfinite(values).all():
        raise ValueError(f"{image} holds NaN or Inf.")
    if grid.ndim == 3:
        values, grid = _middle(values, grid, slice, image)
    if grid.ndim != 2:
        raise ValueError(f"{image}: expected a picture or a volume, found {grid.ndim} axes.")
    largest = float(values.max())
    if not largest > 0:
        raise ValueError(f"{image}: no value is positive, so there is nothing to see.")
    values = values / largest if largest > 1 else values
    return cropped(*binned(values, grid, bin), crop)


def load_truth(phantom: str, index: int | None) -> tuple[Field, Box]:
    """The field and its box; files keep their own resolution and unit."""
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
        k = grid.shape[2] // 2 if index is None else index
        if not 0 <= k < grid.shape[2]:
            raise ValueError(
                f"slice={k}: {phantom} has {grid.shape[2]} slices along its last axis."
            )
        values = values[:, :, k]
        box = Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
        grid = Grid(box, grid.shape[:2])
    if not torch.isfinite(values).all():
        raise ValueError(f"{phantom} holds NaN or Inf.")
    return SampledField(values / max(float(values.max()), 1e-30), grid), grid.box


def _file(image: str) -> Path:
    if image in EXAMPLES:
        import skimage.data

        return Path(skimage.data.__file__).parent / EXAMPLES[image]
    if not Path(image).suffix and not Path(image).exists():
        raise ValueError(
            f"Unknown image {image!r}. {nearest(image, EXAMPLES)} A file needs a suffix."
        )
    return Path(image)


def _middle(values: Tensor, grid: Grid, index: int | None, image: str) -> tuple[Tensor, Grid]:
    k = grid.shape[2] // 2 if index is None else index
    if not 0 <= k < grid.shape[2]:
        raise ValueError(f"slice={k}: {image} has {grid.shape[2]} slices along its last axis.")
    box = type(grid.box)(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
    return values[:, :, k], Grid(box, grid.shape[:2])


def binned(values: Tensor, grid: Grid, bin: int) -> tuple[Tensor, Grid]:
    """Means of `bin` pixels along each axis, on the lattice of the large pixels: `px` become large ones, mm stay."""
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
    scale = [
        1.0 if unit == "px" else h * bin
        for unit, h in zip(grid.box.units, grid.spacing, strict=True)
    ]
    upper = tuple(a + n * h for a, n, h in zip(grid.box.lower, shape, scale, strict=True))
    large = Grid(type(grid.box)(grid.box.lower, upper, grid.box.units), shape)
    return means, large.with_affine(_moved(grid, (bin - 1) / 2, bin))


def cropped(values: Tensor, grid: Grid, size: int | None) -> tuple[Tensor, Grid]:
    """The central `size` pixels along each axis at most, on a grid that begins at the same corner as the whole."""
    if size is None:
        return values, grid
    if size < 1:
        raise ValueError(f"crop={size} must be at least 1 pixel.")
    shape = tuple(min(size, n) for n in grid.shape)
    start = [(n - m) // 2 for n, m in zip(grid.shape, shape, strict=True)]
    inner = values[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))]
    return inner, grid.crop([0] * grid.ndim, shape).with_affine(_moved(grid, start, 1))


def _moved(grid: Grid, start: float | Sequence[float], step: float) -> list[list[float]] | None:
    """The affine of a lattice whose first pixel is pixel `start` of this one, and whose pixels are `step` apart."""
    if grid.affine is None:
        return None
    index = torch.eye(4, dtype=torch.float64)
    index[:3, :3] *= step
    index[:3, 3] = torch.as_tensor(start, dtype=torch.float64)
    return (torch.tensor(grid.affine, dtype=torch.float64) @ index).tolist()


def load_mask(mask: str, grid: Grid, bin: int = 1, crop: int | None = None) -> Tensor:
    """A mask image as (H, W) of bool, True where brighter than half.

    Raises ValueError where it is not as large as `grid` after bin and crop, and what `read_image` raises.
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
    """(H, W, 3) -> (H, W, 1): luma weights of ITU-R BT.601, as scikit-image and PIL; one channel stays."""
    if values.shape[-1] == 1:
        return values
    return (values * values.new_tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)


# --- figure and files -----------------------------------------------------------------------------------------------


def shows(
    measured: Picture, name: str = "measured"
) -> Callable[[Problem, Sequence[Solution]], Figure]:
    """`Suggestion.figure` of an image: what was measured, the truth where there is one, and every solution, in colour.

    `measured(problem)` is the picture of the measurements, (h, w, c).
    """

    def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
        pictures = [(name, measured(problem))]
        truth = (
            None
            if problem.reference is None
            else SampledField.sample(_sampled(problem), problem.grid)
        )
        if truth is not None:
            pictures.append(("truth", truth))
        for solution in solutions:
            image = solution.sample(problem.grid)
            score = (
                "" if truth is None else f"\n{metrics.psnr(image, truth, data_range=1.0):.2f} dB"
            )
            pictures.append((solution.method + score, image))
        return row_of(pictures)

    return figure


def _sampled(problem: Problem) -> SampledField:
    assert isinstance(problem.reference, SampledField)
    return problem.reference


def row_of(pictures: Sequence[tuple[str, Tensor]], panel: float = 2.6) -> Figure:
    """Titled pictures in rows of at most five: grey from black to white, or RGB."""
    from matplotlib.figure import Figure

    columns = min(5, len(pictures))
    rows = -(-len(pictures) // columns)
    aspect = max(p.shape[0] / p.shape[1] for _, p in pictures)
    figure = Figure(figsize=(panel * columns, rows * (panel * aspect + 0.7)), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes, pictures, strict=False):
        values = picture.detach().cpu().nan_to_num(0.0).clamp(0, 1).numpy()
        ax.imshow(values.repeat(3, -1) if values.shape[-1] == 1 else values[..., :3])
        ax.set_title(title, fontsize="medium")
    return figure


def write_picture(solution: Solution, folder: Path) -> list[Path]:
    """`Suggestion.write` of an image: image.png, 8-bit colour or 16-bit grey."""
    image = solution.sample()
    if image.shape[-1] not in (1, 3):
        return []
    write_image(folder / "image.png", image, solution.problem.grid)
    return [folder / "image.png"]
