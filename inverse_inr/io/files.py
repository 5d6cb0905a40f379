"""What every format shares: atomic writes, and errors that say what a file is instead of what was expected."""

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

PathLike = str | os.PathLike[str]

SIGNATURES = (
    ("DICOM", 128, b"DICM"),  # first: its preamble may be a TIFF header
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("gzip", 0, b"\x1f\x8b"),
    ("ZIP", 0, b"PK\x03\x04"),
    ("HDF5", 0, b"\x89HDF\r\n\x1a\n"),
    ("npy", 0, b"\x93NUMPY"),
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("TIFF", 0, b"II*\x00"),
    ("TIFF", 0, b"MM\x00*"),
    ("MATLAB", 0, b"MATLAB"),
    ("WAV", 8, b"WAVE"),
    ("NIfTI", 344, b"n+1\x00"),
    ("NIfTI", 4, b"n+2\x00"),
)
"""(name, offset, bytes) by which a file is recognised whatever its suffix says."""


class FileFormatError(ValueError):
    """A file that is there but is not what its reader needs: corrupt, truncated, or of another kind."""


def signature(path: Path) -> str | None:
    """The format that the first bytes tell, or None where they tell none."""
    with path.open("rb") as file:
        head = file.read(512)
    return next(
        (name for name, at, magic in SIGNATURES if head[at : at + len(magic)] == magic), None
    )


def describe(path: Path) -> str:
    """What a file looks like, in a few words: "a PNG file of 812 bytes"."""
    size = path.stat().st_size
    if size == 0:
        return "an empty file"
    if name := signature(path):
        return f"{'an' if name in ('npy', 'HDF5') else 'a'} {name} file of {size} bytes"
    with path.open("rb") as file:
        head = file.read(40)
    if head.isascii() and all(32 <= b or b in b"\t\r\n" for b in head):
        return f"text of {size} bytes beginning {head.decode()!r}"
    return f"{size} bytes of no format known here"


def existing_file(path: PathLike, expected: str) -> Path:
    """The path, where it is a file.

    Raises FileNotFoundError (with the nearest name there is) or FileFormatError for a folder.
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
    near = get_close_matches(path.name, os.listdir(path.parent), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " Is the path relative to another folder?"
    raise FileNotFoundError(
        f"{path}: expected {expected}; there is no such file in {path.parent.resolve()}.{hint}"
    )


@contextmanager
def reading(path: PathLike, expected: str, signatures: tuple[str, ...]) -> Iterator[Path]:
    """Yield an existing file's path; whatever a library then raises becomes one FileFormatError about the file.

    `signatures` are the names in `SIGNATURES` that the format may carry: they separate a damaged file from a wrong one.
    """
    path = existing_file(path, expected)
    try:
        yield path
    except (FileFormatError, FileNotFoundError, PermissionError, MemoryError, ImportError):
        raise
    except (
        Exception
    ) as error:  # libraries raise anything from SyntaxError (PIL) to KeyError (h5py) for a bad file
        reason = (" ".join(str(error).split()) or type(error).__name__)[:240].rstrip(".")
        known = path.stat().st_size > 0 and signature(path) in signatures
        slip = "A truncated or damaged copy?" if known else "Wrong suffix, or a failed download?"
        raise FileFormatError(
            f"{path}: expected {expected}, found {describe(path)} ({reason}). {slip}"
        ) from None


@contextmanager
def atomic_write(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffixes; on success it replaces `path`, otherwise it is removed.

    Readers see the old file or the new one, never half of one, also where the disk fills up or the power fails.
    Raises FileNotFoundError where the folder is missing, IsADirectoryError for a folder, PermissionError.
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
    # A name of our own rather than mkstemp: the file is born with the user's umask instead of mode 0600.
    temporary = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}{suffix}"
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def nearest_first(name: str, candidates: Iterable[str]) -> list[str]:
    """The candidates, most like `name` first."""
    return sorted(candidates, key=lambda c: -SequenceMatcher(None, name, c).ratio())


def as_image(values: Tensor, grid: Grid, path: PathLike) -> np.ndarray:
    """Values (*shape, c) of a grid as a numpy array to be written: float32, or complex64 where they are complex.

    Raises ValueError where values and grid disagree.
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
    """`as_image` for formats of real numbers: float32. Raises ValueError for complex values."""
    if values.is_complex():
        raise ValueError(
            f"{path}: the values are complex. Write values.abs(), or a .npz file, which keeps them."
        )
    return as_image(values, grid, path)
