"""The single-pixel camera: one detector, many patterns (Duarte et al. 2008).

    y_k = mean over the pixels of `grid` of pattern_k f        (= ∫ pattern_k f dx / |Ω| by the midpoint rule)

Hadamard and Fourier patterns use fast transforms; an explicit crop lets them have any size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr import Grid, OnGrid, Query, RowOperator, with_adjoint
from inverse_inr.operators.rows import without_lone_channel


class Patterns(nn.Module, ABC):
    """A family of patterns on a grid: `sums` of pattern · values, `images` shows them."""

    def __init__(self, grid: Grid, count: int) -> None:
        super().__init__()
        self.grid, self.count = grid, int(count)

    @abstractmethod
    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        """Σ over pixels of pattern · values: (*grid.shape, c) -> (b, c)."""

    def images(self, rows: Tensor) -> Tensor:
        """The patterns themselves, (b, *grid.shape)."""
        eye = torch.eye(self.grid.numel, dtype=torch.float64).reshape(
            *self.grid.shape, self.grid.numel
        )
        return self.sums(eye, rows).reshape(-1, *self.grid.shape)


class SinglePixel(RowOperator):
    """Means of pattern · field over a grid: rows are patterns. One step looks at the whole grid.

    patterns: (k, *grid.shape) weights, or a `HadamardPatterns` or `FourierPatterns`.
    Raises ValueError for patterns of another shape, none, NaN or Inf.
    """

    def __init__(self, patterns: Tensor | Patterns, grid: Grid) -> None:
        family = GivenPatterns(patterns, grid) if isinstance(patterns, Tensor) else patterns
        if family.grid != grid:
            raise ValueError(
                f"SinglePixel: patterns are on a grid of shape {family.grid.shape}, not {grid.shape}."
            )
        super().__init__((family.count,))
        self.patterns, self.grid = family, grid

    def forward(self, rows: Tensor) -> Query:
        return Query(self.grid, lambda values: self._mean(values, rows))

    def _mean(self, values: Tensor, rows: Tensor) -> Tensor:
        total = self.patterns.sums(values, rows.to(values.device))
        return without_lone_channel(total / self.grid.numel)

    def on(self, grid: Grid) -> OnGrid:
        """The same of a sampled image on the patterns' grid. Raises ValueError for another grid."""
        if grid != self.grid:
            raise ValueError(
                f"SinglePixel.on: patterns belong to a grid of shape {self.grid.shape}, not {grid.shape}."
            )
        rows, d = torch.arange(len(self)), grid.ndim
        return OnGrid(
            lambda x: self._mean(x[..., None] if x.ndim == d else x, rows), grid, self.shape
        )


class GivenPatterns(Patterns):
    """Any patterns, (k, *grid.shape), real or complex."""

    def __init__(self, patterns: Tensor, grid: Grid) -> None:
        if patterns.ndim < 2 or not len(patterns) or tuple(patterns.shape[1:]) != grid.shape:
            raise ValueError(
                f"SinglePixel: patterns have shape {tuple(patterns.shape)}; expected (count, {grid.shape}), count > 0."
            )
        if not torch.isfinite(patterns).all():
            raise ValueError("SinglePixel: patterns hold NaN or Inf.")
        super().__init__(grid, len(patterns))
        kind = torch.promote_types(patterns.dtype, torch.get_default_dtype())
        flat, self.complex = (
            patterns.detach().to(kind).reshape(len(patterns), -1),
            patterns.is_complex(),
        )
        self.pairs = nn.Buffer(
            torch.view_as_real(flat) if self.complex else flat
        )  # .to(float32) drops imaginaries

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        pairs = self.pairs[rows.to(self.pairs.device)]
        patterns = torch.view_as_complex(pairs) if self.complex else pairs
        kind = values.dtype.to_complex() if self.complex else values.dtype
        return patterns.to(kind) @ values.reshape(self.grid.numel, -1).to(kind)


class HadamardPatterns(Patterns):
    """±1 Walsh patterns, the `count` of lowest sequency first (all by default): a fast Walsh-Hadamard transform.

    Axes are padded to powers of two, `padded`, and the patterns cropped to the grid's first pixels: any size, at the
    price of rows that are no longer orthogonal. Sequency along axis k is counted in sign changes a length of the box,
    so that coarse patterns in physical units come first.
    """

    def __init__(self, grid: Grid, count: int | None = None) -> None:
        self.padded = tuple(1 << (n - 1).bit_length() for n in grid.shape)
        count = _count("HadamardPatterns", count, math.prod(self.padded))
        super().__init__(grid, count)
        axes = [
            torch.arange(n, dtype=torch.float64) / (n * h)
            for n, h in zip(self.padded, grid.spacing, strict=True)
        ]
        chosen = _lowest(axes, count)  # by sequency along each axis
        natural = [
            walsh_order(n)[i]
            for n, i in zip(self.padded, torch.unravel_index(chosen, self.padded), strict=True)
        ]
        flat = torch.zeros_like(chosen)
        for index, n in zip(natural, self.padded, strict=True):
            flat = flat * n + index
        self.order = nn.Buffer(flat)

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        pad = [
            side
            for n, m in zip(reversed(self.grid.shape), reversed(self.padded), strict=True)
            for side in (0, m - n)
        ]
        full = nn.functional.pad(values, [0, 0, *pad])
        for axis in range(self.grid.ndim):
            full = walsh_hadamard(full, axis)
        return full.flatten(0, -2)[self.order.to(values.device)[rows.to(values.device)]]


class FourierPatterns(Patterns):
    """exp(-2πi k·(x - lower) / lengths) at whole numbers of periods k, the `count` of lowest frequency first.

    Measurements are complex: four phase-shifted cosines give one (Zhang, Ma & Zhong 2015). Of k and -k, which are
    conjugate for a real field, one is kept; `both` keeps both, for complex fields. Any size; an FFT does it.
    """

    def __init__(self, grid: Grid, count: int | None = None, *, both: bool = False) -> None:
        axes = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in grid.shape]
        frequency = [(k / length).abs() for k, length in zip(axes, grid.box.lengths, strict=True)]
        order = _lowest(frequency, grid.numel)
        if not both:
            order = order[order <= _opposite(order, grid.shape)]
        super().__init__(grid, _count("FourierPatterns", count, len(order)))
        self.order = nn.Buffer(order[: self.count])

    def wavenumbers(self) -> Tensor:
        """Periods along each axis of the box, (count, d) whole numbers."""
        index = torch.unravel_index(self.order, self.grid.shape)
        return torch.stack(
            [(i + n // 2) % n - n // 2 for i, n in zip(index, self.grid.shape, strict=True)], -1
        )

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        rows = rows.to(self.order.device)
        spectrum = torch.fft.fftn(values, dim=tuple(range(self.grid.ndim))).flatten(0, -2)
        seen = spectrum[self.order[rows].to(values.device)]
        # the first pixel's centre lies half a pixel inside the box's corner
        half = self.wavenumbers()[rows] / torch.tensor(self.grid.shape, device=rows.device)
        return seen * torch.exp(-1j * math.pi * half.double().sum(-1, keepdim=True)).to(seen)


def walsh_hadamard(x: Tensor, axis: int) -> Tensor:
    """Σ_j (-1)^popcount(i & j) x_j along an axis whose length is a power of two; its own transpose."""
    return with_adjoint(lambda v: _butterflies(v, axis), lambda v: _butterflies(v, axis))(x)


def _butterflies(x: Tensor, axis: int) -> Tensor:
    n, half = x.shape[axis], 1
    if n & (n - 1):
        raise ValueError(f"walsh_hadamard: axis {axis} has length {n}, which is no power of two.")
    while half < n:
        a, b = x.unflatten(axis, (-1, 2, half)).unbind(axis + 1)
        x = torch.stack([a + b, a - b], axis + 1).flatten(axis, axis + 2)
        half *= 2
    return x


def walsh_order(n: int) -> Tensor:
    """Natural index of the Hadamard row with s sign changes, s = 0 ... n - 1: bit-reversed Gray code."""
    s = torch.arange(n)
    gray, natural = s ^ (s >> 1), torch.zeros_like(s)
    for bit in range(n.bit_length() - 1):
        natural |= ((gray >> bit) & 1) << (n.bit_length() - 2 - bit)
    return natural


def _lowest(axes: list[Tensor], count: int) -> Tensor:
    """Flat indices of the `count` smallest of the lengths of vectors whose components are given along each axis."""
    squared = torch.zeros((), dtype=torch.float64)
    for k, axis in enumerate(axes):
        squared = squared + axis.square().reshape(-1, *(1,) * (len(axes) - 1 - k))
    return squared.flatten().sort(stable=True).indices[:count]


def _opposite(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Flat index of -k for each k of a discrete Fourier transform."""
    out = torch.zeros_like(flat)
    for index, n in zip(torch.unravel_index(flat, shape), shape, strict=True):
        out = out * n + (-index) % n
    return out


def _count(name: str, count: int | None, most: int) -> int:
    count = most if count is None else count
    if not 1 <= count <= most:
        raise ValueError(f"{name}: count must lie between 1 and {most}, got {count}.")
    return count
