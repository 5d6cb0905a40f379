"""What radar operators share: rows are pulses, points scatter, and the kernel is recomputed instead of stored.

    y_p[k] = Σ_x sigma(x) a_p(x) exp(sign · j 2π turns(tau_p(x))) W_k(tau_p(x))          (first Born, stop and hop)

a_p is 1 / (R_T R_R) by default, times antenna patterns. `points` is the model of the scene: a Grid (each value the
amplitude of its voxel) or (n, 3) places.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Query, evaluate, with_adjoint
from inverse_inr.operators.radar import kernel as radar_kernel
from inverse_inr.operators.radar.delay import DelayTransform, phasor
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.kernel import TiledKernel
from inverse_inr.operators.radar.spherical_harmonics import real_harmonics

STORE_LIMIT = 2**30
"""Bytes that `stored` may take."""

Spreading = str | Callable[[Tensor, Tensor], Tensor]
Pattern = Callable[[Tensor, Tensor], Tensor]
"""(pulses (b,), unit vectors from the antennas' middle to the points (b, n, 3)) -> two-way amplitude (b, n)."""


class RadarOperator(TiledKernel):
    """Echoes of a scene: rows are pulses, each with `transform.count` complex values.

    points     a Grid, or (n, 3) places in metres; default: voxels of a quarter of the shortest wavelength on `box`
    basis      "point": a value scatters at the middle of its voxel; "cell": uniformly from all of it (times
               Π sinc(2 h d / λ) at the carrier, d the gradient of half the path), which makes λ / 4 accurate
    spreading  "product": 1 / (R_T R_R); "none"; or a function of both ranges
    pattern    two-way antenna amplitude (`Pattern`)
    degree     of the spherical harmonics of the direction to the radar (from the box's centre) in which reflectivity
               is given, (degree + 1)² channels; 0 is isotropic

    Geometry given as `nn.Parameter` is learnt. All geometry is float64 and stays so; values decide the precision.
    Raises ValueError as `RadarGeometry.check`.
    """

    places: Tensor | None
    matrix: Tensor | None

    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        transform: DelayTransform,
        *,
        points: Grid | Tensor | None = None,
        basis: str = "point",
        spreading: Spreading = "product",
        pattern: Pattern | None = None,
        degree: int = 0,
        shortest: float | None = None,
    ) -> None:
        super().__init__((len(geometry),))
        name = type(self).__name__
        self.wavelength = SPEED_OF_LIGHT / transform.carrier
        geometry.check(box, self.wavelength)
        if basis not in ("point", "cell"):
            raise ValueError(f"{name}: basis must be 'point' or 'cell', got {basis!r}.")
        if not callable(spreading) and spreading not in ("product", "none"):
            raise ValueError(
                f"{name}: spreading must be 'product', 'none' or a function, got {spreading!r}."
            )
        self.box, self.geometry, self.transform = box, geometry, transform
        self.basis, self.spreading, self.pattern, self.degree = basis, spreading, pattern, degree
        if points is None:
            pitch = 0.25 * (self.wavelength if shortest is None else shortest)
            points = Grid(box, tuple(max(1, round(n / pitch)) for n in box.lengths))
        self._place(points)
        self.register_buffer("matrix", None, persistent=False)

    def _place(self, points: Grid | Tensor) -> None:
        self.where = points if isinstance(points, Grid) else None
        if self.basis == "cell" and self.where is None:
            raise ValueError(
                f"{type(self).__name__}: basis='cell' needs voxels; pass points=Grid(...)."
            )
        self.register_buffer("places", None, persistent=False)
        if isinstance(points, Grid):
            return
        if points.ndim != 2 or points.shape[1] != 3 or not bool(torch.isfinite(points).all()):
            raise ValueError(
                f"{type(self).__name__}: points must be finite (n, 3), got shape {tuple(points.shape)}."
            )
        self.places = nn.Buffer(points.detach().double().clone(), persistent=False)

    @property
    def points(self) -> Tensor:
        """Where the scene is modelled, (n, 3) in metres, float64: made when asked for, a grid may be large."""
        if self.places is not None:
            return self.places
        assert self.where is not None
        return self.where.points(torch.float64, self.geometry.transmitters.device).reshape(-1, 3)

    # --- the protocol ---------------------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        rows = rows.to(self.geometry.transmitters.device)

        return Query(
            self._where, lambda values: self.echoes(self._reflectivity(values, rows), rows)
        )

    def echoes(self, sigma: Tensor, rows: Tensor) -> Tensor:
        """Echoes of the operator's own points, whose amplitudes are (n,), or (b, n) of each pulse: (b, K)."""
        if self.geometry.learnable and torch.is_grad_enabled():
            return self.respond(self.points, sigma, rows)
        if self.matrix is not None and sigma.ndim == 1:
            return with_adjoint(self._stored(rows), self._stored_adjoint(rows, sigma.dtype))(sigma)
        return with_adjoint(self._tiled(rows), self._tiled_adjoint(rows, sigma))(sigma)

    def respond(self, points: Tensor, amplitudes: Tensor, rows: Tensor) -> Tensor:
        """Echoes of scatterers anywhere: (n, 3), (n,) or (b, n) -> (b, K); differentiable in both and in the geometry.

        A few pulses at a time, recomputed in the backward pass.
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

    def at(self, points: Grid | Tensor) -> Self:
        """The same radar looking at other points: a finer grid, or scatterers (n, 3) on no grid."""
        other = copy.copy(self)
        other._buffers, other._modules = dict(self._buffers), dict(self._modules)
        other._place(points)
        other.matrix = None
        return other

    def pulses(self, rows: Tensor) -> Self:
        """The same radar with some of its pulses. Patterns are called with the new numbers of pulses."""
        return self.with_geometry(self.geometry.subset(rows))

    def with_geometry(self, geometry: RadarGeometry) -> Self:
        """The same radar and scene with other antennas (its bins are kept)."""
        other = self.at(self._where)
        other.geometry, other.shape = geometry, (len(geometry),)
        geometry.check(self.box, self.wavelength)
        return other

    def stored(self, dtype: torch.dtype = torch.float32, limit: int = STORE_LIMIT) -> Self:
        """The same radar with its kernel in memory: fastest where it fits. Raises MemoryError over `limit` bytes."""
        size = len(self) * self.transform.count * self.size * 2 * dtype.itemsize
        if size > limit:
            raise MemoryError(
                f"{type(self).__name__}.stored: {len(self)} pulses x {self.transform.count} x {self.size} "
                f"points take {size / 2**30:.2f} GiB, over the limit of {limit / 2**30:.2f}. Recompute: no memory."
            )
        other = self.at(self._where)
        other.matrix = nn.Buffer(self._kernel(dtype), persistent=False)
        return other

    def carrier(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """conj of a_p(x) exp(j 2π turns), as for sign +1, and relative paths in m: both (b, n)."""
        factor, delay = self._factor(points, rows, dtype)
        return (
            factor.conj().resolve_conj() if self.geometry.sign > 0 else factor
        ), delay * SPEED_OF_LIGHT

    @property
    def bandwidth(self) -> float:
        """Hz that the echoes span."""
        return self.transform.bandwidth

    # --- the kernel, tile by tile ---------------------------------------------------------------------------------

    def _reflectivity(self, values: Tensor, rows: Tensor) -> Tensor:
        """(*s, c) -> (n,), or (b, n) where reflectivity depends on the direction."""
        flat, wanted = values.reshape(-1, values.shape[-1]), (self.degree + 1) ** 2
        if flat.shape != (self.size, wanted):
            raise ValueError(
                f"{type(self).__name__} of degree {self.degree} looks at {self.size} points of {wanted} "
                f"channels; got {tuple(values.shape)}."
            )
        if not self.degree:
            return flat[:, 0]
        look = real_harmonics(self.geometry.look(self.box.center)[rows], self.degree)
        return look.to(values.dtype) @ flat.T

    def _factor(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """a_p(x) exp(sign · j 2π turns) (b, n) in the precision of `dtype`, and delays (b, n) in float64."""
        to, back = self.geometry.ranges(points, rows)
        reference = self.geometry.reference_path[rows, None]
        delay = (to + back - reference) / SPEED_OF_LIGHT
        turns = self.transform.turns(delay, reference / SPEED_OF_LIGHT)
        factor = self._signed(phasor(turns, dtype))
        plain = self.spreading == "none" and self.pattern is None and self.basis == "point"
        return factor if plain else factor * self._amplitude(
            points, rows, to, back, dtype.to_real()
        ), delay

    def _amplitude(
        self, points: Tensor, rows: Tensor, to: Tensor, back: Tensor, dtype: torch.dtype
    ) -> Tensor:
        if callable(self.spreading):
            amplitude = self.spreading(to, back).to(dtype)
        else:
            amplitude = (
                (1 / (to * back)).to(dtype)
                if self.spreading == "product"
                else to.new_ones((1, 1), dtype=dtype)
            )
        if self.pattern is None and self.basis == "point":
            return amplitude
        away = [
            points - a[rows][:, None] for a in (self.geometry.transmitters, self.geometry.receivers)
        ]
        directions = [nn.functional.normalize(v, dim=-1) for v in away]
        if self.basis == "cell":
            assert self.where is not None
            slope = 0.5 * (directions[0] + directions[1])
            cell = 2 * slope.new_tensor(self.where.spacing) * slope / self.wavelength
            amplitude = amplitude * torch.sinc(cell).prod(-1).to(dtype)
        if self.pattern is not None:
            middle = nn.functional.normalize(directions[0] + directions[1], dim=-1)
            amplitude = amplitude * self.pattern(rows, middle).to(dtype)
        return amplitude

    @property
    def _where(self) -> Grid | Tensor:
        return self.points if self.where is None else self.where

    @property
    def size(self) -> int:
        """Points of the scene."""
        return self.where.numel if self.where is not None else len(self.points)
