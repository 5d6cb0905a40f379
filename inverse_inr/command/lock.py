"""One folder, one process: a lock file that says who works there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from inverse_inr.command.tables import ConfigError

NAME = ".lock"
"""The file in a run's folder. The system frees the lock when the process ends, however it ends."""

PAUSE = 0.2
"""Seconds between two looks at a lock that is waited for."""


@contextlib.contextmanager
def locked(out: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it does not exist.

    The file stays after a process was killed, and the next one takes it over. A folder that was
    made for the lock and is still empty at the end is removed again.

    Args:
        out: The folder.
        wait: Wait until another process is done, instead of being refused.

    Raises:
        ConfigError: Another process works in the folder; the message names it.
        NotADirectoryError: `out` is a file.
    """
    made = _made(out)
    try:
        file = _taken(out / NAME, wait)
        try:
            yield
        finally:
            (out / NAME).unlink(missing_ok=True)
            file.close()
    finally:
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _made(out: Path) -> list[Path]:
    """The folders that had to be made, the innermost first."""
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; --out names a folder.")
    new = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    return new


def _taken(path: Path, wait: bool) -> IO[str]:
    told = False
    while True:
        if path.is_symlink():
            raise ConfigError(f"{path} is a link; a lock is a file. Remove it.")
        path.parent.mkdir(parents=True, exist_ok=True)  # the last holder may have removed it
        file = path.open("a+")
        if _try_lock(file):
            if _is_still_there(file, path):
                break
        elif not wait:
            who = _holder(file)
            file.close()
            raise ConfigError(
                f"Another run works in {path.parent}: {who}. "
                "Wait for it with --wait, or choose another --out."
            )
        elif not told:
            print(f"waits for {_holder(file)}", file=sys.stderr, flush=True)
            told = True
        file.close()
        time.sleep(PAUSE)
    file.truncate(0)
    me = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    with contextlib.suppress(OSError):  # the lock holds on a full disk too, only without a name
        file.write(json.dumps(me))
        file.flush()
    return file


def _try_lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(4096)  # beyond the text, which others read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_there(file: IO[str], path: Path) -> bool:
    """Whether the file is the one of that name: the last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _holder(file: IO[str]) -> str:
    """Who holds the lock, as its file says."""
    file.seek(0)
    try:
        who = json.loads(file.read())
        return f"process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that is just beginning"
