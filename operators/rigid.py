"""Rigid transforms of 3-D space as 4 x 4 matrices: x -> R x + t.

Rotation vectors are axis times angle in radians (axis-angle). `compose(a, b)` is a after b. Which motions of slices
no measurement can tell from a motion of the volume is the gauge: `align` finds it, `pose_errors` takes it off.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def rotation_matrix(vector: Tensor) -> Tensor:
    """exp of the cross product with `vector`: (*s, 3) -> (*s, 3, 3), differentiable also at 0 (Rodrigues' formula)."""
    angle = torch.linalg.vector_norm(vector, dim=-1)[..., None, None]
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    first, second = torch.sinc(angle / math.pi), 0.5 * torch.sinc(angle / (2 * math.pi)).square()
    return (
        torch.eye(3, dtype=vector.dtype, device=vector.device)
        + first * cross
        + second * (cross @ cross)
    )


def rotation_vector(matrix: Tensor) -> Tensor:
    """The inverse of `rotation_matrix`, angles up to π: (*s, 3, 3) -> (*s, 3); not differentiable."""
    from scipy.spatial.transform import Rotation

    flat = matrix.detach().cpu().double().reshape(-1, 3, 3).numpy()
    vectors = np.asarray(Rotation.from_matrix(flat).as_rotvec())
    return torch.from_numpy(vectors).reshape(*matrix.shape[:-2], 3).to(matrix)


def rigid(vector: Tensor, translation: Tensor) -> Tensor:
    """x -> R x + t from a rotation vector and t: (*s, 3) and (*s, 3) -> (*s, 4, 4)."""
    return join(rotation_matrix(vector), translation)


def join(rotation: Tensor, translation: Tensor) -> Tensor:
    """(*s, 3, 3) and (*s, 3) -> (*s, 4, 4)."""
    upper = torch.cat([rotation, translation[..., None]], -1)
    last = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, last], -2)


def compose(first: Tensor, *others: Tensor) -> Tensor:
    """compose(a, b, c) applied to x is a(b(c(x)))."""
    for other in others:
        first = first @ other
    return first


def inverse(transform: Tensor) -> Tensor:
    """Of rigid transforms only: Rᵀ, -Rᵀ t."""
    back = transform[..., :3, :3].mT
    return join(back, -(back @ transform[..., :3, 3:])[..., 0])


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """(*s, 4, 4) transforms of (*s, n, 3) points."""
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]


def check_rigid(name: str, transform: Tensor) -> None:
    """Raises ValueError where (*s, 4, 4) are no finite rotations with translations."""
    if transform.shape[-2:] != (4, 4) or not bool(torch.isfinite(transform).all()):
        raise ValueError(
            f"{name} must be finite (*s, 4, 4) matrices, got {tuple(transform.shape)}."
        )
    r = transform[..., :3, :3].double()
    off = float((r @ r.mT - torch.eye(3, dtype=r.dtype, device=r.device)).abs().max())
    if off > 1e-4 or bool((torch.linalg.det(r) < 0).any()):
        raise ValueError(
            f"{name}: R Rᵀ differs from 1 by {off:.2g}, or R mirrors. A scaled affine? Poses are in mm, not in pixels."
        )


class PoseErrors(NamedTuple):
    """Of each slice: angle in degrees, and displacement of its middle in the unit of length."""

    degrees: Tensor
    distance: Tensor


def align(poses: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """The rigid G for which G · reference is nearest to poses, all (n, 4, 4): a mean of rotations, then of middles.

    weights (n,): of slices, e.g. their numbers of pixels, so that some that see next to nothing do not decide.
    """
    share = poses.new_ones(len(poses)) if weights is None else weights.to(poses)
    share = share / share.sum()
    turns = poses[:, :3, :3] @ reference[:, :3, :3].mT
    u, _, v = torch.linalg.svd((share[:, None, None] * turns).sum(0))
    proper = torch.diag(torch.stack([torch.ones_like(u[0, 0])] * 2 + [torch.linalg.det(u @ v)]))
    rotation = u @ proper @ v
    shift = poses[:, :3, 3] - reference[:, :3, 3] @ rotation.mT
    return join(rotation, share @ shift)


def pose_errors(
    poses: Tensor, reference: Tensor, *, gauge: bool = True, weights: Tensor | None = None
) -> PoseErrors:
    """How far (n, 4, 4) poses are from the true ones, after their common rigid motion is taken off (`gauge`)."""
    poses = poses.detach()
    reference = align(poses, reference, weights) @ reference if gauge else reference
    turn = rotation_vector(poses[:, :3, :3] @ reference[:, :3, :3].mT)
    distance = torch.linalg.vector_norm(poses[:, :3, 3] - reference[:, :3, 3], dim=-1)
    return PoseErrors(torch.linalg.vector_norm(turn, dim=-1).rad2deg(), distance)
