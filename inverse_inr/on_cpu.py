"""What works on the CPU, for problems on any device: classical methods, figures, files.

A method whose library is numpy's or scipy's gets a copy of the problem on the CPU, and what it
finds goes to where the problem is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor

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


class AskedOnCPU:
    """A function of points that lives on the CPU, as a field of another device.

    What a function has closed over cannot be copied elsewhere, so its points go to it.

    Args:
        function: The function; what it says of itself, e.g. its `smoothness`, is kept.
        device: Where its values go.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self.__dict__.update(getattr(function, "__dict__", {}))
        self.function = function
        self.device = device

    def __call__(self, points: Tensor) -> Tensor:
        """Evaluate at (*s, d) points of any device: (*s, c) on this one."""
        return self.function(points.to(CPU)).to(self.device)


def field_moved(field: Any, source: torch.device, target: torch.device) -> Any:
    """Copy a field to a device; a function, which cannot be copied, is asked where it is.

    Args:
        field: The field of a solution.
        source: The device of the solution's problem.
        target: The device that is wanted.

    Returns:
        The copy, or the field itself where it is there.
    """
    if isinstance(field, AskedOnCPU) and field.device != target:
        return field_moved(field.function, CPU, target)
    if isinstance(field, FunctionType) and source == CPU != target:
        return AskedOnCPU(field, target)
    return moved(field, target)


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
        return replace(found, field=field_moved(found.field, CPU, problem.device), problem=problem)

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
