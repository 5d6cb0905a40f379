"""Orthogonal wavelets of sampled images: Daubechies' of four vanishing moments, periodic, any number of axes."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

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
"""Daubechies, Ten Lectures on Wavelets (1992), table 6.1, N = 4 ("db4"), scaled to unit length."""


class Wavelets:
    """Coefficients of images (*shape, c), as an array of the same axes, in Mallat's order; `inverse` is the transpose.

    Sizes that 2^levels does not divide are padded by zeros, and then there are more coefficients than pixels; the
    inverse of an image's coefficients is the image all the same.
    Raises ValueError for levels below 1 or more than the shape has room for.
    """

    def __init__(self, shape: tuple[int, ...], levels: int = 4) -> None:
        if levels < 1 or 2**levels > min(shape):
            raise ValueError(
                f"Wavelets: levels={levels} must be at least 1 and 2^levels fit into {shape}."
            )
        self.shape, self.levels, block = tuple(shape), levels, 2**levels
        self.padded = tuple(-(-n // block) * block for n in shape)

    def __call__(self, image: Tensor) -> Tensor:
        z = image.new_zeros(*self.padded, *image.shape[len(self.shape) :])
        z[tuple(slice(n) for n in self.shape)] = image
        for level in range(self.levels):
            z[self._part(level)] = self._along(z[self._part(level)], False)
        return z

    def inverse(self, coefficients: Tensor) -> Tensor:
        z = coefficients.clone()
        for level in reversed(range(self.levels)):
            z[self._part(level)] = self._along(z[self._part(level)], True)
        return z[tuple(slice(n) for n in self.shape)]

    def coarse(self) -> tuple[slice, ...]:
        """Where the coarsest image lies among the coefficients: everything else is detail."""
        return self._part(self.levels)

    def _part(self, level: int) -> tuple[slice, ...]:
        return tuple(slice(n >> level) for n in self.padded)

    def _along(self, x: Tensor, back: bool) -> Tensor:
        for axis in range(len(self.shape)):
            matrix = filter_bank(x.shape[axis]).to(x)
            x = ((matrix.T if back else matrix) @ x.movedim(axis, -2)).movedim(-2, axis)
        return x


@lru_cache(maxsize=64)
def filter_bank(n: int) -> Tensor:
    """The orthogonal (n, n) matrix of one level, n even: averages above, details below."""
    start, tap = torch.arange(n // 2)[:, None], torch.arange(len(LOWPASS))[None]
    column = (2 * start + tap) % n
    low = torch.tensor(LOWPASS, dtype=torch.float64)
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for row, taps in ((start, low), (start + n // 2, low.flip(0) * (-1.0) ** tap[0])):
        matrix.index_put_((row.expand_as(column), column), taps.expand_as(column), accumulate=True)
    return matrix
