"""Configs by name: the presets that are installed with the library, and the data they need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from inverse_inr.command.catalogue import problems
from inverse_inr.command.tables import ConfigError, Table, read_tables
from inverse_inr.registry import nearest

VARIABLE = "INVERSE_INR_DATA"
"""The environment variable that names the folder of measured data."""

PREFIX = f"${VARIABLE}/"


def preset_names() -> list[str]:
    """List the names of the presets, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def _folder() -> Path:
    return Path(str(files(problems.group)))


def preset_text(name: str) -> str | None:
    """Read the text of a preset, with its comments; None where no preset has that name."""
    if name not in preset_names():
        return None
    return (_folder() / f"{name}.toml").read_text(encoding="utf-8")


def find_config(word: str) -> tuple[Table, str]:
    """Find the config that a word of the command line means.

    Args:
        word: A TOML file, the name of a preset or of a problem, or "my_file.py:problem".

    Returns:
        The tables, and where they are from, in words.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: The file is no config, or the name is unknown.
    """
    path = Path(word)
    if path.is_file():
        return read_tables(path), f"config {path.absolute()}"
    if ".py:" in word:
        return {"problem": {"name": word}}, f"problem {word}"
    if word in preset_names():
        preset = _folder() / f"{word}.toml"
        return read_tables(preset), f"preset {word} ({preset})"
    if word in problems:
        return {"problem": {"name": word}}, f"problem {word}"
    if path.suffix or len(path.parts) > 1 or path.is_dir():
        hint = ""
        if path.stem in preset_names():
            hint = f" There is a preset of that name: inverse-inr run {path.stem} --out OUT"
        raise FileNotFoundError(f"There is no config {word}.{hint}")
    known = {*preset_names(), *problems.names()}
    raise ConfigError(
        f"{word!r} is neither a file nor the name of a preset or a problem. {nearest(word, known)}"
    )


def without_example(tables: Table, keywords: Mapping[str, Sequence[str]]) -> str:
    """Leave the settings of a preset's own example out where the user's file was measured.

    A preset of a simulation says how large its example is and how much noise it is given, and none
    of that holds for a file of another camera.

    Args:
        tables: A preset's tables. With the words `--measured true`, [problem] keeps only its name.
        keywords: The words of the command line.

    Returns:
        What was left out, in words; "" if nothing was.
    """
    table = tables.get("problem", {})
    left = [key for key in table if key not in ("name", *(k.replace("-", "_") for k in keywords))]
    if keywords.get("measured") != ["true"] or not left:
        return ""
    tables["problem"] = {"name": table["name"]}
    return f"measured: left out of the preset, which describe its example: {', '.join(left)}"


def with_data_folder(table: Table) -> Table:
    """Put the folder that INVERSE_INR_DATA names into the paths of a table that ask for it.

    Args:
        table: [problem], whose paths may begin with "$INVERSE_INR_DATA/".

    Returns:
        The table with whole paths.

    Raises:
        FileNotFoundError: The variable is not set, or a file is not in that folder; the message
            says what to set.
    """
    return {key: _whole(key, value) for key, value in table.items()}


def _whole(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(key, part) for part in value]
    if not (isinstance(value, str) and value.startswith(PREFIX)):
        return value
    name = value.removeprefix(PREFIX)
    own = f"or name a file of your own: --{key.replace('_', '-')} FILE."
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise FileNotFoundError(
            f"[problem] {key} = {value!r}: {VARIABLE} is not set. "
            f"Set it to the folder that holds {name}, {own}"
        )
    path = Path(folder) / name
    if not path.exists():
        raise FileNotFoundError(
            f"[problem] {key} = {value!r}: there is no {name} in {folder}. "
            f"Set {VARIABLE} to the folder that holds it, {own}"
        )
    return str(path)
