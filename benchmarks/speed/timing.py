"""Time two calls in turns: the least of each, their ratio, and how much single turns differ."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """What a comparison found.

    Attributes:
        ours: Least processor time of our call in ms.
        theirs: Least processor time of the other call in ms.
        low: A tenth of the ratios of single turns lie below.
        high: A tenth of them lie above.
    """

    ours: float
    theirs: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """Their time over ours: above 1, ours is faster."""
        return self.theirs / self.ours


def compared(ours: Call, theirs: Call, seconds: float = 3.0, least: int = 3) -> Ratio:
    """Call both in turns, so that a busy machine slows them alike.

    Args:
        ours: Our call.
        theirs: The call that it is compared with.
        seconds: About how long all turns may take.
        least: The least number of turns.

    Returns:
        Times and their ratio.
    """
    ours()
    theirs()
    began = time.perf_counter()
    turns: list[tuple[float, float]] = []
    while len(turns) < least or (len(turns) < 200 and time.perf_counter() - began < seconds):
        turns.append((processor_time(ours), processor_time(theirs)))
    mine, other = (min(column) for column in zip(*turns, strict=True))
    ratios = [b / a for a, b in turns]
    tenths = statistics.quantiles(ratios, n=10)
    return Ratio(1e3 * mine, 1e3 * other, tenths[0], tenths[-1])


def processor_time(call: Call) -> float:
    """Processor time of one call in seconds."""
    began = time.process_time()
    call()
    return max(time.process_time() - began, 1e-9)


def peak_megabytes() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
