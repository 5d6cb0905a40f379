"""A run's folder: what a run writes there, and how that, and nothing else, is removed."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from inverse_inr.command.lock import NAME as LOCK
from inverse_inr.command.reporting import write_json
from inverse_inr.command.tables import ConfigError

RECORD = "config.json"
MORE = "files.json"
"""SHA-256 of each file that the problem's own `Suggestion.write` added, by its name."""

TRIALS = "trials"
"""The folder in which a run keeps the states of fits between which it decides, until it has."""
TRIAL = re.compile(r"fit-[\d-]+\.pt", re.ASCII)

DEVIATION = "uncertainty.npz"
"""One standard deviation of each pixel, where a run was asked for it."""

TRUTH = "truth.npz"
"""What is sought, on the grid of the image, where a simulation knows it."""

LIVE = "watch.png"
LIVE_RECORD = "watch.json"
"""The image and the history of a fit as it goes on, which `--watch` renews."""

OURS = (
    RECORD,
    DEVIATION,
    TRUTH,
    LIVE,
    LIVE_RECORD,
    "state.pt",
    "table.json",
    "figure.png",
    "history.json",
    "image.npz",
    "image.nii.gz",
    "field.safetensors",
    "methods.json",
    "verdict.json",
    MORE,
)
"""All that a run writes by itself, beside the images of classical methods."""

IMAGE_OF_METHOD = re.compile(r"baseline-[\w%.~-]+\.npz", re.ASCII)
ORPHAN = re.compile(r"\.(.{1,32})\.[0-9a-f]{12}((?:\.\w+)*)", re.DOTALL)
"""The name under which `io.files.atomic_write` begins a file; it is left by a process that died."""


def image_name(method: str) -> str:
    """Name the file that keeps the image of a classical method."""
    return f"baseline-{quote(method, safe='')}.npz"


def read_record(out: Path) -> dict[str, Any]:
    """Read the record of the run or comparison in a folder.

    Raises:
        FileNotFoundError: The folder holds none.
        ConfigError: The record is damaged.
    """
    path = out / RECORD
    if not path.exists():
        raise FileNotFoundError(f"{out} holds no run (there is no {RECORD}).")
    record = read_json(path)
    kinds = {"config": dict}
    if isinstance(record, dict) and "priors" in record:
        kinds |= {"priors": list, "seeds": int, "options": dict, "command": str}
    for key, kind in kinds.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise ConfigError(f"{path} is damaged: {key!r} is missing or no {kind.__name__}.")
    return record


def read_json(path: Path) -> Any:
    """Read a JSON file that a run wrote.

    Raises:
        ConfigError: The file is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}.") from None


def is_free(out: Path) -> bool:
    """Say whether nothing lies in a folder but a lock and what killed writes left."""
    return all(path.name == LOCK or _is_orphan(path) for path in out.iterdir())


def require_free(out: Path, why: str = "may hold another run") -> None:
    """Refuse a folder in which anything lies but a lock and what killed writes left.

    Args:
        out: The folder.
        why: What its files mean, for the message.

    Raises:
        ConfigError: It is not empty.
    """
    if not is_free(out):
        raise ConfigError(f"{out} is not empty and {why}. Choose another --out, or pass --force.")


def record_more(out: Path, paths: Sequence[Path]) -> None:
    """Keep the names of the modality's own files, by which `removable` knows them again."""
    digests = {path.relative_to(out).as_posix(): _digest(path) for path in paths}
    write_json(out / MORE, digests)


def removable(out: Path) -> list[Path]:
    """List the files in a folder that a run wrote there, and that a new run may remove.

    Returns:
        Regular files in the folder, or one level below. None is reached through a link.

    Raises:
        ConfigError: The folder's record names anything else, or something else stands in the place
            of a file of ours. Then nothing may be removed.
    """
    names = [*OURS, *(p.name for p in out.iterdir() if IMAGE_OF_METHOD.fullmatch(p.name))]
    names += [f"{TRIALS}/{path.name}" for path in _trials(out)]
    found = [path for name in names if (path := _regular(out, name)) is not None]
    recorded = {}
    if out / MORE in found:
        recorded = read_json(out / MORE)
    if isinstance(recorded, list):
        recorded = dict.fromkeys(map(str, recorded), "")
    if not isinstance(recorded, dict):
        raise ConfigError(f"{out / MORE} is damaged: it names no files. Nothing was removed.")
    for name, digest in recorded.items():
        path = _regular(out, name)
        if path is None:
            continue
        if _digest(path) != digest:
            raise ConfigError(
                f"{out / MORE} names {name!r}, which is not what a run wrote there. Nothing was "
                f"removed: move {path} away, or choose another --out."
            )
        found.append(path)
    return found


def regular_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """List those of some plain names in a folder that are files.

    Raises:
        ConfigError: A name leads elsewhere, or to something else than a file.
    """
    return [path for name in names if (path := _regular(folder, name)) is not None]


def _trials(out: Path) -> list[Path]:
    """The states of fits in a folder of ours, which is no link."""
    folder = out / TRIALS
    if not folder.is_dir() or folder.is_symlink():
        return []
    return [path for path in folder.iterdir() if TRIAL.fullmatch(path.name)]


def remove_trials(out: Path) -> None:
    """Remove the states of the fits between which a run has decided, and nothing beside them."""
    found = regular_files(out, [f"{TRIALS}/{path.name}" for path in _trials(out)])
    for path in found:
        path.unlink()
    folder = out / TRIALS
    if found:
        remove_orphans(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _regular(out: Path, name: str) -> Path | None:
    """The file of a name inside the folder; None where there is none."""
    parts = name.split("/")
    plain = all(part and part not in (".", "..") and not set(part) & set("\\\0") for part in parts)
    if not plain or len(parts) > 2 or PurePosixPath(name).is_absolute():
        raise ConfigError(
            f"{out / MORE} names {name!r}, which is no file inside the folder. Nothing was removed."
        )
    path = out / name
    for place, is_right, kind in (
        (path.parent, stat.S_ISDIR, "folder"),
        (path, stat.S_ISREG, "file"),
    ):
        if place == out:
            continue
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not is_right(mode):
            raise ConfigError(
                f"{name}: {place} is no {kind} that a run wrote (a link?). Nothing was removed."
            )
    return path


def clear(out: Path) -> None:
    """Remove from a folder what an earlier run wrote: never anything else. See `removable`."""
    found = removable(out)
    for path in found:
        path.unlink()
    for folder in {path.parent for path in found} - {out}:
        if not any(folder.iterdir()):
            folder.rmdir()


def remove_orphans(out: Path) -> None:
    """Remove what writes that were killed left in a folder whose lock is held."""
    for path in out.iterdir():
        if _is_orphan(path):
            path.unlink()


def _is_orphan(path: Path) -> bool:
    found = ORPHAN.fullmatch(path.name)
    if found is None or not stat.S_ISREG(path.lstat().st_mode):
        return False
    begun, suffix = found.groups()
    return len(begun) == 32 or begun.lower().endswith(suffix)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
