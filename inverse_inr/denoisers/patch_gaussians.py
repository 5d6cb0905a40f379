"""Gaussian models of similar patches as a denoiser, in two steps: non-local Bayes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.devices import unravel
from inverse_inr.kernels.patches import similar_patches
from inverse_inr.ranges import Count, checked

SEARCH = {1: 8, 2: 8}
"""How far away similar patches are looked for, by the number of axes; else 3 pixels."""

AT_ONCE = 2**22
"""Values of the patches that are treated at a time, which bounds memory."""


@checked
@dataclass(frozen=True)
class PatchGaussians(CheckedDenoiser):
    """Every patch is likely among those that are like it, by a Gaussian of their own.

    In the first step mean and covariance of each group of similar patches are those of the noisy
    ones, less the noise's; in the second they are those of the first step's result. All channels
    belong to a patch, and so do real and imaginary part: the result turns with the phase of a
    complex image.

    Args:
        patch: Pixels along each axis, an odd number; less where the image is smaller.
        search: Look this many pixels away along each axis; None for 8, and 3 in volumes.
        neighbours: The number of similar patches in a group.
        stride: Pixels from one group to the next along each axis, at most a patch.

    Raises:
        ValueError: The patch is even.

    Source:
        Lebrun, Buades & Morel 2013, A nonlocal Bayesian image denoising algorithm.
    """

    patch: Count = 5
    search: Count | None = None
    neighbours: Count = 60
    stride: Count = 2

    def __post_init__(self) -> None:
        if self.patch % 2 == 0:
            raise ValueError(f"PatchGaussians: patch={self.patch} must be an odd number of pixels.")

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        values = x
        if x.is_complex():
            values = torch.view_as_real(x).flatten(-2)
        groups = _Groups(values.shape[:-1], self, values.device)
        basic = groups.estimate(values, values, sigma, first=True)
        clean = groups.estimate(values, basic, sigma, first=False)
        if x.is_complex():
            return torch.view_as_complex(clean.unflatten(-1, (-1, 2)).contiguous())
        return clean


class _Groups:
    """The places of patches in an image, and estimates of all of them by groups."""

    def __init__(self, shape: Sequence[int], options: PatchGaussians, device: torch.device) -> None:
        odd = [n - 1 + n % 2 for n in shape]
        self.shape = tuple(shape)
        self.size = tuple(min(options.patch, n) for n in odd)
        self.options = options
        index = torch.arange(_product(shape), device=device).reshape(self.shape)
        windows = index
        for axis, size in enumerate(self.size):
            windows = windows.unfold(axis, size, 1)
        corners = windows.shape[: len(shape)]
        # pixels of the patch at each corner, (corners, pixels of a patch)
        self.pixels = windows.reshape(_product(corners), -1)
        self.corners = tuple(corners)
        starts = [
            torch.tensor(sorted({*range(0, n, min(options.stride, size)), n - 1}), device=device)
            for n, size in zip(corners, self.size, strict=True)
        ]
        chosen = torch.meshgrid(*starts, indexing="ij")
        self.chosen = _flat(chosen, corners).flatten()
        half = [s // 2 for s in self.size]
        self.centres = _flat([c + h for c, h in zip(chosen, half, strict=True)], shape).flatten()

    def estimate(self, noisy: Tensor, guide: Tensor, sigma: float, *, first: bool) -> Tensor:
        """Estimate all patches of groups that are alike in the guide, and average them."""
        o = self.options
        patch = max(self.size)
        search = o.search
        if search is None:
            search = SEARCH.get(len(self.shape), 3)
        near, _ = similar_patches(
            guide, patch=patch, search=search, neighbours=o.neighbours, at=self.centres
        )
        members = torch.cat([self.chosen[:, None], self._corner_of(near)], 1)
        channels = noisy.shape[-1]
        flat = noisy.reshape(-1, channels)
        seen = guide.reshape(-1, channels)
        total = torch.zeros_like(flat)
        count = torch.zeros_like(flat[:, :1])
        size = members.shape[1] * self.pixels.shape[1] * channels
        for group in members.split(max(1, AT_ONCE // size)):
            place = self.pixels[group]  # (groups, members, pixels)
            model = seen[place].flatten(2)
            found = _posterior(flat[place].flatten(2), model, sigma, first)
            where = place.flatten()
            total.index_add_(0, where, found.reshape(-1, channels))
            count.index_add_(0, where, torch.ones_like(total[:1, :1]).expand(len(where), 1))
        return (total / count).reshape(noisy.shape)

    def _corner_of(self, centres: Tensor) -> Tensor:
        """Patches around pixels by their number; those partly outside are moved inside."""
        index = unravel(centres, self.shape)
        inside = [
            (i - s // 2).clamp(0, n - 1)
            for i, s, n in zip(index, self.size, self.corners, strict=True)
        ]
        return _flat(inside, self.corners)


def _posterior(noisy: Tensor, model: Tensor, sigma: float, first: bool) -> Tensor:
    """Means of clean patches (g, k, D) given noisy ones and a group's model, (g, k, D)."""
    mean = model.mean(1, keepdim=True)
    values, vectors = _principal(model - mean)
    if first:
        values = values - sigma**2
    values = values.clamp(min=0)
    gain = values / (values + sigma**2)
    return mean + ((noisy - mean) @ vectors * gain[:, None]) @ vectors.mT


def _principal(off: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (g, m) and directions (g, D, m) of patches (g, k, D), m the smaller of k and D."""
    count, size = off.shape[1:]
    if size <= count:
        return torch.linalg.eigh(off.mT @ off / (count - 1))
    values, weights = torch.linalg.eigh(off @ off.mT / (count - 1))
    least = torch.finfo(values.dtype).eps * values[:, -1:].clamp(min=torch.finfo(values.dtype).tiny)
    directions = off.mT @ weights / ((count - 1) * values.clamp(min=least))[:, None].sqrt()
    # directions without variance are no directions: they gain nothing
    return torch.where(values > 2 * count * least, values, 0.0), directions


def _flat(index: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Flat indices of entries of an array of `shape`."""
    total = torch.zeros_like(index[0])
    for i, n in zip(index, shape, strict=True):
        total = total * n + i
    return total


def _product(shape: Sequence[int]) -> int:
    return torch.Size(shape).numel()
