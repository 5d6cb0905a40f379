"""Magnetic resonance: samples of the Fourier transform of a complex field, seen through coils.

    y_c(k) = ∫ s_c(x) f(x) exp(-2πi k·x) dx

k is in cycles per unit of the box, and x in the box's own coordinates. The field is asked at the
pixel centres of a grid, a pixel's share of the integral is its area times its value, and the sum
over pixels is an FFT or a NUFFT, so a phantom's `fourier(k)` and the measured k-space have the same
unit. The origin of x is where the phase is zero: scanners put it on pixel n // 2 (see
`centred_box`).

A row is one k-space location, seen by all coils: y is (samples, coils), or (samples,) without
coils. A `basis` b (samples, L) of L images g_l tells how the image varies with the sample rather
than with k:

    y_c(k_i) = Σ_l b_l(i) F[s_c g_l](k_i)

In dynamic imaging g_l are the field's channels and b is a temporal basis. With dephasing,
g_l = exp(-z(x) t_l) f, and b interpolates in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid
from inverse_inr.operators.kspace.arguments import (
    as_coils,
    checked_basis,
    checked_mask,
    checked_trajectory,
)
from inverse_inr.operators.kspace.coil_estimation import central_block
from inverse_inr.operators.kspace.dephasing import Dephasing
from inverse_inr.operators.kspace.encoding import Encoding, Lattice, Nonuniform
from inverse_inr.operators.kspace.sampling_patterns import readout_axis
from inverse_inr.ranges import Count, Positive, Range, checked

Oversampling = Annotated[float, Range(least=1, most=8)]
"""A padded FFT relative to the image: the image itself at least."""
KernelWidth = Annotated[int, Range(least=1, most=64)]
"""Samples of the padded FFT under a gridding kernel; 7 are exact to single precision."""


@checked
def centred_box(
    shape: Sequence[Count], spacing: Sequence[Positive], units: Sequence[str] = ()
) -> Box:
    """The box of a sampled image in the convention of scanners and FFTs.

    Args:
        shape: Shape of the image.
        spacing: Pixel size along each axis.
        units: Unit of each axis; default none.

    Returns:
        The box whose pixel n // 2 is centred on the origin.
    """
    if not len(shape) or len(spacing) != len(shape):
        raise ValueError(
            f"centred_box: shape {tuple(shape)} and spacing {tuple(spacing)}: one for every axis."
        )
    lower = [-(n // 2 + 0.5) * h for n, h in zip(shape, spacing, strict=True)]
    upper = [a + n * h for a, n, h in zip(lower, shape, spacing, strict=True)]
    return Box(tuple(lower), tuple(upper), tuple(units))


class KSpace(OnGrid):
    """The common part of Cartesian and non-Cartesian k-space; rows are k-space locations.

    Args:
        encoding: The map from images to k-space.
        frequencies: (samples, d) in cycles per unit of the box.
        shape: Natural shape of the rows.
        coils: Number of coils, or None.
    """

    map: Encoding  # pyright: ignore[reportIncompatibleVariableOverride]
    frequencies: Tensor

    def __init__(
        self, encoding: Encoding, frequencies: Tensor, shape: tuple[int, ...], coils: int | None
    ) -> None:
        if coils is None:
            super().__init__(encoding, encoding.grid, shape)
        else:
            super().__init__(encoding, encoding.grid, (*shape, coils), trailing=1)
        self.frequencies = nn.Buffer(frequencies, persistent=False)
        self.coil_count = coils
        self.eval()

    @property
    def coils(self) -> nn.Module | None:
        """The sensitivities as a field, (*s, d) -> (*s, coils); None without coils."""
        return self.map.coils

    @checked
    def on(self, grid: Grid) -> KSpace:
        """The map of images on another grid of the same box; `resampled` says what it refuses.

        Args:
            grid: The grid of the images.
        """
        if grid == self.grid:
            return self
        assert isinstance(self, CartesianKSpace | NonCartesianKSpace)
        return self.resampled(grid)

    def _measure(self, values: Tensor) -> Tensor:
        return self.map(values.squeeze(-1))


class CartesianKSpace(KSpace):
    """k-space on the lattice of an FFT, where a mask is true.

    Rows are the mask's true entries in array order.

    Args:
        grid: The grid of the image.
        mask: (*grid.shape) of bool, zero frequency at n // 2 (k = (index - n // 2) / length). Or
            (frames, *grid.shape) with a `basis`: a mask for each time frame.
        coils: Maps (coils, *grid.shape), or any field of that many complex channels; a
            `LearnedCoils` is learnt. None: one coil.
        basis: (frames, L), a temporal basis of dynamic imaging.
        dephasing: Off-resonance and relaxation, with the times of the rows or of all mask entries.

    Raises:
        ValueError: For a mask of another shape or an empty one, or maps of another shape.
    """

    map: Lattice  # pyright: ignore[reportIncompatibleVariableOverride]

    @checked
    def __init__(
        self,
        grid: Grid,
        mask: Tensor,
        coils: Tensor | nn.Module | None = None,
        *,
        basis: Tensor | None = None,
        dephasing: Dephasing | None = None,
    ) -> None:
        mask = checked_mask(mask, grid, basis)
        module, number = as_coils(coils, grid)
        where = mask.nonzero()  # (samples, d), after the frame if there are frames
        index = where[:, mask.ndim - grid.ndim :] - where.new_tensor([n // 2 for n in grid.shape])
        frequencies = index.double() / where.new_tensor(grid.box.lengths, dtype=torch.float64)
        rows = None if basis is None else basis[where[:, 0]]
        encoding = Lattice(grid, index, frequencies, module, rows, dephasing)
        super().__init__(encoding, frequencies, (len(index),), number)
        self.mask = nn.Buffer(mask, persistent=False)
        self._basis = basis  # as it was given: a buffer would be cast with the module

    @property
    def groups(self) -> Tensor:
        """The readout that each sample belongs to, (samples,): lines, or points where none are."""
        where = self.mask.nonzero()
        still = self.mask
        while still.ndim > self.grid.ndim:
            still = still.any(0)
        axis = readout_axis(still)
        if axis is None:
            return torch.arange(len(where), device=where.device)
        where[:, axis - self.grid.ndim] = 0
        return where.unique(dim=0, return_inverse=True)[1]

    def lattice(self, y: Tensor) -> Tensor:
        """Measurements as centred k-space, zero where none was measured.

        Args:
            y: (samples[, coils]).

        Returns:
            ([coils,] [frames,] *grid.shape), in the convention of files.
        """
        full = y.new_zeros(*self.mask.shape, *y.shape[1:])
        full[self.mask.to(y.device)] = y * self.map.origin(y).reshape(-1, *(1,) * (y.ndim - 1))
        if y.ndim == 1:
            return full
        return full.movedim(-1, 0)

    def resampled(self, grid: Grid) -> CartesianKSpace:
        """The same samples, in the same order, of an image with other pixels on the same box.

        Args:
            grid: The grid of the other pixels.

        Raises:
            ValueError: For another box, pixels too coarse for the samples, or dephasing.
        """
        old = self.grid
        if grid.box != old.box or self.map.dephasing is not None:
            raise ValueError("CartesianKSpace.resampled: no dephasing, a grid of one box.")
        frames = self.mask.shape[: -old.ndim]
        shift = [n // 2 - m // 2 for n, m in zip(grid.shape, old.shape, strict=True)]
        index = self.mask.nonzero()
        index = index + index.new_tensor([0] * len(frames) + shift)
        mask = self.mask.new_zeros(*frames, *grid.shape)
        if bool((index < 0).any()) or bool((index >= index.new_tensor(mask.shape)).any()):
            raise ValueError(
                f"CartesianKSpace.resampled: a grid {grid.shape} does not hold samples of "
                f"{old.shape}."
            )
        mask[index.unbind(-1)] = True
        basis = self._basis
        if basis is not None:
            basis = basis.to(mask.device)
        return CartesianKSpace(grid, mask, self.coils, basis=basis)

    def calibration(self, y: Tensor) -> Tensor:
        """The largest central block of k-space that is fully sampled.

        Args:
            y: (samples[, coils]) measurements.

        Returns:
            (coils, *n), zero frequency at n // 2.

        Raises:
            ValueError: If not even the centre is sampled.
        """
        if y.ndim == 1:
            y = y[:, None]
        mask = self.mask
        if mask.ndim > self.grid.ndim:
            mask = mask.all(0)
        return self.lattice(y)[(slice(None), *central_block(mask))]


class NonCartesianKSpace(KSpace):
    """k-space along any trajectory, by Kaiser-Bessel gridding (NUFFT); rows are its samples.

    Args:
        grid: The grid of the image.
        trajectory: (*shape, d) in cycles per unit of the box, e.g. (spokes, samples, 2), within the
            grid's Nyquist square.
        coils: As in `CartesianKSpace`.
        basis: (samples, L), or (shape[0], L) for one value per spoke: a temporal basis of dynamic
            imaging.
        dephasing: Off-resonance and relaxation.
        backend: "torch", or "finufft" (extra `mri`; CPU, plans are cached), which gives the same
            values to 2e-5.
        oversampling: Size of the padded FFT relative to the image.
        width: Width of the gridding kernel, in samples of that FFT. At the defaults the relative
            error is below 2e-5.

    Raises:
        ValueError: For a trajectory of another dimension, with NaN, or beyond the grid's Nyquist
            frequency.
    """

    @checked
    def __init__(
        self,
        grid: Grid,
        trajectory: Tensor,
        coils: Tensor | nn.Module | None = None,
        *,
        basis: Tensor | None = None,
        dephasing: Dephasing | None = None,
        backend: str = "torch",
        oversampling: Oversampling = 1.375,
        width: KernelWidth = 7,
    ) -> None:
        k = checked_trajectory(trajectory, grid)
        module, number = as_coils(coils, grid)
        shape = tuple(trajectory.shape[:-1])
        rows = checked_basis(basis, len(k), shape[0])
        encoding = Nonuniform(
            grid, k, module, rows, dephasing, backend, oversampling, width, trajectory.dtype
        )
        super().__init__(encoding, k, shape, number)

    @property
    def groups(self) -> Tensor:
        """The readout that each sample belongs to, (samples,): spokes, or single samples."""
        number = torch.arange(len(self.frequencies), device=self.frequencies.device)
        if self.shape[0] == 1:
            return number
        return number // (len(number) // self.shape[0])

    def resampled(self, grid: Grid) -> NonCartesianKSpace:
        """The same samples, in the same order, of an image with other pixels on the same box.

        Args:
            grid: The grid of the other pixels.

        Raises:
            ValueError: For another box, pixels too coarse for the samples, a basis or dephasing.
        """
        plain = self.map.basis is None and self.map.dephasing is None
        if grid.box != self.grid.box or not plain:
            raise ValueError(
                "NonCartesianKSpace.resampled: still images, no dephasing, a grid of one box."
            )
        trajectory = self.frequencies.reshape(*self.shape, grid.ndim).float()
        return NonCartesianKSpace(grid, trajectory, self.coils)
