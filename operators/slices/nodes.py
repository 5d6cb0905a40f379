"""Quadrature nodes of slice profiles that keep the profile's symmetry, mean and covariance."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.operators.optics.psf import PSF
from inverse_inr.operators.quadrature import sobol
from inverse_inr.ranges import Range

Nodes = Annotated[int, Range(least=1, most=2**14)]
"""Points of a pixel; some dozens follow any profile."""


def mirrored(u: Tensor) -> Tensor:
    """Points and, in the opposite order, their mirror images in the middle of the unit cube.

    The k-th and the k-th last node of a symmetric profile are then opposite.

    Args:
        u: (*b, q, d) in [0, 1).

    Returns:
        (*b, 2q, d).
    """
    return torch.cat([u, 1 - u.flip(-2)], -2)


def profile_moments(psf: PSF) -> tuple[Tensor, Tensor | None]:
    """Mean and covariance of a profile.

    Args:
        psf: The profile, in d dimensions.

    Returns:
        The mean (d,) and the Cholesky factor (d, d) of the covariance; no factor where drawn nodes
        have unequal weights.
    """
    offsets, weights = psf.nodes(8)
    mean = weights @ offsets
    centered = offsets - mean
    root, failed = torch.linalg.cholesky_ex((weights * centered.mT) @ centered)
    drawn = psf.draw(sobol(64, psf.uniforms, 1).to(offsets.device))[1]
    if int(failed) or not torch.allclose(drawn, torch.full_like(drawn, 1 / 64)):
        return mean, None
    return mean, root


def matched(offsets: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    """Nodes of equal weight, moved a little so that their mean and covariance are the profile's.

    Args:
        offsets: (*b, q, 3).
        mean: (3,) from `profile_moments`.
        root: (3, 3) from `profile_moments`.

    Returns:
        (*b, q, 3).
    """
    centered = offsets - offsets.mean(-2, keepdim=True)
    ridge = 1e-9 * torch.eye(3, dtype=offsets.dtype, device=offsets.device)
    own = torch.linalg.cholesky(centered.mT @ centered / offsets.shape[-2] + ridge)
    standard = torch.linalg.solve_triangular(own, centered.mT, upper=False)
    return mean.to(offsets) + (root.to(offsets) @ standard).mT


def around(
    positions: Tensor, offsets: Tensor, poses: Tensor, sizes: Tensor, which: Tensor
) -> Tensor:
    """Nodes around pixels, R (p + d u) + c, in the volume.

    Args:
        positions: (b, 2), p in the plane of each pixel's slice.
        offsets: (b, q, 3), u of each pixel, or (1, q, 3) of all.
        poses: (n, 4, 4), R and c of the slices.
        sizes: (n, 3), d of the slices.
        which: (b,) slice of each pixel.

    Returns:
        (b, q, 3).
    """
    offsets = offsets.mT.contiguous()  # sums along an axis of three coordinates are slow
    if len(offsets) == 1:
        # turned once for each slice
        turned = (poses[:, :3, :3] @ (sizes[..., None] * offsets))[which]
    else:
        turned = poses[which, :3, :3] @ (sizes[which, :, None] * offsets)
    middle = poses[which, :3, :2] @ positions[..., None] + poses[which, :3, 3:]
    return (middle + turned).mT
