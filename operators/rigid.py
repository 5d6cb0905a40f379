"""Rigid transforms of 3-D space as 4 x 4 matrices: x -> R x + t.

Rotation vectors are axis times angle in radians (axis-angle). `compose(a, b)` is a after b. The
gauge is the rigid motion of all slices that no measurement can tell from a motion of the volume:
`align` finds it, `pose_errors` takes it off.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def rotation_matrix(vector: Tensor) -> Tensor:
    """The rotation by a rotation vector, by Rodrigues' formula; differentiable also at 0.

    It is the exponential of the cross product with `vector`.

    Args:
        vector: (*s, 3) axis times angle in radians.

    Returns:
        (*s, 3, 3) rotation matrices.
    """
    angle = torch.linalg.vector_norm(vector, dim=-1)[..., None, None]
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    first = torch.sinc(angle / math.pi)
    second = 0.5 * torch.sinc(angle / (2 * math.pi)).square()
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return identity + first * cross + second * (cross @ cross)


def rotation_vector(matrix: Tensor) -> Tensor:
    """The inverse of `rotation_matrix`; not differentiable.

    Args:
        matrix: (*s, 3, 3) rotation matrices.

    Returns:
        (*s, 3) axis times angle in radians, angles up to π.
    """
    from scipy.spatial.transform import Rotation

    flat = matrix.detach().cpu().double().reshape(-1, 3, 3).numpy()
    vectors = np.asarray(Rotation.from_matrix(flat).as_rotvec())
    return torch.from_numpy(vectors).reshape(*matrix.shape[:-2], 3).to(matrix)


def rigid(vector: Tensor, translation: Tensor) -> Tensor:
    """The transform x -> R x + t from a rotation vector and a translation.

    Args:
        vector: (*s, 3) axis times angle in radians.
        translation: (*s, 3) in the unit of length.

    Returns:
        (*s, 4, 4) transforms.
    """
    return join(rotation_matrix(vector), translation)


def join(rotation: Tensor, translation: Tensor) -> Tensor:
    """The transform x -> R x + t from a rotation matrix and a translation.

    Args:
        rotation: (*s, 3, 3) rotation matrices.
        translation: (*s, 3) in the unit of length.

    Returns:
        (*s, 4, 4) transforms.
    """
    upper = torch.cat([rotation, translation[..., None]], -1)
    last = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, last], -2)


def compose(first: Tensor, *others: Tensor) -> Tensor:
    """One transform out of several, the last one applied first.

    compose(a, b, c) applied to x is a(b(c(x))).

    Args:
        first: (*s, 4, 4), the one that is applied last.
        others: (*s, 4, 4) each, from left to right.

    Returns:
        (*s, 4, 4), the product.
    """
    for other in others:
        first = first @ other
    return first


def inverse(transform: Tensor) -> Tensor:
    """The inverse of a rigid transform, with rotation Rᵀ and translation -Rᵀ t.

    Args:
        transform: (*s, 4, 4), rigid transforms only.

    Returns:
        (*s, 4, 4) transforms.
    """
    back = transform[..., :3, :3].mT
    return join(back, -(back @ transform[..., :3, 3:])[..., 0])


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """Move points by rigid transforms.

    Args:
        transform: (*s, 4, 4) transforms.
        points: (*s, n, 3) coordinates.

    Returns:
        (*s, n, 3) coordinates.
    """
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]


def check_rigid(name: str, transform: Tensor) -> None:
    """Make sure that transforms are finite rotations with translations.

    Args:
        name: What the matrices are called in the message.
        transform: (*s, 4, 4) matrices.

    Raises:
        ValueError: The shape is another, a value is not finite, or R is no rotation.
    """
    if transform.shape[-2:] != (4, 4) or not bool(torch.isfinite(transform).all()):
        raise ValueError(
            f"{name} must be finite (*s, 4, 4) matrices, got {tuple(transform.shape)}."
        )
    r = transform[..., :3, :3].double()
    off = float((r @ r.mT - torch.eye(3, dtype=r.dtype, device=r.device)).abs().max())
    if off > 1e-4 or bool((torch.linalg.det(r) < 0).any()):
        raise ValueError(
            f"{name}: R Rᵀ differs from 1 by {off:.2g}, or R mirrors. A scaled affine? "
            "Poses are in mm, not in pixels."
        )


class PoseErrors(NamedTuple):
    """The errors of slice poses, one entry per slice.

    Attributes:
        degrees: Angle of the remaining rotation, in degrees.
        distance: Displacement of the slice's middle, in the unit of length.
    """

    degrees: Tensor
    distance: Tensor


def align(poses: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """The rigid G for which G · reference is nearest to poses.

    It is a mean of rotations, then of middles.

    Args:
        poses: (n, 4, 4) poses of slices.
        reference: (n, 4, 4) poses of the same slices.
        weights: (n,) of slices, e.g. their numbers of pixels, so that slices that see next to
            nothing do not decide; equal by default.

    Returns:
        (4, 4), the transform G.
    """
    share = poses.new_ones(len(poses))
    if weights is not None:
        share = weights.to(poses)
    share = share / share.sum()
    turns = poses[:, :3, :3] @ reference[:, :3, :3].mT
    u, _, v = torch.linalg.svd((share[:, None, None] * turns).sum(0))
    one = torch.ones_like(u[0, 0])
    proper = torch.diag(torch.stack([one, one, torch.linalg.det(u @ v)]))
    rotation = u @ proper @ v
    shift = poses[:, :3, 3] - reference[:, :3, 3] @ rotation.mT
    return join(rotation, share @ shift)


def pose_errors(
    poses: Tensor, reference: Tensor, *, gauge: bool = True, weights: Tensor | None = None
) -> PoseErrors:
    """Measure how far poses of slices are from the true ones.

    Args:
        poses: (n, 4, 4) poses.
        reference: (n, 4, 4) true poses.
        gauge: Take off the rigid motion that all poses have in common first.
        weights: (n,) of slices in finding that motion, as in `align`.

    Returns:
        Angles and displacements, (n,) each.
    """
    poses = poses.detach()
    if gauge:
        reference = align(poses, reference, weights) @ reference
    turn = rotation_vector(poses[:, :3, :3] @ reference[:, :3, :3].mT)
    distance = torch.linalg.vector_norm(poses[:, :3, 3] - reference[:, :3, 3], dim=-1)
    return PoseErrors(torch.linalg.vector_norm(turn, dim=-1).rad2deg(), distance)
