"""Sums over delays: what a receiver makes of the echoes of one pulse, exactly, and the adjoint.

    y_k = Σ_x w_x W_k(tau_x)        w_x = amplitude · exp(j 2π · carrier turns)

W_k varies slowly against the carrier. `DFTBins` is the closed-form spectrum of a linear frequency
ramp, `Tones` its samples (or those of stepped frequencies). Carrier turns are counted in float64
and wrapped before they are cast (error 1e-7 rad at any range).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from inverse_inr.operators.radar.binned_tones import BinnedTones
from inverse_inr.operators.radar.precision import KeepsPrecision
from inverse_inr.ranges import Count, checked

ENTRIES_PER_POINT = 5
"""Cost of the fast transform per point of a pulse, in entries of W."""
ENTRIES_PER_CELL = 10
"""Cost of the fast transform per cell of its grid, in entries of W."""
TABLE_ENTRIES = 2**18
"""Entries of W that `table` computes at once."""


class DelayTransform(KeepsPrecision, ABC):
    """A linear map from weighted delays to K values for each of b pulses.

    Delays are (b, n) in s, float64, relative to the reference.

    Args:
        count: Number of values K per pulse.
    """

    carrier: float
    """Frequency in Hz at which turns are counted."""
    slope: float = 0.0
    """Ramp in Hz/s whose residual video phase -π S (tau² - tau_0²) is kept; 0 for none."""
    fast: BinnedTones | None
    """Serves many points of a pulse at a cost that does not depend on K, or None. `response` stays
    the definition."""

    @checked
    def __init__(self, count: Count) -> None:
        super().__init__()
        self.count = count
        self.fast = None

    def turns(self, delay: Tensor, reference: Tensor) -> Tensor:
        """Carrier phase: carrier · delay, minus the residual video phase.

        Args:
            delay: (b, n) in s, relative to the reference.
            reference: (b, 1), the reference's own delay in s.

        Returns:
            (b, n) in turns, float64.
        """
        turns = self.carrier * delay
        if not self.slope:
            return turns
        return turns - 0.5 * self.slope * delay * (delay + 2 * reference)

    @property
    @abstractmethod
    def bandwidth(self) -> float:
        """Hz that the values span: delays closer than its inverse look alike."""

    @property
    def width(self) -> int:
        """Numbers in memory for each point of a pulse; they set the tile size."""
        return self.count

    def is_quick(self, delay: Tensor) -> bool:
        """True if the fast transform serves: many points, and nothing to learn about their delays.

        Args:
            delay: (b, n) in s.
        """
        return self.quick_for(delay.shape[-1]) and not delay.requires_grad

    def quick_for(self, points: int) -> bool:
        """True if the fast transform pays for this number of points per pulse.

        Cost model: it costs about 5 entries of W per point plus 10 per cell, so that it pays when
        points · (width - 5) > 10 · cells.

        Args:
            points: Number of points per pulse.
        """
        if self.fast is None:
            return False
        saved = points * (self.width - ENTRIES_PER_POINT)
        return saved > ENTRIES_PER_CELL * self.fast.cells

    def quick(self, delay: Tensor, weights: Tensor) -> Tensor:
        """Compute `forward` by the fast transform.

        Args:
            delay: (b, n) in s.
            weights: (b, n) complex.

        Returns:
            (b, K) complex: K values for each of b pulses.
        """
        raise NotImplementedError

    def quick_adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        """Compute `adjoint` by the fast transform.

        Args:
            delay: (b, n) in s.
            y: (b, K) complex: K values for each of b pulses.

        Returns:
            (b, n) complex.
        """
        raise NotImplementedError

    @abstractmethod
    def response(self, delay: Tensor, dtype: torch.dtype) -> Tensor:
        """W_k(tau), which defines the transform.

        Args:
            delay: (b, n) in s, float64.
            dtype: Real or complex dtype whose precision the result has.

        Returns:
            (b, n, K), real or complex.
        """

    @property
    def phasors(self) -> Tensor | None:
        """Complex factors (K,) that multiply the sums and do not depend on the delay, or None."""
        return None

    def forward(self, delay: Tensor, weights: Tensor) -> Tensor:
        """Compute Σ_x w_x W_k(tau_x).

        Args:
            delay: (b, n) in s, float64.
            weights: (b, n) complex.

        Returns:
            (b, K) complex: K values for each of b pulses.
        """
        if self.is_quick(delay):
            return self.quick(delay, weights)
        return self._sum(weights, self.response(delay, weights.dtype))

    def adjoint(self, delay: Tensor, y: Tensor) -> Tensor:
        """Compute Σ_k conj(W_k(tau_x)) y_k.

        Args:
            delay: (b, n) in s, float64.
            y: (b, K) complex: K values for each of b pulses.

        Returns:
            (b, n) complex.
        """
        if self.is_quick(delay):
            return self.quick_adjoint(delay, y)
        return self._spread(y, self.response(delay, y.dtype))

    def table_step(self, oversampling: int) -> float:
        """Step in s between the entries of a `table`.

        Args:
            oversampling: Entries per resolution cell 1 / B.
        """
        return 1 / (oversampling * self.bandwidth)

    def table(self, first: float, step: float, count: int, y: Tensor) -> Tensor:
        """Compute `adjoint` at delays first + m · step, m < count, the same for all pulses.

        Args:
            first: First delay in s.
            step: In s.
            count: Number of delays.
            y: (b, K) complex: K values for each of b pulses.

        Returns:
            (b, count) complex.
        """
        delays = first + step * torch.arange(count, dtype=torch.float64, device=y.device)
        weights = self._unturned(y)
        some = max(1, TABLE_ENTRIES // self.width)
        parts = [
            self.response(d[None], y.dtype)[0].conj().to(y.dtype).mT for d in delays.split(some)
        ]
        return torch.cat([weights @ part for part in parts], -1)

    def _unturned(self, y: Tensor) -> Tensor:
        """Values (b, K) times the conjugate phasors, where there are any."""
        if self.phasors is None:
            return y
        return y * self.phasors.conj().to(y.dtype)

    def _sum(self, weights: Tensor, response: Tensor) -> Tensor:
        """`forward` from W (b, n, K)."""
        if response.is_complex():
            total = (weights[:, None] @ response)[:, 0]
        else:  # two real rows cost half of a complex one
            pair = torch.view_as_real(weights).transpose(1, 2) @ response
            total = torch.complex(pair[:, 0], pair[:, 1])
        if self.phasors is None:
            return total
        return total * self.phasors.to(total.dtype)

    def _spread(self, y: Tensor, response: Tensor) -> Tensor:
        """`adjoint` from W (b, n, K)."""
        y = self._unturned(y)
        if response.is_complex():
            return (response @ y.conj()[..., None])[..., 0].conj()
        pair = response @ torch.view_as_real(y)
        return torch.view_as_complex(pair.contiguous())
