"""The bytes of a coded field: a short header, the code of its numbers, and a digest."""

from __future__ import annotations

import hashlib
import inspect
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.quantizing import Numbers, restored
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.sparse import Whole, decode_sparse, encode_sparse, joined
from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError
from inverse_inr.priors import Prior, create, registry

MAGIC = b"INR1"
DIGEST = 8
"""Bytes of the digest."""


class Coded(NamedTuple):
    """A field in whole numbers.

    Attributes:
        prior: The prior whose recipe and box it has.
        grid: The grid of the samples.
        numbers: Whole numbers for each parameter.
        codes: The code of each one's step size.
        coarser: What is added to all codes.
        sparse: Coefficients of the sparse code that the numbers were made of, if they were.
    """

    prior: Prior
    grid: Grid
    numbers: Numbers
    codes: dict[str, int]
    coarser: int
    sparse: Whole | None = None


def to_bytes(coded: Coded) -> bytes:
    """Write a field.

    Args:
        coded: The field in whole numbers.

    Returns:
        The bytes: magic, length of the header, header, code, digest.
    """
    header = zlib.compress(json.dumps(_header(coded), separators=(",", ":")).encode(), 9)
    encoder = Encoder()
    if coded.sparse is None:
        for name in coded.codes:
            encode_integers(encoder, coded.numbers[name].reshape(-1).tolist(), Contexts())
    else:
        encode_sparse(encoder, coded.sparse)
    weights = restored(coded.numbers, coded.codes, coded.coarser)
    body = MAGIC + len(header).to_bytes(2, "little") + header + encoder.finish()
    return body + _digest(header, weights)


def from_bytes(data: bytes) -> tuple[Prior, Grid]:
    """Read a field.

    Args:
        data: What `to_bytes` gave.

    Returns:
        The prior with its weights, and the grid of the samples that were coded.

    Raises:
        FileFormatError: The bytes are cut, altered, or none of a coded field.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise FileFormatError("codec: these bytes are no coded field: they do not begin with INR1.")
    start = len(MAGIC) + 2
    size = int.from_bytes(data[len(MAGIC) : start], "little")
    header, code = data[start : start + size], data[start + size : -DIGEST]
    try:
        told = json.loads(zlib.decompress(header))
        box = _box(told["b"])
        grid = Grid(_box(told.get("g", told["b"])), tuple(told["s"]))
        prior = create(told["p"], box, **told["o"])
    except (zlib.error, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"codec: the header of the coded field is damaged: {error}."
        ) from None
    names = [name for name, _ in prior.named_parameters()]
    codes = dict(zip(names, told["k"], strict=True))
    numbers = _numbers(Decoder(code), prior, bool(told.get("a")))
    weights = restored(numbers, codes, told["c"])
    if _digest(header, weights) != data[-DIGEST:]:
        raise FileFormatError(
            "codec: the coded field is damaged: its numbers do not match the digest. Cut or "
            "altered?"
        )
    prior.load_state_dict({**prior.state_dict(), **weights})
    return prior.eval(), grid


def _numbers(decoder: Decoder, prior: Prior, sparse: bool) -> Numbers:
    """Whole numbers for each parameter."""
    parameters = dict(prior.named_parameters())
    found = {}
    if not sparse:
        for name, parameter in parameters.items():
            values = decode_integers(decoder, parameter.numel(), Contexts())
            found[name] = torch.tensor(values).reshape(parameter.shape)
        return found
    count = sum(parameter.numel() for parameter in parameters.values())
    rest = torch.from_numpy(joined(decode_sparse(decoder, count), count))
    for name, parameter in parameters.items():
        found[name] = rest[: parameter.numel()].reshape(parameter.shape)
        rest = rest[parameter.numel() :]
    return found


def _header(coded: Coded) -> dict[str, Any]:
    """What a decoder must know besides the numbers, as short as JSON allows."""
    recipe = coded.prior.recipe
    told: dict[str, Any] = {
        "p": recipe.name,
        "o": _chosen(recipe.name, recipe.options),
        "b": _corners(coded.prior.box),
        "s": coded.grid.shape,
        "k": list(coded.codes.values()),
        "c": coded.coarser,
    }
    if coded.grid.box != coded.prior.box:
        told["g"] = _corners(coded.grid.box)
    if coded.sparse is not None:
        told["a"] = 1
    return told


def _chosen(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the preset's defaults."""
    known = inspect.signature(registry.get(name)).parameters
    return {k: v for k, v in options.items() if v != known[k].default}


def _corners(box: Box) -> list[Any]:
    return [box.lower, box.upper, box.units]


def _box(told: list[Any]) -> Box:
    lower, upper, units = told
    return Box(tuple(lower), tuple(upper), tuple(units))


def _digest(header: bytes, weights: Mapping[str, Tensor]) -> bytes:
    digest = hashlib.sha256(header)
    for value in weights.values():
        digest.update(value.contiguous().numpy().tobytes())
    return digest.digest()[:DIGEST]
