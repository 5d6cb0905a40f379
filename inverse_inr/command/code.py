"""Code that a config names, "my_file.py:name": said before it runs, and known again at `resume`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inverse_inr.command.tables import ConfigError, Table
from inverse_inr.registry import code_digest

Digests = dict[str, str]
"""SHA-256 of each file by its absolute path."""


def with_absolute_code(tables: Table) -> Table:
    """Write every "my_file.py:name" of a config with the file's absolute path.

    Args:
        tables: The tables. A relative path begins at the folder in which the command runs.

    Returns:
        The tables, changed where they name code.
    """
    changed: Table = {}
    for section, table in tables.items():
        if isinstance(table, list):
            changed[section] = [_absolute(part) for part in table]
        else:
            changed[section] = _absolute(table)
    return changed


def _absolute(table: Table) -> Table:
    name = table.get("name")
    if not _is_code(name):
        return table
    path, _, what = str(name).rpartition(":")
    return {**table, "name": f"{Path(path).absolute()}:{what}"}


def _is_code(name: Any) -> bool:
    return isinstance(name, str) and ".py:" in name


def code_of(tables: Table, more: Iterable[str] = ()) -> Digests:
    """Find the files whose code a config runs, without running any.

    Args:
        tables: The tables.
        more: Further names of components, e.g. the priors of a comparison.

    Returns:
        The SHA-256 of each file by its absolute path.

    Raises:
        ConfigError: There is no such file.
    """
    names = list(more)
    for table in tables.values():
        parts = table if isinstance(table, list) else [table]
        names += [part["name"] for part in parts if "name" in part]
    found: Digests = {}
    for name in filter(_is_code, names):
        path = str(Path(name.rpartition(":")[0]).absolute())
        try:
            found[path] = code_digest(name)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{error} A relative path begins at the folder in which the command runs."
            ) from None
    return found


def announce(code: Mapping[str, str]) -> None:
    """Print which files will be run as code, before that happens."""
    for path, digest in code.items():
        print(f"runs code of {path} (sha256 {digest[:16]})", flush=True)


def check_unchanged(before: Any, now: Mapping[str, str], out: Path) -> None:
    """Refuse code that is not the code with which a run began.

    Args:
        before: What the run's record says of its code.
        now: The files as they are now.
        out: The run's folder.

    Raises:
        ConfigError: A file changed, or the record does not know it.
    """
    known = before if isinstance(before, dict) else {}
    for path, digest in now.items():
        if path not in known:
            raise ConfigError(
                f"{out / 'config.json'} names code of {path} but not its sha256: it is not run."
            )
        if known[path] != digest:
            raise ConfigError(
                f"{path} changed since the run in {out} began (sha256 {str(known[path])[:16]}, "
                f"now {digest[:16]}). Put the old code back, or run again with --force."
            )
