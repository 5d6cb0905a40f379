"""Names for components: built-in, from entry points loaded when asked for, and errors that offer the nearest name."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for error messages: the closest known name, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There is: {', '.join(known)}."


class Registry:
    """Components of one kind by name: the built-in ones, and those of installed plug-ins.

    `built_in` maps names to callables, or is a function that makes such a map when a name is first asked for.
    """

    def __init__(
        self, kind: str, group: str, built_in: dict[str, Any] | Callable[[], dict[str, Any]]
    ) -> None:
        self.kind, self.group, self.built_in = kind, group, built_in

    @cached_property
    def _known(self) -> dict[str, Any]:
        return dict(self.built_in() if callable(self.built_in) else self.built_in)

    def names(self) -> list[str]:
        return sorted({*self._known, *(e.name for e in entry_points(group=self.group))})

    def get(self, name: str) -> Callable[..., Any]:
        """The component; "my_file.py:name" loads it from a file. Raises ValueError for an unknown name."""
        if ".py:" in name:
            return load_object(name)
        if name not in self._known:
            found = [e for e in entry_points(group=self.group) if e.name == name]
            if not found:
                raise ValueError(f"Unknown {self.kind} {name!r}. {nearest(name, self.names())}")
            self._known[name] = found[0].load()
        return self._known[name]

    def call(self, name: str, *args: Any, **keywords: Any) -> Any:
        """Make the component, refusing unknown keywords by name."""
        component = self.get(name)
        check_keywords(f"{self.kind} {name!r}", component, keywords)
        return component(*args, **keywords)


def check_keywords(what: str, function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Raises ValueError for a keyword that `function` does not have, naming the nearest one it has."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in keywords:
        if key not in parameters:
            raise ValueError(f"{what} has no option {key!r}. {nearest(key, parameters)}")


def load_object(reference: str) -> Callable[..., Any]:
    """The object that "path/to/file.py:Name" names."""
    path, _, name = reference.rpartition(":")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{reference}: there is no file {path}.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise ValueError(
            f"{path} defines no {name!r}. {nearest(name, [n for n in vars(module) if n[0] != '_'])}"
        )
    return getattr(module, name)
