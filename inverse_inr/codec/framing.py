"""What the files of pictures share: colours and place behind the head, and a digest at the end."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from inverse_inr.codec.planes import AXES, Colours, Floats, from_codes, to_codes
from inverse_inr.io.files import FileFormatError

CLIPPED = 1
"""Flag of pictures whose values lie between 0 and 1."""
PLACED = 2
"""Flag of pictures whose box is in the file, since it is not that of their pixels."""
DIGEST = 4
"""Bytes of the digest."""


def flags_of(clipped: bool, place: bytes) -> int:
    """The flags of a picture.

    Args:
        clipped: Whether its values lie between 0 and 1.
        place: The bytes that tell where it lies; none for the pixels themselves.
    """
    return CLIPPED * clipped + PLACED * bool(place)


def written_frame(colours: Colours, place: bytes) -> bytes:
    """Write what follows the head: the colours, and the place with its length.

    Args:
        colours: How planes become channels; axes are written where there are several channels.
        place: At most 65535 bytes that tell where the picture lies.

    Returns:
        The bytes.
    """
    frame = to_codes(colours.means).astype("<u2").tobytes()
    if len(colours.means) > 1:
        frame += colours.axes.astype(np.int8).tobytes()
    if place:
        frame += struct.pack("<H", len(place)) + place
    return frame


def read_frame(data: bytes, at: int, planes: int, placed: bool) -> tuple[Colours, bytes, int]:
    """Read what `written_frame` wrote.

    Args:
        data: The bytes of the file.
        at: Where the frame begins.
        planes: The number of planes.
        placed: Whether the file tells where the picture lies.

    Returns:
        The colours, the bytes of the place, and where the frame ends.

    Raises:
        ValueError: The bytes end before the frame does, or a mean is no number.
    """
    means = from_codes(np.frombuffer(data, "<u2", planes, at))
    at += 2 * planes
    axes = np.eye(planes) * AXES
    if planes > 1:
        axes = np.frombuffer(data, np.int8, planes**2, at).reshape(planes, planes)
        at += planes**2
    place = b""
    if placed:
        (length,) = struct.unpack_from("<H", data, at)
        place = data[at + 2 : at + 2 + length]
        at += 2 + length
    if not np.isfinite(means).all():
        raise ValueError("a mean that is no number")
    return Colours(means, axes.astype(np.float64)), place, at


def digest(head: bytes, image: Floats) -> bytes:
    """The digest of a file's first part and of the decoded values.

    Args:
        head: The bytes before the code.
        image: (*sizes, channels).

    Returns:
        `DIGEST` bytes.
    """
    return hashlib.sha256(head + image.astype("<f8").tobytes()).digest()[:DIGEST]


def require_whole(data: bytes, head: bytes, image: Floats) -> None:
    """Refuse a file whose decoded values are not those that were written.

    Args:
        data: The bytes of the file.
        head: The bytes before the code.
        image: (*sizes, channels), the decoded values.

    Raises:
        FileFormatError: The digest at the end of the file is another one.
    """
    if digest(head, image) != data[-DIGEST:]:
        raise FileFormatError(
            "codec: the picture is damaged: its numbers do not match the digest. Cut or altered?"
        )
