"""What there is to see of a run's or a comparison's folder, finished or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from inverse_inr.command.cell import Cell
from inverse_inr.command.folder import (
    DEVIATION,
    IMAGE_OF_METHOD,
    LIVE,
    LIVE_RECORD,
    MORE,
    RECORD,
    TRUTH,
    read_json,
    read_record,
)
from inverse_inr.command.lock import NAME as LOCK
from inverse_inr.command.tables import ConfigError
from inverse_inr.viewing import Contents, Curve, Volume, inside

IMAGE = "image.npz"
FIGURE = "figure.png"
CELL = "cell.json"


def found(folder: Path) -> Contents:
    """Find what there is to see of a folder.

    A file that is damaged or not there yet is named in `notes`; all others are shown.

    Args:
        folder: The folder of a run or of a comparison.

    Raises:
        FileNotFoundError: It holds neither, or its record is a link.
        ConfigError: Its record is damaged.
    """
    read_record(folder)
    whole = folder.resolve()
    inside(whole, whole / RECORD)
    return _Found(whole, str(folder)).contents()


@dataclass
class _Found:
    """A folder that is looked through.

    Args:
        folder: The folder, resolved.
        name: How the user named it.
        notes: What is missing or damaged; it grows on the way.
    """

    folder: Path
    name: str
    notes: list[str] = field(default_factory=list)

    def contents(self) -> Contents:
        record = read_record(self.folder)
        state = self._state(record)
        history = self._dictionary("history.json")
        contents = Contents(
            self.name,
            self.folder,
            state,
            pictures=[*self._there(FIGURE), *self._more(".png")],
            surfaces=self._more(".ply"),
            table=self._table(),
            verdict=str(self._dictionary("verdict.json").get("text", "")),
            config=record["config"],
            weights=_misfits(_section(history, "details").get("held-out by weight")),
            weight=_number(_section(history, "details").get("weight")),
        )
        if "priors" in record:
            contents = self._with_cells(contents)
        else:
            contents = self._with_fit(contents, history)
        return replace(contents, notes=[*self._said(state, contents), *self.notes])

    def _state(self, record: dict[str, Any]) -> Literal["finished", "running", "unfinished"]:
        if record.get("finished") is True:
            return "finished"
        return "running" if (self.folder / LOCK).is_file() else "unfinished"

    def _said(self, state: str, contents: Contents) -> Iterator[str]:
        """Sentences on what is not there yet."""
        if state == "finished":
            return
        now = "This run has not finished; a process works in its folder."
        if state == "unfinished":
            now = f"This run has not finished. Continue it: inverse-inr resume {self.name}"
        yield now
        if not any(volume.role != "truth" for volume in contents.volumes):
            yield "There is no image yet: the first one is written when a fit or a method is done."

    def _with_fit(self, contents: Contents, history: dict[str, Any]) -> Contents:
        """The images and the curves of a run."""
        live = self._there(LIVE) if contents.state != "finished" else []
        if not history and contents.state != "finished":
            history = self._dictionary(LIVE_RECORD)
        title = str(history.get("method", "result"))
        curves = []
        records = history.get("history")
        if isinstance(records, list) and records:
            curves = [Curve(title, [each for each in records if isinstance(each, dict)])]
        return replace(
            contents,
            volumes=sorted(self._volumes(title), key=_order(contents.table)),
            curves=curves,
            live=live[0] if live else None,
        )

    def _volumes(self, title: str) -> Iterator[Volume]:
        present = sorted(path.name for path in self.folder.iterdir())
        if TRUTH in present:
            yield Volume("truth", self.folder / TRUTH, "truth")
        for name in filter(IMAGE_OF_METHOD.fullmatch, present):
            method = unquote(name.removeprefix("baseline-").removesuffix(".npz"))
            yield Volume(method, self.folder / name)
            if method == title:  # a run that decides may choose a method, and make it anew
                title = f"{method}, the result"
        if IMAGE in present:
            yield Volume(title, self.folder / IMAGE, "result")
        if DEVIATION in present:
            yield Volume("standard deviation", self.folder / DEVIATION, "deviation")

    def _with_cells(self, contents: Contents) -> Contents:
        """The images and the curves of a comparison: a cell for each method and seed."""
        volumes = [Volume("truth", path, "truth") for path in self._there(TRUTH)]
        curves = []
        cells = self.folder / "cells"
        records = self._there(
            *sorted(f"cells/{p.parent.name}/{CELL}" for p in cells.glob(f"*/{CELL}"))
        )
        for cell in filter(None, (Cell.read(record.parent) for record in records)):
            title = f"{cell.method}, seed {cell.seed}"
            if cell.failed:
                self.notes.append(f"{title} {cell.remark}")
                continue
            role = "result" if cell.history else "method"
            volumes.append(Volume(title, cell.folder / IMAGE, role))
            if cell.history:
                curves.append(Curve(title, cell.history))
        return replace(contents, volumes=volumes, curves=curves)

    def _there(self, *names: str) -> list[Path]:
        """The files of some names that are in the folder itself; others are noted."""
        found = []
        for name in names:
            path = self.folder / name
            try:
                found.append(inside(self.folder, path))
            except FileNotFoundError:
                if path.exists():
                    self._note(f"{name} is no file of this folder (a link?), and is not shown.")
        return found

    def _more(self, suffix: str) -> list[Path]:
        """The modality's own files of a kind, as `files.json` names them."""
        names = [name for name in self._dictionary(MORE) if name.lower().endswith(suffix)]
        return self._there(*names)

    def _table(self) -> list[dict[str, Any]]:
        rows = self._json("table.json", [])
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return rows
        self.notes.append("table.json is damaged: it holds no rows.")
        return []

    def _dictionary(self, name: str) -> dict[str, Any]:
        content = self._json(name, {})
        if isinstance(content, dict):
            return content
        self.notes.append(f"{name} is damaged: it holds {type(content).__name__}.")
        return {}

    def _json(self, name: str, default: Any) -> Any:
        """What a JSON file says; the default, with a note, where it is damaged or a link."""
        path = self.folder / name
        if path.is_symlink():
            self._note(f"{name} is a link, which is not followed.")
            return default
        try:
            return read_json(path)
        except FileNotFoundError:
            return default
        except (ConfigError, OSError) as error:
            self._note(f"{name} is damaged: {error}")
            return default

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _order(table: Sequence[dict[str, Any]]) -> Callable[[Volume], tuple[int, int]]:
    """The truth first, then methods as the table has them, the result, and how unsure it is."""
    roles = ("truth", "method", "result", "deviation")
    rows = [row.get("method") for row in table]

    def place(volume: Volume) -> tuple[int, int]:
        row = rows.index(volume.title) if volume.title in rows else len(rows)
        return roles.index(volume.role), row

    return place


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}


def _misfits(path: Any) -> dict[str, float]:
    """Misfits by weights, where a run kept them."""
    if not isinstance(path, dict):
        return {}
    pairs = {weight: _number(misfit) for weight, misfit in path.items()}
    return {weight: misfit for weight, misfit in pairs.items() if misfit is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None
