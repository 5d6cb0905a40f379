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
from inverse_inr.codec.latent.coding import decode_lattices, encode_lattices
from inverse_inr.codec.latent.contexts import Layout
from inverse_inr.codec.latent.networks import PLANES as MOST_PLANES
from inverse_inr.codec.latent.networks import changed, decode_differences, encode_differences
from inverse_inr.codec.latent.start import MARK, START
from inverse_inr.codec.latent.whole import Predictor, mended
from inverse_inr.codec.planes import Colours, Floats, channels_of, from_codes, to_codes
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.wavelet.bands import Band
from inverse_inr.codec.wavelet.filter_bank import Level, synthesised
from inverse_inr.codec.wavelet.picture import FRACTION
from inverse_inr.codec.wavelet.waves import decode_low, encode_low
from inverse_inr.io.files import FileFormatError

MAGIC = b"INRL"
HEAD = struct.Struct("<BBHHBH")
"""Mark of the start, flags, rows, columns, halvings of one for differences, code of the step."""
MENDED = 4
"""Flag of pictures whose planes the synthesis network mends."""
PLANES = 8
"""Times the number of planes, in the flags."""
FINEST = 9
"""Most halvings of one in a difference of the networks' numbers."""
BYTES = 1500
"""Memory per sample while a picture is decoded."""
LARGEST = 65535
"""Rows and columns that a header can hold."""


class Overfitted(NamedTuple):
    """A picture in whole numbers.

    Attributes:
        shape: (rows, columns).
        colours: How planes become channels.
        step: What a latent of one stands for.
        halvings: Halvings of one in a difference of the networks' numbers.
        differences: Whole differences of the networks from the start, by name.
        lows: (rows, columns) of each plane's low-pass band.
        latents: (count + 1,) all latents in a row.
        mended: Whether the synthesis network mends the planes.
        clipped: Whether all values lie between 0 and 1.
    """

    shape: tuple[int, int]
    colours: Colours
    step: float
    halvings: int
    differences: Mapping[str, Whole]
    lows: list[Whole]
    latents: Whole
    mended: bool
    clipped: bool

    @property
    def networks(self) -> dict[str, Floats]:
        """The networks' numbers by name, whole numbers in units of 1 / ONE."""
        return changed(START, self.differences, self.halvings)

    @property
    def layout(self) -> Layout:
        """The places of the lattices among all latents."""
        return Layout(self.shape, len(self.colours.means))


def synthesise(picture: Overfitted) -> Floats:
    """Make the picture of its whole numbers, the same to the last bit on every machine.

    Args:
        picture: The picture in whole numbers.

    Returns:
        (rows, columns, channels).
    """
    layout = picture.layout
    bands = layout.split(picture.latents.astype(np.float64) * FRACTION)
    found = []
    for plane, low in enumerate(picture.lows):
        levels = [
            Level(*(bands[Band(level, plane, kind)] for kind in range(3)))
            for level in range(layout.levels)
        ]
        found.append(synthesised(low.astype(np.float64) * FRACTION, levels, True))
    planes = np.stack(found)
    if picture.mended:
        planes = mended(picture.networks, planes)
    image = channels_of(planes, picture.colours, picture.step / FRACTION)
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
    flags = flags_of(picture.clipped, place) + MENDED * picture.mended + PLANES * planes
    step = int(to_codes(np.array([picture.step]))[0])
    head = MAGIC + HEAD.pack(MARK, flags, *picture.shape, picture.halvings, step)
    head += written_frame(picture.colours, place)
    encoder = Encoder()
    encode_differences(encoder, picture.differences)
    for low in picture.lows:
        encode_low(encoder, low)
    encode_lattices(encoder, Predictor(picture.networks), picture.layout, picture.latents)
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
    planes = len(blank.colours.means)
    size = BYTES * rows * columns * planes
    memory.require(f"codec: a picture of {rows} x {columns} pixels", size)
    decoder = Decoder(data[at:-DIGEST])
    differences = decode_differences(decoder)
    layout = blank.layout
    lows = [decode_low(decoder, *layout.low) for _ in range(planes)]
    picture = blank._replace(differences=differences, lows=lows)
    latents = decode_lattices(decoder, Predictor(picture.networks), layout)
    picture = picture._replace(latents=latents)
    require_whole(data, data[:at], synthesise(picture))
    return picture, place


def _header(data: bytes) -> tuple[Overfitted, bytes, int]:
    at = len(MAGIC)
    mark, flags, rows, columns, halvings, code = HEAD.unpack_from(data, at)
    if mark != MARK:
        raise FileFormatError(
            f"codec: the picture was written with start {mark}, this version has {MARK}."
        )
    planes = flags // PLANES
    if not rows or not columns or not 1 <= planes <= MOST_PLANES or halvings > FINEST:
        raise ValueError(f"a picture of {rows} x {columns} pixels and {planes} planes")
    at += HEAD.size
    colours, place, at = read_frame(data, at, planes, bool(flags & PLACED))
    step = float(from_codes(np.array([code]))[0])
    if not np.isfinite(step):
        raise ValueError("a step size that is no number")
    mends, clipped = bool(flags & MENDED), bool(flags & CLIPPED)
    none = np.zeros(0, np.int64)
    blank = Overfitted((rows, columns), colours, step, halvings, {}, [], none, mends, clipped)
    return blank, place, at
