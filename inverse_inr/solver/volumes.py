"""Volumes of any size, written slab by slab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.io.files import PathLike
from inverse_inr.sampled import SampledField

VOXELS_AT_ONCE = 2**21
"""Voxels of a slab, which are in memory together: 8 MB of one channel in single precision."""
POINTS_AT_ONCE = 2**16
"""Points in one call of the field, whose features and nodes take many times their memory."""


def write_volume(
    field: Field,
    grid: Grid,
    path: PathLike,
    average: int = 1,
    beside: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a field on a lattice, slab by slab.

    Args:
        field: The field.
        grid: The voxels.
        path: A file of `io.slabs.SUFFIXES`.
        average: Sub-samples per axis of each voxel.
        beside: Further tensors by name, which HDF5 alone keeps.

    Returns:
        The path.
    """
    from inverse_inr.io.slabs import open_slabs
    from inverse_inr.metrics import modulus

    first = sample(field, grid.crop((0,) * grid.ndim, (1,) * grid.ndim))
    dtype, channels = first.dtype, first.shape[-1]
    shown = _as_it_is
    written = dtype
    if ".nii" in Path(path).name.lower():
        shown, written = modulus, dtype.to_real()
    layers = {
        axis: max(1, VOXELS_AT_ONCE * n // grid.numel)
        for axis, n in ((0, grid.shape[0]), (grid.ndim - 1, grid.shape[-1]))
    }
    with open_slabs(path, grid, channels, written, layers[0], beside) as file:
        count = grid.shape[file.axis]
        step = min(count, layers[file.axis])
        # one buffer for all slabs: many small results between large ones would fragment the heap
        shape = [*grid.shape, channels]
        shape[file.axis] = step
        buffer = torch.empty(shape, dtype=dtype, device=first.device)
        for start in range(0, count, step):
            corner = [0] * grid.ndim
            corner[file.axis] = start
            size = list(grid.shape)
            size[file.axis] = min(step, count - start)
            if isinstance(field, SampledField) and grid == field.grid:
                values = field.values.narrow(file.axis, start, size[file.axis])
            else:
                out = buffer.narrow(file.axis, 0, size[file.axis])
                part = grid.crop(corner, size)
                values = sample(field, part, average=average, chunk=POINTS_AT_ONCE, out=out)
            file.put(shown(values))
    return Path(path)


def _as_it_is(values: Tensor) -> Tensor:
    return values
