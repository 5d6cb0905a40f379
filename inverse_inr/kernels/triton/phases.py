"""Sums of waves over paths and their exact adjoint, by Triton kernels.

    y[p, k] = Σ_x a[p, x] s[x] exp(±j 2π turns)     turns = f_k τ - ½ slope τ (τ + 2 τ_p)

with the delay τ = (|x - t_p| + |x - r_p|) / c - τ_p and τ_p that of the reference. Phases are made
in float64 and wrapped before they are cast, because a carrier counts up to 10^8 radians. Nothing of
the size pulses x points is stored.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.devices import constant
from inverse_inr.kernels.triton.available import on_device_of
from inverse_inr.kernels.triton.available import usable as usable

BLOCK_X = 64
"""Points that are visited together."""

BLOCK_K = 8
"""Frequencies that are visited together."""


class Waves(NamedTuple):
    """The geometry and the frequencies of some pulses.

    Attributes:
        points: (n, 3) places in metres, float64.
        transmitters: (b, 3) places in metres, float64.
        receivers: (b, 3) places in metres, float64.
        reference: (b,) two-way path of the reference in metres, float64.
        frequencies: (K,) in Hz, float64.
        slope: Ramp in Hz/s whose residual phase is kept; 0 for none.
        sign: The sign of the phase, +1 or -1.
        amplitude: (b, n) float32 factors, or None for 1.
    """

    points: Tensor
    transmitters: Tensor
    receivers: Tensor
    reference: Tensor
    frequencies: Tensor
    slope: float
    sign: int
    amplitude: Tensor | None


def summed(waves: Waves, sources: Tensor) -> Tensor:
    """Sum the waves of all points, for each pulse and frequency.

    Args:
        waves: Geometry and frequencies.
        sources: (n,), the same for all pulses, or (b, n); float32 or complex64.

    Returns:
        (b, K) complex64.
    """
    from inverse_inr.kernels.triton.phases_kernels import sum_kernel

    pairs = torch.view_as_real(sources.to(torch.complex64).contiguous())
    b, count = len(waves.transmitters), len(waves.frequencies)
    out = pairs.new_zeros(b, count, 2)
    grid = (b, (count + BLOCK_K - 1) // BLOCK_K)
    _launch(sum_kernel, grid, waves, pairs, out)
    return torch.view_as_complex(out)


def adjoint(waves: Waves, y: Tensor, each: bool) -> Tensor:
    """Apply the conjugate transpose of `summed`.

    Args:
        waves: Geometry and frequencies.
        y: (b, K) complex64.
        each: Keep pulses apart, as where they have sources of their own.

    Returns:
        (b, n) complex64 if `each`, else (n,), summed over pulses.
    """
    from inverse_inr.kernels.triton.phases_kernels import adjoint_kernel

    b, n = len(waves.transmitters), len(waves.points)
    values = torch.view_as_real(y.to(torch.complex64).contiguous())
    blocks = (n + BLOCK_X - 1) // BLOCK_X
    if each:
        out = values.new_zeros(b, n, 2)
        _launch(adjoint_kernel, (blocks, b), waves, out, values, 1)
    else:
        out = values.new_zeros(n, 2)
        _launch(adjoint_kernel, (blocks, 1), waves, out, values, b)
    return torch.view_as_complex(out)


def _launch(
    kernel: Any, grid: tuple[int, int], waves: Waves, pairs: Tensor, y: Tensor, *pulses: int
) -> None:
    n, count = len(waves.points), len(waves.frequencies)
    if 0 in grid:
        return
    weighted = waves.amplitude is not None
    amplitude = pairs
    if waves.amplitude is not None:
        amplitude = waves.amplitude.contiguous()
    by_pulse = 0
    if pairs.ndim == 3:
        by_pulse = 2 * n
    # numbers of the host would come as float32
    scalars = constant((1 / SPEED_OF_LIGHT, 0.5 * waves.slope), torch.float64, pairs.device)
    with on_device_of(pairs):
        kernel[grid](
            waves.points.contiguous(),
            pairs,
            amplitude,
            waves.transmitters.contiguous(),
            waves.receivers.contiguous(),
            waves.reference.contiguous(),
            waves.frequencies.contiguous(),
            y,
            n,
            count,
            by_pulse,
            scalars,
            float(waves.sign),
            *pulses,
            weighted=weighted,
            BLOCK_X=BLOCK_X,
            BLOCK_K=BLOCK_K,
        )
