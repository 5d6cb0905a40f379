"""Tools that every format shares: atomic writes, and errors that say what a file is."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.superblock import goes_on_after_its_end

PathLike = str | os.PathLike[str]
"""A path as users write it."""

SIGNATURES = (
    ("DICOM", 128, b"DICM"),  # first: its preamble may be a TIFF header
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("gzip", 0, b"\x1f\x8b"),
    ("ZIP", 0, b"PK\x03\x04"),
    ("HDF5", 0, b"\x89HDF\r\n\x1a\n"),
    ("npy", 0, b"\x93NUMPY"),
    ("NRRD", 0, b"NRRD000"),
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("TIFF", 0, b"II*\x00"),
    ("TIFF", 0, b"MM\x00*"),
    ("MATLAB", 0, b"MATLAB"),
    ("WAV", 8, b"WAVE"),
    ("PLY", 0, b"ply\n"),
    ("PLY", 0, b"ply\r\n"),
    ("NIfTI", 344, b"n+1\x00"),
    ("NIfTI", 4, b"n+2\x00"),
)
"""Triples (name, offset, bytes) by which a file is recognised, whatever its suffix says."""


class FileFormatError(ValueError):
    """A file exists but is not what its reader needs: corrupt, truncated, or of another kind."""


class SelectionError(IndexError, ValueError):
    """A keyword of a reader asks for something that the file, which is sound, does not hold."""


def signature(path: Path) -> str | None:
    """Recognise a format by a file's first bytes.

    Args:
        path: An existing file.

    Returns:
        A name in `SIGNATURES`, or None if the bytes are those of no known format.
    """
    with path.open("rb") as file:
        head = file.read(512)
    for name, at, magic in SIGNATURES:
        if head[at : at + len(magic)] == magic:
            return name
    return None


def describe(path: Path) -> str:
    """Say in a few words what a file looks like: "a PNG file of 812 bytes".

    Args:
        path: An existing file.

    Returns:
        The words, with an article.
    """
    size = path.stat().st_size
    if size == 0:
        return "an empty file"
    name = signature(path)
    if name is not None:
        article = "an" if name in ("npy", "NRRD", "HDF5") else "a"
        return f"{article} {name} file of {size} bytes"
    with path.open("rb") as file:
        head = file.read(40)
    if head.isascii() and all(b >= 32 or b in b"\t\r\n" for b in head):
        return f"text of {size} bytes beginning {head.decode()!r}"
    return f"{size} bytes of no format known here"


def existing_file(path: PathLike, expected: str) -> Path:
    """Make sure that a path is a file.

    Args:
        path: The path.
        expected: What the file should be, for the message: "a PLY file".

    Returns:
        The path.

    Raises:
        FileNotFoundError: There is no such file; the message names the one nearest by name.
        FileFormatError: The path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise FileFormatError(
            f"{path}: expected {expected}, found a folder. Is the file name missing?"
        )
    if path.is_file():
        return path
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected {expected}; the folder {path.parent} does not exist."
        )
    near = get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " Is the path relative to another folder?"
    raise FileNotFoundError(
        f"{path}: expected {expected}; there is no such file in {path.parent.resolve()}.{hint}"
    )


@contextmanager
def reading(path: PathLike, expected: str, signatures: tuple[str, ...]) -> Iterator[Path]:
    """Turn whatever a library raises while it reads a file into one FileFormatError about the file.

    Args:
        path: The file.
        expected: What the file should be, for the message: "a PLY file".
        signatures: The names in `SIGNATURES` that the format may carry. They separate a damaged
            file from one of another kind.

    Yields:
        The path, once it is known to be a file.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The path is a folder, or reading failed.
        MemoryError: The file needs more memory than there is.
        SelectionError: The caller asked for something that the file does not hold; raised within
            the block, it stays what it is.
    """
    path = existing_file(path, expected)
    if "HDF5" in signatures and goes_on_after_its_end(path):
        raise FileFormatError(
            f"{path}: expected {expected}, found {describe(path)} that says it ends earlier. "
            "A damaged copy, or bytes added behind it?"
        )
    try:
        yield path
    except (SelectionError, FileFormatError, FileNotFoundError, PermissionError, ImportError):
        raise
    except MemoryError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise MemoryError(
            f"{path}: {expected} that needs more memory than there is "
            f"({' '.join(str(error).split())[:240].rstrip('.') or 'it could not be allocated'}). "
            "Read a part of it; or is its header damaged?"
        ) from None
    except Exception as error:
        # libraries raise anything from SyntaxError (PIL) to KeyError (h5py) for a bad file
        reason = (" ".join(str(error).split()) or type(error).__name__)[:240].rstrip(".")
        known = path.stat().st_size > 0 and signature(path) in signatures
        slip = "A truncated or damaged copy?" if known else "Wrong suffix, or a failed download?"
        raise FileFormatError(
            f"{path}: expected {expected}, found {describe(path)} ({reason}). {slip}"
        ) from None


@contextmanager
def atomic_write(path: PathLike) -> Iterator[Path]:
    """Write a file under another name first, so that readers see the old one or the new one.

    They never see half of one, even if the disk fills up or the power fails. The temporary file
    lies in the same folder and has the same suffixes. On success it replaces `path`; otherwise it
    is removed.

    Args:
        path: The file to write.

    Yields:
        The temporary path to write to.

    Raises:
        FileNotFoundError: The folder is missing.
        IsADirectoryError: The path is a folder.
        PermissionError: The file is read-only.
    """
    target = Path(os.path.realpath(path))  # writing through a link changes the file, not the link
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: cannot write; the folder {target.parent} does not exist.")
    if target.is_dir():
        raise IsADirectoryError(f"{path}: cannot write; it is a folder. Is the file name missing?")
    if target.exists() and not os.access(target, os.W_OK):  # a replacement would not ask
        raise PermissionError(f"{path}: cannot write; the file is read-only.")
    name = target.name.lower()  # numpy would append .npz to .NPZ
    suffix = ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix
    # A name of our own rather than mkstemp's: the file is born with the user's umask instead of
    # mode 0600.
    temporary = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}{suffix}"
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def nearest_first(name: str, candidates: Iterable[str]) -> list[str]:
    """Sort names by how much they look like a given one.

    Args:
        name: The name that was given.
        candidates: The names that there are.

    Returns:
        The candidates, those most like `name` first.
    """
    return sorted(candidates, key=lambda c: -SequenceMatcher(None, name, c).ratio())


def as_image(values: Tensor, grid: Grid, path: PathLike) -> np.ndarray:
    """Turn values on a grid into a numpy array to be written.

    Args:
        values: (*shape, c) real or complex.
        grid: The grid of the values.
        path: The file to be written, for the message.

    Returns:
        (*shape, c) float32, or complex64 for complex values.

    Raises:
        ValueError: Values and grid disagree.
    """
    shape = tuple(values.shape)
    if values.ndim != grid.ndim + 1 or shape[:-1] != grid.shape or not shape[-1]:
        slip = " (channels come last)"
        if shape == grid.shape:
            slip = ". No channel axis?  Pass values[..., None]"
        elif sorted(shape[:-1]) == sorted(grid.shape):
            slip = ". Transposed?"
        raise ValueError(
            f"{path}: values have shape {shape}; the grid needs {(*grid.shape, 'channels')}{slip}."
        )
    dtype = torch.complex64 if values.is_complex() else torch.float32
    return values.detach().to("cpu", dtype).resolve_conj().resolve_neg().numpy()


def as_real_image(values: Tensor, grid: Grid, path: PathLike) -> np.ndarray:
    """Do as `as_image`, for formats of real numbers.

    Args:
        values: (*shape, c) real.
        grid: The grid of the values.
        path: The file to be written, for the message.

    Returns:
        (*shape, c) float32.

    Raises:
        ValueError: The values are complex, or disagree with the grid.
    """
    if values.is_complex():
        raise ValueError(
            f"{path}: the values are complex. Write values.abs(), or a .npz file, which keeps them."
        )
    return as_image(values, grid, path)
