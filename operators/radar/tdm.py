"""Time-division MIMO: what moves between the chirps of a loop, and how its phase is put right.

The transmitters of a loop send one after another. A target of radial velocity v turns the phase of
a chirp that begins at t_k by 4π v t_k / λ, which looks like an angle. Two cures: where the velocity
is known, the exact geometry of a moving scene; where it is not, the Doppler spectrum of each chirp
over the loops tells it (Bechter, Roos & Waldschmidt 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.operators.radar.geometry import RadarGeometry
from inverse_inr.ranges import Finite, FiniteTensor, NonNegative, Positive, checked


@checked
def in_moving_frame(
    geometry: RadarGeometry, velocity: Sequence[Finite], times: FiniteTensor
) -> RadarGeometry:
    """The antennas as a scene sees them that moves evenly as a whole.

    In the scene's frame each antenna stands where it was less velocity · time: exact but for the
    motion during one chirp.

    Args:
        geometry: Antennas of P pulses; they are not learnt here.
        velocity: Three components in m/s.
        times: (P,) in s, when each pulse begins; `Capture.times` has them.

    Returns:
        The geometry of the same pulses.

    Raises:
        ValueError: The velocity has not three finite components, or times are not (P,) and finite.
    """
    v = torch.tensor(list(velocity), dtype=torch.float64)
    if v.shape != (3,) or not bool(torch.isfinite(v).all()):
        raise ValueError(f"in_moving_frame: velocity must have three components, got {velocity!r}.")
    if times.shape != (len(geometry),) or not bool(torch.isfinite(times).all()):
        raise ValueError(
            f"in_moving_frame: times must be finite, one for each of {len(geometry)} pulses, got "
            f"shape {tuple(times.shape)}."
        )
    shift = times.double().to(geometry.transmitters.device)[:, None] * v.to(
        geometry.transmitters.device
    )
    receivers = None
    if not geometry.monostatic:
        receivers = geometry.receivers.detach() - shift
    return RadarGeometry(
        geometry.transmitters.detach() - shift, receivers, geometry.sign, geometry.reference_path
    )


@checked
def simultaneous(
    samples: FiniteTensor, chirp_starts: Sequence[NonNegative], loop_period: Positive
) -> Tensor:
    """Samples as if all chirps of a loop began with its first.

    Each Doppler frequency f of the loops is turned by exp(-j 2π f (t_k - t_0)). That is exact for
    velocities on a Doppler bin, and for others but for the ends of the frame, where the periodic
    spectrum joins them. Velocities beyond ± λ / (4 · loop_period) are folded, and put right as the
    folded ones.

    Args:
        samples: (frames, loops, chirps, ...) complex, as `Capture.samples`.
        chirp_starts: Start of each chirp in s from its loop's start, `settings.chirp_starts`.
        loop_period: Time from loop to loop in s, `settings.loop_period`.

    Returns:
        The samples, of the same shape.

    Raises:
        ValueError: Samples have no loops and chirps or are not complex, there is another number of
            chirps, or the times are not finite and within a loop.
    """
    starts = torch.tensor(list(chirp_starts), dtype=torch.float64, device=samples.device)
    if samples.ndim < 3 or not samples.is_complex() or samples.shape[2] != len(starts):
        raise ValueError(
            f"simultaneous: samples must be complex (frames, loops, {len(starts)} chirps, ...), "
            f"got {samples.dtype} of shape {tuple(samples.shape)}."
        )
    within = bool(((starts >= 0) & (starts <= loop_period)).all())
    if not 0 < loop_period < math.inf or not within:
        raise ValueError(
            f"simultaneous: chirps begin at {starts.tolist()} s, not all within a loop of "
            f"{loop_period} s. Different units?"
        )
    doppler = torch.fft.fftfreq(
        samples.shape[1], loop_period, dtype=torch.float64, device=samples.device
    )
    turns = -2 * math.pi * doppler[:, None] * (starts - starts[0])
    turn = torch.polar(torch.ones_like(turns), turns).to(samples.dtype)
    turn = turn.reshape(*turn.shape, *(1,) * (samples.ndim - 3))
    return torch.fft.ifft(torch.fft.fft(samples, dim=1) * turn, dim=1)
