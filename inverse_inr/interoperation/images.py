"""Images of TorchIO and MONAI, in both directions, with the affines that place their voxels.

Both libraries have images (channels, *shape) and affines from array index to mm in RAS+, which is
what a NIfTI file has too. Neither is imported before an image is handed to it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.nifti import world_affine
from inverse_inr.ranges import checked
from inverse_inr.solver import Solution

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def sampled(solution: Solution, grid: Grid | None) -> tuple[Tensor, Grid]:
    """Sample a solution for another library.

    Args:
        solution: The solution.
        grid: The pixels; None for the image on the problem's grid, as it is shown.

    Returns:
        (*shape, channels) values on the CPU, and their grid.
    """
    if grid is None:
        return solution.image().detach().cpu(), solution.problem.grid
    return solution.sample(grid).detach().cpu(), grid


@checked
def from_torchio(image: Any) -> tuple[Tensor, Grid]:
    """Take an image of TorchIO as values and their lattice, as `io.read_image` takes a file.

    Args:
        image: A `torchio.ScalarImage` or `LabelMap`; a plane has a last axis of length 1.

    Returns:
        (w, h, d, c) float32 values, and the grid in mm with the image's affine.

    Raises:
        TypeError: This is no such image.
        ValueError: It is empty, or its affine does not place voxels.
    """
    name = type(image).__name__
    data = getattr(image, "data", None)
    affine = getattr(image, "affine", None)
    if not isinstance(data, Tensor) or affine is None:
        raise TypeError(f"from_torchio: {name} is no torchio image: it has no data and affine.")
    return _placed("from_torchio", data, np.asarray(affine, np.float64))


@checked
def from_monai(image: Any) -> tuple[Tensor, Grid]:
    """Take an image of MONAI as values and their lattice, as `io.read_image` takes a file.

    Args:
        image: A `monai.data.MetaTensor` (c, *shape) of two or three axes.

    Returns:
        (*shape, c) float32 or complex64 values, and the grid in mm with the image's affine.

    Raises:
        TypeError: This is no such image.
        ValueError: It is empty, has no axis of channels or transforms that wait to be applied, or
            its affine does not place voxels.
    """
    name = type(image).__name__
    if not isinstance(image, Tensor) or not all(
        hasattr(image, word) for word in ("affine", "meta", "as_tensor")
    ):
        raise TypeError(f"from_monai: {name} is no monai.data.MetaTensor: it has no affine, meta.")
    held: Any = image
    if len(getattr(held, "pending_operations", ())):
        raise ValueError("from_monai: lazy transforms wait to be applied: monai's apply_pending.")
    spatial = held.meta.get("spatial_shape")
    if spatial is not None and len(np.atleast_1d(spatial)) == image.ndim:
        raise ValueError(
            f"from_monai: the image of shape {tuple(image.shape)} was read without an axis of "
            "channels. LoadImage(ensure_channel_first=True)?"
        )
    affine = np.asarray(held.affine, np.float64)
    if affine.shape == (3, 3):  # of a plane: the third axis is left as it is
        affine = np.insert(np.insert(affine, 2, 0, 0), 2, [0, 0, 1, 0], 1)
    if str(held.meta.get("space", "RAS")).endswith("LPS"):
        affine = LPS_TO_RAS @ affine
    return _placed("from_monai", held.as_tensor(), affine)


def _placed(name: str, data: Tensor, affine: np.ndarray) -> tuple[Tensor, Grid]:
    """Channels last, and the lattice from 0 in mm that carries the affine."""
    shape = tuple(data.shape[1:])
    if len(shape) not in (2, 3) or not data.numel():
        raise ValueError(
            f"{name}: expected an image (channels, *shape) of two or three axes, found shape "
            f"{tuple(data.shape)}."
        )
    sizes = np.zeros(len(shape))
    if affine.shape == (4, 4):
        sizes = np.linalg.norm(affine[:3, : len(shape)], axis=0)
    if not (np.isfinite(affine).all() and (sizes > 0).all()):
        raise ValueError(
            f"{name}: expected a (4, 4) affine with positive voxel sizes, found {affine.tolist()}."
        )
    upper = tuple(float(n * size) for n, size in zip(shape, sizes, strict=True))
    box = Box((0.0,) * len(shape), upper, ("mm",) * len(shape))
    values = data.detach().cpu().movedim(0, -1)
    values = values.to(torch.complex64 if values.is_complex() else torch.float32)
    return values.contiguous(), Grid(box, shape).with_affine(affine.tolist())


@checked
def to_torchio(solution: Solution, grid: Grid | None = None) -> Any:
    """Sample a solution as a `torchio.ScalarImage`.

    Args:
        solution: The solution, of a field in a plane or in space.
        grid: The voxels; default: the image on the problem's grid, as it is shown.

    Returns:
        The image (channels, w, h, d) with the grid's affine, or else one that its box makes. A
        plane has d = 1.

    Raises:
        ImportError: TorchIO is not installed.
        ValueError: The values are complex, the grid has another number of axes, or its axes are no
            lengths.
    """
    values, grid = sampled(solution, grid)
    _require_space("to_torchio", grid)
    if values.is_complex():
        raise ValueError("to_torchio: its images are real, and these values are complex.")
    data = values.movedim(-1, 0)
    if grid.ndim == 2:
        data = data[..., None]
    affine = world_affine(grid, "to_torchio")
    return _library("torchio").ScalarImage(tensor=data.contiguous(), affine=affine)


@checked
def to_monai(solution: Solution, grid: Grid | None = None) -> Any:
    """Sample a solution as a `monai.data.MetaTensor`.

    Args:
        solution: The solution, of a field in a plane or in space.
        grid: The voxels; default: the image on the problem's grid, as it is shown.

    Returns:
        The image (channels, *shape) with the grid's affine, or else one that its box makes.

    Raises:
        ImportError: MONAI is not installed.
        ValueError: The grid has another number of axes, or its axes are no lengths.
    """
    values, grid = sampled(solution, grid)
    _require_space("to_monai", grid)
    affine = torch.from_numpy(world_affine(grid, "to_monai"))
    made = _library("monai.data").MetaTensor
    return made(values.movedim(-1, 0).contiguous(), affine=affine, meta={"space": "RAS"})


def _require_space(name: str, grid: Grid) -> None:
    if grid.ndim not in (2, 3):
        raise ValueError(f"{name}: images have two or three axes, the grid has {grid.ndim}.")


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{error}. pip install {package}") from error
