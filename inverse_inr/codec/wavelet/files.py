"""The bytes of a picture in wavelets: a header of a few bytes, the code, and a digest."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from inverse_inr import memory
from inverse_inr.codec.planes import Colours, from_codes, to_codes
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.wavelet.bands import Bands, band_shapes, order
from inverse_inr.codec.wavelet.filter_bank import levels_of
from inverse_inr.codec.wavelet.picture import Picture, synthesise
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
HEAD = struct.Struct("<BBHHBH")
"""Mark of the entropy model, flags, rows, columns, channels, code of the step size."""
CLIPPED = 1
"""Flag of pictures whose values lie between 0 and 1."""
PLACED = 2
"""Flag of pictures whose box is in the file, since it is not that of their pixels."""
BYTES = 300
"""Memory per sample while a picture is coded or decoded."""
DIGEST = 4
"""Bytes of the digest."""
LARGEST = 65535
"""Rows and columns that a header can hold."""
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
    rows, columns = picture.shape
    channels = len(picture.lows)
    flags = CLIPPED * picture.clipped + PLACED * bool(place)
    step = int(to_codes(np.array([picture.step]))[0])
    head = MAGIC + HEAD.pack(MARK, flags, rows, columns, channels, step)
    head += to_codes(picture.colours.means).astype("<u2").tobytes()
    if channels > 1:
        head += picture.colours.axes.astype(np.int8).tobytes()
    if place:
        head += struct.pack("<H", len(place)) + place
    encoder = Encoder()
    remainders = Remainders()
    for low in picture.lows:
        encode_low(encoder, low)
    for band in order(channels, levels_of(picture.shape)):
        if picture.bands[band].size:
            encode_band(encoder, MODEL, picture.bands, band, remainders)
    return head + encoder.finish() + _digest(head, picture)


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
    samples = channels * blank.shape[0] * blank.shape[1]
    memory.require(f"codec: a picture of {samples} samples", BYTES * samples)
    depth = levels_of(blank.shape)
    decoder = Decoder(data[at:-DIGEST])
    remainders = Remainders()
    low, shapes = band_shapes(blank.shape, depth)
    lows = [decode_low(decoder, *low) for _ in range(channels)]
    bands: Bands = {}
    for band in order(channels, depth):
        shape = shapes[band.level][band.kind]
        bands[band] = decode_band(decoder, MODEL, bands, band, shape, remainders)
    picture = blank._replace(lows=lows, bands=bands)
    if _digest(data[:at], picture) != data[-DIGEST:]:
        raise FileFormatError(
            "codec: the picture is damaged: its numbers do not match the digest. Cut or altered?"
        )
    return picture, place


def _header(data: bytes) -> tuple[Picture, bytes, int]:
    at = len(MAGIC)
    mark, flags, rows, columns, channels, step = HEAD.unpack_from(data, at)
    if mark != MARK:
        raise FileFormatError(
            f"codec: the picture was written with entropy model {mark}, this version has {MARK}."
        )
    if not rows or not columns or not channels:
        raise ValueError(f"a picture of {rows} x {columns} pixels and {channels} channels")
    at += HEAD.size
    means = from_codes(np.frombuffer(data, "<u2", channels, at))
    at += 2 * channels
    axes = np.eye(channels) * 64
    if channels > 1:
        axes = np.frombuffer(data, np.int8, channels**2, at).reshape(channels, channels)
        at += channels**2
    place = b""
    if flags & PLACED:
        (length,) = struct.unpack_from("<H", data, at)
        place = data[at + 2 : at + 2 + length]
        at += 2 + length
    size = float(from_codes(np.array([step]))[0])
    if not (np.isfinite(means).all() and np.isfinite(size)):
        raise ValueError("a step size or a mean that is no number")
    colours = Colours(means, axes.astype(np.float64))
    return Picture((rows, columns), colours, size, [], {}, bool(flags & CLIPPED)), place, at


def _digest(head: bytes, picture: Picture) -> bytes:
    """The digest of the header and of the decoded values."""
    image = synthesise(picture).astype("<f8")
    return hashlib.sha256(head + image.tobytes()).digest()[:DIGEST]
