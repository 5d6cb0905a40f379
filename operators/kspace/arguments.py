"""Checks of what the k-space operators are given: coils, masks and trajectories."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Gridding, placement
from inverse_inr.operators.kspace.coils import GivenCoils


def as_coils(coils: Tensor | Field | None, grid: Grid) -> tuple[nn.Module | None, int | None]:
    """Coil maps or a field as a module.

    Args:
        coils: Maps (coils, *grid.shape), a module that is a field of as many channels, or None.
        grid: The grid of the image.

    Returns:
        The field and the number of its coils, both None without coils.

    Raises:
        TypeError: For a field that is no module.
    """
    if coils is None:
        return None, None
    if isinstance(coils, Tensor):
        return GivenCoils(coils, grid), len(coils)
    if not isinstance(coils, nn.Module):
        raise TypeError(
            f"coils must be maps (coils, *grid.shape) or a module, got {type(coils).__name__}."
        )
    with torch.no_grad():
        here = grid.crop((0,) * grid.ndim, (1,) * grid.ndim).points(*placement(coils))
        return coils, int(coils(here).shape[-1])


def checked_mask(mask: Tensor, grid: Grid, basis: Tensor | None) -> Tensor:
    """The mask of a `CartesianKSpace`, as bool.

    Args:
        mask: (*grid.shape), or (frames, *grid.shape) together with a basis.
        grid: The grid of the image.
        basis: (frames, L), or None.

    Returns:
        The mask in the same shape.

    Raises:
        ValueError: For a mask of another shape or an empty one, and for frames without a basis that
            fits.
    """
    frames = mask.ndim == grid.ndim + 1
    shape = tuple(mask.shape)
    if shape != grid.shape and not (frames and shape[1:] == grid.shape):
        slip = " Transposed?" if shape == grid.shape[::-1] else ""
        raise ValueError(
            f"CartesianKSpace: the mask has shape {shape}, the grid {grid.shape}.{slip}"
        )
    if frames:
        _check_frames(len(mask), basis)
    elif basis is not None:
        raise ValueError(
            "CartesianKSpace: a basis of time frames needs a mask for each, (frames, *grid.shape)."
        )
    mask = mask.bool()
    if not mask.any():
        raise ValueError("CartesianKSpace: the mask keeps nothing. Inverted?")
    return mask


def _check_frames(frames: int, basis: Tensor | None) -> None:
    if basis is not None and len(basis) == frames:
        return
    found = "no basis" if basis is None else f"a basis of {len(basis)} rows"
    raise ValueError(
        f"CartesianKSpace: a mask of {frames} frames with {found}; pass basis (frames, L)."
    )


LEAST_FILLED = 0.25
"""Cycles per field of view that a trajectory reaches at least; a Cartesian one reaches n / 2."""


def checked_trajectory(trajectory: Tensor, grid: Grid) -> Tensor:
    """The frequencies of a `NonCartesianKSpace`, in float64 on the CPU.

    Args:
        trajectory: (*shape, d) in cycles per unit of the box.
        grid: The grid of the image.

    Returns:
        (samples, d), in the grid's Nyquist square but for rounding.

    Raises:
        ValueError: For a trajectory of another dimension, with NaN or Inf, or beyond the grid's
            Nyquist frequency by more than `Gridding.nyquist_tolerance`.
    """
    if trajectory.ndim < 2 or trajectory.shape[-1] != grid.ndim:
        raise ValueError(
            f"The trajectory has shape {tuple(trajectory.shape)}; expected (*shape, {grid.ndim})."
        )
    k = trajectory.detach().double().cpu().reshape(-1, grid.ndim)
    if not torch.isfinite(k).all():
        raise ValueError("The trajectory holds NaN or Inf.")
    nyquist = torch.tensor(grid.nyquist, dtype=torch.float64)
    largest = k.abs().amax(0)
    reach = float((largest / nyquist).max())
    if reach > 1 + Gridding.nyquist_tolerance:
        raise ValueError(
            f"The trajectory reaches {reach:.5g} times the grid's Nyquist frequency "
            f"{grid.nyquist}, in cycles per unit of the box. {_likely_unit(largest, grid)}"
        )
    lengths = torch.tensor(grid.box.lengths, dtype=torch.float64)
    fills = float((largest * lengths).max())
    if len(k) > 1 and 0 < fills < LEAST_FILLED:
        raise ValueError(
            f"The trajectory reaches {fills:.3g} cycles per field of view at most, so that no "
            "sample tells one half of the image from the other. Cycles per mm, where the box has "
            "another unit?"
        )
    return k


def _likely_unit(largest: Tensor, grid: Grid) -> str:
    """The unit in which frequencies that are too large would fill the grid's Nyquist square.

    Args:
        largest: (d,) largest |k| along each axis.
        grid: The grid of the image.
    """
    nyquist = torch.tensor(grid.nyquist, dtype=torch.float64)
    half = torch.full_like(nyquist, 0.5)
    ends = {
        "Radians per unit of the box? Divide by 2π.": 2 * math.pi * nyquist,
        "Radians per pixel, in [-π, π]? Divide by 2π and by the pixel size.": 2 * math.pi * half,
        "Cycles per pixel, in [-1/2, 1/2]? Divide by the pixel size.": half,
        "Cycles per field of view? Divide by the lengths of the box.": half
        * torch.tensor(grid.shape, dtype=torch.float64),
    }
    off = {name: abs(math.log(float((largest / end).max()))) for name, end in ends.items()}
    nearest = min(off, key=lambda name: off[name])
    if off[nearest] < math.log(1.1):
        return nearest
    return (
        "Radians, cycles per pixel or cycles per field of view? "
        "Or pixels too coarse for what was measured?"
    )


def checked_basis(basis: Tensor | None, samples: int, spokes: int) -> Tensor | None:
    """The basis of a `NonCartesianKSpace`, with one row per sample.

    Args:
        basis: (samples, L), or (spokes, L) for one value per spoke, or None.
        samples: Number of samples.
        spokes: Number of spokes, the first axis of the trajectory.

    Returns:
        (samples, L), or None.

    Raises:
        ValueError: For another number of rows.
    """
    if basis is None or len(basis) == samples:
        return basis
    if len(basis) != spokes:
        raise ValueError(
            f"A basis of {len(basis)} rows fits neither {samples} samples nor {spokes} spokes."
        )
    return basis.repeat_interleave(samples // spokes, 0)
