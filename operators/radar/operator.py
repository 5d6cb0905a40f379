"""The radar operator: rows are pulses, points scatter, and the response matrix is recomputed.

    y_p[k] = Σ_x sigma(x) a_p(x) exp(sign · j 2π turns(tau_p(x))) W_k(tau_p(x))

This is the first Born approximation with stop and hop. a_p is 1 / (R_T R_R) by default, times
antenna patterns. `points` is the model of the scene: a Grid (each value the amplitude of its voxel)
or (n, 3) places.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Query, evaluate, with_adjoint
from inverse_inr.operators.radar import kernel as radar_kernel
from inverse_inr.operators.radar.geometry import RadarGeometry
from inverse_inr.operators.radar.scatterers import Scatterers
from inverse_inr.operators.spherical_harmonics import real_harmonics
from inverse_inr.ranges import NonNegative, checked

STORE_LIMIT = 2**30
"""Bytes that `stored` may take unless it is told otherwise: 1 GiB."""


class RadarOperator(Scatterers):
    """Echoes of a scene: rows are pulses, each with `transform.count` complex values.

    Geometry given as `nn.Parameter` is learnt. All geometry is float64 and stays so; values decide
    the precision.

    Args:
        box: The scene's box in metres.
        geometry: Antennas of each pulse.
        transform: The receiver's map from delays to values.
        points: A grid, or (n, 3) in metres; None for voxels of a quarter of the shortest
            wavelength on `box`.
        basis: "point" if a value scatters at the middle of its voxel; "cell" if uniformly from all
            of it (times Π sinc(2 h d / λ) at the carrier, d the gradient of half the path), which
            makes voxels of λ / 4 accurate.
        spreading: "product" for 1 / (R_T R_R), "none", or a function of both ranges in metres.
        pattern: Two-way antenna amplitude (`Pattern`); None for isotropic antennas.
        degree: Degree of the spherical harmonics of the direction to the radar (from the box's
            centre) in which reflectivity is given, with (degree + 1)² channels; 0 is isotropic.
        shortest: Shortest wavelength in metres, for the default points; None for the carrier's.

    Attributes:
        wavelength: The carrier's, in metres.
        where: The grid of the points; None for scattered points.
        matrix: The stored response matrix of `stored`; None otherwise.

    Raises:
        ValueError: If an option is unknown or points are not finite (n, 3); and as
            `RadarGeometry.check`.
    """

    @property
    def bandwidth(self) -> float:
        """Hz that the echoes span."""
        return self.transform.bandwidth

    # --- the protocol -----------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        """Ask for the operator's points and answer with the echoes of some pulses.

        Args:
            rows: (b,) numbers of pulses.

        Returns:
            A query of (*s, (degree + 1)²) values whose answer is (b, K) complex.
        """
        rows = rows.to(self.geometry.transmitters.device)

        def measure(values: Tensor) -> Tensor:
            return self.echoes(self._reflectivity(values, rows), rows)

        return Query(self._where, measure)

    def echoes(self, sigma: Tensor, rows: Tensor) -> Tensor:
        """Echoes of the operator's own points.

        Args:
            sigma: Amplitudes (n,), or (b, n) that differ from pulse to pulse.
            rows: (b,) numbers of pulses.

        Returns:
            (b, K) complex: K values for each of b pulses.
        """
        if self.geometry.learnable and torch.is_grad_enabled():
            return self.respond(self.points, sigma, rows)
        if self.matrix is not None and sigma.ndim == 1:
            return with_adjoint(self._stored(rows), self._stored_adjoint(rows, sigma.dtype))(sigma)
        return with_adjoint(self._tiled(rows), self._tiled_adjoint(rows, sigma))(sigma)

    def respond(self, points: Tensor, amplitudes: Tensor, rows: Tensor) -> Tensor:
        """Echoes of scatterers anywhere, differentiable in both and in the geometry.

        A few pulses are computed at a time and recomputed in the backward pass.

        Args:
            points: (n, 3) in metres.
            amplitudes: (n,), or (b, n) that differ from pulse to pulse.
            rows: (b,) numbers of pulses.

        Returns:
            (b, K) complex: K values for each of b pulses.
        """

        def some(chosen: Tensor) -> Tensor:
            row = chosen[:, 0].long()
            factor, delay = self._factor(points, row, amplitudes.dtype)
            s = amplitudes if amplitudes.ndim == 1 else amplitudes[chosen[:, 1].long()]
            return self._signed(self.transform(delay, self._signed(factor * s)))

        chosen = torch.stack([rows, torch.arange(len(rows), device=rows.device)], 1)
        return evaluate(
            some, chosen, max(1, radar_kernel.TILE // (self.transform.width * max(1, len(points))))
        )

    def _reflectivity(self, values: Tensor, rows: Tensor) -> Tensor:
        """(*s, c) -> (n,), or (b, n) where reflectivity depends on the direction."""
        flat = values.reshape(-1, values.shape[-1])
        wanted = (self.degree + 1) ** 2
        if flat.shape != (self.size, wanted):
            raise ValueError(
                f"{type(self).__name__} of degree {self.degree} looks at {self.size} points of "
                f"{wanted} channels; got {tuple(values.shape)}."
            )
        if not self.degree:
            return flat[:, 0]
        look = real_harmonics(self.geometry.look(self.box.center)[rows], self.degree)
        return look.to(values.dtype) @ flat.T

    # --- variations -------------------------------------------------------------------------------

    @checked
    def at(self, points: Grid | Tensor) -> Self:
        """The same radar looking at other points.

        Args:
            points: A finer grid, or scatterers (n, 3) in metres on no grid.
        """
        other = copy.copy(self)
        other._buffers = dict(self._buffers)
        other._modules = dict(self._modules)
        other._place(points)
        other.matrix = None
        return other

    @checked
    def pulses(self, rows: Tensor) -> Self:
        """The same radar with some of its pulses; patterns are called with their new numbers.

        Args:
            rows: (b,) numbers of the pulses to keep.
        """
        return self.with_geometry(self.geometry.subset(rows))

    @checked
    def with_geometry(self, geometry: RadarGeometry) -> Self:
        """The same radar and scene with other antennas; its bins are kept.

        Args:
            geometry: Antennas of each pulse.
        """
        other = self.at(self._where)
        other.geometry = geometry
        other.shape = (len(geometry),)
        geometry.check(self.box, self.wavelength)
        return other

    @checked
    def stored(self, dtype: torch.dtype = torch.float32, limit: NonNegative = STORE_LIMIT) -> Self:
        """The same radar with its response matrix in memory: fastest where it fits.

        Args:
            dtype: Real dtype of the real and imaginary parts.
            limit: Bytes that the matrix may take.

        Raises:
            MemoryError: If it takes more.
        """
        size = len(self) * self.transform.count * self.size * 2 * dtype.itemsize
        if size > limit:
            raise MemoryError(
                f"{type(self).__name__}.stored: {len(self)} pulses x {self.transform.count} x "
                f"{self.size} points take {size / 2**30:.2f} GiB, over the limit of "
                f"{limit / 2**30:.2f}. Recompute: no memory."
            )
        other = self.at(self._where)
        other.matrix = nn.Buffer(self._kernel(dtype), persistent=False)
        return other
