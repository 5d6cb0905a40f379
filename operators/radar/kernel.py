"""The response matrix of radar operators, tile by tile.

It is recomputed in both directions, stored in memory, or written out:

    y_p[k] = Σ_x factor_p(x) W_k(tau_p(x)) sigma(x)        factor: amplitude and carrier
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr import RowOperator, phases
from inverse_inr.operators.radar.delay import DelayTransform
from inverse_inr.operators.radar.geometry import RadarGeometry
from inverse_inr.operators.radar.precision import KeepsPrecision

TILE = 2**18
"""Numbers in one tile of the response matrix: 2 MB in complex64, which a cache may hold."""


class TiledKernel(KeepsPrecision, RowOperator):
    """An operator whose rows are pulses, each with `transform.count` values of `size` points.

    Attributes:
        geometry: Antennas of each pulse.
        transform: The receiver's map from delays to values.
        matrix: (P, 2 K, n), real above imaginary parts of the stored response matrix, or None.
    """

    geometry: RadarGeometry
    transform: DelayTransform
    matrix: Tensor | None

    @property
    @abstractmethod
    def points(self) -> Tensor:
        """Points of the scene: (n, 3) in metres, float64."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of points of the scene."""

    @abstractmethod
    def _factor(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The factor of W, (b, n) in `dtype`'s precision, and delays (b, n) in s, float64."""

    def kernel(self, rows: Tensor) -> Tensor:
        """The response matrix of some pulses.

        Args:
            rows: (b,) numbers of pulses.

        Returns:
            (b, K, n) complex: from memory where it is stored, else computed in complex64.
        """
        parts = self._kernel(torch.float32, rows) if self.matrix is None else self.matrix[rows]
        return torch.complex(*parts.split(self.transform.count, 1))

    def _waves(self, rows: Tensor, like: Tensor) -> phases.Waves | None:
        """The pulses as the kernel of a CUDA device takes them; None where it does not serve."""
        return None

    def _signed(self, z: Tensor) -> Tensor:
        """Values under phase sign +1 from those of the geometry's sign, and back."""
        if self.geometry.sign > 0:
            return z
        return z.conj().resolve_conj()

    def _tiles(self, rows: Tensor) -> list[tuple[slice, slice]]:
        """(pulses, points) of each tile: about `TILE` numbers, which a cache may hold."""
        width = self.transform.width
        n = self.size
        if self.transform.quick_for(min(n, TILE // 16)):
            width = 16
            n = min(n, TILE // 16)
        n = min(n, max(1024, TILE // width))
        b = max(1, TILE // (n * width))
        return [
            (slice(i, min(i + b, len(rows))), slice(k, min(k + n, self.size)))
            for i in range(0, len(rows), b)
            for k in range(0, self.size, n)
        ]

    def _tiled(self, rows: Tensor) -> Callable[[Tensor], Tensor]:
        """The map of amplitudes (n,) or (b, n) to echoes (b, K), recomputed tile by tile."""

        def forward(sigma: Tensor) -> Tensor:
            waves = self._waves(rows, sigma)
            if waves is not None:
                return phases.summed(waves, sigma)
            y = torch.zeros(
                len(rows), self.transform.count, dtype=sigma.dtype.to_complex(), device=sigma.device
            )
            points = self.points
            for i, k in self._tiles(rows):
                factor, delay = self._factor(points[k], rows[i], sigma.dtype)
                seen = sigma[k] if sigma.ndim == 1 else sigma[i, k]
                y[i] += self._signed(self.transform(delay, self._signed(factor * seen)))
            return y

        return forward

    def _tiled_adjoint(self, rows: Tensor, like: Tensor) -> Callable[[Tensor], Tensor]:
        """The adjoint of `_tiled`; its results have the shape and dtype of `like`."""

        def adjoint(y: Tensor) -> Tensor:
            waves = self._waves(rows, like)
            if waves is not None:
                echo = phases.adjoint(waves, y, like.ndim == 2)
                if like.is_complex():
                    return echo
                return echo.real
            sigma = torch.zeros(like.shape, dtype=like.dtype, device=like.device)
            points = self.points
            for i, k in self._tiles(rows):
                factor, delay = self._factor(points[k], rows[i], like.dtype)
                echo = factor.conj() * self._signed(
                    self.transform.adjoint(delay, self._signed(y[i]))
                )
                if not like.is_complex():
                    echo = echo.real
                if like.ndim == 1:
                    sigma[k] += echo.sum(0)
                else:
                    sigma[i, k] = echo
            return sigma

        return adjoint

    def _kernel(self, dtype: torch.dtype, rows: Tensor | None = None) -> Tensor:
        """Real above imaginary parts of the response matrix: (b, 2 K, n) in the real `dtype`."""
        points = self.points
        count = self.transform.count
        if rows is None:
            rows = torch.arange(len(self), device=points.device)
        matrix = torch.empty(len(rows), 2 * count, len(points), dtype=dtype, device=points.device)
        unit = torch.eye(count, dtype=dtype.to_complex(), device=points.device)
        for i, k in self._tiles(rows):
            for at in range(i.start, i.stop):
                factor, delay = self._factor(points[k], rows[at : at + 1], dtype)
                # the adjoint of each unit vector is a row of the matrix, conjugated
                back = self.transform.adjoint(delay.expand(count, -1), unit).conj()
                echo = factor * self._signed(back)
                matrix[at, :count, k] = echo.real
                matrix[at, count:, k] = echo.imag
        return matrix

    def _stored(self, rows: Tensor) -> Callable[[Tensor], Tensor]:
        """The map of amplitudes (n,) to echoes (b, K) by the stored matrix."""
        matrix = self._matrix
        count = self.transform.count
        all_pulses = self._are_all(rows)

        def forward(sigma: Tensor) -> Tensor:
            if sigma.is_complex():
                s = torch.stack([sigma.real, sigma.imag]).to(matrix.dtype)
            else:
                s = sigma[None].to(matrix.dtype)
            if all_pulses and len(s) == 1:  # at the speed of memory; of two columns it is not
                flat = torch.nn.functional.linear(s, matrix.flatten(0, 1))
                parts = flat.reshape(*matrix.shape[:2], 1)[rows]
            else:
                # (b, 2 K, 1 or 2), pulse by pulse: no copy of the matrix. The few columns lie along
                # memory: as columns of two numbers the same product takes four times as long.
                columns = [torch.nn.functional.linear(s, matrix[r]).T for r in rows.tolist()]
                parts = torch.stack(columns)
            re = parts[:, :count]
            im = parts[:, count:]
            if sigma.is_complex():
                re, im = re[..., :1] - im[..., 1:], im[..., :1] + re[..., 1:]
            return torch.complex(re[..., 0], im[..., 0]).to(sigma.dtype.to_complex())

        return forward

    def _stored_adjoint(self, rows: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """The adjoint of `_stored`, for amplitudes of `dtype`."""
        matrix = self._matrix
        all_pulses = self._are_all(rows)

        def adjoint(y: Tensor) -> Tensor:
            y = y.to(matrix.dtype.to_complex())
            g = torch.cat([y.real, y.imag], 1)[:, None]
            if all_pulses and not dtype.is_complex:
                in_order = torch.empty_like(g).index_copy_(0, rows, g)
                return (in_order.reshape(1, -1) @ matrix.flatten(0, 1))[0].to(dtype)
            if dtype.is_complex:
                g = torch.cat([g, torch.cat([y.imag, -y.real], 1)[:, None]], 1)
            total = torch.zeros(
                g.shape[1], matrix.shape[2], dtype=matrix.dtype, device=matrix.device
            )
            for r, one in zip(rows.tolist(), g, strict=True):
                total.addmm_(one, matrix[r])
            if dtype.is_complex:
                return torch.complex(total[0], total[1]).to(dtype)
            return total[0].to(dtype)

        return adjoint

    def _are_all(self, rows: Tensor) -> bool:
        """Whether the rows are all pulses, each once, in any order; a compiler is not told."""
        if len(rows) != len(self) or torch.compiler.is_compiling():
            return False
        own = torch.arange(len(self), device=rows.device)
        return torch.equal(rows.sort().values, own)

    @property
    def _matrix(self) -> Tensor:
        assert self.matrix is not None
        return self.matrix
