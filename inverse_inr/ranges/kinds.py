"""Ranges of numbers, and the kinds of arguments that have one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor


@dataclass(frozen=True)
class Range:
    """The numbers that are allowed; NaN never is.

    Args:
        least: Smallest number, itself allowed.
        most: Largest number, itself allowed.
        above: Bound below which, and at which, nothing is allowed.
        below: Bound above which, and at which, nothing is allowed.
        finite: Whether infinity is refused.
        or_zero: Whether 0 is allowed too, which means none.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    finite: bool = True
    or_zero: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether a number is allowed."""
        if math.isnan(value) or (self.finite and math.isinf(value)):
            return False
        if self.or_zero and value == 0:
            return True
        return not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        """The range in words: "of at least 1", "above 0 and below 1"."""
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        words = [
            f"{word} {bound:g}"
            for word, bound in (
                ("of at least", self.least),
                ("above", self.above),
                ("of at most", self.most),
                ("below", self.below),
            )
            if bound is not None
        ]
        if self.or_zero:
            return f"{' and '.join(words)}, or 0"
        return " and ".join(words)


@dataclass(frozen=True)
class FiniteValues:
    """The mark of a tensor that holds no NaN and no infinity."""


Count = Annotated[int, Range(least=1)]
"""A whole number of at least 1: a size, a number of steps."""
WholeNumber = Annotated[int, Range(least=0)]
"""A whole number of at least 0: an index, a seed, a number that may be none."""
Seed = Annotated[int, Range(least=0, most=2**62)]
"""A seed of random numbers, as torch's generators take it, with room to count on from it."""
Positive = Annotated[float, Range(above=0)]
"""A finite number above 0: a length, a bandwidth."""
NonNegative = Annotated[float, Range(least=0)]
"""A finite number of at least 0: a weight, a standard deviation."""
NoiseLevel = Annotated[float, Range(least=1e-15)]
"""A standard deviation as a fraction of the signal; what is less is far below any rounding."""
NoiseLevelOrNone = Annotated[float, Range(least=1e-15, or_zero=True)]
"""A standard deviation as a fraction of the signal, or 0 for no noise."""
Finite = Annotated[float, Range()]
"""Any finite number."""
Fraction = Annotated[float, Range(least=0, most=1)]
"""A number from 0 to 1, both included."""
PositiveFraction = Annotated[float, Range(above=0, most=1)]
"""A number above 0 and up to 1."""
ProperFraction = Annotated[float, Range(above=0, below=1)]
"""A number above 0 and below 1."""
FiniteTensor = Annotated[Tensor, FiniteValues()]
"""A tensor without NaN and infinity."""
