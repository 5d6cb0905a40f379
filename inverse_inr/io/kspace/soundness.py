"""Descriptions in an HDF5 file that the HDF5 library trusts, checked before it reads by them.

A damaged size in a heap of lists and texts, fields of a record that overlap, or a number whose bits
lie beyond its bytes make the library read and free memory that is not its own, which ends the
interpreter.

Source:
    HDF5 File Format Specification 3.0, III.E "Global Heap" and IV.A.2.d "The Datatype Message".
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import struct
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

from inverse_inr.io.files import FileFormatError, PathLike

SIGNATURE = b"GCOL\x01\x00\x00\x00"
"""The beginning of a heap: its signature, version 1 and three zeros."""
HEAD = 16
"""Bytes before the first object of a heap, and before the data of each object."""


LEAST_SECONDS, BYTES_PER_SECOND = 60.0, 1e6
"""The time after which the trial of a file is given up."""
ROWS = 256
"""Records that a trial reads at once."""


def check_by_trial(path: PathLike) -> None:
    """Refuse a file whose lists and texts end the HDF5 library, by reading them in a child.

    No description tells of every damage. What a copy of this process survives, this one will. Where
    a system makes no copies of processes, nothing is tried.

    Args:
        path: The file.

    Raises:
        FileFormatError: The child was ended by a signal, or did not end.
    """
    if not hasattr(os, "fork"):
        return
    limit = time.monotonic() + LEAST_SECONDS + Path(path).stat().st_size / BYTES_PER_SECOND
    with warnings.catch_warnings():
        # a copy has one thread alone; it calls h5py, which is made for that, and ends
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _read_and_end(path)
    status = None
    wait = 0.001
    while status is None:
        found, code = os.waitpid(child, os.WNOHANG)
        if found:
            status = code
        elif time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise FileFormatError(f"{path}: reading it does not end. A damaged copy?")
        else:
            time.sleep(wait)
            wait = min(2 * wait, 0.05)
    if os.WIFSIGNALED(status):
        raise FileFormatError(
            f"{path}: reading it ends the HDF5 library (signal {os.WTERMSIG(status)}). "
            "A damaged copy?"
        )


def _read_and_end(path: PathLike) -> NoReturn:
    """Read all lists and texts of a file, in a child process, which ends here in any case."""
    import h5py

    def read(name: str, node: object) -> None:
        del name
        if isinstance(node, h5py.Dataset) and node.dtype.hasobject:
            for field in node.dtype.names or (None,):
                part: Any = node if field is None else node.fields(field)
                for first in range(0, len(node), ROWS) if node.ndim else ():
                    part[first : first + ROWS]
                if not node.ndim:
                    part[()]

    try:
        faulthandler.disable()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        with h5py.File(path, "r") as file:
            file.visititems(read)
    finally:
        # errors are the parent's to report: it reads the same
        os._exit(0)


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
