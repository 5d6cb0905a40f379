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

from inverse_inr import Box, Grid, Query, with_adjoint
from inverse_inr.domain import evaluate
from inverse_inr.operators.delay import DelayTransform, phasor
from inverse_inr.operators.harmonics import real_harmonics
from inverse_inr.operators.radar_geometry import SPEED_OF_LIGHT, KeepsPrecision, RadarGeometry
from inverse_inr.operators.rows import RowOperator

TILE = 2**18
"""Numbers in one tile of the kernel: 2 MB in complex64."""
STORE_LIMIT = 2**30
"""Bytes that `stored` may take."""

Spreading = str | Callable[[Tensor, Tensor], Tensor]
Pattern = Callable[[Tensor, Tensor], Tensor]
"""(pulses (b,), unit vectors from the antennas' middle to the points (b, n, 3)) -> two-way amplitude (b, n)."""


class RadarOperator(KeepsPrecision, RowOperator):
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

    def __init__(self, box: Box, geometry: RadarGeometry, transform: DelayTransform, *,
                 points: Grid | Tensor | None = None, basis: str = "point", spreading: Spreading = "product",
                 pattern: Pattern | None = None, degree: int = 0, shortest: float | None = None) -> None:  # fmt: skip
        super().__init__((len(geometry),))
        name = type(self).__name__
        self.wavelength = SPEED_OF_LIGHT / transform.carrier
        geometry.check(box, self.wavelength)
        if basis not in ("point", "cell"):
            raise ValueError(f"{name}: basis must be 'point' or 'cell', got {basis!r}.")
        if not callable(spreading) and spreading not in ("product", "none"):
            raise ValueError(f"{name}: spreading must be 'product', 'none' or a function, got {spreading!r}.")
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
            raise ValueError(f"{type(self).__name__}: basis='cell' needs voxels; pass points=Grid(...).")
        self.register_buffer("places", None, persistent=False)
        if isinstance(points, Grid):
            return
        if points.ndim != 2 or points.shape[1] != 3 or not bool(torch.isfinite(points).all()):
            raise ValueError(f"{type(self).__name__}: points must be finite (n, 3), got shape {tuple(points.shape)}.")
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

        return Query(self._where, lambda values: self.echoes(self._reflectivity(values, rows), rows))

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
        return evaluate(some, chosen, max(1, TILE // (self.transform.width * max(1, len(points)))))

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

    def kernel(self, rows: Tensor) -> Tensor:
        """The matrix itself for some pulses, (b, K, n) complex: from memory where it is stored, else in complex64."""
        parts = self._kernel(torch.float32, rows) if self.matrix is None else self.matrix[rows]
        return torch.complex(*parts.split(self.transform.count, 1))

    def carrier(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """conj of a_p(x) exp(j 2π turns), as for sign +1, and relative paths in m: both (b, n)."""
        factor, delay = self._factor(points, rows, dtype)
        return (factor.conj().resolve_conj() if self.geometry.sign > 0 else factor), delay * SPEED_OF_LIGHT

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

    def _signed(self, z: Tensor) -> Tensor:
        return z if self.geometry.sign > 0 else z.conj().resolve_conj()

    def _factor(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """a_p(x) exp(sign · j 2π turns) (b, n) in the precision of `dtype`, and delays (b, n) in float64."""
        to, back = self.geometry.ranges(points, rows)
        reference = self.geometry.reference_path[rows, None]
        delay = (to + back - reference) / SPEED_OF_LIGHT
        turns = self.transform.turns(delay, reference / SPEED_OF_LIGHT)
        factor = self._signed(phasor(turns, dtype))
        plain = self.spreading == "none" and self.pattern is None and self.basis == "point"
        return factor if plain else factor * self._amplitude(points, rows, to, back, dtype.to_real()), delay

    def _amplitude(self, points: Tensor, rows: Tensor, to: Tensor, back: Tensor, dtype: torch.dtype) -> Tensor:
        if callable(self.spreading):
            amplitude = self.spreading(to, back).to(dtype)
        else:
            amplitude = (1 / (to * back)).to(dtype) if self.spreading == "product" else to.new_ones((1, 1), dtype=dtype)
        if self.pattern is None and self.basis == "point":
            return amplitude
        away = [points - a[rows][:, None] for a in (self.geometry.transmitters, self.geometry.receivers)]
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

    def _tiles(self, rows: Tensor) -> list[tuple[slice, slice]]:
        """(pulses, points) of each tile: about `TILE` numbers, which a cache may hold."""
        width, n = self.transform.width, self.size
        if self.transform.quick_for(min(n, TILE // 16)):
            width, n = 16, min(n, TILE // 16)
        n = min(n, max(1024, TILE // width))
        b = max(1, TILE // (n * width))
        return [
            (slice(i, min(i + b, len(rows))), slice(k, min(k + n, self.size)))
            for i in range(0, len(rows), b)
            for k in range(0, self.size, n)
        ]

    def _tiled(self, rows: Tensor) -> Callable[[Tensor], Tensor]:
        def forward(sigma: Tensor) -> Tensor:
            y = torch.zeros(len(rows), self.transform.count, dtype=sigma.dtype.to_complex(), device=sigma.device)
            points = self.points
            for i, k in self._tiles(rows):
                factor, delay = self._factor(points[k], rows[i], sigma.dtype)
                weights = factor * (sigma[k] if sigma.ndim == 1 else sigma[i, k])
                y[i] += self._signed(self.transform(delay, self._signed(weights)))
            return y

        return forward

    def _tiled_adjoint(self, rows: Tensor, like: Tensor) -> Callable[[Tensor], Tensor]:
        def adjoint(y: Tensor) -> Tensor:
            sigma = torch.zeros(like.shape, dtype=like.dtype, device=like.device)
            points = self.points
            for i, k in self._tiles(rows):
                factor, delay = self._factor(points[k], rows[i], like.dtype)
                echo = factor.conj() * self._signed(self.transform.adjoint(delay, self._signed(y[i])))
                echo = echo if like.is_complex() else echo.real
                if like.ndim == 1:
                    sigma[k] += echo.sum(0)
                else:
                    sigma[i, k] = echo
            return sigma

        return adjoint

    def _kernel(self, dtype: torch.dtype, rows: Tensor | None = None) -> Tensor:
        """Real above imaginary parts: (b, 2 K, n) in the real `dtype`."""
        points, count = self.points, self.transform.count
        rows = torch.arange(len(self), device=points.device) if rows is None else rows
        matrix = torch.empty(len(rows), 2 * count, len(points), dtype=dtype, device=points.device)
        unit = torch.eye(count, dtype=dtype.to_complex(), device=points.device)
        for i, k in self._tiles(rows):
            for at in range(i.start, i.stop):
                factor, delay = self._factor(points[k], rows[at : at + 1], dtype)
                # the adjoint of each unit vector is a row of the kernel, conjugated
                back = self.transform.adjoint(delay.expand(count, -1), unit).conj()
                echo = factor * self._signed(back)
                matrix[at, :count, k], matrix[at, count:, k] = echo.real, echo.imag
        return matrix

    def _stored(self, rows: Tensor) -> Callable[[Tensor], Tensor]:
        matrix, count = self._matrix, self.transform.count

        def forward(sigma: Tensor) -> Tensor:
            s = (torch.view_as_real(sigma) if sigma.is_complex() else sigma[:, None]).to(matrix.dtype)
            parts = torch.stack([matrix[r] @ s for r in rows.tolist()])  # (b, 2 K, 1 or 2): no copy of the kernel
            re, im = parts[:, :count], parts[:, count:]
            if sigma.is_complex():
                re, im = re[..., :1] - im[..., 1:], im[..., :1] + re[..., 1:]
            return torch.complex(re[..., 0], im[..., 0]).to(sigma.dtype.to_complex())

        return forward

    def _stored_adjoint(self, rows: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        matrix = self._matrix

        def adjoint(y: Tensor) -> Tensor:
            y = y.to(matrix.dtype.to_complex())
            g = torch.cat([y.real, y.imag], 1)[:, None]
            if dtype.is_complex:
                g = torch.cat([g, torch.cat([y.imag, -y.real], 1)[:, None]], 1)
            total = torch.zeros(g.shape[1], matrix.shape[2], dtype=matrix.dtype, device=matrix.device)
            for r, one in zip(rows.tolist(), g, strict=True):
                total.addmm_(one, matrix[r])
            return (torch.complex(total[0], total[1]) if dtype.is_complex else total[0]).to(dtype)

        return adjoint

    @property
    def _where(self) -> Grid | Tensor:
        return self.points if self.where is None else self.where

    @property
    def size(self) -> int:
        """Points of the scene."""
        return self.where.numel if self.where is not None else len(self.points)

    @property
    def _matrix(self) -> Tensor:
        assert self.matrix is not None
        return self.matrix
