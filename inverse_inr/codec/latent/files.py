"""The bytes of an overfitted picture: a header of a few bytes, the code, and a digest."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from inverse_inr import memory
from inverse_inr.codec.causal import Whole
from inverse_inr.codec.framing import (
    CLIPPED,
    DIGEST,
    PLACED,
    digest,
    flags_of,
    read_frame,
    require_whole,
    written_frame,
)
from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.latent.coding import Latents, decode_lattices, encode_lattices
from inverse_inr.codec.latent.networks import ENTROPY, changed, fewer_planes, sizes
from inverse_inr.codec.latent.start import MARK, START
from inverse_inr.codec.latent.whole import FINE, Predictor, synthesised
from inverse_inr.codec.planes import Colours, Floats, channels_of, from_codes, to_codes
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.io.files import FileFormatError

MAGIC = b"INRL"
HEAD = struct.Struct("<BBHHBHH")
"""Mark of the start, flags, rows, columns, halvings of one for differences, codes of the step size
and of the unit of all values."""
PLANES = 4
"""Times the number of planes, in the flags."""
MOST_PLANES = 3
"""Planes that the start knows."""
FINEST = 10
"""Most halvings of one in a difference of the networks' numbers."""
BYTES = 1500
"""Memory per pixel while a picture is coded or decoded."""
LARGEST = 65535
"""Rows and columns that a header can hold."""


class Overfitted(NamedTuple):
    """A picture in whole numbers.

    Attributes:
        shape: (rows, columns).
        colours: How planes become channels.
        unit: What a value of one stands for.
        step: What a latent of one stands for, in units.
        exponents: Halvings of one in a difference of the networks' numbers.
        differences: Whole differences of the networks from the start, by name.
        latents: The latents.
        clipped: Whether all values lie between 0 and 1.
    """

    shape: tuple[int, int]
    colours: Colours
    unit: float
    step: float
    exponents: tuple[int, int]
    differences: Mapping[str, Whole]
    latents: Latents
    clipped: bool

    @property
    def networks(self) -> dict[str, Floats]:
        """The networks' numbers by name, whole numbers in units of 1 / ONE."""
        start = fewer_planes(START, len(self.colours.means))
        return changed(start, self.differences, self.exponents)


def synthesise(picture: Overfitted) -> Floats:
    """Make the picture of its whole numbers, the same to the last bit on every machine.

    Args:
        picture: The picture in whole numbers.

    Returns:
        (rows, columns, channels).
    """
    planes = synthesised(picture.networks, picture.latents, picture.step)
    image = channels_of(planes, picture.colours, picture.unit / FINE)
    if picture.clipped:
        image = image.clip(0, 1)
    return image


def to_bytes(picture: Overfitted, place: bytes = b"") -> bytes:
    """Write a picture.

    Args:
        picture: The picture in whole numbers.
        place: At most 65535 bytes that tell where it lies; none for the pixels themselves.

    Returns:
        The bytes.
    """
    planes = len(picture.colours.means)
    flags = flags_of(picture.clipped, place) + PLANES * planes
    step, unit = (int(code) for code in to_codes(np.array([picture.step, picture.unit])))
    halvings = 16 * picture.exponents[0] + picture.exponents[1]
    head = MAGIC + HEAD.pack(MARK, flags, *picture.shape, halvings, step, unit)
    head += written_frame(picture.colours, place)
    encoder = Encoder()
    contexts = Contexts(), Contexts()
    for name, numbers in picture.differences.items():
        encode_integers(encoder, numbers.reshape(-1).tolist(), contexts[name in ENTROPY])
    encode_lattices(encoder, Predictor(picture.networks), picture.latents, planes)
    return head + encoder.finish() + digest(head, synthesise(picture))


def from_bytes(data: bytes) -> tuple[Overfitted, bytes]:
    """Read a picture.

    Args:
        data: What `to_bytes` gave.

    Returns:
        The picture, and the bytes that tell where it lies.

    Raises:
        FileFormatError: The bytes are cut or altered, or written with another start.
    """
    try:
        blank, place, at = _header(data)
    except (struct.error, ValueError) as error:
        raise FileFormatError(f"codec: the header of the picture is damaged: {error}.") from None
    rows, columns = blank.shape
    memory.require(f"codec: a picture of {rows} x {columns} pixels", BYTES * rows * columns)
    planes = len(blank.colours.means)
    decoder = Decoder(data[at:-DIGEST])
    contexts = Contexts(), Contexts()
    differences = {}
    for name, shape in sizes(planes).items():
        count = int(np.prod(shape))
        numbers = decode_integers(decoder, count, contexts[name in ENTROPY])
        differences[name] = np.array(numbers, np.int64).reshape(shape)
    picture = blank._replace(differences=differences)
    latents = decode_lattices(decoder, Predictor(picture.networks), blank.shape, planes)
    picture = picture._replace(latents=latents)
    require_whole(data, data[:at], synthesise(picture))
    return picture, place


def _header(data: bytes) -> tuple[Overfitted, bytes, int]:
    at = len(MAGIC)
    mark, flags, rows, columns, halvings, step, unit = HEAD.unpack_from(data, at)
    if mark != MARK:
        raise FileFormatError(
            f"codec: the picture was written with start {mark}, this version has {MARK}."
        )
    planes = flags // PLANES
    exponents = divmod(halvings, 16)
    if not rows or not columns or not 1 <= planes <= MOST_PLANES or max(exponents) > FINEST:
        raise ValueError(f"a picture of {rows} x {columns} pixels and {planes} planes")
    at += HEAD.size
    colours, place, at = read_frame(data, at, planes, bool(flags & PLACED))
    size, scale = (float(value) for value in from_codes(np.array([step, unit])))
    if not np.isfinite([size, scale]).all():
        raise ValueError("a step size or a unit that is no number")
    clipped = bool(flags & CLIPPED)
    blank = Overfitted((rows, columns), colours, scale, size, exponents, {}, {}, clipped)
    return blank, place, at
