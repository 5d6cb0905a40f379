"""Radial k-space without a NUFFT: a spoke is the Fourier transform of a projection (Bracewell 1956).

    y_c(ν, θ) = ∫ p_c(s, θ) exp(-2πi ν s) ds        p_c(s, θ) = ∫ s_c f along the ray at distance s

The field is asked on the rays of a parallel-beam scan, so no raster stands between it and the data, and a mini-batch
is a few spokes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Query
from inverse_inr.operators.radon import ParallelBeam
from inverse_inr.operators.rows import RowOperator


class RadialSpokes(RowOperator):
    """Spokes of `angles` (radians) at `frequency` (samples,), signed, in cycles per unit: a row is a whole spoke.

    y is (spokes, samples) or, with `coils`, (spokes, samples, coils); k = ν (cos θ, sin θ), as `radial_trajectory`.
    rays, samples  rays a spoke and points a ray; by default as many as the highest frequency needs (Nyquist)
    In training each spoke's rays are shifted by one random part of their spacing, whose phase is known, and each
    ray's points by another: what a finite number of rays would alias averages to nothing.
    Raises ValueError for a box that is not 2-D, rays too few for the frequencies.
    """

    def __init__(self, box: Box, angles: Tensor, frequency: Tensor, coils: nn.Module | None = None, *,
                 rays: int | None = None, samples: int | None = None) -> None:  # fmt: skip
        if angles.ndim != 1 or frequency.ndim != 1 or not len(angles) or not len(frequency):
            raise ValueError(f"RadialSpokes: angles {tuple(angles.shape)}, frequency {tuple(frequency.shape)}: (n,).")
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
        origin, direction = self.beam.rays((rows[:, None] * count + torch.arange(count, device=rows.device)).flatten())
        across = torch.stack([angles[rows].cos(), angles[rows].sin()], -1)  # (b, 2)
        shift = torch.rand_like(across[:, :1]) - 0.5 if self.training else torch.zeros_like(across[:, :1])
        shift = shift * self.beam.pitch
        origin = origin + (shift * across).repeat_interleave(count, 0)[:, None]
        points, integrate = self.beam.through(origin, direction)
        assert isinstance(points, Tensor)
        place = (torch.arange(count, dtype=shift.dtype, device=rows.device) - 0.5 * (count - 1)) * self.beam.pitch
        middle = across @ across.new_tensor(self.beam.box.center)  # phase is counted from x = 0, not from the centre
        where = place + shift + middle[:, None]  # (b, rays)

        def measure(values: Tensor) -> Tensor:
            seen = values if self.coils is None else values * _at(self.coils, points, values)
            lines = integrate(seen).reshape(len(rows), count, -1)
            angle = -2 * math.pi * self.frequency[:, None] * where[:, None]
            wave = torch.polar(torch.full_like(angle, self.beam.pitch), angle)
            y = wave.to(lines.dtype.to_complex()) @ lines.to(lines.dtype.to_complex())  # (b, samples, coils)
            return y[..., 0] if self.coils is None else y

        return Query(points, measure)


def _at(coils: Field, points: Tensor, values: Tensor) -> Tensor:
    return coils(points.to(values.device, values.dtype.to_real())).to(values.dtype.to_complex())
