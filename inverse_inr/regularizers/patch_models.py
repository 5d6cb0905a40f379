"""Gaussian models of similar patches, learnt from a guide, as a regularizer.

R(f) = mean_i (P_i f − μ_i)ᵀ (C_i + ε² I)⁻¹ (P_i f − μ_i) / D      μ_i, C_i: of the patches most like P_i in the guide

Yu, Sapiro & Mallat 2012, Solving inverse problems with piecewise linear estimators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.regularizers.similarity import similar_patches
from inverse_inr.regularizers.slopes import Regularizer


class PatchModels(NamedTuple):
    """Gaussians of n patches of D values: where they lie, their means (n, D), and factors (n, D, D), WᵀW = C⁻¹."""

    starts: list[Tensor]
    mean: Tensor
    factor: Tensor


class LocalGaussians(Regularizer):
    """Every patch is likely among those that are like it in the guide: mean (P f − μ)ᵀ (C + floor² I)⁻¹ (P f − μ) / D.

    μ and C are mean and covariance of a patch of `guide` and of the `neighbours` most similar ones: the second step of
    NL-Bayes (Lebrun, Buades & Morel 2013), whose place of noise removal any data term takes (piecewise linear
    estimators, Yu, Sapiro & Mallat 2012). About 1 where the field is as likely as the guide. Beside a negative
    log-likelihood that is a mean over m measured values of a field of n, `n / (2 m)` is the weight of a posterior's
    maximum, each value's D / c patches counted once: nothing to tune.

    guide       a field, seen at the pixels of `grid` once
    patch       pixels along an axis, odd; patches lie inside the grid
    stride      pixels from one to the next; default 2, or as much more, up to `patch`, as keeps all models (D² floats
                each) below `LARGEST` bytes
    search      as of `similar_patches`, whose Gaussian window is `patch` wide too
    floor       standard deviation, in units of the field, that the guide's patches do not show
    Raises ValueError for a grid smaller than a patch, one so large that no stride will do, bad options.
    """

    def __init__(
        self,
        guide: Field,
        grid: Grid,
        *,
        patch: int = 5,
        search: int = 10,
        neighbours: int = 60,
        stride: int | None = None,
        floor: float = 0.02,
    ) -> None:
        if (stride is not None and stride < 1) or not floor > 0:
            raise ValueError(
                f"LocalGaussians: stride={stride} must be at least 1 and floor={floor} positive."
            )
        if min(grid.shape) < patch:
            raise ValueError(
                f"LocalGaussians: patches of {patch} pixels do not fit in a grid of {grid.shape}."
            )
        self.guide, self.grid, self.patch, self.stride, self.floor = (
            guide,
            grid,
            patch,
            stride,
            floor,
        )
        self.options = {"patch": patch, "search": search, "neighbours": neighbours}
        self._models: PatchModels | None = None

    def models(self) -> PatchModels:
        """A pure function of the guide, made when first asked for."""
        if self._models is None:
            with torch.no_grad():
                self._models = self._learned(sample(self.guide, self.grid))
        return self._models

    def _learned(self, guide: Tensor) -> PatchModels:
        shape, half = guide.shape[:-1], self.patch // 2
        patches = self._patches(guide)
        last = [n - 1 for n in patches.shape[:-1]]
        stride = self.stride or affordable_stride(self.grid, self.patch, patches.shape[-1])
        starts = [
            torch.tensor(sorted({*range(0, n, stride), n}), device=guide.device) for n in last
        ]
        corners = torch.meshgrid(*starts, indexing="ij")
        centre = _flat([c + half for c in corners], shape).flatten()
        place = torch.cat(
            [centre[:, None], similar_patches(guide, at=centre, **self.options)[0]], 1
        )
        parts = [self._gaussians(patches, part, shape) for part in place.split(1024)]
        return PatchModels(
            starts, torch.cat([m for m, _ in parts]), torch.cat([w for _, w in parts])
        )

    def _gaussians(
        self, patches: Tensor, place: Tensor, shape: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Of the groups of patches centred at flat indices (n, k): those that lie partly outside are moved inside."""
        inside = [
            (i - self.patch // 2).clamp(0, m - 1)
            for i, m in zip(torch.unravel_index(place, shape), patches.shape, strict=False)
        ]
        group = patches[tuple(inside)]
        mean = group.mean(1)
        off = group - mean[:, None]
        unit = torch.eye(off.shape[-1], dtype=off.dtype, device=off.device)
        lower = torch.linalg.cholesky(off.mT @ off / off.shape[1] + self.floor**2 * unit)
        return mean, torch.linalg.solve_triangular(lower, unit.expand_as(lower), upper=False)

    def _patches(self, values: Tensor) -> Tensor:
        """(*shape, c) -> (*inner, D): the patch that begins at each pixel, real and imaginary parts side by side."""
        values = torch.view_as_real(values).flatten(-2) if values.is_complex() else values
        ndim = values.ndim - 1
        for axis in range(ndim):
            values = values.unfold(axis, self.patch, 1)
        return values.flatten(ndim)

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        starts, mean, factor = self.models()
        patches = self._patches(sample(field, self.grid))
        for axis, start in enumerate(starts):
            patches = patches.index_select(axis, start.to(patches.device))
        off = patches.flatten(0, -2) - mean.to(patches)
        return (factor.to(patches) @ off[..., None]).square().mean()


LARGEST = 2**31
"""Bytes of all models of a `LocalGaussians`."""


def affordable_stride(grid: Grid, patch: int, size: int) -> int:
    """The least from 2 to `patch` with which the models of patches of `size` values stay below `LARGEST` bytes."""
    needed = [
        4 * size**2 * grid.numel / stride**grid.ndim for stride in range(2, max(2, patch) + 1)
    ]
    if needed[-1] > LARGEST:
        raise ValueError(
            f"LocalGaussians: models of patches of {size} values on a grid of {grid.shape} need "
            f"{needed[-1] / 1e9:.3g} GB. A smaller image (bin, crop), a smaller patch, or no rounds of them (rounds=0)?"
        )
    return 2 + next(k for k, bytes_ in enumerate(needed) if bytes_ <= LARGEST)


def _flat(index: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Flat indices of entries of an array of `shape`."""
    total = torch.zeros_like(index[0])
    for i, n in zip(index, shape, strict=True):
        total = total * n + i
    return total
