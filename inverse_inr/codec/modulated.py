"""Method "modulated": the code of a field of a family, whose decoder the receiver holds."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib

import numpy as np
import torch

from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.planes import from_codes, to_codes
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.searching import first_below
from inverse_inr.codec.showing import shown_steps
from inverse_inr.domain import Box, Grid
from inverse_inr.families import Code, Modulated
from inverse_inr.families.tasks import losses
from inverse_inr.io.files import FileFormatError
from inverse_inr.priors import Prior
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating

MAGIC = b"INRM"
HEAD = struct.Struct("<8sHHH")
"""Fingerprint of the decoder, numbers in the code, code of the step size, bytes of the place."""
DIGEST = 4
"""Bytes of the digest."""
RATE = 0.1
"""Largest learning rate of a code, in units of its root mean square."""
LENGTH = 20
"""Bits of the largest number at the finest step size."""


def encode_modulated(family: Modulated, problem: Problem, most: int, steps: int) -> bytes:
    """Encode a problem's field as a code of a family.

    The family's own few steps are the beginning; then the code alone is fitted on by Adam.

    Args:
        family: The family, trained.
        problem: The problem.
        most: Most bytes.
        steps: Steps of Adam. The first Ctrl-C ends them early.

    Returns:
        The bytes.

    Raises:
        ValueError: The family is not trained or of other fields, or so few bytes hold no code.

    Source:
        Dupont et al. 2022 (COIN++, arXiv:2201.12904).
    """
    if problem.box != problem.grid.box:
        raise ValueError(
            "encode: method='modulated' codes fields on the box of their grid; the problem's box "
            f"is {problem.box}, its grid's {problem.grid.box}."
        )
    code = _fitted(family, problem, family.code(problem), steps)
    values = code.values.double().numpy()
    place = b""
    if problem.grid != family.grid:
        box = problem.grid.box
        told = [box.lower, box.upper, box.units, problem.grid.shape]
        place = zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 9)
    largest = max(float(np.abs(values).max()), 2.0**-60)
    low, high = to_codes(np.array([largest * 2.0**-LENGTH, 4 * largest]))

    def coded(step: int) -> bytes:
        return _to_bytes(code, values, step, place)

    chosen = first_below(lambda step: len(coded(step)), most, int(low), int(high))
    data = coded(chosen)
    if len(data) > most:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes; a code of this family takes at least "
            f"{len(data)}, header and digest counted."
        )
    return data


def decode_modulated(data: bytes, family: Modulated | None) -> tuple[Prior, Grid]:
    """Decode a field.

    Args:
        data: What `encode_modulated` gave.
        family: The family that it was encoded with.

    Returns:
        The field, and the grid of the samples that were coded.

    Raises:
        ValueError: There is no family, or it is another one.
        FileFormatError: The bytes are cut or altered.
    """
    try:
        fingerprint, count, step, length = HEAD.unpack_from(data, len(MAGIC))
    except struct.error as error:
        raise FileFormatError(f"codec: the header of the code is damaged: {error}.") from None
    if family is None:
        raise ValueError(
            f"decode: this is a code of the family {fingerprint.hex()}, which is not in the file. "
            "Pass it: decode(data, family=families.load(path))."
        )
    own = family.fingerprint()
    if bytes.fromhex(own)[:8] != fingerprint:
        raise ValueError(
            f"decode: this code belongs to the family {fingerprint.hex()}, and this one is "
            f"{own[:16]}. Was it trained further since?"
        )
    if count != family.code_size:
        raise FileFormatError(
            f"codec: the file tells of a code of {count} numbers, its family has "
            f"{family.code_size}. Altered?"
        )
    at = len(MAGIC) + HEAD.size
    numbers = decode_integers(Decoder(data[at + length : -DIGEST]), count, Contexts())
    head = data[: at + length]
    if _digest(head, np.array(numbers, np.int64)) != data[-DIGEST:]:
        raise FileFormatError(
            "codec: the code is damaged: its numbers do not match the digest. Cut or altered?"
        )
    size = float(from_codes(np.array([step]))[0])
    values = torch.tensor([size * number for number in numbers], dtype=torch.float64)
    grid = family.grid
    if length:
        grid = _grid(data[at : at + length])
    assert grid is not None
    field = family.field(Code(values.float(), own, grid.box))
    return field.eval(), grid


def _fitted(family: Modulated, problem: Problem, code: Code, steps: int) -> Code:
    """The best code of some steps of Adam, from that of the family's own steps."""
    tasks = family.tasks([problem])
    z = code.values[None].clone().requires_grad_()
    rate = RATE * float(code.values.square().mean().sqrt()) + 1e-6
    adam = torch.optim.Adam([z], lr=rate)
    best, least = code.values, math.inf
    with evaluating(*(term.operator for term in tasks[0].terms)):
        for step in shown_steps(steps + 1, "code"):
            adam.param_groups[0]["lr"] = rate * (1 - step / (steps + 1))
            loss = losses(tasks, family.fields(tasks, family.modulated(z)), step).sum()
            if float(loss.detach()) < least:
                best, least = z[0].detach().clone(), float(loss.detach())
            (z.grad,) = torch.autograd.grad(loss, [z])
            adam.step()
    return Code(best, code.decoder, code.box)


def _grid(place: bytes) -> Grid:
    try:
        lower, upper, units, shape = json.loads(zlib.decompress(place))
        return Grid(Box(tuple(lower), tuple(upper), tuple(units)), tuple(shape))
    except (zlib.error, ValueError, TypeError) as error:
        raise FileFormatError(f"codec: the grid of the code is damaged: {error}.") from None


def _to_bytes(code: Code, values: np.ndarray, step: int, place: bytes) -> bytes:
    size = float(from_codes(np.array([step]))[0])
    numbers = np.round(values / size).astype(np.int64)
    head = MAGIC + HEAD.pack(bytes.fromhex(code.decoder)[:8], len(values), step, len(place)) + place
    encoder = Encoder()
    encode_integers(encoder, numbers.tolist(), Contexts())
    return head + encoder.finish() + _digest(head, numbers)


def _digest(head: bytes, numbers: np.ndarray) -> bytes:
    return hashlib.sha256(head + numbers.astype("<i8").tobytes()).digest()[:DIGEST]
