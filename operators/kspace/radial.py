"""Radial k-space without a NUFFT: a spoke is the Fourier transform of a projection.

    y_c(ν, θ) = ∫ p_c(s, θ) exp(-2πi ν s) ds        p_c(s, θ) = ∫ s_c f along the ray at distance s

The field is asked on the rays of a parallel-beam scan, so no raster stands between it and the
measurements, and a mini-batch is a few spokes.

Source:
    Bracewell 1956.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Grid, OnGrid, Query, RowOperator, SparseMatrix, sample
from inverse_inr.memory import require
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.rows import ArrayFunction, beside_operator, sampled_rows
from inverse_inr.ranges import Count, FiniteTensor, checked


class RadialSpokes(RowOperator):
    """Spokes of k-space; a row is a whole spoke.

    Measurements are (spokes, samples) or, with `coils`, (spokes, samples, coils), at k = ν (cos θ,
    sin θ) as in `radial_trajectory`. In training each spoke's rays are shifted by one random part
    of their spacing, whose phase is known, and each ray's points by another: what a finite number
    of rays would alias averages to nothing.

    Args:
        box: The box of the field, 2-D.
        angles: (spokes,) in radians.
        frequency: (samples,) signed ν, in cycles per unit of the box.
        coils: A field of coil sensitivities; default one coil that sees all alike.
        rays: Rays per spoke; by default as many as the highest frequency needs (Nyquist).
        samples: Points per ray; by default as many as the highest frequency needs.

    Raises:
        ValueError: For a box that is not 2-D, or rays too few for the frequencies.
    """

    @checked
    def __init__(
        self,
        box: Box,
        angles: FiniteTensor,
        frequency: FiniteTensor,
        coils: nn.Module | None = None,
        *,
        rays: Count | None = None,
        samples: Count | None = None,
    ) -> None:
        if angles.ndim != 1 or frequency.ndim != 1 or not len(angles) or not len(frequency):
            raise ValueError(
                f"RadialSpokes: angles {tuple(angles.shape)}, "
                f"frequency {tuple(frequency.shape)}: (n,)."
            )
        super().__init__((len(angles),))
        reach = float(frequency.abs().max())
        needed = math.ceil(2 * reach * box.diagonal)
        count = needed if rays is None else rays
        if count < needed:
            raise ValueError(
                f"RadialSpokes: {count} rays over the box's diagonal cannot tell {reach:.4g} "
                f"cycles per unit; {needed} can. Radians, or cycles per field of view?"
            )
        require(
            f"RadialSpokes: a spoke of rays={count} with samples={samples or count} points each",
            32.0 * count * (samples or count),
            "Fewer rays or samples, or lower frequencies.",
        )
        self.beam = ParallelBeam(box, angles, count, pitch=box.diagonal / count, samples=samples)
        self.frequency = nn.Buffer(frequency.to(angles.dtype))
        self.coils = coils
        self.eval()

    def forward(self, rows: Tensor) -> Query:
        """Look along the rays of the spokes `rows`, and transform their integrals."""
        count = self.beam.shape[1]
        angles = self.beam.angles
        rows = rows.to(angles.device)
        rays = rows[:, None] * count + torch.arange(count, device=rows.device)
        origin, direction = self.beam.rays(rays.flatten())
        across = torch.stack([angles[rows].cos(), angles[rows].sin()], -1)  # (b, 2)
        shift = self._shift(across[:, :1]) * self.beam.pitch
        origin = origin + (shift * across).repeat_interleave(count, 0)[:, None]
        points, integrate = self.beam.through(origin, direction)
        assert isinstance(points, Tensor)
        wave = self._wave(across, shift)

        def measure(values: Tensor) -> Tensor:
            if self.coils is not None:
                values = values * _at(self.coils, points, values)
            lines = integrate(values).reshape(len(rows), count, -1)
            return self._transform(wave, lines)

        return Query(points, measure)

    def _shift(self, like: Tensor) -> Tensor:
        """Shift of each spoke's rays in their spacing: random in training, else zero."""
        if self.training:
            return torch.rand_like(like) - 0.5
        return torch.zeros_like(like)

    def _wave(self, across: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """exp(-2πi ν s) ds for the rays of spokes in some directions (b, 2): (b, samples, rays)."""
        count = self.beam.shape[1]
        index = torch.arange(count, dtype=across.dtype, device=across.device)
        place = (index - 0.5 * (count - 1)) * self.beam.pitch
        # phase is counted from x = 0, not from the box's centre
        middle = across @ across.new_tensor(self.beam.box.center)
        angle = -2 * math.pi * self.frequency[:, None] * (place + shift + middle[:, None])[:, None]
        return torch.polar(torch.full_like(angle, self.beam.pitch), angle)

    def _transform(self, wave: Tensor, lines: Tensor) -> Tensor:
        """Fourier transform of projections: (b, rays, coils) -> (b, samples[, coils])."""
        y = wave.to(lines.dtype.to_complex()) @ lines.to(lines.dtype.to_complex())
        if self.coils is None:
            return y[..., 0]
        return y

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same spokes of an image sampled on `grid`: all rays as one sparse matrix.

        Values between pixels are multilinear, and coil maps are taken at the pixels. Full batches
        are many times faster than ray by ray. Rays stand still, so what the image holds beyond
        their Nyquist frequency aliases: sharp images need twice the default `rays`.

        Args:
            grid: The grid of the image.

        Returns:
            The map, with the same rows.
        """
        matrix = self._ray_matrix(grid)
        spokes, count = self.beam.shape
        wave = self._wave(torch.stack([self.beam.angles.cos(), self.beam.angles.sin()], -1))
        pairs = torch.view_as_real(wave)

        def transforms(
            image: Tensor, matrix: SparseMatrix, pairs: Tensor, *coils: nn.Module
        ) -> Tensor:
            seen = image[..., None]
            for maps in coils:
                seen = seen * sample(maps, grid).to(image.dtype.to_complex())
            lines = matrix(seen.reshape(grid.numel, -1)).reshape(spokes, count, -1)
            return self._transform(torch.view_as_complex(pairs), lines)

        shape: tuple[int, ...] = (spokes, len(self.frequency))
        parts: list[nn.Module | Tensor] = [matrix, pairs]
        if self.coils is not None:
            parts.append(self.coils)
            shape = (*shape, sample(self.coils, grid).shape[-1])
        return OnGrid(ArrayFunction(transforms, *parts), grid, shape, trailing=len(shape) - 1)

    def _ray_matrix(self, grid: Grid) -> SparseMatrix:
        """Integrals along all rays of an image, (spokes · rays, pixels)."""
        from scipy.sparse import vstack

        spokes, count = self.beam.shape
        parts = [
            sampled_rows(self.beam, grid, rows)
            for rows in torch.arange(spokes * count).split(count)
        ]
        angles = self.beam.angles
        return SparseMatrix.of(vstack(parts), angles.dtype).to(angles.device)


def _at(coils: Field, points: Tensor, values: Tensor) -> Tensor:
    """Sensitivities at the points, in the precision and on the device of `values`."""
    return coils(points.to(values.device, values.dtype.to_real())).to(values.dtype.to_complex())
