"""A binary range coder in integers, which gives the same bytes on every machine."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from inverse_inr.io.files import FileFormatError

TOP = 1 << 24
MASK = (1 << 32) - 1
PRECISION = 16
"""Bits of a probability."""
MOST = 1023
"""Decisions after which a context halves its counts, so that it follows what changes."""


class Context:
    """The probability of one kind of decision, from how often it fell out either way."""

    def __init__(self) -> None:
        self.counts = [1, 1]

    @property
    def zero(self) -> int:
        """Probability of a zero in units of 2^-16, from 1 to 2^16 - 1."""
        share = (self.counts[0] << PRECISION) // (self.counts[0] + self.counts[1])
        return min(max(share, 1), (1 << PRECISION) - 1)

    def saw(self, bit: int) -> None:
        """Count a decision."""
        self.counts[bit] += 2
        if sum(self.counts) > 2 * MOST:
            self.counts = [(count + 1) >> 1 for count in self.counts]


class Encoder:
    """Turns decisions into bytes.

    Source:
        Martin 1979; the handling of carries is that of LZMA (Pavlov).
    """

    def __init__(self) -> None:
        self.low = 0
        self.range = MASK
        self.cache = 0
        self.pending = 0
        self.started = False
        self.bytes = bytearray()

    def encode(self, bit: int, context: Context | None = None) -> None:
        """Append a decision.

        Args:
            bit: 0 or 1.
            context: Its probability, which learns from it; None for one half.
        """
        zero = 1 << (PRECISION - 1)
        if context is not None:
            zero = context.zero
            context.saw(bit)
        bound = (self.range >> PRECISION) * zero
        if bit:
            self.low += bound
            self.range -= bound
        else:
            self.range = bound
        while self.range < TOP:
            self.range = (self.range << 8) & MASK
            self._shift()

    def encode_share(self, start: int, size: int) -> None:
        """Append a choice among many, as its interval of 2^16.

        Args:
            start: Where the interval begins.
            size: Its length, at least 1.
        """
        unit = self.range >> PRECISION
        self.low += unit * start
        self.range = unit * size
        while self.range < TOP:
            self.range = (self.range << 8) & MASK
            self._shift()

    def finish(self) -> bytes:
        """End the code, and give its bytes without the zeros at the end."""
        for _ in range(5):
            self._shift()
        return bytes(self.bytes).rstrip(b"\0")

    def _shift(self) -> None:
        if self.low < 0xFF000000 or self.low > MASK:
            carry = self.low >> 32
            if self.started:
                self.bytes.append((self.cache + carry) & 0xFF)
            self.bytes.extend([(0xFF + carry) & 0xFF] * self.pending)
            self.pending = 0
            self.cache = (self.low >> 24) & 0xFF
            self.started = True
        else:
            self.pending += 1
        self.low = (self.low << 8) & MASK


class Decoder:
    """Reads the decisions of an `Encoder` back, in the same order and with the same contexts.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.range = MASK
        self.code = 0
        for _ in range(4):
            self.code = (self.code << 8) | self._next()

    def decode(self, context: Context | None = None) -> int:
        """Read a decision.

        Args:
            context: Its probability, as it was encoded.

        Returns:
            0 or 1.
        """
        zero = 1 << (PRECISION - 1)
        if context is not None:
            zero = context.zero
        bound = (self.range >> PRECISION) * zero
        if self.code < bound:
            bit = 0
            self.range = bound
        else:
            bit = 1
            self.code -= bound
            self.range -= bound
        if context is not None:
            context.saw(bit)
        while self.range < TOP:
            self.range = (self.range << 8) & MASK
            self.code = ((self.code << 8) | self._next()) & MASK
        return bit

    def decode_share(self, starts: Sequence[int]) -> int:
        """Read a choice among many.

        Args:
            starts: Where the intervals begin, from 0 on, and 2^16 at the end.

        Returns:
            The number of the interval.
        """
        unit = self.range >> PRECISION
        share = min(self.code // unit, (1 << PRECISION) - 1)
        chosen = bisect_right(starts, share) - 1
        start = starts[chosen]
        self.code -= unit * start
        self.range = unit * (starts[chosen + 1] - start)
        while self.range < TOP:
            self.range = (self.range << 8) & MASK
            self.code = ((self.code << 8) | self._next()) & MASK
        return chosen

    def _next(self) -> int:
        value = 0
        if self.at < len(self.data):
            value = self.data[self.at]
        elif self.at > len(self.data) + 64:
            raise FileFormatError(
                "codec: the code ends before its numbers do. A file that was cut?"
            )
        self.at += 1
        return value
