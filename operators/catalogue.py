"""The operators and regularizers that the command line offers.

The lists are made from what `inverse_inr.operators` exports, so they are never stale.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from inverse_inr import Operator
from inverse_inr import operators as package
from inverse_inr.regularizers import Regularizer


def operators() -> dict[str, Callable[..., Any]]:
    """List the exported classes whose objects are operators and the functions that make one.

    Returns:
        Classes and functions by name.
    """
    return {
        name: value
        for name, value in _exported()
        if _is_operator(value) or _is_operator(_made_by(value))
    }


def regularizers() -> dict[str, Callable[..., Any]]:
    """List the exported regularizers by their names in a config.

    Returns:
        Classes by name: `BendingEnergy` is "bending_energy".
    """
    found = [(name, value) for name, value in _exported() if isinstance(value, type)]
    return {_in_config(name): value for name, value in found if issubclass(value, Regularizer)}


def _exported() -> Iterator[tuple[str, Any]]:
    for name in package.__all__:
        yield name, getattr(package, name)


def _is_operator(value: object) -> bool:
    """Tell whether `value` is a concrete class with a length whose objects are called with `rows`.

    A torch module is called with what its forward takes.
    """
    if not isinstance(value, type) or not issubclass(value, Operator) or inspect.isabstract(value):
        return False
    answer = value.__call__
    if issubclass(value, nn.Module):
        answer = value.forward
    return "rows" in inspect.signature(answer).parameters


def _made_by(function: object) -> object:
    """The class that a function says it returns; None for anything but a function."""
    if not inspect.isfunction(function):
        return None
    return inspect.signature(function, eval_str=True).return_annotation


def _in_config(name: str) -> str:
    """Turn CamelCase into snake_case."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
