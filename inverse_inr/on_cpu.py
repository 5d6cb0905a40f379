"""What works on the CPU, for problems on any device: classical methods, figures, files.

A method whose library is numpy's or scipy's gets a copy of the problem on the CPU, and what it
finds goes to where the problem is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import Any, TypeVar

from inverse_inr.devices import CPU, moved

F = TypeVar("F", bound=Callable[..., Any])
CORE = "inverse_inr.baselines"
"""The room whose methods work wherever the problem is."""


def anywhere(function: F) -> F:
    """Mark a method, or a function that starts a prior, as one that works on any device.

    Args:
        function: The function.

    Returns:
        The function itself.
    """
    function.__dict__["works_anywhere"] = True
    return function


def works_anywhere(function: object) -> bool:
    """Say whether a function works on any device: it is marked so, or one of `baselines`.

    Args:
        function: A function, or a `functools.partial` of one.
    """
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "works_anywhere", False):
        return True
    return str(getattr(function, "__module__", "")).startswith(CORE)


def on_the_cpu(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a classical method that a library of the CPU carries out.

    Args:
        method: A function of a problem and further arguments that returns a solution.

    Returns:
        The method. It works on a copy of the problem on the CPU, and its solution is where the
        problem is.
    """

    @wraps(method)
    def on_any(problem: Any, *arguments: Any, **keywords: Any) -> Any:
        if problem.device == CPU:
            return method(problem, *arguments, **keywords)
        here = problem.to(CPU)
        found = method(here, *arguments, **keywords)
        if found.problem is not here:
            return found.to(problem.device)
        return replace(found, field=moved(found.field, problem.device), problem=problem)

    return anywhere(on_any)


def _drawn(figure: Callable[..., Any]) -> Callable[..., Any]:
    """A figure's function that sees problem and solutions on the CPU."""

    @wraps(figure)
    def on_any(problem: Any, solutions: Any) -> Any:
        return figure(problem.to(CPU), [solution.to(CPU) for solution in solutions])

    return anywhere(on_any)


def _written(write: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes files and sees its solution on the CPU."""

    @wraps(write)
    def on_any(solution: Any, folder: Any) -> Any:
        return write(solution.to(CPU), folder)

    return anywhere(on_any)


def on_any_device(suggested: Any) -> Any:
    """Let the functions of a `Suggestion` serve a problem on any device.

    Args:
        suggested: The suggestion. Functions that work anywhere stay as they are.

    Returns:
        The suggestion whose other classical methods, figure and files are made on the CPU.
    """
    wrappers = {"figure": _drawn, "write": _written}
    changes: dict[str, Any] = {
        name: wrap(getattr(suggested, name))
        for name, wrap in wrappers.items()
        if getattr(suggested, name) is not None and not works_anywhere(getattr(suggested, name))
    }
    others = {k: m for k, m in suggested.baselines.items() if not works_anywhere(m)}
    if others:
        placed = {k: on_the_cpu(m) for k, m in others.items()}
        changes["baselines"] = {**suggested.baselines, **placed}
    if not changes:
        return suggested
    return replace(suggested, **changes)
