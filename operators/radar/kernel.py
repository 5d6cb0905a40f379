"""The kernel of radar operators, tile by tile: recomputed in both directions, stored, or written out as a matrix.

y_p[k] = Σ_x factor_p(x) W_k(tau_p(x)) sigma(x)        factor: amplitude and carrier
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr import RowOperator
from inverse_inr.operators.radar.delay import DelayTransform
from inverse_inr.operators.radar.geometry import KeepsPrecision, RadarGeometry

TILE = 2**18
"""Numbers in one tile of the kernel: 2 MB in complex64."""


class TiledKernel(KeepsPrecision, RowOperator):
    """Rows are pulses, each with `transform.count` values of `size` points; where `matrix` is, it holds the kernel."""

    geometry: RadarGeometry
    transform: DelayTransform
    matrix: Tensor | None

    @property
    @abstractmethod
    def points(self) -> Tensor:
        """(n, 3) in metres, float64."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Points of the scene."""

    @abstractmethod
    def _factor(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """What multiplies W, (b, n) in the precision of `dtype`, and delays (b, n) in float64."""

    def kernel(self, rows: Tensor) -> Tensor:
        """The matrix itself for some pulses, (b, K, n) complex: from memory where it is stored, else in complex64."""
        parts = self._kernel(torch.float32, rows) if self.matrix is None else self.matrix[rows]
        return torch.complex(*parts.split(self.transform.count, 1))

    def _signed(self, z: Tensor) -> Tensor:
        return z if self.geometry.sign > 0 else z.conj().resolve_conj()

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
            y = torch.zeros(
                len(rows), self.transform.count, dtype=sigma.dtype.to_complex(), device=sigma.device
            )
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
                echo = factor.conj() * self._signed(
                    self.transform.adjoint(delay, self._signed(y[i]))
                )
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
            s = (torch.view_as_real(sigma) if sigma.is_complex() else sigma[:, None]).to(
                matrix.dtype
            )
            parts = torch.stack(
                [matrix[r] @ s for r in rows.tolist()]
            )  # (b, 2 K, 1 or 2): no copy of the kernel
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
            total = torch.zeros(
                g.shape[1], matrix.shape[2], dtype=matrix.dtype, device=matrix.device
            )
            for r, one in zip(rows.tolist(), g, strict=True):
                total.addmm_(one, matrix[r])
            return (torch.complex(total[0], total[1]) if dtype.is_complex else total[0]).to(dtype)

        return adjoint

    @property
    def _matrix(self) -> Tensor:
        assert self.matrix is not None
        return self.matrix
