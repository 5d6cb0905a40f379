"""Families of illumination patterns for the single-pixel camera: given, Hadamard and Fourier.

Hadamard and Fourier patterns use fast transforms; an explicit crop lets them have any size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr import Grid
from inverse_inr.devices import unravel
from inverse_inr.operators.optics.walsh import walsh_hadamard, walsh_order
from inverse_inr.ranges import Count, checked


class Patterns(nn.Module, ABC):
    """A family of patterns on a grid.

    Args:
        grid: The grid of the patterns' pixels.
        count: Number of patterns.
    """

    @checked
    def __init__(self, grid: Grid, count: Count) -> None:
        super().__init__()
        self.grid = grid
        self.count = int(count)

    @abstractmethod
    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        """Sum pattern times values over the pixels.

        Args:
            values: (*grid.shape, c) values of the field.
            rows: (b,) numbers of patterns.

        Returns:
            (b, c).
        """

    def images(self, rows: Tensor) -> Tensor:
        """The patterns themselves: (b,) numbers -> (b, *grid.shape)."""
        eye = torch.eye(self.grid.numel, dtype=torch.float64)
        eye = eye.reshape(*self.grid.shape, self.grid.numel)
        return self.sums(eye, rows).reshape(-1, *self.grid.shape)


class GivenPatterns(Patterns):
    """Any patterns, real or complex.

    Args:
        patterns: (k, *grid.shape) weights.
        grid: The grid of the patterns' pixels.

    Raises:
        ValueError: For patterns of another shape, none, NaN or Inf.
    """

    @checked
    def __init__(self, patterns: Tensor, grid: Grid) -> None:
        if patterns.ndim < 2 or not len(patterns) or tuple(patterns.shape[1:]) != grid.shape:
            raise ValueError(
                f"SinglePixel: patterns have shape {tuple(patterns.shape)}; "
                f"expected (count, {grid.shape}), count > 0."
            )
        if not torch.isfinite(patterns).all():
            raise ValueError("SinglePixel: patterns hold NaN or Inf.")
        super().__init__(grid, len(patterns))
        kind = torch.promote_types(patterns.dtype, torch.get_default_dtype())
        flat = patterns.detach().to(kind).reshape(len(patterns), -1)
        self.complex = patterns.is_complex()
        if self.complex:
            flat = torch.view_as_real(flat)  # `.to(float32)` would drop imaginary parts
        self.pairs = nn.Buffer(flat)

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        patterns = self.pairs[rows.to(self.pairs.device)]
        kind = values.dtype
        if self.complex:
            patterns = torch.view_as_complex(patterns)
            kind = kind.to_complex()
        return patterns.to(kind) @ values.reshape(self.grid.numel, -1).to(kind)


class HadamardPatterns(Patterns):
    """Walsh patterns of ±1, those of lowest sequency first: a fast Walsh-Hadamard transform.

    Axes are padded to powers of two, `padded`, and the patterns are cropped to the grid's first
    pixels. That allows any size, at the price of rows that are no longer orthogonal. Sequency along
    an axis is counted in sign changes per length of the box, so that coarse patterns in physical
    units come first.

    Args:
        grid: The grid of the patterns' pixels.
        count: Number of patterns; default all.

    Raises:
        ValueError: For a count below 1 or more patterns than there are.
    """

    @checked
    def __init__(self, grid: Grid, count: Count | None = None) -> None:
        self.padded = tuple(1 << (n - 1).bit_length() for n in grid.shape)
        count = _checked_count("HadamardPatterns", count, math.prod(self.padded))
        super().__init__(grid, count)
        axes = [
            torch.arange(n, dtype=torch.float64) / (n * h)
            for n, h in zip(self.padded, grid.spacing, strict=True)
        ]
        chosen = _lowest(axes, count)  # by sequency along each axis
        natural = [
            walsh_order(n)[i]
            for n, i in zip(self.padded, unravel(chosen, self.padded), strict=True)
        ]
        flat = torch.zeros_like(chosen)
        for index, n in zip(natural, self.padded, strict=True):
            flat = flat * n + index
        self.order = nn.Buffer(flat)

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        pad = [0, 0]  # no channels are added; torch counts axes from the last
        for n, m in zip(reversed(self.grid.shape), reversed(self.padded), strict=True):
            pad += [0, m - n]
        full = nn.functional.pad(values, pad)
        for axis in range(self.grid.ndim):
            full = walsh_hadamard(full, axis)
        return full.flatten(0, -2)[self.order.to(values.device)[rows.to(values.device)]]


class FourierPatterns(Patterns):
    """Complex waves, those of lowest frequency first: exp(-2πi k·(x - lower) / lengths), by an FFT.

    k are whole numbers of periods along each axis of the box, and the grid may have any size.
    Measurements are complex: four phase-shifted cosines give one (Zhang, Ma & Zhong 2015).

    Args:
        grid: The grid of the patterns' pixels.
        count: Number of patterns; default all.
        both: Keep both k and -k, for complex fields. The two are conjugate for a real field, and
            one is kept.

    Raises:
        ValueError: For a count below 1 or more patterns than there are.
    """

    @checked
    def __init__(self, grid: Grid, count: Count | None = None, *, both: bool = False) -> None:
        axes = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in grid.shape]
        frequency = [(k / length).abs() for k, length in zip(axes, grid.box.lengths, strict=True)]
        order = _lowest(frequency, grid.numel)
        if not both:
            order = order[order <= _opposite(order, grid.shape)]
        super().__init__(grid, _checked_count("FourierPatterns", count, len(order)))
        self.order = nn.Buffer(order[: self.count])

    def wavenumbers(self) -> Tensor:
        """Periods along each axis of the box, (count, d) whole numbers."""
        index = unravel(self.order, self.grid.shape)
        return torch.stack(
            [(i + n // 2) % n - n // 2 for i, n in zip(index, self.grid.shape, strict=True)], -1
        )

    def sums(self, values: Tensor, rows: Tensor) -> Tensor:
        rows = rows.to(self.order.device)
        transform = torch.fft.fftn(values, dim=tuple(range(self.grid.ndim))).flatten(0, -2)
        seen = transform[self.order[rows].to(values.device)]
        # the first pixel's centre lies half a pixel inside the box's corner
        half = self.wavenumbers()[rows] / torch.tensor(self.grid.shape, device=rows.device)
        return seen * torch.exp(-1j * math.pi * half.double().sum(-1, keepdim=True)).to(seen)


def _lowest(axes: list[Tensor], count: int) -> Tensor:
    """Flat indices of the `count` shortest vectors whose components are given along each axis."""
    squared = torch.zeros((), dtype=torch.float64)
    for k, axis in enumerate(axes):
        squared = squared + axis.square().reshape(-1, *(1,) * (len(axes) - 1 - k))
    return squared.flatten().sort(stable=True).indices[:count]


def _opposite(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Flat index of -k for each k of a discrete Fourier transform."""
    out = torch.zeros_like(flat)
    for index, n in zip(unravel(flat, shape), shape, strict=True):
        out = out * n + (-index) % n
    return out


def _checked_count(name: str, count: int | None, most: int) -> int:
    if count is None:
        return most
    if not 1 <= count <= most:
        raise ValueError(f"{name}: count must lie between 1 and {most}, got {count}.")
    return count
