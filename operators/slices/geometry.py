"""Where the pixels of slices lie, and in what order the slices were acquired."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inverse_inr.operators.rigid import check_rigid


@dataclass(frozen=True)
class Slices:
    """Where the pixels of slices lie. Lengths are in the unit of the volume's box, usually mm.

    poses      (n, 4, 4) nominal: from the slice's frame, whose origin is its middle and whose third axis is its normal
    sizes      (n, 3) pixel size along the two axes in the plane, and thickness
    index      (p,) slice of each pixel
    positions  (p, 2) of each pixel in its slice's plane
    stack      (n,) number of the stack that a slice belongs to, from 0
    time       (n,) place of each slice in the order of acquisition of its stack, from 0; -1 or None: not known
    """

    poses: Tensor
    sizes: Tensor
    index: Tensor
    positions: Tensor
    stack: Tensor
    time: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.poses)
        check_rigid("Slices: poses", self.poses)
        if self.poses.ndim != 3 or self.sizes.shape != (n, 3) or self.stack.shape != (n,):
            raise ValueError(
                f"Slices: {n} poses need sizes ({n}, 3) and stack ({n},), got {tuple(self.sizes.shape)} and "
                f"{tuple(self.stack.shape)}."
            )
        if self.time is not None and self.time.shape != (n,):
            raise ValueError(
                f"Slices: {n} poses have times of shape {tuple(self.time.shape)}; one a slice."
            )
        if not bool((self.sizes > 0).all()):
            raise ValueError("Slices: pixel sizes and thickness must be positive.")
        if self.positions.shape != (len(self.index), 2) or not len(self.index):
            raise ValueError(
                f"Slices: {len(self.index)} pixels (at least one) need positions (p, 2), got "
                f"{tuple(self.positions.shape)}."
            )
        if int(self.index.min()) < 0 or int(self.index.max()) >= n:
            raise ValueError(
                f"Slices: index runs from {int(self.index.min())} to {int(self.index.max())} of {n}."
            )

    @classmethod
    def of_stack(
        cls, poses: Tensor, shape: tuple[int, int], pixel: Sequence[float], thickness: float
    ) -> Slices:
        """All pixels of slices of one `shape`, row by row; `pixel` sizes along the two axes of the plane."""
        axes = [
            (torch.arange(m, dtype=torch.float64) - 0.5 * (m - 1)) * h
            for m, h in zip(shape, pixel, strict=True)
        ]
        plane = torch.cartesian_prod(*axes)
        n = len(poses)
        sizes = torch.tensor([*pixel, thickness], dtype=torch.float64).expand(n, 3)
        index = torch.arange(n).repeat_interleave(len(plane))
        return cls(
            poses.double(), sizes, index, plane.repeat(n, 1), torch.zeros(n, dtype=torch.long)
        )

    def select(self, pixels: Tensor) -> Slices:
        """Some pixels, by index or boolean mask; slices stay as they are, even where none of their pixels is left."""
        return replace(self, index=self.index[pixels], positions=self.positions[pixels])

    @staticmethod
    def join(parts: Sequence[Slices]) -> Slices:
        """Several stacks one after the other, numbered in their order."""
        slices = list(itertools.accumulate((len(p.poses) for p in parts), initial=0))
        stacks = list(itertools.accumulate((int(p.stack.max()) + 1 for p in parts), initial=0))
        return Slices(
            torch.cat([p.poses for p in parts]),
            torch.cat([p.sizes for p in parts]),
            torch.cat([p.index + k for p, k in zip(parts, slices, strict=False)]),
            torch.cat([p.positions for p in parts]),
            torch.cat([p.stack + k for p, k in zip(parts, stacks, strict=False)]),
            torch.cat([p.times() for p in parts]),
        )

    def times(self) -> Tensor:
        """`time`, -1 where nothing is known: (n,)."""
        return torch.full_like(self.stack, -1) if self.time is None else self.time

    def centers(self) -> Tensor:
        """Where the pixels lie in the volume, nominally: (p, 3)."""
        flat = torch.cat([self.positions, torch.zeros_like(self.positions[:, :1])], -1)
        rotated = (self.poses[self.index, :3, :3] @ flat[..., None])[..., 0]
        return rotated + self.poses[self.index, :3, 3]

    def successive(self) -> tuple[Tensor, Tensor]:
        """Slices (m, 3) of a stack acquired one after the other, and where in time the middle one lies between: (m,).

        From 0, when the first was acquired, to 1, when the third was. Slices of unknown time are in none.
        """
        time, found = self.times(), []
        for k in self.stack.unique().tolist():
            own = ((self.stack == k) & (time >= 0)).nonzero()[:, 0]
            own = own[time[own].argsort()]
            found.append(
                torch.stack([own[:-2], own[1:-1], own[2:]], -1)
                if len(own) > 2
                else own.new_zeros(0, 3)
            )
        three = torch.cat(found)
        first, middle, last = time[three].double().unbind(-1)
        return three, (middle - first) / (last - first)


def order_of_acquisition(count: int, interleave: int) -> Tensor:
    """Slice numbers 0, k, 2k, ..., 1, k + 1, ... for an interleave of k: (count,)."""
    return torch.cat([torch.arange(k, count, interleave) for k in range(min(interleave, count))])
