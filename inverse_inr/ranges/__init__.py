"""What an argument may be: kinds with a range, and a decorator that checks them where they enter.

    @checked
    def ct(*, size: Count = 128, noise: NonNegative = 0.005) -> Problem: ...

    ct(size=-3)      ValueError: ct: size=-3 must be a whole number of at least 1.
    ct(noise="low")  TypeError: ct: noise='low' must be a number of at least 0.

The annotation is the one place where a range is said: the decorator refuses by it, a config is
checked by it, and `inverse-inr list ct` prints it.
"""

from inverse_inr.ranges.checking import annotations_of as annotations_of
from inverse_inr.ranges.checking import checked as checked
from inverse_inr.ranges.checking import require as require
from inverse_inr.ranges.faults import Fault as Fault
from inverse_inr.ranges.faults import fault_of as fault_of
from inverse_inr.ranges.faults import in_words as in_words
from inverse_inr.ranges.faults import shown as shown
from inverse_inr.ranges.kinds import Count as Count
from inverse_inr.ranges.kinds import Finite as Finite
from inverse_inr.ranges.kinds import FiniteTensor as FiniteTensor
from inverse_inr.ranges.kinds import FiniteValues as FiniteValues
from inverse_inr.ranges.kinds import Fraction as Fraction
from inverse_inr.ranges.kinds import NoiseLevel as NoiseLevel
from inverse_inr.ranges.kinds import NoiseLevelOrNone as NoiseLevelOrNone
from inverse_inr.ranges.kinds import NonNegative as NonNegative
from inverse_inr.ranges.kinds import Positive as Positive
from inverse_inr.ranges.kinds import PositiveFraction as PositiveFraction
from inverse_inr.ranges.kinds import ProperFraction as ProperFraction
from inverse_inr.ranges.kinds import Range as Range
from inverse_inr.ranges.kinds import Seed as Seed
from inverse_inr.ranges.kinds import WholeNumber as WholeNumber
