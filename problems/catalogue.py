"""What the command line can run: every function that a room of `inverse_inr.problems` exports as a problem."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import FunctionType, ModuleType

from inverse_inr import Problem
from inverse_inr import problems as package


def problems() -> dict[str, Callable[..., Problem]]:
    """By name, the functions that rooms export, and modules beside them define, and that return a `Problem`.

    A new room needs no entry anywhere: what its `__init__` exports is found.
    Raises ImportError where two of them have one name.
    """
    found: dict[str, Callable[..., Problem]] = {}
    for room in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if room.name == __name__:
            continue
        for name, function in _problems_of(importlib.import_module(room.name)).items():
            if name in found:
                raise ImportError(
                    f"Two problems are called {name!r}: in {found[name].__module__} and in {room.name}."
                )
            found[name] = function
    return found


def _problems_of(room: ModuleType) -> dict[str, Callable[..., Problem]]:
    functions = {
        n: f for n, f in inspect.getmembers(room, inspect.isfunction) if not n.startswith("_")
    }
    own = {n: f for n, f in functions.items() if f.__module__.startswith(room.__name__)}
    return {n: f for n, f in own.items() if _makes_a_problem(f)}


def _makes_a_problem(function: FunctionType) -> bool:
    made = function.__annotations__.get("return")
    made = function.__globals__.get(made) if isinstance(made, str) else made
    return isinstance(made, type) and issubclass(made, Problem)
