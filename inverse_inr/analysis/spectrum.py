"""Spatial spectra of images, counted in bins, and the distance of two of them.

Bin k holds what oscillates k times over the longest side of the box (its two normalised units).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.ranges import Count, FiniteTensor, checked

Variant = Literal["published", "windowed"]
"""How spectra are taken; `Bins` describes both ways."""

BINS = 64
"""Bins compared by default, as published for SIREN; fewer where the lattice holds fewer."""


class Bins:
    """The bins of a lattice; called with an image, it gives the share of amplitude in each bin.

    Where the box is no cube the published code squeezes the image into a square; here axis k counts
    its cycles per longest side instead, so that a frequency stays what it is: the prior's
    coordinates are not squeezed either.

    The variants are:

    - "published": |FFT| summed over channels, summed over anti-diagonals i + j of the non-redundant
      half, without the constant, the first `count` bins, normalised to 1. In any dimension that is
      the L1 norm of the frequency over the orthant of non-negative indices: other orthants enter
      the published sums beyond the Nyquist index only, out of order, and are left out here. No
      image is periodic, so each edge puts a tail of 1/k into every bin, whatever the image.
    - "windowed": the same under a Hann window, its mean taken off, over all orthants: there are no
      tails, and no direction is lost.

    Args:
        grid: The lattice of the images.
        count: The number of bins, from bin 1; default: `BINS`, or as many as the lattice holds.
        variant: "published" or "windowed".

    Raises:
        ValueError: There are more bins than the Nyquist frequency of the coarsest axis leaves, or
            the variant is another word.
    """

    @checked
    def __init__(
        self, grid: Grid, count: Count | None = None, variant: Variant = "published"
    ) -> None:
        held = self.held(grid)
        if count is None:
            count = min(BINS, held)
        if count > held:
            raise ValueError(
                f"Bins: {count} bins, but a grid of shape {grid.shape} holds {held}. A finer grid?"
            )
        self.grid = grid
        self.variant = variant
        self.count = count
        self._index = self._bin_of_each_frequency()

    def _bin_of_each_frequency(self) -> Tensor:
        """The bin of each of the FFT's frequencies, (*grid.shape,); `count` + 1 beyond the last."""
        grid = self.grid
        # bins per cycle of each axis
        step = [2 / (n * s) for n, s in zip(grid.box.lengths, grid.box.scale, strict=True)]
        signed = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in grid.shape]
        norm = sum(
            _along(k, f.abs() * h, grid.ndim)
            for k, (f, h) in enumerate(zip(signed, step, strict=True))
        )
        assert isinstance(norm, Tensor)
        index = (norm + 0.5).floor().long().clamp(max=self.count + 1)
        if self.variant == "windowed":
            return index
        for k, (f, n) in enumerate(zip(signed, grid.shape, strict=True)):
            # index n/2 is its own mirror image: fftfreq calls it negative, we keep it
            outside = _along(k, (f < 0) & (f > -n / 2), grid.ndim)
            index = torch.where(outside, self.count + 1, index)
        return index

    @staticmethod
    def held(grid: Grid) -> int:
        """The number of bins up to the Nyquist frequency of the grid's coarsest axis."""
        sides = [n * s / 2 for n, s in zip(grid.box.lengths, grid.box.scale, strict=True)]
        highest = [n // 2 / w for n, w in zip(grid.shape, sides, strict=True) if n > 1]
        return math.floor(min(highest, default=0) + 1e-9)

    @property
    def frequencies(self) -> Tensor:
        """(count,) in cycles per unit of the box's first axis: the unit of `bandwidth`."""
        return torch.arange(1, self.count + 1, dtype=torch.float64) * (self.grid.box.scale[0] / 2)

    def amplitudes(self, image: Tensor) -> Tensor:
        """Σ |FFT| in each bin, not normalised.

        Args:
            image: (*grid.shape, c), real or complex.

        Returns:
            (count,) in float64.

        Raises:
            ValueError: The image is not on this grid.
        """
        if tuple(image.shape[:-1]) != self.grid.shape:
            raise ValueError(
                f"Bins of a grid {self.grid.shape}: the image has shape {tuple(image.shape)}; "
                f"it must be (*{self.grid.shape}, channels)."
            )
        precision = torch.float64
        if image.is_complex():
            precision = torch.complex128
        values = image.detach().cpu().to(precision)
        if self.variant == "windowed":
            values = self._windowed(values)
        amplitude = torch.fft.fftn(values, dim=tuple(range(self.grid.ndim))).abs().sum(-1)
        total = torch.zeros(self.count + 2, dtype=torch.float64)
        total.index_add_(0, self._index.flatten(), amplitude.flatten())
        return total[1:-1]

    def __call__(self, image: Tensor) -> Tensor:
        """The amplitudes as shares, (count,) in float64, of sum 1.

        Raises:
            ValueError: The image is constant and so has no spectrum, or it holds NaN.
        """
        inside = self.amplitudes(image)
        if not float(inside.sum()) > 1e-12 * float(image.detach().abs().sum()):
            raise ValueError("the image is constant (or holds NaN): it has no spectrum to compare.")
        return inside / inside.sum()

    def _windowed(self, values: Tensor) -> Tensor:
        """Multiply by a Hann window, after taking off the mean under it, which would leak."""
        window = torch.ones((), dtype=torch.float64)
        for k, n in enumerate(self.grid.shape):
            rise = torch.sin(torch.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n).square()
            window = window * _along(k, rise, self.grid.ndim)[..., None]
        axes = tuple(range(self.grid.ndim))
        return window * (values - (window * values).sum(axes) / window.sum())


def _along(axis: int, values: Tensor, ndim: int) -> Tensor:
    """(n,) values laid along one axis of an array of `ndim`."""
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


@checked
def spectrum(
    image: Tensor,
    bins: Count | None = None,
    *,
    box: Box | None = None,
    variant: Variant = "published",
) -> Tensor:
    """The share of amplitude in each bin, the constant left out.

    Args:
        image: (*shape, c) in one, two, three ... dimensions.
        bins: The number of bins, as in `Bins`.
        box: The image's box; without one its pixels are cubes.
        variant: "published" or "windowed", as in `Bins`.

    Returns:
        (bins,) in float64, of sum 1.

    Raises:
        ValueError: The image is empty or constant, or `bins` do not fit.
    """
    if image.ndim < 2 or not image.numel():
        raise ValueError(f"spectrum: image {tuple(image.shape)} must be (*shape, channels).")
    shape = tuple(image.shape[:-1])
    if box is None:
        box = Box((0.0,) * len(shape), tuple(map(float, shape)))
    return Bins(Grid(box, shape), bins, variant)(image)


@checked
def distance(first: FiniteTensor, second: FiniteTensor) -> float:
    """The Wasserstein-1 distance of two spectra: how far amplitude must move to make one the other.

    Args:
        first: (bins,) shares of amplitude.
        second: (bins,) shares of amplitude.

    Returns:
        The distance in bins.

    Raises:
        ValueError: The spectra have other shapes, or shares that are negative or all zero.
    """
    if first.ndim != 1 or not len(first) or first.shape != second.shape:
        raise ValueError(
            f"distance: spectra {tuple(first.shape)} and {tuple(second.shape)} must be (bins,) of "
            "one length."
        )
    for name, shares in (("first", first), ("second", second)):
        if float(shares.min()) < 0 or float(shares.max()) == 0:
            raise ValueError(f"distance: {name} holds negative shares, or zeros alone.")
    from scipy.stats import wasserstein_distance

    support = torch.arange(len(first)).numpy()
    return float(wasserstein_distance(support, support, first.numpy(), second.numpy()))
