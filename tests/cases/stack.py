"""Shared by the tests of stacks: a subject without symmetry, stacks of it, files with affines."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from nibabel.affines import apply_affine
from torch import Tensor

from inverse_inr import Box
from inverse_inr.command.records import arguments
from inverse_inr.operators.rigid import rotation_matrix
from inverse_inr.problems.slices.simulation import simulate_stacks
from inverse_inr.problems.slices.stacks import Stack

F64 = torch.float64
BOX = Box((-24.0, -20.0, -18.0), (24.0, 20.0, 18.0), ("mm", "mm", "mm"))
MIDDLES = torch.tensor([[0.0, 0, 0], [9, 4, -3], [-8, 7, 4], [2, -9, 6], [-5, -4, -9]], dtype=F64)
WIDTHS = torch.tensor([7.0, 3, 4, 3, 3.5], dtype=F64)
WAVES = torch.tensor([[0.5, 0.2, 0.1], [-0.2, 0.6, 0.2], [0.1, -0.2, 0.6]], dtype=F64)


def bumps(x: Tensor) -> Tensor:
    """Gaussians: smooth, without symmetry, next to nothing at the faces."""
    squared = (x[..., None, :] - MIDDLES.to(x)).square().sum(-1) / WIDTHS.to(x).square()
    return torch.exp(-0.5 * squared).sum(-1, keepdim=True)


def head(x: Tensor) -> Tensor:
    """Bumps with folds in them; the folds tell how a slice is turned."""
    return bumps(x) * (1 + 0.4 * torch.sin(x @ WAVES.to(x).mT).sum(-1, keepdim=True)).clamp(min=0)


def simulated(**options: Any) -> list[Stack]:
    """Stacks of the head; options are keywords of `simulate_stacks`, or fields of its records."""
    made = {"thickness": 4.0, "nodes": 32, "degrees": 4.0, "distance": 2.0, "seed": 1, **options}
    return simulate_stacks(head, BOX, **arguments(simulate_stacks, made, taken=("box",)))


def at_rest() -> list[Stack]:
    """Stacks of a subject that does not move, without noise and gains."""
    return simulated(degrees=0.0, distance=0.0, gain=0.0, noise_level=0.0)


def affine_of(normal: str, angle: float = 0.0) -> np.ndarray:
    """The affine of a stack of 2 x 2.5 x 4 mm voxels, turned by `angle` about an odd axis.

    Its slices are `normal`; k may run backwards.
    """
    axes = {"axial": [0, 1, 2], "coronal": [0, 2, 1], "sagittal": [1, 2, 0]}[normal]
    r = np.eye(3)[:, axes] * np.array([-1.0, 1.0, 1.0])
    r = rotation_matrix(angle * torch.tensor([0.48, 0.6, 0.64], dtype=F64)).numpy() @ r
    m = np.eye(4)
    m[:3, :3] = r * np.array([2.0, 2.5, 4.0])
    m[:3, 3] = np.array([3.0, -2.0, 1.0]) - m[:3, :3] @ np.array([11.5, 9.5, 5.5])
    return m


def saved(path: Path, values: np.ndarray, affine: np.ndarray | None, **header: int) -> str:
    image = nibabel.Nifti1Image(values, affine)
    for name, code in header.items():
        image.header[name] = code
    nibabel.save(image, path)
    return str(path)


def sampled(affine: np.ndarray, shape: tuple[int, ...] = (24, 20, 12)) -> np.ndarray:
    """The bumps at the voxels' centres, as nibabel places them."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = apply_affine(affine, index)
    return bumps(torch.from_numpy(world))[..., 0].numpy().astype(np.float32)
