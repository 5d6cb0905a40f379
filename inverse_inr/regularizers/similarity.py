"""Similar patches: what one place of an image says about another, by a guide.

R(f) = 1/n Σ_i Σ_j w_ij |f(x_i) − f(x_j)|²      over the `neighbours` most similar patches j of each pixel i

The guide may be a first reconstruction of the same measurements (Gilboa & Osher 2008, Nonlocal operators with
applications to image processing). What similar patches have in common beyond their values is in `patch_models`.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.regularizers.slopes import Regularizer

BLOCK = 24
"""Offsets whose patch distances are held at a time."""


def similar_patches(
    image: Tensor,
    *,
    patch: int = 9,
    search: int = 10,
    neighbours: int = 8,
    at: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The most similar patches within `search` pixels along each axis: flat indices (n, k) and weights (n, k).

    image  (*shape, c), real or complex
    at     flat indices of the n pixels that are asked; default: all, in order
    patch  pixels along an axis, odd; a Gaussian of a third of it in standard deviation weighs its pixels
    w = exp(-|P_i - P_j|² / h_i²), with h_i² the median squared distance of the k patches of pixel i: no contrast and no
    noise level has to be told. Raises ValueError for NaN or Inf, or an even patch.
    """
    if patch < 1 or patch % 2 == 0 or search < 1 or neighbours < 1:
        raise ValueError(
            f"similar_patches: patch={patch} must be odd, search={search} and neighbours={neighbours} >= 1."
        )
    if not torch.isfinite(image).all():
        raise ValueError("similar_patches: the guide holds NaN or Inf.")
    image = torch.view_as_real(image).flatten(-2) if image.is_complex() else image
    shape = image.shape[:-1]
    index = torch.arange(shape.numel(), device=image.device).reshape(shape)
    offsets = [
        o for o in itertools.product(range(-search, search + 1), repeat=len(shape)) if any(o)
    ]
    at = index.flatten() if at is None else at
    near = image.new_full((len(at), neighbours), torch.inf)
    place = at[:, None].expand(-1, neighbours)  # itself, at weight 0, where fewer are inside
    for start in range(
        0, len(offsets), BLOCK
    ):  # the best so far beside the next few: memory stays bounded
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
            outside.narrow(axis, 0 if o < 0 else image.shape[axis] - width, width).fill_(True)
    return _blurred(squared.masked_fill(outside, 0.0), patch).masked_fill(outside, torch.inf)


def _blurred(values: Tensor, patch: int) -> Tensor:
    """Gaussian means over `patch` pixels along each axis; what lies outside counts as zero distance for all alike."""
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


class NonLocal(Regularizer):
    """mean over pixels i of Σ_j w_ij |f(x_i) - f(x_j)|² over similar patches of `guide` (Gilboa & Osher 2008).

    guide  a field: another modality, a classical or an earlier reconstruction; seen at the pixels of `grid`, once
    `options` are those of `similar_patches`.
    """

    def __init__(self, guide: Field, grid: Grid, **options: Any) -> None:
        self.guide, self.grid, self.options = guide, grid, options
        self._graph: tuple[Tensor, Tensor] | None = None

    def graph(self) -> tuple[Tensor, Tensor]:
        """Neighbours and weights: a pure function of the guide, made when first asked for."""
        if self._graph is None:
            with torch.no_grad():
                self._graph = similar_patches(sample(self.guide, self.grid), **self.options)
        return self._graph

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        values = sample(field, self.grid).flatten(0, -2)
        neighbours, weights = (part.to(values.device) for part in self.graph())
        apart = (values[:, None] - values[neighbours]).abs().square().sum(-1)
        return (weights.to(apart.dtype) * apart).sum(1).mean()
