"""Block matching: which patches of an image look alike, and means of patches that overlap.

Distances of all patches near each other come from one product of matrices, tile by tile:

    |P_i - P_j|² = |P_i|² + |P_j|² - 2 P_i · P_j
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.ranges import Count, checked

TILE = 12
"""Patches along each axis whose likes are looked for at a time."""


class Matches(NamedTuple):
    """Groups of similar patches.

    Attributes:
        members: (n, k), numbers of the patches, each group's own patch first.
        distances: (n, k), mean squared differences of a value from the group's own patch; infinite
            where fewer than k patches are near, and members then repeat the own patch.
    """

    members: Tensor
    distances: Tensor


class Patches:
    """All patches of an image's lattice, by the number of the corner that they begin at.

    Args:
        shape: The image's axes, without channels.
        size: Pixels along each axis of a patch; less where the image is smaller.
        stride: Pixels from one group's own patch to the next along each axis, at most a patch.
        device: The device of the image.

    Attributes:
        size: Pixels along each axis.
        corners: The number of places along each axis at which patches begin.
        pixels: (corners, pixels of a patch), flat indices of a patch's pixels.
        starts: For each axis, the places of the groups' own patches.
    """

    @checked
    def __init__(
        self,
        shape: Sequence[Count],
        size: Count,
        stride: Count,
        device: torch.device | None = None,
    ) -> None:
        self.shape = tuple(shape)
        self.size = tuple(min(size, n) for n in self.shape)
        windows = torch.arange(torch.Size(self.shape).numel(), device=device).reshape(self.shape)
        for axis, side in enumerate(self.size):
            windows = windows.unfold(axis, side, 1)
        self.corners = tuple(windows.shape[: len(self.shape)])
        self.pixels = windows.reshape(torch.Size(self.corners).numel(), -1)
        self.starts = [
            torch.tensor(sorted({*range(0, n, min(stride, side)), n - 1}), device=device)
            for n, side in zip(self.corners, self.size, strict=True)
        ]

    def of(self, image: Tensor) -> Tensor:
        """Cut an image into all its patches.

        Args:
            image: (*shape, c).

        Returns:
            (corners, pixels of a patch, c).
        """
        return image.reshape(-1, image.shape[-1])[self.pixels]

    def mean(self, image: Tensor) -> PatchMean:
        """Begin a mean of patches that overlap, of an image with these channels."""
        return PatchMean(self, image)

    @checked
    def matched(self, guide: Tensor, search: Count, most: Count) -> Matches:
        """Find the patches that are most like each group's own one.

        Args:
            guide: (*shape, c), the image that is looked at.
            search: How far away, in pixels along each axis.
            most: The number k of patches in a group, its own one included.

        Returns:
            The groups, in the order of their own patches.
        """
        # a common mean costs digits and tells no patches apart
        values = (guide - guide.mean(tuple(range(guide.ndim - 1)))).reshape(-1, guide.shape[-1])
        numbers = torch.arange(len(self.pixels), device=guide.device).reshape(self.corners)
        order, members, distances = [], [], []
        for tile in itertools.product(*(s.split(TILE) for s in self.starts)):
            found = self._matched_in(values, numbers, tile, search, most)
            order.append(found.members[:, 0])
            members.append(found.members)
            distances.append(found.distances)
        rank = torch.cat(order).argsort()
        return Matches(torch.cat(members)[rank], torch.cat(distances)[rank])

    def _matched_in(
        self, values: Tensor, numbers: Tensor, tile: Sequence[Tensor], search: int, most: int
    ) -> Matches:
        """The groups whose own patches are those of a tile: places along each axis."""
        own = numbers[torch.meshgrid(*tile, indexing="ij")].flatten()
        around = [
            torch.arange(
                max(0, int(t[0]) - search), min(n, int(t[-1]) + search + 1), device=own.device
            )
            for t, n in zip(tile, self.corners, strict=True)
        ]
        near = numbers[torch.meshgrid(*around, indexing="ij")].flatten()
        one, other = (values[self.pixels[k]].flatten(1) for k in (own, near))
        squares = (v.square().sum(1) for v in (one, other))
        distance = torch.addmm(next(squares)[:, None] + next(squares), one, other.T, alpha=-2.0)
        distance = distance.clamp(min=0)
        for axis in range(len(tile)):
            apart = [
                torch.meshgrid(*places, indexing="ij")[axis].flatten() for places in (tile, around)
            ]
            distance[(apart[0][:, None] - apart[1]).abs() > search] = torch.inf
        distance[own[:, None] == near] = -1.0  # its own patch is the first
        nearest, place = distance.topk(min(most, len(near)), 1, largest=False)
        members = torch.where(nearest.isinf(), own[:, None], near[place])
        return Matches(members, nearest.clamp(min=0) / one.shape[1])


class PatchMean:
    """The weighted mean of patches where they overlap.

    Args:
        patches: The patches of the image's lattice.
        image: (*shape, c), an image of the shape and type that the mean has.
    """

    def __init__(self, patches: Patches, image: Tensor) -> None:
        self.patches = patches
        self.shape = image.shape
        self.total = torch.zeros_like(image).reshape(-1, image.shape[-1])
        self.weight = torch.zeros_like(self.total)

    def add(self, values: Tensor, members: Tensor, weight: Tensor) -> None:
        """Add patches where they belong.

        Args:
            values: (*s, pixels of a patch, c).
            members: (*s), their numbers.
            weight: Their weights, which broadcast against the values.
        """
        where = self.patches.pixels[members].flatten()
        weight = weight.expand_as(values)
        for total, added in ((self.total, weight * values), (self.weight, weight)):
            total.index_add_(0, where, added.reshape(len(where), -1))

    def image(self) -> Tensor:
        """The mean, (*shape, c)."""
        return (self.total / self.weight).reshape(self.shape)
