"""Gaussian models of similar patches, learnt from a guide, as a regularizer.

    R(f) = mean_i (P_i f − μ_i)ᵀ (C_i + ε² I)⁻¹ (P_i f − μ_i) / D

μ_i and C_i are mean and covariance of the patches that are most like P_i in the guide.

Yu, Sapiro & Mallat 2012, Solving inverse problems with piecewise linear estimators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.devices import CPU, unravel
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.hooks import MadeLater
from inverse_inr.kernels.patches import similar_patches
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers.weighted import Regularizer

LARGEST = 2**31
"""The most bytes that all models of a `LocalGaussians` may take."""


class PatchModels(NamedTuple):
    """Gaussian models of n patches of D values each.

    Attributes:
        starts: For each axis, the pixels at which patches begin.
        mean: (n, D).
        factor: (n, D, D), W with WᵀW = C⁻¹.
    """

    starts: list[Tensor]
    mean: Tensor
    factor: Tensor


class LocalGaussians(Regularizer):
    """Every patch is likely among those that are like it in the guide.

    R(f) = mean (P f − μ)ᵀ (C + floor² I)⁻¹ (P f − μ) / D is about 1 where the field is as likely as
    the guide. μ and C are mean and covariance of a patch of the guide and of the `neighbours` most
    similar ones. Together with a negative log-likelihood that is a mean over m measured values of a
    field of n, `n / (2 m)` is the weight of a posterior's maximum, each value's D / c patches
    counted once: there is nothing to tune.

    Args:
        guide: A field; it is seen once, at the pixels of `grid`.
        grid: The pixels; patches lie inside.
        patch: Pixels along each axis, an odd number.
        search: As in `similar_patches`, whose Gaussian window is `patch` wide too.
        neighbours: The number of similar patches that each model is learnt from.
        stride: Pixels from one patch to the next; default: 2, or as much more, up to `patch`, as
            keeps all models (D² floats each) below `LARGEST` bytes.
        floor: Standard deviation, in units of the field, that the guide's patches do not show.

    Raises:
        ValueError: The grid is smaller than a patch, or so large that no stride will do; or an
            option is bad.

    Source:
        The second step of NL-Bayes (Lebrun, Buades & Morel 2013), with any data term in the place
        of noise removal, as in piecewise linear estimators (Yu, Sapiro & Mallat 2012).
    """

    @checked
    def __init__(
        self,
        guide: Field,
        grid: Grid,
        *,
        patch: Count = 5,
        search: Count = 10,
        neighbours: Count = 60,
        stride: Count | None = None,
        floor: Positive = 0.02,
    ) -> None:
        if patch % 2 == 0:
            raise ValueError(f"LocalGaussians: patch={patch} must be an odd number of pixels.")
        if min(grid.shape) < patch:
            raise ValueError(
                f"LocalGaussians: patches of {patch} pixels do not fit in a grid of {grid.shape}."
            )
        self.guide = guide
        self.grid = grid
        self.patch = patch
        self.stride = stride
        self.floor = floor
        self.options = {"patch": patch, "search": search, "neighbours": neighbours}
        self._models: PatchModels | None = None

    def models(self, device: torch.device | None = None) -> PatchModels:
        """The models: a pure function of the guide, made when first asked for.

        Args:
            device: The device on which they are kept from now on; where the guide is if None.

        Returns:
            The models.
        """
        if self._models is None:
            guide = self.guide
            if isinstance(guide, MadeLater):
                guide = guide.on_device(device or CPU)
            with torch.no_grad():
                self._models = self._learned(sample(guide, self.grid))
        if device is not None and self._models.mean.device != device:
            starts, mean, factor = self._models
            starts = [start.to(device) for start in starts]
            self._models = PatchModels(starts, mean.to(device), factor.to(device))
        return self._models

    def _learned(self, guide: Tensor) -> PatchModels:
        shape = guide.shape[:-1]
        half = self.patch // 2
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
        parts = [self._gaussians(patches, part, shape) for part in place.split(256)]
        return PatchModels(
            starts, torch.cat([m for m, _ in parts]), torch.cat([w for _, w in parts])
        )

    def _gaussians(
        self, patches: Tensor, place: Tensor, shape: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Means and factors of groups of patches, centred at flat indices (n, k).

        Patches that lie partly outside are moved inside.
        """
        inside = [
            (i - self.patch // 2).clamp(0, m - 1)
            for i, m in zip(unravel(place, shape), patches.shape, strict=False)
        ]
        group = patches[tuple(inside)]
        mean = group.mean(1)
        off = group - mean[:, None]
        unit = torch.eye(off.shape[-1], dtype=off.dtype, device=off.device)
        lower, failed = torch.linalg.cholesky_ex(off.mT @ off / off.shape[1] + self.floor**2 * unit)
        if bool(failed.any()):
            raise ValueError(
                f"LocalGaussians: floor={self.floor} is too small beside patches of size "
                f"{float(group.abs().max()):.3g}: their covariance has no inverse. A larger one?"
            )
        return mean, torch.linalg.solve_triangular(lower, unit.expand_as(lower), upper=False)

    def _patches(self, values: Tensor) -> Tensor:
        """The patch that begins at each pixel, (*inner, D), of values (*shape, c).

        Real and imaginary parts are values side by side.
        """
        if values.is_complex():
            values = torch.view_as_real(values).flatten(-2)
        ndim = values.ndim - 1
        for axis in range(ndim):
            values = values.unfold(axis, self.patch, 1)
        return values.flatten(ndim)

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        patches = self._patches(sample(field, self.grid))
        starts, mean, factor = self.models(patches.device)
        for axis, start in enumerate(starts):
            patches = patches.index_select(axis, start)
        off = patches.flatten(0, -2) - mean.to(patches)
        return (factor.to(patches) @ off[..., None]).square().mean()


@checked
def affordable_stride(grid: Grid, patch: Count, size: Count) -> int:
    """The least stride with which all models of a grid's patches stay within `LARGEST` bytes.

    Args:
        grid: The pixels.
        patch: Pixels of a patch along each axis.
        size: The number D of values in a patch.

    Returns:
        Pixels from one patch to the next, from 2 to `patch`.

    Raises:
        ValueError: Even the largest stride needs more memory.
    """
    needed = [
        4 * size**2 * grid.numel / stride**grid.ndim for stride in range(2, max(2, patch) + 1)
    ]
    if needed[-1] > LARGEST:
        raise ValueError(
            f"LocalGaussians: models of patches of {size} values on a grid of {grid.shape} need "
            f"{needed[-1] / 1e9:.3g} GB. A smaller image (bin, crop), a smaller patch, "
            "or no rounds of them (rounds=0)?"
        )
    return 2 + next(k for k, bytes_ in enumerate(needed) if bytes_ <= LARGEST)


def _flat(index: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Flat indices of entries of an array of `shape`."""
    total = torch.zeros_like(index[0])
    for i, n in zip(index, shape, strict=True):
        total = total * n + i
    return total
