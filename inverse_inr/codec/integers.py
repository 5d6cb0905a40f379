"""Whole numbers around zero as decisions of a range coder, whose contexts learn their spread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from inverse_inr.codec.range_coder import Context, Decoder, Encoder
from inverse_inr.io.files import FileFormatError

FINE = 3
"""Bits after a leading one that have contexts of their own; further ones cost a bit each."""
LONGEST = 24
"""Bits of the largest number."""


class Contexts:
    """The contexts of numbers of one kind: their length, their sign, the bits after the first."""

    def __init__(self) -> None:
        self.length = [Context() for _ in range(LONGEST + 1)]
        self.sign = Context()
        self.fine: defaultdict[tuple[int, int], Context] = defaultdict(Context)


def encode_integers(encoder: Encoder, values: Iterable[int], contexts: Contexts) -> None:
    """Append numbers to a code.

    A number is the length of its magnitude in bits, one decision for each bit more; its sign; and
    the bits after the leading one.

    Args:
        encoder: The range coder.
        values: The numbers, below 2^24 in magnitude.
        contexts: The contexts of their kind, which learn from them.

    Raises:
        ValueError: A number is too large.
    """
    for value in values:
        magnitude = abs(value)
        length = magnitude.bit_length()
        if length > LONGEST:
            raise ValueError(f"codec: the number {value} has more than {LONGEST} bits.")
        for k in range(length):
            encoder.encode(1, contexts.length[k])
        if length < LONGEST:
            encoder.encode(0, contexts.length[length])
        if not length:
            continue
        encoder.encode(int(value < 0), contexts.sign)
        for k in range(length - 2, -1, -1):
            bit = (magnitude >> k) & 1
            encoder.encode(bit, _fine(contexts, magnitude, length, k))


def decode_integers(decoder: Decoder, count: int, contexts: Contexts) -> list[int]:
    """Read numbers back.

    Args:
        decoder: The range coder.
        count: How many there are.
        contexts: The contexts of their kind, as they were encoded.

    Returns:
        The numbers.
    """
    found = []
    for _ in range(count):
        length = 0
        while length < LONGEST and decoder.decode(contexts.length[length]):
            length += 1
        if not length:
            found.append(0)
            continue
        negative = decoder.decode(contexts.sign)
        magnitude = 1 << (length - 1)
        for k in range(length - 2, -1, -1):
            magnitude |= decoder.decode(_fine(contexts, magnitude, length, k)) << k
        found.append(-magnitude if negative else magnitude)
    if decoder.at > len(decoder.data) + 8:
        raise FileFormatError("codec: the code ends before its numbers do. A file that was cut?")
    return found


def _fine(contexts: Contexts, magnitude: int, length: int, k: int) -> Context | None:
    """The context of bit k of a magnitude, by its length and the bits above; None for the last."""
    if length - 1 - k > FINE:
        return None
    return contexts.fine[length, magnitude >> (k + 1)]
