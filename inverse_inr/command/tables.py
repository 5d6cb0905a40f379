"""The tables of a config: read from TOML, changed by the command line, checked by signatures."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverse_inr.command.catalogue import problems
from inverse_inr.command.records import Key, arguments, keys_of, unknown_key
from inverse_inr.registry import Registry, nearest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Table = dict[str, Any]


class ConfigError(ValueError):
    """A config that cannot be run; the message says where it is wrong."""


def read_tables(path: str | Path) -> Table:
    """Read what a TOML file says, not yet checked.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: The file is no valid TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no config {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid TOML: {error}.") from None


def override(tables: Table, assignments: Iterable[str]) -> None:
    """Put assignments into the tables.

    Args:
        tables: They are changed in place.
        assignments: Texts "section.key=value"; a value is read as in TOML, else it is the text.

    Raises:
        ConfigError: A text has another form.
    """
    for assignment in assignments:
        key, _, value = assignment.partition("=")
        section, _, name = key.strip().partition(".")
        if not name or not value:
            raise ConfigError(
                f"--set {assignment!r}: write section.key=value, e.g. solver.steps=200."
            )
        tables.setdefault(section, {})[name] = _parsed(value)


def set_keywords(tables: Table, keywords: Mapping[str, Sequence[str]]) -> None:
    """Put the command line's own words into [problem].

    Args:
        tables: They are changed in place.
        keywords: The words after each `--key`. Several words are a list, and so is one word where
            the problem asks for a list.
    """
    table = tables.setdefault("problem", {})
    known: dict[str, Key] = {}
    if "name" in table:
        known = keys_of(problems.get(table["name"]))
    for key, words in keywords.items():
        name = key.replace("-", "_")
        values = [_parsed(word) for word in words]
        is_list = len(values) > 1
        if name in known and not _fits(values[0], known[name].annotation):
            is_list = True
        table[name] = values if is_list else values[0]


def _parsed(text: str) -> Any:
    """A value as in TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
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
    try:
        component = registry.get(table["name"])
    except ValueError as error:
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
    for key, value in keywords.items():
        if key in known:
            _check_value(f"{where}: {key}", value, known[key].annotation)
    needed = [name for name, key in known.items() if key.required and name not in taken]
    missing = [name for name in needed if name not in keywords]
    if missing:
        raise ConfigError(f"{where} needs {', '.join(missing)}.")
    try:
        arguments(component, keywords, taken)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_value(what: str, value: object, annotation: Any) -> None:
    from pydantic import ValidationError

    if annotation is inspect.Parameter.empty:
        return
    try:
        _adapter(annotation).validate_python(value)
    except ValidationError as error:
        detail = "; ".join(e["msg"] for e in error.errors()[:3])
        raise ConfigError(f"{what} = {value!r}. {detail}.") from None


def _fits(value: object, annotation: Any) -> bool:
    from pydantic import ValidationError

    try:
        _adapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
