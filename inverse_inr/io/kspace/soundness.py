"""Descriptions in an HDF5 file that the HDF5 library trusts, checked before it reads by them.

A damaged size in a heap of lists and texts, fields of a record that overlap, or a number whose bits
lie beyond its bytes make the library read and free memory that is not its own, which ends the
interpreter. The trial of `io.trial` reads the beginning of large datasets only; these checks are
for the rest.

Source:
    HDF5 File Format Specification 3.0, III.E "Global Heap" and IV.A.2.d "The Datatype Message".
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from inverse_inr.io.files import FileFormatError, PathLike

SIGNATURE = b"GCOL\x01\x00\x00\x00"
"""The beginning of a heap: its signature, version 1 and three zeros."""
HEAD = 16
"""Bytes before the first object of a heap, and before the data of each object."""


def check_heaps(path: PathLike) -> None:
    """Refuse a file with a heap whose objects do not fit it.

    Args:
        path: The file.

    Raises:
        FileFormatError: A heap is damaged.
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held,
    ):
        at = held.find(SIGNATURE)
        while at >= 0:
            fault = _fault(held, at)
            if fault:
                raise FileFormatError(
                    f"{path}: the HDF5 heap at byte {at} is damaged: {fault}. "
                    "A truncated or damaged copy?"
                )
            at = held.find(SIGNATURE, at + len(SIGNATURE))


def check_type(path: PathLike, dataset: Any) -> None:
    """Refuse a dataset whose type cannot be right.

    Args:
        path: The file, for messages.
        dataset: The dataset.

    Raises:
        FileFormatError: Fields overlap, or the bits of a number lie beyond its bytes.
    """
    fault = _fault_of_type(dataset.id.get_type())
    if fault:
        raise FileFormatError(f"{path}: the type of {dataset.name} is damaged: {fault}.")


def _fault_of_type(kind: Any) -> str:
    """The reason why a type of h5py's lower level cannot be right; empty if nothing is wrong."""
    from h5py import h5t

    if isinstance(kind, h5t.TypeCompoundID):
        parts = sorted((kind.get_member_offset(k), k) for k in range(kind.get_nmembers()))
        end = 0
        for offset, k in parts:
            part = kind.get_member_type(k)
            if offset < end:
                return "fields overlap"
            end = offset + part.get_size()
            fault = _fault_of_type(part)
            if fault:
                return fault
        if end > kind.get_size():
            return "fields go beyond the record"
        return ""
    if isinstance(kind, (h5t.TypeArrayID, h5t.TypeVlenID)):
        return _fault_of_type(kind.get_super())
    if isinstance(kind, (h5t.TypeIntegerID, h5t.TypeFloatID)):
        bits = 8 * kind.get_size()
        if kind.get_offset() + kind.get_precision() > bits:
            return f"{kind.get_precision()} bits from {kind.get_offset()} of {bits}"
    if isinstance(kind, h5t.TypeFloatID):
        sign, exponent, exponent_bits, mantissa, mantissa_bits = kind.get_fields()
        bits = kind.get_precision()
        if max(sign + 1, exponent + exponent_bits, mantissa + mantissa_bits) > bits:
            return f"a float's parts go beyond its {bits} bits"
    return ""


def _fault(held: mmap.mmap, start: int) -> str:
    """The reason why a heap cannot be right; empty if nothing speaks against it."""
    if start + HEAD > len(held):
        return "its head is cut off"
    (size,) = struct.unpack_from("<Q", held, start + 8)
    if size < HEAD or start + size > len(held):
        return f"its size {size} goes beyond the file's {len(held)} bytes"
    at = HEAD
    while at + HEAD <= size:
        index, _, _, length = struct.unpack_from("<HHIQ", held, start + at)
        if index == 0:  # the free space, which is the rest
            if length > size - at:
                return f"{length} free bytes of {size - at}"
            return ""
        at += HEAD + (length + 7) // 8 * 8
        if at > size:
            return f"object {index} of {length} bytes goes beyond its end"
    return ""
