"""`Case`: one fresh input, the answer without knobs, and the simple methods beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import inverse_inr as ii

Method = Callable[[ii.Problem], ii.Solution]
"""A way from measurements to an answer."""


def psnr(answer: ii.Solution) -> float:
    """PSNR in dB of an answer against the problem's truth, over the truth's span."""
    return answer.psnr()


@dataclass(frozen=True)
class Case:
    """One fresh input.

    Args:
        name: Words that say what is measured and how: "brain slice 110, 30 views, 2 % noise".
        make: Function from a seed to the problem; the seed decides noise, and masks where they are
            random.
        simple: The simple methods by name; each chooses what it chooses from the measurements.
        oracle: Methods whose parameter the truth chooses, which nobody can run on measurements.
        own: Methods without a network that this library put together itself, among which the answer
            is chosen; the page tells of them apart from the methods of the field.
        answer: The answer without knobs; `ii.solve` unless the modality has another front door.
        score: A number of which higher is better, by default PSNR in dB.
        unit: The unit of the score.
    """

    name: str
    make: Callable[[int], ii.Problem]
    simple: Mapping[str, Method]
    oracle: Mapping[str, Method] = field(default_factory=dict)
    own: Mapping[str, Method] = field(default_factory=dict)
    answer: Method = ii.solve
    score: Callable[[ii.Solution], float] = psnr
    unit: str = "dB"
