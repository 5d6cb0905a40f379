"""Time two calls in turns: the least of each, their ratio, and how much single turns differ."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """What a comparison found; a ratio is their time over ours, above 1 where ours is faster.

    Attributes:
        ours: Least processor time of our call in ms.
        theirs: Least processor time of the other call in ms.
        median: The median of the ratios of single turns.
        low: A tenth of the ratios of single turns lie below.
        high: A tenth of them lie above.
        clock: The median of the ratios of single turns by the clock on the wall.
        turns: The number of turns.
    """

    ours: float
    theirs: float
    median: float
    low: float
    high: float
    clock: float
    turns: int

    @property
    def value(self) -> float:
        """The ratio of the least times."""
        return self.theirs / self.ours


Turn = tuple[float, float]
"""Processor time and time by the clock of one call, in seconds."""


def compared(ours: Call, theirs: Call, seconds: float = 3.0, least: int = 5) -> Ratio:
    """Call both in turns, so that a busy machine slows them alike.

    Args:
        ours: Our call.
        theirs: The call that it is compared with.
        seconds: About how long all turns may take.
        least: The least number of turns.

    Returns:
        Times and their ratio.
    """
    began = time.perf_counter()
    ours()
    theirs()
    turns: list[tuple[Turn, Turn]] = []
    while len(turns) < least or (len(turns) < 200 and time.perf_counter() - began < seconds):
        turns.append((timed(ours), timed(theirs)))
    return ratio_of(turns)


def ratio_of(turns: Sequence[tuple[Turn, Turn]]) -> Ratio:
    """Sum up turns of (ours, theirs)."""
    ratios = [theirs[0] / ours[0] for ours, theirs in turns]
    tenths = statistics.quantiles(ratios, n=10, method="inclusive")
    return Ratio(
        1e3 * min(ours[0] for ours, _ in turns),
        1e3 * min(theirs[0] for _, theirs in turns),
        statistics.median(ratios),
        tenths[0],
        tenths[-1],
        statistics.median(theirs[1] / ours[1] for ours, theirs in turns),
        len(turns),
    )


def timed(call: Call) -> Turn:
    """Time one call."""
    began, clock = time.process_time(), time.perf_counter()
    call()
    return max(time.process_time() - began, 1e-9), max(time.perf_counter() - clock, 1e-9)
