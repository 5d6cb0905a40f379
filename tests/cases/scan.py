"""Shared by the tests of scans: a few disks, their sinograms in closed form, and files of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid
from inverse_inr.problems.ct import filtered_backprojection

DISKS = ((0.0, 0.0, 26.0, 0.02), (12.0, 6.0, 4.0, 0.06), (-10.0, 3.0, 5.0, 0.03))
"""Disks (x0, x1, radius, value) in pixels, which no reflection or quarter turn leaves alike."""
BINS = 72
AIR = 20000.0
OFFSET = 100.0


def sinogram(angles: Tensor, bins: int = BINS, center: float = 0.0) -> Tensor:
    """Line integrals (views, bins), averaged over the bins, for angles in our convention."""
    fine = 8
    s = (torch.arange(bins * fine, dtype=torch.float64) + 0.5) / fine - bins / 2 - center
    total = torch.zeros(len(angles), bins * fine, dtype=torch.float64)
    for x0, x1, radius, value in DISKS:
        t = s - (x0 * angles.cos() + x1 * angles.sin())[:, None]
        total += value * 2 * (radius**2 - t**2).clamp(min=0).sqrt()
    return total.unflatten(1, (bins, fine)).mean(-1)


def disks_on(grid: Grid) -> Tensor:
    """The disks averaged over the pixels of a grid, (*shape,)."""
    points = grid.refined(4).points(torch.float64)
    value = torch.zeros(points.shape[0], dtype=torch.float64)
    if points.ndim == 3:
        value = torch.zeros(points.shape[:2], dtype=torch.float64)
    for x0, x1, radius, density in DISKS:
        inside = (points[..., 0] - x0) ** 2 + (points[..., 1] - x1) ** 2 <= radius**2
        value += density * inside
    h, w = grid.shape
    return value.reshape(h, 4, w, 4).mean((1, 3))


def relative_error(image: Tensor, grid: Grid) -> float:
    truth = disks_on(grid)
    return float((image.squeeze(-1).double() - truth).norm() / truth.norm())


def fbp_error(problem: Any) -> float:
    return relative_error(filtered_backprojection(problem).sample(), problem.grid)


def half_turn(views: int = 90) -> Tensor:
    return torch.arange(views, dtype=torch.float64) * math.pi / views


def counts_of(angles: Tensor, center: float = 0.0, seed: int = 0, rows: int = 2) -> np.ndarray:
    """Counts (views, rows, bins) with photon noise above an offset."""
    rate = AIR * torch.exp(-sinogram(angles, center=center))
    drawn = torch.poisson(
        rate[:, None].expand(-1, rows, -1).float(), torch.Generator().manual_seed(seed)
    )
    return (drawn + OFFSET).numpy()


def flats(frames: int = 10, rows: int = 2, level: float = AIR, seed: int = 1) -> np.ndarray:
    rate = torch.full((frames, rows, BINS), level)
    return (torch.poisson(rate, torch.Generator().manual_seed(seed)) + OFFSET).numpy()


def darks(frames: int = 5, rows: int = 2) -> np.ndarray:
    return np.full((frames, rows, BINS), OFFSET)


def write_scan(path: Path, units: str | None = "degrees", **changes: Any) -> Path:
    """Write a DXchange file of uint16; a keyword replaces a dataset of exchange/, None drops it."""
    angles = half_turn()
    parts: dict[str, Any] = {
        "data": counts_of(angles),
        "data_white": flats(),
        "data_dark": darks(),
        "theta": angles.rad2deg().numpy(),
        **changes,
    }
    with h5py.File(path, "w") as file:
        for name, values in parts.items():
            if values is not None:
                array = np.asarray(values)
                if name != "theta" and array.dtype.kind == "f" and np.isfinite(array).all():
                    array = np.round(array).astype(np.uint16)
                file[f"exchange/{name}"] = array
        if units is not None and "exchange/theta" in file:
            file["exchange/theta"].attrs["units"] = units
    return path
