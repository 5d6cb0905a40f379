"""Radial k-space without a NUFFT: a spoke is the Fourier transform of a projection (Bracewell 1956).

    y_c(ν, θ) = ∫ p_c(s, θ) exp(-2πi ν s) ds        p_c(s, θ) = ∫ s_c f along the ray at distance s

The field is asked on the rays of a parallel-beam scan, so no raster stands between it and the data, and a mini-batch
is a few spokes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Grid, OnGrid, Query, RowOperator, SparseMatrix, sample
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.rows import ArrayFunction, sampled_rows


class RadialSpokes(RowOperator):
    """Spokes of `angles` (radians) at `frequency` (samples,), signed, in cycles per unit: a row is a whole spoke.

    y is (spokes, samples) or, with `coils`, (spokes, samples, coils); k = ν (cos θ, sin θ), as `radial_trajectory`.
    rays, samples  rays a spoke and points a ray; by default as many as the highest frequency needs (Nyquist)
    In training each spoke's rays are shifted by one random part of their spacing, whose phase is known, and each
    ray's points by another: what a finite number of rays would alias averages to nothing.
    Raises ValueError for a box that is not 2-D, rays too few for the frequencies.
    """

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        frequency: Tensor,
        coils: nn.Module | None = None,
        *,
        rays: int | None = None,
        samples: int | None = None,
    ) -> None:
        if angles.ndim != 1 or frequency.ndim != 1 or not len(angles) or not len(frequency):
            raise ValueError(
                f"RadialSpokes: angles {tuple(angles.shape)}, frequency {tuple(frequency.shape)}: (n,)."
            )
        super().__init__((len(angles),))
        reach = float(frequency.abs().max())
        needed = math.ceil(2 * reach * box.diagonal)
        count = needed if rays is None else rays
        if count < needed:
            raise ValueError(
                f"RadialSpokes: {count} rays over the box's diagonal cannot tell {reach:.4g} cycles per unit; "
                f"{needed} can. Radians, or cycles per field of view?"
            )
        self.beam = ParallelBeam(box, angles, count, pitch=box.diagonal / count, samples=samples)
        self.frequency = nn.Buffer(frequency.to(angles.dtype))
        self.coils = coils
        self.eval()

    def forward(self, rows: Tensor) -> Query:
        count, angles = self.beam.shape[1], self.beam.angles
        rows = rows.to(angles.device)
        origin, direction = self.beam.rays(
            (rows[:, None] * count + torch.arange(count, device=rows.device)).flatten()
        )
        across = torch.stack([angles[rows].cos(), angles[rows].sin()], -1)  # (b, 2)
        shift = (
            torch.rand_like(across[:, :1]) - 0.5
            if self.training
            else torch.zeros_like(across[:, :1])
        )
        shift = shift * self.beam.pitch
        origin = origin + (shift * across).repeat_interleave(count, 0)[:, None]
        points, integrate = self.beam.through(origin, direction)
        assert isinstance(points, Tensor)
        wave = self._wave(across, shift)

        def measure(values: Tensor) -> Tensor:
            seen = values if self.coils is None else values * _at(self.coils, points, values)
            lines = integrate(seen).reshape(len(rows), count, -1)
            return self._spectrum(wave, lines)

        return Query(points, measure)

    def _wave(self, across: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """exp(-2πi ν s) ds for the rays of spokes in some directions (b, 2): (b, samples, rays)."""
        count = self.beam.shape[1]
        place = (
            torch.arange(count, dtype=across.dtype, device=across.device) - 0.5 * (count - 1)
        ) * self.beam.pitch
        middle = across @ across.new_tensor(
            self.beam.box.center
        )  # phase is counted from x = 0, not from the centre
        angle = -2 * math.pi * self.frequency[:, None] * (place + shift + middle[:, None])[:, None]
        return torch.polar(torch.full_like(angle, self.beam.pitch), angle)

    def _spectrum(self, wave: Tensor, lines: Tensor) -> Tensor:
        """Of projections (b, rays, coils): (b, samples[, coils])."""
        y = wave.to(lines.dtype.to_complex()) @ lines.to(lines.dtype.to_complex())
        return y[..., 0] if self.coils is None else y

    def on(self, grid: Grid) -> OnGrid:
        """The same spokes of an image sampled on `grid`, multilinear between pixels: all rays as one sparse matrix.

        Full batches are then many times faster than ray by ray. Coil maps are taken at the pixels. Rays stand still, so
        what the image holds beyond their Nyquist frequency aliases: sharp images need twice the default `rays`.
        """
        from scipy.sparse import vstack

        spokes, count = self.beam.shape
        parts = [
            sampled_rows(self.beam, grid, rows)
            for rows in torch.arange(spokes * count).split(count)
        ]
        matrix = SparseMatrix.of(vstack(parts), self.beam.angles.dtype).to(self.beam.angles.device)
        wave = self._wave(torch.stack([self.beam.angles.cos(), self.beam.angles.sin()], -1))
        pairs = torch.view_as_real(wave)

        def spectra(image: Tensor) -> Tensor:
            maps = (
                None
                if self.coils is None
                else sample(self.coils, grid).to(image.device, image.dtype.to_complex())
            )
            seen = image[..., None] if maps is None else image[..., None] * maps
            lines = matrix(seen.reshape(grid.numel, -1)).reshape(spokes, count, -1)
            return self._spectrum(torch.view_as_complex(pairs.to(lines.device)), lines)

        shape = (spokes, len(self.frequency))
        shape = shape if self.coils is None else (*shape, sample(self.coils, grid).shape[-1])
        return OnGrid(
            ArrayFunction(spectra, matrix, self.coils), grid, shape, trailing=len(shape) - 1
        )


def _at(coils: Field, points: Tensor, values: Tensor) -> Tensor:
    return coils(points.to(values.device, values.dtype.to_real())).to(values.dtype.to_complex())
