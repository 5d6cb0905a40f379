"""Similar patches of an image: which places look alike, by the distance of what is around them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.devices import unravel
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
    search = min(search, max(shape) - 1)  # further away there is no pixel
    offsets = [
        o for o in itertools.product(range(-search, search + 1), repeat=len(shape)) if any(o)
    ]
    if at is None:
        at = torch.arange(shape.numel(), device=image.device)
    memory.require(
        f"similar_patches: neighbours={neighbours} of {len(at)} pixels",
        len(at) * (neighbours + BLOCK) * (8 + image.element_size())
        + 4 * BLOCK * shape.numel() * image.element_size(),
        lambda there: f"Ask for {max(1, there // (20 * len(at)))} at most.",
    )
    image = image.movedim(-1, 0).contiguous()
    near = image.new_full((len(at), neighbours), torch.inf)
    # numbers of offsets; the last is the pixel itself, at weight 0, where fewer are inside
    which = at.new_full((len(at), neighbours), len(offsets))
    for start in range(0, len(offsets), BLOCK):
        # keep the best so far and compare them with the next few: memory stays bounded
        some = offsets[start : start + BLOCK]
        distances = _patch_distances(image, some, patch).flatten(1)[:, at]
        near, chosen = torch.cat([near, distances.T], 1).topk(neighbours, 1, largest=False)
        numbers = torch.arange(start, start + len(some), device=at.device)
        which = torch.cat([which, numbers.expand(len(at), -1)], 1).gather(1, chosen)
    moves = at.new_tensor([*offsets, (0,) * len(shape)])[which]
    place = torch.zeros_like(which)
    for axis, (i, n) in enumerate(zip(unravel(at, shape), shape, strict=True)):
        place = place * n + (i[:, None] + moves[..., axis]) % n
    scale = near[:, near.shape[1] // 2 : near.shape[1] // 2 + 1].clamp_min(
        torch.finfo(near.dtype).tiny
    )
    return place, torch.where(near.isinf(), 0.0, (-near / scale).exp())


def _patch_distances(image: Tensor, offsets: Sequence[Sequence[int]], patch: int) -> Tensor:
    """Weighted |P(x) − P(x + o)|² of an image (c, *shape) for each offset o: (offsets, *shape).

    Infinite where x + o lies outside.
    """
    shape = image.shape[1:]
    squared = image.new_zeros(len(offsets), *shape)
    insides = []
    for one, offset in zip(squared, offsets, strict=True):
        pairs = list(zip(offset, shape, strict=True))
        here = tuple(slice(max(0, -o), max(0, n - max(0, o))) for o, n in pairs)
        there = tuple(slice(max(0, o), max(0, n + min(0, o))) for o, n in pairs)
        one[here] = (image[:, *there] - image[:, *here]).square_().sum(0)
        insides.append(here)
    blurred = _blurred(squared, patch)
    found = torch.full_like(squared, torch.inf)
    for one, whole, here in zip(found, blurred, insides, strict=True):
        one[here] = whole[here]
    return found


def _blurred(values: Tensor, patch: int) -> Tensor:
    """Gaussian means over `patch` pixels along each axis but the first; the outside counts as 0."""
    place = torch.arange(patch, dtype=torch.float64) - patch // 2
    taps = torch.exp(-0.5 * (3 * place / patch) ** 2)
    taps = (taps / taps.sum()).tolist()
    for axis in range(1, values.ndim):
        total = taps[patch // 2] * values
        for k in range(1, min(patch // 2 + 1, values.shape[axis])):
            low = values.shape[axis] - k
            weight = taps[patch // 2 + k]
            total.narrow(axis, 0, low).add_(values.narrow(axis, k, low), alpha=weight)
            total.narrow(axis, k, low).add_(values.narrow(axis, 0, low), alpha=weight)
        values = total
    return values
