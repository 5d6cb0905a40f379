"""The shape of a tree of sources, from its code: modules, rooms, arrows between them, circles.

A room is a folder of modules, with the folders inside it, or one module at the root of
inverse_inr/, operators/ or problems/. An arrow goes from the importer to the imported. Imports
inside functions and under `if TYPE_CHECKING:` count: an arrow that loads late is an arrow all
the same.
"""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = "inverse_inr"
TOPS = {PACKAGE: PACKAGE, "operators": f"{PACKAGE}.operators", "problems": f"{PACKAGE}.problems"}

Arrows = dict[str, set[str]]


class Import(NamedTuple):
    """`from module import name`, or `import module` (no name), in a line of a file."""

    module: str
    name: str
    line: int


def source_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, links to folders not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(place) / name for name in sorted(names) if name.endswith(".py"))


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Files by the names under which they are imported.

    For example, operators/ct/radon.py is inverse_inr.operators.ct.radon.
    """
    found = {}
    for top, name in TOPS.items():
        for path in source_files(root / top):
            parts = path.relative_to(root / top).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            found[".".join((name, *parts))] = path
    return found


def imports(path: Path, module: str = "") -> list[Import]:
    """Every import in a file; `module` is its own name, from which relative imports are counted."""
    package = module.rpartition(".")[0]
    if path.name == "__init__.py":
        package = module
    return list(_imports_of(path.read_text(), package))


@cache
def _imports_of(text: str, package: str) -> tuple[Import, ...]:
    """The imports in a text; a dozen tests ask for those of the same files."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            found += [Import(source, alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.Call) and _named(node.func) in ("import_module", "__import__"):
            found += [
                Import(a.value, "", node.lineno)
                for a in node.args[:1]
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
    return tuple(found)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    names = parts[: len(parts) - (node.level - 1)]
    if node.module:
        names.append(node.module)
    return ".".join(names)


def _named(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    if isinstance(function, ast.Name):
        return function.id
    return ""


def module_arrows(root: Path = ROOT) -> Arrows:
    """The arrows between modules, from each to those that it imports.

    A name taken from a package leads to the package, or to its module of that name.
    """
    files = modules(root)
    arrows: Arrows = {name: set() for name in files}
    for name, path in files.items():
        for found in imports(path, name):
            target = f"{found.module}.{found.name}"
            if target not in files:
                target = found.module
            if target in files and target != name:
                arrows[name].add(target)
    return arrows


def room(module: str) -> str:
    """The room of a module: "solver", "domain", "operators.ct", "problems.images".

    The front door is "inverse_inr". A folder inside a room is a part of it.
    """
    top = max((name for name in TOPS.values() if f"{module}.".startswith(f"{name}.")), key=len)
    below = module.removeprefix(top).split(".")[1:2]
    return ".".join((top, *below)).removeprefix(f"{PACKAGE}.")


def by_room(names: Iterable[str]) -> dict[str, list[str]]:
    """Modules by their rooms: one test per room costs less than one per module."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(room(name), []).append(name)
    return found


def room_arrows(root: Path = ROOT) -> Arrows:
    """The arrows between rooms, from each to those that it imports."""
    arrows: Arrows = {room(name): set() for name in modules(root)}
    for name, targets in module_arrows(root).items():
        here = room(name)
        arrows[here] |= {room(target) for target in targets} - {here}
    return arrows


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """The first circle that the arrows lead into, as a path that ends where it began.

    Without a circle the path is empty.
    """
    finished: set[str] = set()

    def follow(path: list[str]) -> list[str]:
        here = path[-1]
        if here in path[:-1]:
            return path[path.index(here) :]
        if here in finished:
            return []
        for target in sorted(arrows.get(here, ())):
            if found := follow([*path, target]):
                return found
        finished.add(here)
        return []

    for start in sorted(arrows):
        if found := follow([start]):
            return found
    return []


def floors_of(floors: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The number of the floor on which each room stands."""
    return {name: number for number, names in enumerate(floors.values()) for name in names}


def upward(root: Path, floors: Mapping[str, Sequence[str]]) -> list[str]:
    """The imports that lead up, as "module imports module: floor -> floor"."""
    number = floors_of(floors)
    names = list(floors)
    found = []
    for name, targets in module_arrows(root).items():
        for target in sorted(targets):
            here, there = number[room(name)], number[room(target)]
            if there > here:
                found.append(f"{name} imports {target}: {names[here]} -> {names[there]}")
    return found


def unlisted_packages(root: Path = ROOT) -> list[str]:
    """The differences between the folders with Python files and the packages in pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(settings["packages"])
    found = {}
    for top, name in TOPS.items():
        for path in source_files(root / top):
            parts = path.parent.relative_to(root / top).parts
            found[".".join((name, *parts))] = path.parent
    faults = [f"{name} is not listed in pyproject.toml" for name in sorted(set(found) - listed)]
    faults += [
        f"pyproject.toml lists {name}, which has no files" for name in sorted(listed - set(found))
    ]
    faults += [
        f"{name} has no __init__.py"
        for name in sorted(found)
        if not (found[name] / "__init__.py").exists()
    ]
    return faults
