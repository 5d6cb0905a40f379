"""The range coder is exact, and costs what entropy says."""

import math
import random

import pytest

from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.range_coder import Context, Decoder, Encoder
from inverse_inr.io.files import FileFormatError


def coded(values: list[int]) -> bytes:
    encoder = Encoder()
    encode_integers(encoder, values, Contexts())
    return encoder.finish()


def numbers(kind: str, count: int = 4000) -> list[int]:
    source = random.Random(1)
    if kind == "gaussian":
        return [round(source.gauss(0, 6)) for _ in range(count)]
    if kind == "nearly zero":
        return [int(source.random() < 0.01) for _ in range(count)]
    if kind == "zero":
        return [0] * count
    if kind == "large":
        return [source.randint(-(2**24) + 1, 2**24 - 1) for _ in range(count)]
    return [(-1) ** k * k for k in range(count)]


@pytest.mark.parametrize("kind", ["gaussian", "nearly zero", "zero", "large", "ramp"])
def test_numbers_come_back(kind) -> None:
    values = numbers(kind)
    assert decode_integers(Decoder(coded(values)), len(values), Contexts()) == values


def test_decisions_of_any_probability_come_back() -> None:
    source = random.Random(0)
    for bias in (0.001, 0.5, 0.999):
        bits = [int(source.random() < bias) for _ in range(3000)]
        encoder, context = Encoder(), Context()
        for bit in bits:
            encoder.encode(bit, context)
            encoder.encode(bit)
        decoder, context = Decoder(encoder.finish()), Context()
        for bit in bits:
            assert decoder.decode(context) == bit
            assert decoder.decode() == bit


def test_gaussian_numbers_cost_their_entropy() -> None:
    """½ log2(2πe σ²) bits each, and what the contexts cost to learn: less than 3 % of it."""
    values = numbers("gaussian", 8000)
    bits = 8 * len(coded(values)) / len(values)
    entropy = 0.5 * math.log2(2 * math.pi * math.e * 36)
    assert entropy < bits < 1.03 * entropy


def test_a_coin_costs_a_bit() -> None:
    source = random.Random(2)
    encoder, context = Encoder(), Context()
    for _ in range(8000):
        encoder.encode(source.randint(0, 1), context)
    assert 1000 <= len(encoder.finish()) <= 1010


def test_what_is_too_large_or_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 24 bits"):
        coded([2**24])
    whole = coded(numbers("large"))
    with pytest.raises(FileFormatError, match="ends before its numbers"):
        decode_integers(Decoder(whole[: len(whole) // 2]), 4000, Contexts())
