"""The bytes of a picture in wavelets: a header of a few bytes, the code, and a digest."""

from __future__ import annotations

import math
import struct

import numpy as np

from inverse_inr import memory
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
from inverse_inr.codec.planes import from_codes, to_codes
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.wavelet.bands import Bands, band_shapes, order
from inverse_inr.codec.wavelet.filter_bank import levels_of
from inverse_inr.codec.wavelet.picture import Picture, picture_shape, synthesise
from inverse_inr.codec.wavelet.start import MARK, MODEL
from inverse_inr.codec.wavelet.waves import (
    Remainders,
    decode_band,
    decode_low,
    encode_band,
    encode_low,
)
from inverse_inr.io.files import FileFormatError

MAGIC = b"INRW"
HEAD = struct.Struct("<BBBBH")
"""Mark of the entropy model, flags, axes, channels, code of the step size; sizes follow."""
BYTES = 300
"""Memory per sample while a picture is coded or decoded."""
LARGEST = (1 << 32) - 1
"""Samples of an axis that a header can hold."""
AXES = 8
"""Axes that a header can hold."""
CHANNELS = 255
"""Channels that a header can hold."""


def to_bytes(picture: Picture, place: bytes = b"") -> bytes:
    """Write a picture.

    Args:
        picture: The picture in whole numbers.
        place: At most 65535 bytes that tell where it lies; none for the pixels themselves.

    Returns:
        The bytes.
    """
    channels = len(picture.colours.means)
    flags = flags_of(picture.clipped, place)
    step = int(to_codes(np.array([picture.step]))[0])
    head = MAGIC + HEAD.pack(MARK, flags, len(picture.sizes), channels, step)
    head += b"".join(_short_count(size) for size in picture.sizes)
    head += written_frame(picture.colours, place)
    encoder = Encoder()
    remainders = Remainders()
    for low in picture.lows:
        encode_low(encoder, low)
    for band in order(len(picture.lows), levels_of(picture_shape(picture.sizes))):
        if picture.bands[band].size:
            encode_band(encoder, MODEL, picture.bands, band, remainders)
    return head + encoder.finish() + digest(head, synthesise(picture))


def from_bytes(data: bytes) -> tuple[Picture, bytes]:
    """Read a picture.

    Args:
        data: What `to_bytes` gave.

    Returns:
        The picture, and the bytes that tell where it lies.

    Raises:
        FileFormatError: The bytes are cut or altered, or written with another entropy model.
    """
    try:
        blank, place, at = _header(data)
    except (struct.error, ValueError) as error:
        raise FileFormatError(f"codec: the header of the picture is damaged: {error}.") from None
    channels = len(blank.colours.means)
    samples = channels * math.prod(blank.sizes)
    memory.require(f"codec: a picture of {samples} samples", BYTES * samples)
    shape = picture_shape(blank.sizes)
    planes = samples // (shape[0] * shape[1])
    depth = levels_of(shape)
    decoder = Decoder(data[at:-DIGEST])
    remainders = Remainders()
    low, shapes = band_shapes(shape, depth)
    lows = [decode_low(decoder, *low) for _ in range(planes)]
    bands: Bands = {}
    for band in order(planes, depth):
        own = shapes[band.level][band.kind]
        bands[band] = decode_band(decoder, MODEL, bands, band, own, remainders)
    picture = blank._replace(lows=lows, bands=bands)
    require_whole(data, data[:at], synthesise(picture))
    return picture, place


def _header(data: bytes) -> tuple[Picture, bytes, int]:
    at = len(MAGIC)
    mark, flags, axes, channels, step = HEAD.unpack_from(data, at)
    if mark != MARK:
        raise FileFormatError(
            f"codec: the picture was written with entropy model {mark}, this version has {MARK}."
        )
    at += HEAD.size
    sizes = []
    for _ in range(axes):
        size, at = _count_at(data, at)
        sizes.append(size)
    if not 1 <= axes <= AXES or not all(sizes) or not channels:
        raise ValueError(f"{axes} axes of {sizes} samples and {channels} channels")
    colours, place, at = read_frame(data, at, channels, bool(flags & PLACED))
    size = float(from_codes(np.array([step]))[0])
    if not np.isfinite(size):
        raise ValueError("a step size that is no number")
    return Picture(tuple(sizes), colours, size, [], {}, bool(flags & CLIPPED)), place, at


def _short_count(count: int) -> bytes:
    """Two bytes, or six for a count that they do not hold."""
    if count < 0xFFFF:
        return struct.pack("<H", count)
    return struct.pack("<HI", 0xFFFF, count)


def _count_at(data: bytes, at: int) -> tuple[int, int]:
    """A count, and where it ends."""
    (count,) = struct.unpack_from("<H", data, at)
    if count < 0xFFFF:
        return count, at + 2
    return struct.unpack_from("<I", data, at + 2)[0], at + 6
