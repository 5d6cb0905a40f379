"""Checkpoints: a solver's state in a file that is whole, known as ours, and never runs code."""

from __future__ import annotations

import errno
import hashlib
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from inverse_inr.hooks import Running
from inverse_inr.io.files import FileFormatError, atomic_write, reading
from inverse_inr.solver.identity import KEYS

Record = dict[str, Any]
"""One entry of a solver's history."""

SEAL = b"inverse_inr sha256 "
"""What stands before the digest in the comment that ends the file, which is a ZIP archive."""

LENGTH = len(SEAL) + 64

SHARE = 0.05
"""The largest part of a run's time that is spent on writing checkpoints."""


def disk_full(error: OSError) -> bool:
    """Say whether a write failed for want of space: a full disk, a quota or a limit on files."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Checkpoint:
    """Save the solver's state from time to time, and at the end.

    A file is written whole or not at all: the previous one survives a failure. While the disk is
    full, the run goes on with a warning, and the next save is tried when it is due.

    Args:
        path: The file, which each save replaces.
        seconds: The least time between two saves, in seconds. It grows where a save takes long.
        first: The time from the first step to the first save, in seconds, if that is shorter.
        config: Digests of the tables of the run's config, which are kept in the state.
    """

    def __init__(
        self,
        path: str | Path,
        seconds: float = 30.0,
        first: float = 3.0,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.seconds = seconds
        self.config = config
        self._gap = min(first, seconds)
        self._last: float | None = None

    def __call__(self, solver: Running, record: Record) -> None:
        """Save if the run is over or the last save is old enough."""
        if solver.finished or self._is_due():
            self._try(solver)

    def between_steps(self, solver: Running) -> None:
        """Save before a step if the last save is old enough: steps may take longer than checks."""
        if self._is_due():
            self._try(solver)

    def _is_due(self) -> bool:
        now = time.monotonic()
        if self._last is None:
            self._last = now
        return now - self._last >= self._gap

    def _try(self, solver: Running) -> None:
        try:
            self.write(solver)
        except OSError as error:
            if not disk_full(error):
                raise
            self._last = time.monotonic()
            self._gap = self.seconds
            warnings.warn(
                f"{self.path}: disk full ({error.strerror}); the run goes on without this "
                "checkpoint and tries again later.",
                RuntimeWarning,
                stacklevel=3,
            )

    def write(self, solver: Running) -> None:
        """Save now.

        Raises:
            OSError: The file cannot be written; `disk_full` tells why.
        """
        began = time.monotonic()
        state = solver.state_dict()
        if self.config is not None:
            state["config"] = dict(self.config)
        with atomic_write(self.path) as temporary, temporary.open("w+b") as file:
            _save_sealed(state, file)
        self._last = time.monotonic()
        self._gap = max(self.seconds, (self._last - began) / SHARE)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a state that `Checkpoint` wrote, for `Solver.load_state_dict`.

    Nothing in the file is executed: it is read as tensors and plain values alone.

    Args:
        path: The file.

    Returns:
        The state, with its tensors on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is empty, damaged, incomplete or no checkpoint; the message says
            which.
    """
    with reading(path, "a checkpoint of inverse_inr", ("ZIP",)) as found:
        with found.open("rb") as file:
            _check_seal(file)
        try:
            state = torch.load(found, weights_only=True, map_location="cpu")
        except Exception as error:
            # the words of torch advise to load such a file with code and all
            raise ValueError(f"{type(error).__name__} while its values were read") from None
        if not isinstance(state, dict):
            raise ValueError(f"it holds {type(state).__name__}, not the state of a run")
        missing = sorted(KEYS - set(state))
        if missing:
            raise ValueError(f"incomplete: it lacks {', '.join(missing)}")
    return state


class _Hashing:
    """A file that is written through, hashed on the way; it remembers why a write failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.failure = error
            raise
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def _save_sealed(state: Record, file: IO[bytes]) -> None:
    """Write a state, and its digest as the comment of the ZIP archive that torch makes of it."""
    hashing: Any = _Hashing(file)
    try:
        torch.save(state, hashing)
    except RuntimeError:
        # torch reports a failed write as an assertion about positions in the archive
        if hashing.failure is not None:
            raise hashing.failure from None
        raise
    file.write(SEAL + hashing.digest.hexdigest().encode())
    file.seek(-LENGTH - 2, os.SEEK_END)
    file.write(LENGTH.to_bytes(2, "little"))  # of the comment; torch wrote none
    file.flush()


def _check_seal(file: IO[bytes]) -> None:
    """Refuse a file whose bytes are not those that were written.

    Raises:
        FileFormatError: The file is empty.
        ValueError: There is no digest, or another one.
    """
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise FileFormatError(
            f"{file.name}: expected a checkpoint of inverse_inr, found an empty file. "
            "A disk that was full?"
        )
    if size < LENGTH + 2:
        raise ValueError("too short")
    file.seek(-LENGTH, os.SEEK_END)
    seal = file.read()
    if not seal.startswith(SEAL):
        raise ValueError("the digest at its end is missing: cut off, or written by another program")
    file.seek(0)
    digest = hashlib.sha256()
    left = size - LENGTH - 2
    while left:
        block = file.read(min(left, 1 << 20))
        digest.update(block)
        left -= len(block)
    # the length of the comment was 0 when the digest was taken
    if int.from_bytes(file.read(2), "little") != LENGTH:
        raise ValueError("its bytes do not match the digest at its end")
    digest.update(b"\0\0")
    if digest.hexdigest().encode() != seal.removeprefix(SEAL):
        raise ValueError("its bytes do not match the digest at its end")
