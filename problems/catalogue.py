"""The problems that the command line can run: found in the folders of `inverse_inr.problems`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

from inverse_inr import Problem
from inverse_inr import problems as package


def problems() -> dict[str, Callable[..., Problem]]:
    """Return, by name, the functions that return a `Problem`.

    Each is exported by a folder of `inverse_inr.problems`, or defined in a module next to these
    folders. A new folder needs no entry anywhere: what its `__init__` exports is found.

    Raises:
        ImportError: If two of them have one name.
    """
    found: dict[str, Callable[..., Problem]] = {}
    for room in _rooms():
        for name, function in _problems_of(importlib.import_module(room)).items():
            if name in found:
                raise ImportError(
                    f"Two problems are called {name!r}: in {found[name].__module__} and in {room}."
                )
            found[name] = function
    return found


@cache
def problem(name: str) -> Callable[..., Problem] | None:
    """Find the problem of one name, importing only the rooms whose text has that name as a word.

    Args:
        name: The name.

    Returns:
        The function; None if there is none in those rooms.
    """
    word = re.compile(rf"\b{re.escape(name)}\b")
    for room in _rooms():
        spec = importlib.util.find_spec(room)
        if spec is None or spec.origin is None:
            continue
        if word.search(Path(spec.origin).read_text(encoding="utf-8")):
            found = _problems_of(importlib.import_module(room)).get(name)
            if found is not None:
                return found
    return None


def _rooms() -> Iterator[str]:
    """The names of the folders and modules that may have problems."""
    for room in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if room.name != __name__:
            yield room.name


def _problems_of(room: ModuleType) -> dict[str, Callable[..., Problem]]:
    """The problems that a module exports and that are defined in it or below it."""
    return {
        name: function
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__.startswith(room.__name__)
        and _makes_a_problem(function)
    }


def _makes_a_problem(function: FunctionType) -> bool:
    made = function.__annotations__.get("return")
    if isinstance(made, str):
        made = inspect.unwrap(function).__globals__.get(made)
    return isinstance(made, type) and issubclass(made, Problem)
