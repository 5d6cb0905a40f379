"""Similar patches of an image: which places look alike, by the distance of what is around them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr import memory
from inverse_inr.ranges import Count, checked

BLOCK = 24
"""Number of offsets whose patch distances are held at a time, which bounds memory."""


@checked
def similar_patches(
    image: Tensor,
    *,
    patch: Count = 9,
    search: Count = 10,
    neighbours: Count = 8,
    at: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the most similar patches around each pixel.

    Their weights are w = exp(-|P_i - P_j|² / h_i²), with h_i² the median squared distance of the k
    patches of pixel i: no contrast and no noise level has to be told.

    Args:
        image: (*shape, c), real or complex.
        patch: Pixels along each axis, an odd number. A Gaussian whose standard deviation is a third
            of it weighs the pixels of a patch.
        search: Look this many pixels away along each axis.
        neighbours: The number k of patches to find for each pixel.
        at: Flat indices of the n pixels that are asked; default: all, in order.

    Returns:
        Flat indices of the patches' centres, (n, k), and their weights, (n, k). Where fewer than k
        are inside the image, the pixel itself fills up at weight 0.

    Raises:
        ValueError: The image holds NaN or Inf, the patch is even, or a number is below 1.
    """
    if patch % 2 == 0:
        raise ValueError(f"similar_patches: patch={patch} must be an odd number of pixels.")
    if image.ndim < 2 or not image.numel() or patch > 2 * max(image.shape[:-1]):
        raise ValueError(
            f"similar_patches: patch={patch} does not fit an image of {tuple(image.shape)}."
        )
    if not torch.isfinite(image).all():
        raise ValueError("similar_patches: the guide holds NaN or Inf.")
    if image.is_complex():
        image = torch.view_as_real(image).flatten(-2)
    shape = image.shape[:-1]
    index = torch.arange(shape.numel(), device=image.device).reshape(shape)
    search = min(search, max(shape) - 1)  # further away there is no pixel
    offsets = [
        o for o in itertools.product(range(-search, search + 1), repeat=len(shape)) if any(o)
    ]
    if at is None:
        at = index.flatten()
    memory.require(
        f"similar_patches: neighbours={neighbours} of {len(at)} pixels",
        len(at) * (neighbours + BLOCK) * (8 + image.element_size()),
        lambda there: f"Ask for {max(1, there // (20 * len(at)))} at most.",
    )
    near = image.new_full((len(at), neighbours), torch.inf)
    place = at[:, None].expand(-1, neighbours)  # itself, at weight 0, where fewer are inside
    for start in range(0, len(offsets), BLOCK):
        # keep the best so far and compare them with the next few: memory stays bounded
        some = offsets[start : start + BLOCK]
        distances = [_patch_distance(image, o, patch).flatten()[at] for o in some]
        places = [index.roll([-v for v in o], list(range(len(shape)))).flatten()[at] for o in some]
        near, chosen = torch.cat([near, torch.stack(distances, 1)], 1).topk(
            neighbours, 1, largest=False
        )
        place = torch.cat([place, torch.stack(places, 1)], 1).gather(1, chosen)
    scale = near[:, near.shape[1] // 2 : near.shape[1] // 2 + 1].clamp_min(
        torch.finfo(near.dtype).tiny
    )
    return place, torch.where(near.isinf(), 0.0, (-near / scale).exp())


def _patch_distance(image: Tensor, offset: tuple[int, ...], patch: int) -> Tensor:
    """Weighted |P(x) − P(x + offset)|² at every pixel; infinite where x + offset lies outside."""
    axes = list(range(image.ndim - 1))
    squared = (image.roll([-o for o in offset], axes) - image).square().sum(-1)
    outside = torch.zeros_like(squared, dtype=torch.bool)
    for axis, o in enumerate(offset):
        if o:
            width = min(abs(o), image.shape[axis])
            first = 0
            if o > 0:
                first = image.shape[axis] - width
            outside.narrow(axis, first, width).fill_(True)
    return _blurred(squared.masked_fill(outside, 0.0), patch).masked_fill(outside, torch.inf)


def _blurred(values: Tensor, patch: int) -> Tensor:
    """Gaussian means over `patch` pixels along each axis; the outside counts as 0 for all alike."""
    place = torch.arange(patch, device=values.device, dtype=values.dtype) - patch // 2
    taps = torch.exp(-0.5 * (3 * place / patch) ** 2)
    taps = taps / taps.sum()
    for axis in range(values.ndim):
        rows = values.movedim(axis, -1)
        out = functional.conv1d(
            rows.reshape(-1, 1, rows.shape[-1]), taps[None, None], padding=patch // 2
        )
        values = out.reshape(rows.shape).movedim(-1, axis)
    return values
