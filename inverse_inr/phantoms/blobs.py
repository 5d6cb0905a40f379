"""`GaussianBlobs`: sums of Gaussians, given or drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.domain import Box
from inverse_inr.phantoms.shapes import Shapes, off_line
from inverse_inr.ranges import Count, FiniteTensor, Positive, Seed, checked


@checked
@dataclass(frozen=True, eq=False)
class GaussianBlobs(Shapes):
    """A sum of n Gaussians value exp(-|x - center|^2 / (2 width^2)), differentiable throughout.

    All parameters are kept in float64.

    Args:
        centers: (n, d) centres with d = 2 or 3, in the box's unit.
        widths: (n,) standard deviations, in the box's unit.
        values: (n,) values at the centres.

    Raises:
        ValueError: The shapes disagree, a parameter is not finite, or a width is not positive.
    """

    centers: FiniteTensor
    widths: FiniteTensor
    values: FiniteTensor

    def __post_init__(self) -> None:
        n, _ = self._store("centers").shape
        self._store("widths", (n,), positive=True)
        self._store("values", (n,))

    def _blobs(self, like: Tensor) -> Iterator[tuple[Tensor, float, float]]:
        """The centre, in the dtype and on the device of `like`, width and value of each blob."""
        return zip(self.centers.to(like), self.widths.tolist(), self.values.tolist(), strict=True)

    def _point_terms(self, points: Tensor) -> Iterator[Tensor]:
        for center, width, value in self._blobs(points):
            yield value * torch.exp(((points - center) / width).square().sum(-1) / -2)

    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]:
        for center, width, value in self._blobs(origin):
            distance2 = (off_line(origin - center, unit) / width).square().sum(-1)
            yield value * width * math.sqrt(2 * math.pi) * torch.exp(distance2 / -2)

    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        for _, width, value in self._blobs(frequency):
            mass = value * (2 * math.pi * width**2) ** (self.ndim / 2)
            yield mass * torch.exp(-2 * (math.pi * width * frequency).square().sum(-1))


@checked
def gaussian_blobs(
    box: Box, *, count: Count = 40, width: Positive | None = None, seed: Seed = 0
) -> GaussianBlobs:
    """Draw random positive blobs that stay away from the faces of a box.

    At the faces f is below 1e-8 of its maximum: neither a finite detector nor a periodic FFT sees
    an edge.

    Args:
        box: The region, 2-D or 3-D.
        count: Number of blobs.
        width: Largest standard deviation in the box's unit, the least being half of it; 1/32 of
            the shortest side if None.
        seed: Seed of the random numbers.

    Returns:
        Blobs whose values lie in [1/2, 1].

    Raises:
        ValueError: `count` is below 1, or `width` is not positive or leaves no room.
    """
    memory.require(f"gaussian_blobs: count={count}", 8 * count * (2 * box.ndim + 2), "Take fewer.")
    side = min(box.lengths)
    if width is None:
        width = side / 32
    # all blobs at this distance add up to 1e-8 of the least maximum, 1/2
    margin = width * math.sqrt(2 * math.log(2e8 * count))
    if 2 * margin >= side:
        raise ValueError(
            f"gaussian_blobs: width={width} needs {margin:.4g} to every face; "
            f"the box's shortest side is {side:.4g}."
        )
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(count, box.ndim + 2, dtype=torch.float64, generator=generator)
    room = u.new_tensor(box.lengths) - 2 * margin
    centers = u.new_tensor(box.lower) + margin + room * u[:, :-2]
    return GaussianBlobs(centers, width * (1 + u[:, -2]) / 2, (1 + u[:, -1]) / 2)
