"""Phase history as every radar reader gives it, and what of it holds echoes.

A pulse without data is no data: `without_dead_pulses` leaves out pulses and frequencies that hold
NaN or nothing but zeros, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.ranges import checked

LISTED = 8
"""How many numbers of pulses or frequencies a note lists one by one."""


class PhaseData(NamedTuple):
    """Phase history as measured, in SI units, with its geometry in float64."""

    y: Tensor
    """(P, K) complex64, a row per pulse."""
    frequencies: Tensor
    """(K,) float64, Hz, ascending."""
    transmitters: Tensor
    """(P, 3) positions of the transmitter in m."""
    receivers: Tensor
    """(P, 3) positions of the receiver in m."""
    reference_path: Tensor
    """(P,) path in m, two ways, that the receiver subtracted."""
    sign: int
    """The sign of the phase: -1 for exp(-j 2π f L / c)."""
    notes: Mapping[str, Any] = MappingProxyType({})
    """What a reader left out, turned round or inferred, by name."""


@checked
def without_dead_pulses(data: PhaseData) -> PhaseData:
    """Leave out the pulses and the frequencies without data.

    A frequency that is NaN, infinite or zero in every pulse is a notch, and is left out of all. A
    pulse that then still holds a NaN, or nothing but zeros, or whose antenna or reference path is
    not finite, is dead.

    Args:
        data: Measured phase history.

    Returns:
        The same data where nothing is missing; else what is left, whose notes name the numbers that
        were left out.

    Raises:
        ValueError: Nothing is left.
    """
    empty = ~torch.isfinite(data.y) | (data.y == 0)
    notch = empty.all(0)
    if bool(notch.all()):
        raise ValueError(
            f"Phase history: all {len(data.y)} pulses are NaN or zero at every frequency. "
            "A failed capture, or another variable of the file?"
        )
    notes = dict(data.notes)
    if bool(notch.any()):
        notes["frequencies left out"] = _left_out(notch, "NaN or zero in every pulse")
        data = data._replace(y=data.y[:, ~notch], frequencies=data.frequencies[~notch])
    dead = _dead_pulses(data)
    if bool(dead.all()):
        raise ValueError(
            f"Phase history: each of the {len(dead)} pulses holds NaN or only zeros, or lacks its "
            f"place; pulse 0 has {int((~torch.isfinite(data.y[0])).sum())} NaN of "
            f"{data.y.shape[1]}."
        )
    if bool(dead.any()):
        notes["pulses left out"] = _left_out(dead, "NaN, only zeros, or no place")
        data = pulses_of(data, ~dead)
    return data._replace(notes=notes)


def _dead_pulses(data: PhaseData) -> Tensor:
    """(P,) true where a pulse holds a NaN or nothing but zeros, or where its place is unknown."""
    place = torch.cat([data.transmitters, data.receivers, data.reference_path[:, None]], 1)
    dead = ~torch.isfinite(data.y).all(1) | (data.y == 0).all(1)
    return dead | ~torch.isfinite(place).all(1)


@checked
def pulses_of(data: PhaseData, chosen: Tensor) -> PhaseData:
    """Keep some pulses.

    Args:
        data: Phase history of P pulses.
        chosen: (P,) true for those to keep, or (b,) their numbers in the new order.

    Returns:
        The phase history of those pulses, with the same notes.
    """
    return data._replace(
        y=data.y[chosen],
        transmitters=data.transmitters[chosen],
        receivers=data.receivers[chosen],
        reference_path=data.reference_path[chosen],
    )


def _left_out(gone: Tensor, why: str) -> str:
    """A note on what was left out: "2 of 40 (NaN): 5, 7"."""
    return f"{int(gone.sum())} of {len(gone)} ({why}): {listed(gone.nonzero()[:, 0].tolist())}"


def listed(numbers: list[int]) -> str:
    """Some numbers in words, at most `LISTED` of them one by one.

    Args:
        numbers: Whole numbers in order.
    """
    words = ", ".join(map(str, numbers[:LISTED]))
    if len(numbers) > LISTED:
        return f"{words} ... {numbers[-1]}"
    return words


def ascending(y: np.ndarray, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn the frequencies of a ramp that runs down round, and the samples with them.

    Args:
        y: (P, K) samples.
        frequencies: (K,) in Hz.

    Returns:
        Samples and frequencies, both reversed if the frequencies descend.
    """
    if len(frequencies) > 1 and frequencies[0] > frequencies[-1]:
        return y[:, ::-1].copy(), frequencies[::-1].copy()
    return y, frequencies


@checked
def uniform_where_rounded(frequencies: Tensor) -> Tensor:
    """Bring frequencies to float64, and back to the even lattice that float32 ones round.

    A lattice may have gaps: notches against interference.

    Args:
        frequencies: (K,) in Hz.

    Returns:
        (K,) float64; unchanged numbers where there is no such lattice.
    """
    f = frequencies.double()
    if frequencies.dtype != torch.float32 or f.ndim != 1 or len(f) < 3:
        return f
    step = float(f.diff().median())
    if not np.isfinite(step) or step == 0:
        return f
    # step by step, lest the rounding of one step adds up over all of them
    index = torch.cat([f.new_zeros(1), (f.diff() / step).round().cumsum(0)])
    if not float(index[-1]) > 0:
        return f
    # the ends are the longest ruler, on which their rounding weighs least
    even = f[0] + index * ((f[-1] - f[0]) / index[-1])
    rounding = torch.finfo(torch.float32).eps * float(f.abs().max())
    if float((f - even).abs().max()) <= 1.5 * rounding:
        return even
    return f
