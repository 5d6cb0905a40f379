"""Every public name of the library, with the page of the reference on which it stands.

A public name is a class, a function or a documented value whose name and modules have no leading
underscore. It is called by the shortest path that leads to it: what a room's front door exports is
`inverse_inr.ROOM.NAME`. The command line's own modules are left out; what they do is on the page of
the command line.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import inverse_inr

LEFT_OUT = ("command", "__main__")
GROUPS = ("operators", "problems")
"""Packages whose folders are rooms of their own."""


@dataclass(frozen=True)
class Name:
    """A public name.

    path    dotted, as users import it
    kind    "class", "function" or "data", the words of autodoc
    page    the room that documents it, e.g. "operators.ct"
    module  where it is defined
    """

    path: str
    kind: str
    page: str
    module: str

    @property
    def exported(self) -> bool:
        """Whether a front door leads to it: its path is not that of the defining module."""
        return self.path != f"{self.module}.{self.path.rpartition('.')[2]}" or self._lone

    @property
    def _lone(self) -> bool:
        """Whether its module is a package, or a room of one module, and so a front door itself."""
        return self.module.removeprefix("inverse_inr.") == self.page


def page_of(module: str) -> str:
    """The room of a module: "baselines", "operators.ct", or "operators" for what is in none."""
    parts = module.removeprefix("inverse_inr.").split(".")
    if parts[0] in GROUPS and len(parts) > 1 and _is_package(".".join(("inverse_inr", *parts[:2]))):
        return ".".join(parts[:2])
    return parts[0]


def modules() -> list[ModuleType]:
    """All modules of the library but those of the command line."""
    found = []
    for info in pkgutil.walk_packages(inverse_inr.__path__, "inverse_inr."):
        parts = info.name.split(".")[1:]
        hidden = any(part.startswith("_") for part in parts)
        if parts[0] not in LEFT_OUT and not hidden:
            found.append(importlib.import_module(info.name))
    return found


@cache
def public_names() -> tuple[Name, ...]:
    """Every public name once, in the order of pages, exported ones first, then by name."""
    found: dict[str, Name] = {}
    for module in modules():
        page = page_of(module.__name__)
        for name, kind in [*_defined(module), *_values(module)]:
            value = getattr(module, name)
            path = _shortest(module.__name__, name, value)
            if kind == "data":
                if path == f"{module.__name__}.{name}" and module.__name__ != f"inverse_inr.{page}":
                    continue  # a constant of one module, for itself
                path = f"{module.__name__}.{name}"
            found.setdefault(path, Name(path, kind, page, module.__name__))
    order = sorted(found.values(), key=lambda n: (n.page, not n.exported, n.path.lower()))
    return tuple(order)


def _is_package(name: str) -> bool:
    return hasattr(importlib.import_module(name), "__path__")


def _defined(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Classes and functions that a module defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, "class"
        elif inspect.isroutine(value):  # a cached function is one too
            yield name, "function"


def _values(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Values at the root of a module with a docstring of their own, after the assignment."""
    body = ast.parse(Path(str(module.__file__)).read_text()).body
    for statement, after in pairwise(body):
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        for target in _targets(statement):
            if not target.startswith("_") and isinstance(after.value.value, str):
                yield target, "data"


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _shortest(module: str, name: str, value: Any) -> str:
    """The shortest path by which a name is reached, the package's root left out."""
    parts = module.split(".")
    for count in range(2, len(parts)):
        door = ".".join(parts[:count])
        if getattr(importlib.import_module(door), name, None) is value:
            return f"{door}.{name}"
    return f"{module}.{name}"
