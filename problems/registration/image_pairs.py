"""The two images of a registration: from files, or one and itself under a known deformation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid
from inverse_inr.io import read_image
from inverse_inr.problems.images import binned, cropped, grey, load_image, slice_of
from inverse_inr.ranges import Count, NonNegative, WholeNumber, checked


def load_moving(
    image: str, volume: bool, index: int | None, bin: int, crop: int | None
) -> tuple[Tensor, Grid]:
    """Read an image or a volume of one channel, with values up to 1.

    Args:
        image: An example by name, a file, or "mni152".
        volume: Take a whole volume rather than a slice.
        index: The slice of a volume along its last axis; default: the middle.
        bin: Pixels averaged along each axis, in a volume along all three.
        crop: Largest side in pixels, in a volume of all three.

    Returns:
        Values (*shape, 1) and their grid.

    Raises:
        ValueError: The image is unknown, holds NaN or Inf, or has no such slice.
    """
    if image != "mni152" and not volume:
        values, grid = load_image(image, slice=index, bin=bin, crop=crop)
        return grey(values), grid
    if image == "mni152":
        values, grid = mni152()
    else:
        values, grid = read_image(image)
    if not volume:
        values, grid = slice_of(values, grid, index, image)
    if not torch.isfinite(values).all():
        raise ValueError(f"{image} holds NaN or Inf.")
    values = values.mean(-1, keepdim=True) / max(float(values.max()), 1e-30)
    return cropped(*binned(values, grid, bin), crop)


def mni152() -> tuple[Tensor, Grid]:
    """The MNI152 T1 template that nilearn brings along, at 1 mm.

    Returns:
        Values (*shape, 1) and their grid in mm.

    Raises:
        ImportError: nilearn is not installed.
    """
    try:
        from nilearn.datasets import load_mni152_template
    except ImportError:
        raise ImportError(
            "The 'mni152' template comes with nilearn: pip install nilearn. Or name an image."
        ) from None

    image: Any = load_mni152_template(resolution=1)
    values = torch.from_numpy(image.get_fdata(dtype="float32"))[..., None]
    shape: Sequence[int] = values.shape[:3]
    lengths = tuple(n * float(h) for n, h in zip(shape, image.header.get_zooms(), strict=True))
    return values, Grid(Box((0.0,) * 3, lengths, ("mm",) * 3), tuple(shape)).with_affine(
        image.affine.tolist()
    )


class Deformation:
    """A smooth displacement that vanishes at the faces of a box: a sum of low sine modes.

    It is a field: points (*s, d) -> displacements (*s, d), both in the unit of the box.

    Args:
        grid: The grid whose box is deformed.
        amplitude: The largest component in pixels.
        seed: Seed of the modes.
        modes: Half waves per axis at most; rougher modes are weaker.
    """

    @checked
    def __init__(
        self, grid: Grid, amplitude: NonNegative, seed: WholeNumber = 0, modes: Count = 3
    ) -> None:
        d = grid.ndim
        self.lower = torch.tensor(grid.box.lower)
        self.lengths = torch.tensor(grid.box.lengths)
        weights = torch.randn(*[modes] * d, d, generator=torch.Generator().manual_seed(seed))
        for k in range(d):
            shape = [1] * (d + 1)
            shape[k] = -1
            weights = weights / torch.arange(1.0, modes + 1).reshape(shape)
        self.weights = weights
        largest = self(Grid(grid.box, (24,) * d).points()).abs().amax()
        self.weights = weights * (amplitude * max(grid.spacing) / largest)

    def __call__(self, points: Tensor) -> Tensor:
        t = (points - self.lower.to(points)) / self.lengths.to(points)
        order = torch.arange(1, self.weights.shape[0] + 1).to(t)
        waves = [
            torch.sin(math.pi * order * x[:, None]) for x in t.reshape(-1, t.shape[-1]).unbind(1)
        ]
        values = torch.einsum("na,a...->n...", waves[0], self.weights.to(t))
        for wave in waves[1:]:
            values = torch.einsum("na,na...->n...", wave, values)
        return values.reshape(*points.shape[:-1], -1)


def deformed(values: Tensor, grid: Grid, u: Field) -> Tensor:
    """The moving image at x + u(x) by cubic splines, unlike the multilinear operator of the fit.

    Args:
        values: (*shape, 1), the moving image.
        grid: Its grid.
        u: The displacement in the unit of the box.

    Returns:
        (*shape, 1).
    """
    from scipy.ndimage import map_coordinates

    points = grid.points()
    where = (
        (points + u(points) - torch.tensor(grid.box.lower)) / torch.tensor(grid.spacing) - 0.5
    ).movedim(-1, 0)
    seen = map_coordinates(
        values[..., 0].double().numpy(), where.double().numpy(), order=3, mode="nearest"
    )
    return torch.from_numpy(seen).to(values.dtype)[..., None]
