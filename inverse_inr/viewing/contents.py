"""What there is to see of one folder: images, pictures, surfaces, curves and a table."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Role = Literal["result", "method", "truth", "deviation"]
"""What an image is: what was reconstructed, by another method, what is sought, or how unsure."""


@dataclass(frozen=True)
class Volume:
    """An image of any dimension in a `.npz` file.

    Args:
        title: Its name on the page, alone of its kind in its folder.
        path: The file.
        role: What it is. Images of all roles but "deviation" share one window.
    """

    title: str
    path: Path
    role: Role = "method"


@dataclass(frozen=True)
class Curve:
    """Records of how a fit converged.

    Args:
        title: The fit's name.
        records: Each with a "step", with "seconds" and with numbers by name.
    """

    title: str
    records: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Contents:
    """All that there is to see of one folder.

    Args:
        name: The folder's name on the page.
        folder: The folder, resolved. Nothing outside it is read.
        state: "finished", "running" or "unfinished".
        notes: What is missing or damaged, in sentences.
        volumes: The images, in the order in which they are shown.
        pictures: PNG files.
        live: A PNG file that a running fit renews.
        surfaces: PLY files.
        curves: How fits converged.
        weights: Held-out misfits by the weights that were tried, as text; empty where none were.
        weight: The weight that was chosen.
        table: Rows with the measures of each method, by column.
        verdict: What held-out measurements say, in a sentence.
        config: What the folder was made by.
    """

    name: str
    folder: Path
    state: Literal["finished", "running", "unfinished"]
    notes: Sequence[str] = ()
    volumes: Sequence[Volume] = ()
    pictures: Sequence[Path] = ()
    live: Path | None = None
    surfaces: Sequence[Path] = ()
    curves: Sequence[Curve] = ()
    weights: dict[str, float] = field(default_factory=dict)
    weight: float | None = None
    table: Sequence[dict[str, Any]] = ()
    verdict: str = ""
    config: dict[str, Any] = field(default_factory=dict)


def inside(folder: Path, path: Path) -> Path:
    """Make sure that a path is a regular file in a folder, reached through no link.

    Args:
        folder: The folder, resolved.
        path: The path, beginning with the folder.

    Returns:
        The path.

    Raises:
        FileNotFoundError: It is anything else; the message does not say what.
    """
    refusal = FileNotFoundError(f"{path.name} is no file of this folder.")
    if not path.is_relative_to(folder) or ".." in path.parts:
        raise refusal
    place = folder
    mode = stat.S_IFDIR
    for part in path.relative_to(folder).parts:
        place = place / part
        try:
            mode = place.lstat().st_mode
        except (OSError, ValueError):
            raise refusal from None
        if stat.S_ISLNK(mode):
            raise refusal
    if not stat.S_ISREG(mode):
        raise refusal
    return path


def version(path: Path) -> str:
    """Name the state of a file, so that a browser asks again only for what has changed.

    Args:
        path: The file.

    Returns:
        Its time and size; "" where there is none.
    """
    try:
        found = path.lstat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"
