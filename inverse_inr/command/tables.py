"""The tables of a config: read from TOML, changed by the command line, checked by signatures."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inverse_inr.command.catalogue import problems
from inverse_inr.command.records import Key, arguments, keys_of, unknown_key
from inverse_inr.command.values import fits
from inverse_inr.devices import chosen_device, chosen_precision
from inverse_inr.registry import Registry, nearest

Table = dict[str, Any]

RUN = ("problem", "prior", "regularizers", "stopping", "optimizer", "solver", "baselines")
SECTIONS = (*RUN, "tasks", "family", "training")
"""The tables that a config may have; [[regularizers]] is a list of tables. The last three are of
`train` alone."""


class ConfigError(ValueError):
    """A config that cannot be run; the message says where it is wrong."""


def read_tables(path: str | Path) -> Table:
    """Read what a TOML file says, not yet checked.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: The file is no valid TOML.
    """
    try:
        tables = tomllib.loads(Path(path).read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no config {path}.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid TOML: {error}.") from None
    check_sections(tables)
    return tables


def check_sections(tables: object) -> None:
    """Refuse tables of unknown names, and values where a table is meant.

    Raises:
        ConfigError: One of the tables is wrong; the message names it.
    """
    if not isinstance(tables, dict):
        raise ConfigError(f"A config is a set of tables, not {tables!r}.")
    for name, table in tables.items():
        if name not in SECTIONS:
            raise ConfigError(f"Unknown table [{name}]. {nearest(str(name), SECTIONS)}")
        if name == "regularizers":
            if not (isinstance(table, list) and all(isinstance(part, dict) for part in table)):
                raise ConfigError(
                    "[regularizers] is a list of tables: write [[regularizers]] before each."
                )
        elif isinstance(table, list):
            raise ConfigError(f"[[{name}]]: there is one such table; write [{name}].")
        elif not isinstance(table, dict):
            raise ConfigError(f"{name} = {table!r} is no table; write [{name}] and its keys below.")


def override(tables: Table, assignments: Iterable[str]) -> None:
    """Put assignments into the tables.

    Args:
        tables: They are changed in place.
        assignments: Texts "section.key=value", or deeper ones such as "regularizers.0.weight=2",
            where a part of a list has its number. A value is read as in TOML, else it is the text.

    Raises:
        ConfigError: A text has another form, or names no place.
    """
    for assignment in assignments:
        path, _, value = assignment.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if len(keys) < 2 or not all(keys) or not value:
            raise ConfigError(
                f"--set {assignment!r}: write section.key=value, e.g. solver.steps=200."
            )
        place: Any = tables
        for depth, key in enumerate(keys[:-1]):
            place = _inner(tables, place, key, keys[depth + 1], assignment)
        _assign(place, keys[-1], _parsed(value), assignment)


def _inner(tables: Table, place: Any, key: str, following: str, assignment: str) -> Any:
    """The table or list that a key names, made where there is none."""
    if isinstance(place, list):
        at = _position(place, key, assignment)
        if at == len(place):
            place.append({})
        found = place[at]
    else:
        if key not in place:
            is_list = following == "0" or (place is tables and key == "regularizers")
            place[key] = [] if is_list else {}
        found = place[key]
    if not isinstance(found, dict | list):
        raise ConfigError(f"--set {assignment!r}: {key} is {found!r}, which has no parts.")
    return found


def _assign(place: Any, key: str, value: Any, assignment: str) -> None:
    if isinstance(place, list):
        at = _position(place, key, assignment)
        place[at : at + 1] = [value]
    else:
        place[key] = value


def _position(place: Sequence[Any], key: str, assignment: str) -> int:
    """Where in a list a key points: one of its parts, or the place behind them."""
    if key.isdecimal() and int(key) <= len(place):
        return int(key)
    if not place:
        raise ConfigError(
            f"--set {assignment!r}: this config has no [[regularizers]], so those that the problem "
            "suggests hold. Name one first: --set regularizers.0.name=total_variation."
        )
    listed = ", ".join(f"{k} ({part.get('name')})" for k, part in enumerate(place) if part)
    if not all(isinstance(part, dict) for part in place):
        listed = f"0 to {len(place) - 1}"
    raise ConfigError(
        f"--set {assignment!r}: here stands a list, whose parts have numbers: {listed}. "
        "E.g. regularizers.0.weight=2."
    )


def set_keywords(tables: Table, keywords: Mapping[str, Sequence[str]]) -> None:
    """Put the command line's own words into [problem].

    Args:
        tables: They are changed in place.
        keywords: The words after each `--key`. Several words are a list, and so is one word where
            the problem asks for a list.
    """
    table = tables.setdefault("problem", {})
    known: dict[str, Key] = {}
    if isinstance(table.get("name"), str):
        known = keys_of(problems.get(table["name"]))
    for key, words in keywords.items():
        name = key.replace("-", "_")
        annotation = known[name].annotation if name in known else inspect.Parameter.empty
        table[name] = _of_words(words, annotation)


def _of_words(words: Sequence[str], annotation: Any) -> Any:
    """The words as what the annotation takes: values as in TOML, else texts; one, else a list."""
    values = [_parsed(word) for word in words]
    readings = [values, list(words)]
    if len(words) == 1:
        readings = [values[0], values, words[0], list(words)]
    for reading in readings:
        if fits(reading, annotation):
            return reading
    return readings[0]


def _parsed(text: str) -> Any:
    """A value as in TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def check_component(
    section: str,
    registry: Registry,
    table: Table,
    *,
    extra: tuple[str, ...] = (),
    taken: tuple[str, ...] = (),
) -> None:
    """Check a table that names a component against that component's signature.

    Args:
        section: The table's name in the config.
        registry: Where the component is looked up.
        table: The component's name and its keywords.
        extra: Keys that are not the component's.
        taken: Parameters that the library fills in, so that a table may not.

    Raises:
        ConfigError: The name or a key is unknown, a value does not fit, or one is missing.
    """
    if "name" not in table:
        raise ConfigError(f"[{section}] needs a name. {nearest('', registry.names())}")
    if not isinstance(table["name"], str):
        raise ConfigError(
            f"[{section}] name = {table['name']!r} must be the name of a {registry.kind}."
        )
    try:
        component = registry.get(table["name"])
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(f"[{section}] {error}") from None
    keywords = {k: v for k, v in table.items() if k not in ("name", *extra)}
    check_keywords(f"[{section}] {table['name']}", component, keywords, taken)


def check_keywords(
    where: str, component: Callable[..., Any], keywords: Table, taken: tuple[str, ...]
) -> None:
    """Check names against a signature and values against its annotations, those of records too.

    Args:
        where: How error messages begin.
        component: What will be called.
        keywords: The flat keys that it will be called with.
        taken: Parameters that the library fills in.

    Raises:
        ConfigError: A key is unknown, a value does not fit, or one is missing.
    """
    try:
        known = keys_of(component, taken)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from None
    for key in keywords:
        if key in taken:
            raise ConfigError(f"{where}: {key!r} is not set here.")
        if reason := unknown_key(component, key, known):
            raise ConfigError(f"{where}: {reason}")
    needed = [name for name, key in known.items() if key.required and name not in taken]
    missing = [name for name in needed if name not in keywords]
    if missing:
        raise ConfigError(f"{where} needs {', '.join(missing)}.")
    try:
        arguments(component, keywords, taken)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def anywhere(tables: Table) -> Table:
    """Return a config without the device on which it is solved, by which no two runs differ.

    Args:
        tables: The config's tables, by name.
    """
    solver = {k: v for k, v in tables.get("solver", {}).items() if k != "device"}
    found = {k: v for k, v in tables.items() if k != "solver"}
    if solver:
        found["solver"] = solver
    return found


def check_place(solver: Table) -> None:
    """Refuse a device that is not there, or a precision that is none, before work starts.

    Args:
        solver: The table [solver].

    Raises:
        ConfigError: The message names it, and what there is.
    """
    try:
        if "device" in solver:
            chosen_device(solver["device"])
        if "dtype" in solver:
            chosen_precision(solver["dtype"])
    except ValueError as error:
        raise ConfigError(f"[solver] {error}") from None
