"""Spacing of frequencies: their order, whether they are even, and the swath that they resolve."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.ranges import Positive, checked

COARSEST = 16
"""A lattice finer than the median step by more than this is taken for an accident of rounding."""


@checked
def check_ascending(frequencies: Tensor) -> None:
    """Check that frequencies ascend.

    Args:
        frequencies: (K,) in Hz.

    Raises:
        ValueError: They do not, or are not finite, or there are none; the message names the first
            that is out of order.
    """
    if frequencies.ndim != 1 or not len(frequencies):
        raise ValueError(
            f"frequencies must be (K,), one at least, got shape {tuple(frequencies.shape)}."
        )
    if not bool(torch.isfinite(frequencies).all()):
        raise ValueError("frequencies hold NaN or Inf.")
    wrong = (frequencies.diff() <= 0).nonzero()
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"frequencies must ascend: f[{k}] = {float(frequencies[k]):.10g} Hz is not below "
            f"f[{k + 1}] = {float(frequencies[k + 1]):.10g} Hz. A ramp down? Flip frequencies and "
            "data together."
        )


@checked
def is_even(frequencies: Tensor, tolerance: Positive = 1e-2) -> bool:
    """Tell whether frequencies are evenly spaced.

    Args:
        frequencies: (K,) in Hz, ascending.
        tolerance: Largest distance from the even lattice, in steps.
    """
    f = frequencies.detach().double().cpu()
    if len(f) < 3:
        return True
    even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
    step = float(f[-1] - f[0]) / (len(f) - 1)
    return float((f - even).abs().max()) <= tolerance * abs(step)


def spacing_in_words(frequencies: Tensor) -> str:
    """Describe uneven spacing for a message.

    Args:
        frequencies: (K,) in Hz, ascending.
    """
    step = frequencies.detach().diff()
    return f"steps of {float(step.min()):.6g} to {float(step.max()):.6g} Hz"


@checked
def ambiguity_step(frequencies: Tensor) -> float:
    """Step df of frequencies whose echoes repeat after a path of c / df.

    Frequencies on a lattice with gaps (notched against interference, or thinned at random) have the
    ambiguity of the lattice. Frequencies on no lattice never repeat exactly; their median step says
    where echoes begin to look alike.

    Args:
        frequencies: (K,) in Hz, ascending, two or more.

    Returns:
        In Hz.
    """
    steps = frequencies.detach().double().cpu().diff()
    median = float(steps.median())
    slack = 0.02 * float(steps.min())
    common = float(steps[0])
    for step in (steps / slack).round().unique() * slack:
        common = _common_divisor(common, float(step), slack)
        if common * COARSEST < median:
            return median
    parts = steps / common
    if float((parts - parts.round()).abs().max()) > 0.1:
        return median
    # the lattice's own step, less rounded than one divisor: all steps over all their parts
    return float(steps.sum() / parts.round().sum())


def _common_divisor(a: float, b: float, slack: float) -> float:
    """Euclid's greatest common divisor of two steps that are known up to some slack."""
    while b > slack:
        a, b = b, min(a % b, b - a % b)
    return a
