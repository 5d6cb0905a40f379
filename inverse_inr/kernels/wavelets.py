"""Orthogonal wavelets of sampled images: Daubechies' of four vanishing moments, periodic."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from inverse_inr.ranges import Count, checked

LOWPASS = (
    0.23037781330885523,
    0.7148465705525415,
    0.6308807679295904,
    -0.02798376941698385,
    -0.18703481171888114,
    0.030841381835986965,
    0.032883011666982945,
    -0.010597401784997278,
)
"""The averaging filter, scaled to unit length.

Daubechies, Ten Lectures on Wavelets (1992), table 6.1, N = 4 ("db4").
"""


class Wavelets:
    """The wavelet transform of images with any number of axes.

    Called with an image (*shape, c), it gives the coefficients in Mallat's order, an array of the
    same axes; `inverse` is the transpose. Sizes that 2^levels does not divide are padded by zeros,
    and then there are more coefficients than pixels; the inverse of an image's coefficients is the
    image all the same.

    Args:
        shape: The image's axes, without channels.
        levels: How often the image is halved.

    Raises:
        ValueError: `levels` is below 1, or the shape has no room for as many.
    """

    @checked
    def __init__(self, shape: tuple[Count, ...], levels: Count = 4) -> None:
        if not len(shape) or levels > math.log2(min(shape)):
            raise ValueError(f"Wavelets: 2^levels must fit into {tuple(shape)}, levels={levels}.")
        block = 2**levels
        self.shape = tuple(shape)
        self.levels = levels
        self.padded = tuple(-(-n // block) * block for n in shape)

    def __call__(self, image: Tensor) -> Tensor:
        """The coefficients, (*padded, c), of an image (*shape, c)."""
        z = image.new_zeros(*self.padded, *image.shape[len(self.shape) :])
        z[tuple(slice(n) for n in self.shape)] = image
        for level in range(self.levels):
            part = self._part(level)
            z[part] = self._apply(z[part], [filter_bank(n) for n in self._sizes(level)])
        return z

    def inverse(self, coefficients: Tensor) -> Tensor:
        """The image, (*shape, c), of coefficients (*padded, c): the transpose of the transform."""
        z = coefficients.clone()
        for level in reversed(range(self.levels)):
            part = self._part(level)
            z[part] = self._apply(z[part], [filter_bank(n).T for n in self._sizes(level)])
        return z[tuple(slice(n) for n in self.shape)]

    def coarse(self) -> tuple[slice, ...]:
        """The place of the coarsest image among the coefficients; everything else is detail."""
        return self._part(self.levels)

    def _sizes(self, level: int) -> list[int]:
        return [n >> level for n in self.padded]

    def _part(self, level: int) -> tuple[slice, ...]:
        return tuple(slice(n) for n in self._sizes(level))

    def _apply(self, x: Tensor, matrices: list[Tensor]) -> Tensor:
        """Multiply along each axis by its matrix."""
        for axis, matrix in enumerate(matrices):
            x = (matrix.to(x) @ x.movedim(axis, -2)).movedim(-2, axis)
        return x


@lru_cache(maxsize=64)
def filter_bank(n: int) -> Tensor:
    """The orthogonal matrix of one level: averages above, details below.

    Args:
        n: The size of the axis, an even number.

    Returns:
        (n, n) in float64.
    """
    start = torch.arange(n // 2)[:, None]
    tap = torch.arange(len(LOWPASS))[None]
    column = (2 * start + tap) % n
    low = torch.tensor(LOWPASS, dtype=torch.float64)
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for row, taps in ((start, low), (start + n // 2, low.flip(0) * (-1.0) ** tap[0])):
        matrix.index_put_((row.expand_as(column), column), taps.expand_as(column), accumulate=True)
    return matrix
