"""Folders that are written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inverse_inr.io.files import PathLike


@contextmanager
def atomic_folder(path: PathLike, replaceable: Callable[[Path], bool], kind: str) -> Iterator[Path]:
    """Fill a folder under another name first, so that readers see the old one or the whole new one.

    Args:
        path: The folder; an empty one may be there already.
        replaceable: Tells of a folder that holds something whether it may be replaced.
        kind: What may be replaced, for the message: "zarr array".

    Yields:
        The temporary folder to write to.

    Raises:
        FileNotFoundError: The folder that is to hold it is missing.
        FileExistsError: There is something that may not be replaced.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: cannot write; the folder {target.parent} does not exist.")
    if target.exists() and not (target.is_dir() and (_empty(target) or replaceable(target))):
        raise FileExistsError(f"{path}: cannot write; it exists and is no {kind}.")
    temporary = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}"
    before = target.parent / f".{target.name[:32]}.{secrets.token_hex(6)}"
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            target.rename(before)  # it is removed when the new one stands in its place
        temporary.rename(target)
    finally:
        if before.exists() and not target.exists():
            before.rename(target)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _empty(folder: Path) -> bool:
    return not any(folder.iterdir())
