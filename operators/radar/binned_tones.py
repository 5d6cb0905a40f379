"""Sums of uniform tones over many delays: a non-uniform FFT by Chebyshev moments of cells."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.operators.radar.precision import KeepsPrecision
from inverse_inr.ranges import Count, checked

TERMS = {torch.float32: 7, torch.float64: 14}
"""Chebyshev moments per cell: 7 are accurate to 6e-7 and 14 to 1e-14."""


class BinnedTones(KeepsPrecision):
    """A non-uniform FFT, y_k = Σ_x w_x exp(j 2π (k - K // 2) theta_x), that spreads no kernel.

    Here k < K, and theta = (g + t / 2) / M with whole g and |t| <= 1 on a grid of M >= 2 K cells.
    The rest of the exponential is smooth,

        exp(j z_k t) = Σ_r (2 - [r = 0]) j^r J_r(z_k) T_r(t),    |z| <= π / 4    (Jacobi-Anger),

    so few Chebyshev moments of each cell, Σ w T_r(t), and their FFTs give all K sums at a cost per
    point that does not depend on K. The adjoint runs the same steps backwards.

    Args:
        count: Number of tones K.

    Attributes:
        cells: Number of cells M of the grid.
    """

    worthwhile = 8
    """Least number of tones for which this pays; fewer are cheaper one by one."""

    @checked
    def __init__(self, count: Count) -> None:
        from scipy.fft import next_fast_len
        from scipy.special import jv

        super().__init__()
        self.count = count
        # of each moment: a Bessel function, a power of j and their product
        memory.require(
            f"Frequencies or samples: {count} of a pulse", 16 * 4 * count * max(TERMS.values())
        )
        self.cells = int(next_fast_len(2 * count))  # pyright: ignore[reportArgumentType]
        index = np.arange(count) - count // 2
        terms = np.arange(max(TERMS.values()))[:, None]
        bessel = (
            jv(terms, np.pi * index / self.cells) * np.where(terms == 0, 1, 2) * 1j ** (terms % 4)
        )
        # (R, K), as pairs of reals: a module's .to(float32) would drop imaginary parts
        self.coefficients = nn.Buffer(
            torch.view_as_real(torch.from_numpy(bessel)).clone(), persistent=False
        )
        self.index = nn.Buffer(torch.from_numpy(index % self.cells), persistent=False)

    def _locate(self, theta: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The cell of each point of all pulses, (b n,), and the polynomials T_r(t), (R, b n)."""
        position = (theta - theta.round()) * self.cells
        cell = position.round()
        t = (2 * (position - cell)).to(dtype).flatten()
        pulse = torch.arange(len(theta), device=t.device, dtype=torch.int32)[:, None]
        cell = cell.int() % self.cells + self.cells * pulse
        terms = TERMS.get(dtype, max(TERMS.values()))
        chebyshev = torch.empty(terms, len(t), dtype=dtype, device=t.device)
        chebyshev[0] = 1
        chebyshev[1] = t
        for r in range(2, terms):
            torch.mul(chebyshev[r - 1], t, out=chebyshev[r]).mul_(2).sub_(chebyshev[r - 2])
        return cell.flatten(), chebyshev

    def _coefficients(self, terms: int, dtype: torch.dtype) -> Tensor:
        return torch.view_as_complex(self.coefficients[:terms]).to(dtype)

    def forward(self, theta: Tensor, weights: Tensor) -> Tensor:
        """Sum the weighted tones of each pulse.

        Args:
            theta: (b, n) in cycles per tone, float64.
            weights: (b, n) complex.

        Returns:
            (b, K) complex: K values for each of b pulses.
        """
        cell, chebyshev = self._locate(theta, weights.dtype.to_real())
        terms = len(chebyshev)
        parts = [weights.real.flatten(), weights.imag.flatten()]
        total = chebyshev.new_zeros(2, terms, len(theta) * self.cells)
        for out, part in zip(total, parts, strict=True):
            for row, polynomial in zip(out, chebyshev, strict=True):
                row.index_add_(0, cell, polynomial * part)
        cells = torch.complex(total[0], total[1]).unflatten(1, (len(theta), -1)).transpose(0, 1)
        spectrum = torch.fft.ifft(cells, norm="forward")[..., self.index]
        return (spectrum * self._coefficients(terms, spectrum.dtype)).sum(1)

    def adjoint(self, theta: Tensor, y: Tensor) -> Tensor:
        """Σ_k exp(-j 2π (k - K // 2) theta_x) y_k, the adjoint of `forward` in its weights.

        Args:
            theta: (b, n) in cycles per tone, float64.
            y: (b, K) complex: K values for each of b pulses.

        Returns:
            (b, n) complex.
        """
        cell, chebyshev = self._locate(theta, y.dtype.to_real())
        terms = len(chebyshev)
        spectrum = torch.zeros(len(y), terms, self.cells, dtype=y.dtype, device=y.device)
        spectrum[..., self.index] = y[:, None] * self._coefficients(terms, y.dtype).conj()
        cells = torch.fft.fft(spectrum).transpose(0, 1).flatten(1)  # (R, b M)
        total = torch.zeros(len(cell), dtype=y.dtype, device=y.device)
        for row, polynomial in zip(cells, chebyshev, strict=True):
            total += row.index_select(0, cell) * polynomial
        return total.view(theta.shape)
