"""Noise removal from images of few channels by Gaussian models of similar patches: NL-Bayes.

    first step     P̂ = m + (S - σ²) S⁻¹ (P - m),     m and S: of the patches most like P
    second step    P̂ = m + C (C + σ²)⁻¹ (P - m),     m and C: of the same patches after the first

S - σ² keeps its positive part. Every patch is estimated in all groups that it belongs to, and
pixels are means over the patches that cover them.

Lebrun, Buades & Morel 2013, A nonlocal Bayesian image denoising algorithm.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers import similar_patches

CHUNK = 2**12
"""Groups of patches that are worked on at a time."""


@checked
@torch.no_grad()
def nl_bayes(
    image: Tensor,
    sigma: Positive,
    *,
    patch: Count = 3,
    search: Count = 15,
    neighbours: Count = 60,
) -> Tensor:
    """Remove white noise from an image.

    Args:
        image: (H, W, c).
        sigma: Standard deviation of the noise of each value.
        patch: Pixels along each axis of a patch, an odd number.
        search: Patches are compared this many pixels away along each axis.
        neighbours: Patches of a group.

    Returns:
        (H, W, c).
    """
    guide = image
    for step in range(2):
        sizes = (patch, search, neighbours)
        guide = _one_step(image, guide, sigma, first=step == 0, sizes=sizes)
    return guide


def _one_step(
    image: Tensor,
    guide: Tensor,
    sigma: float,
    *,
    first: bool,
    sizes: tuple[int, int, int],
) -> Tensor:
    """One pass over all groups."""
    patch, search, neighbours = sizes
    height, width = image.shape[:2]
    place = similar_patches(guide, patch=patch, search=search, neighbours=neighbours - 1)[0]
    own = torch.arange(len(place))[:, None]
    place = torch.cat([own, place], 1)
    noisy, clean = _patches(image, patch), _patches(guide, patch)
    total = torch.zeros_like(noisy)
    count = noisy.new_zeros(len(noisy), 1)
    unit = torch.eye(noisy.shape[1]).to(noisy)
    for group in place.split(CHUNK):
        members = clean[group]
        mean = members.mean(1, keepdim=True)
        spread = members - mean
        covariance = spread.mT @ spread / neighbours
        if first:
            sizes_, turn = torch.linalg.eigh(covariance)
            gain = (1 - sigma**2 / sizes_.clamp(min=1e-12 * sigma**2)).clamp(min=0)
            shrink = turn * gain[:, None] @ turn.mT
        else:
            shrink = torch.linalg.solve(covariance + sigma**2 * unit, covariance).mT
        found = mean + (noisy[group] - mean) @ shrink.mT
        total.index_add_(0, group.flatten(), found.flatten(0, 1))
        count.index_add_(0, group.flatten(), count.new_ones(group.numel(), 1))
    return _joined(total, count, (height, width), patch)


def _patches(image: Tensor, patch: int) -> Tensor:
    """The patch around each pixel, (H W, c patch²); images go on as mirrored at their edges."""
    half = patch // 2
    planes = functional.pad(image.movedim(-1, 0)[None], (half,) * 4, mode="reflect")
    return functional.unfold(planes, patch)[0].T.contiguous()


def _joined(total: Tensor, count: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """Means over all patches that cover a pixel: (H, W, c)."""
    half = patch // 2
    outer = (size[0] + 2 * half, size[1] + 2 * half)
    seen = count.expand_as(total)
    both = [functional.fold(v.T[None], outer, patch)[0] for v in (total, seen)]
    inside = [v[:, half : half + size[0], half : half + size[1]] for v in both]
    return (inside[0] / inside[1].clamp(min=1e-9)).movedim(0, -1).contiguous()
