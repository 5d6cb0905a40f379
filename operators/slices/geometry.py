"""Positions of the pixels of slices, and the order in which the slices were acquired."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inverse_inr.operators.rigid import check_rigid
from inverse_inr.ranges import Count, Positive, WholeNumber, checked


@checked
@dataclass(frozen=True)
class Slices:
    """Slices of a volume and their pixels. Lengths are in the unit of the volume's box, usually mm.

    Args:
        poses: (n, 4, 4) nominal poses, from each slice's own frame to the volume. The frame's
            origin is the middle of the slice, and its third axis is the slice's normal.
        sizes: (n, 3) pixel size along the two axes in the plane, and thickness.
        index: (p,) slice of each pixel.
        positions: (p, 2) of each pixel in the plane of its slice.
        stack: (n,) number of the stack that each slice belongs to, from 0.
        time: (n,) place of each slice in the order of acquisition of its stack, from 0. -1 or None:
            not known.

    Raises:
        ValueError: For shapes that do not fit, poses that are not rigid, sizes that are not
            positive, no pixels, or pixels of slices that do not exist.
    """

    poses: Tensor
    sizes: Tensor
    index: Tensor
    positions: Tensor
    stack: Tensor
    time: Tensor | None = None

    def __post_init__(self) -> None:
        if self.poses.ndim != 3:
            raise ValueError(f"Slices: poses must be (n, 4, 4), got {tuple(self.poses.shape)}.")
        n = len(self.poses)
        check_rigid("Slices: poses", self.poses)
        if self.poses.ndim != 3 or self.sizes.shape != (n, 3) or self.stack.shape != (n,):
            raise ValueError(
                f"Slices: {n} poses need sizes ({n}, 3) and stack ({n},), got "
                f"{tuple(self.sizes.shape)} and {tuple(self.stack.shape)}."
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
        first = int(self.index.min())
        last = int(self.index.max())
        if first < 0 or last >= n:
            raise ValueError(f"Slices: index runs from {first} to {last} of {n}.")

    @classmethod
    @checked
    def of_stack(
        cls,
        poses: Tensor,
        shape: tuple[Count, Count],
        pixel: tuple[Positive, Positive] | list[Positive],
        thickness: Positive,
    ) -> Slices:
        """All pixels of slices of one shape, row by row.

        Args:
            poses: (n, 4, 4) nominal poses.
            shape: Pixels of each slice along the two axes of its plane.
            pixel: Pixel size along the two axes of the plane.
            thickness: Thickness of the slices.

        Returns:
            The slices as stack 0, without times.

        Raises:
            ValueError: The pixel has not two sizes, or the poses are no (n, 4, 4).
        """
        if len(pixel) != 2:
            raise ValueError(f"Slices: pixel={pixel} must be the sizes along both axes of a slice.")
        if poses.ndim != 3:
            raise ValueError(f"Slices: poses must be (n, 4, 4), got {tuple(poses.shape)}.")
        axes = [
            (torch.arange(m, dtype=torch.float64) - 0.5 * (m - 1)) * h
            for m, h in zip(shape, pixel, strict=True)
        ]
        plane = torch.cartesian_prod(*axes)
        n = len(poses)
        return cls(
            poses=poses.double(),
            sizes=torch.tensor([*pixel, thickness], dtype=torch.float64).expand(n, 3),
            index=torch.arange(n).repeat_interleave(len(plane)),
            positions=plane.repeat(n, 1),
            stack=torch.zeros(n, dtype=torch.long),
        )

    def select(self, pixels: Tensor) -> Slices:
        """Keep some pixels only. All slices stay, even those that lose all their pixels.

        Args:
            pixels: Indices, or a boolean mask (p,).

        Returns:
            The same slices with fewer pixels.
        """
        return replace(self, index=self.index[pixels], positions=self.positions[pixels])

    @staticmethod
    @checked
    def join(parts: Sequence[Slices]) -> Slices:
        """Put several stacks one after the other, numbered in their order.

        Args:
            parts: Slices of one volume.

        Returns:
            All of them.

        Raises:
            ValueError: There are none.
        """
        if not len(parts):
            raise ValueError("Slices.join: parts is empty; there is nothing to join.")
        slices = list(itertools.accumulate((len(p.poses) for p in parts), initial=0))
        stacks = list(itertools.accumulate((int(p.stack.max()) + 1 for p in parts), initial=0))
        return Slices(
            poses=torch.cat([p.poses for p in parts]),
            sizes=torch.cat([p.sizes for p in parts]),
            index=torch.cat([p.index + k for p, k in zip(parts, slices, strict=False)]),
            positions=torch.cat([p.positions for p in parts]),
            stack=torch.cat([p.stack + k for p, k in zip(parts, stacks, strict=False)]),
            time=torch.cat([p.times() for p in parts]),
        )

    def times(self) -> Tensor:
        """`time`, (n,), with -1 where nothing is known."""
        if self.time is None:
            return torch.full_like(self.stack, -1)
        return self.time

    def centers(self) -> Tensor:
        """Nominal positions of the pixels in the volume, (p, 3)."""
        right, down, _, middle = self.poses[:, :3].unbind(-1)
        x, y = self.positions.split(1, -1)
        return x * right[self.index] + y * down[self.index] + middle[self.index]

    def successive(self) -> tuple[Tensor, Tensor]:
        """Triples of slices of one stack that were acquired one after the other.

        Slices of unknown time are in none.

        Returns:
            Numbers of the slices, (m, 3), and (m,) the place in time of the middle one: from 0,
            when the first was acquired, to 1, when the third was.
        """
        time = self.times()
        found = []
        for k in self.stack.unique().tolist():
            own = ((self.stack == k) & (time >= 0)).nonzero()[:, 0]
            own = own[time[own].argsort()]
            triples = own.new_zeros(0, 3)
            if len(own) > 2:
                triples = torch.stack([own[:-2], own[1:-1], own[2:]], -1)
            found.append(triples)
        three = torch.cat(found)
        first, middle, last = time[three].double().unbind(-1)
        return three, (middle - first) / (last - first)


@checked
def order_of_acquisition(count: WholeNumber, interleave: Count) -> Tensor:
    """Slice numbers as an interleaved stack is acquired: 0, k, 2k, ..., 1, k + 1, ...

    Args:
        count: Number of slices.
        interleave: The step k.

    Returns:
        (count,) whole numbers.
    """
    return torch.cat([torch.arange(k, count, interleave) for k in range(min(interleave, count))])
