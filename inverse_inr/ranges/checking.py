"""A decorator that checks arguments against their annotations, before anything begins."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import torch

from inverse_inr.ranges.faults import fault_of

F = TypeVar("F", bound=Callable[..., Any])


def checked(function: F) -> F:
    """Check the arguments of each call against the annotations, before the function begins.

    Whole numbers, numbers, flags, texts, `Literal`, tensors, sequences, mappings, functions,
    classes and unions of them are known, with the ranges of this package. An annotation of another
    kind allows anything.

    Args:
        function: A function, a method, or a class, whose `__init__` is then checked.

    Returns:
        The function, with the same signature.

    Example:
        >>> from inverse_inr.ranges import Count
        >>> @checked
        ... def repeated(text: str, times: Count) -> str:
        ...     return text * times
        >>> repeated("ab", 2)
        'abab'
        >>> repeated("ab", 0)
        Traceback (most recent call last):
        ValueError: repeated: times=0 must be a whole number of at least 1.
    """
    if isinstance(function, type):
        function.__init__ = checked(function.__init__)
        return typing.cast("F", function)
    signature = inspect.signature(function)
    bound_to_object = next(iter(signature.parameters), "") == "self"

    @wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if torch.compiler.is_compiling():
            return function(*args, **keywords)
        name = function.__name__
        if bound_to_object and args:
            name = type(args[0]).__name__
            if function.__name__ != "__init__":
                name = f"{name}.{function.__name__}"
        try:
            given = signature.bind(*args, **keywords).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}.") from None
        hints = annotations_of(function)
        for parameter, value in given.items():
            if parameter not in hints:
                continue
            kind = signature.parameters[parameter].kind
            parts = {f"{name}: {parameter}": value}
            if kind is inspect.Parameter.VAR_POSITIONAL:
                parts = {f"{name}: {parameter}[{k}]": v for k, v in enumerate(value)}
            elif kind is inspect.Parameter.VAR_KEYWORD:
                parts = {f"{name}: {k}": v for k, v in value.items()}
            for what, part in parts.items():
                require(what, part, hints[parameter])
        return function(*args, **keywords)

    return typing.cast("F", call)


def require(what: str, value: object, annotation: Any) -> None:
    """Refuse a value that an annotation does not allow.

    Args:
        what: The argument, for the message: "ct: size".
        value: The value.
        annotation: The annotation.

    Raises:
        TypeError: The value is of another type.
        ValueError: The value is out of range.
    """
    fault = fault_of(value, annotation)
    if fault is not None:
        raise fault.error(what, value)


@cache
def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Find a function's annotations, those written as text included.

    Args:
        function: The function; of a class, its `__init__`.

    Returns:
        Annotations by parameter. One whose name exists for type checkers only is left out.
    """
    if isinstance(function, type):
        function = function.__init__
    function = inspect.unwrap(function)
    names = vars(sys.modules[function.__module__]) | getattr(function, "__globals__", {})
    found = {}
    for parameter, annotation in function.__annotations__.items():
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, dict(names))
            except (NameError, AttributeError):  # imported under TYPE_CHECKING
                continue
        if parameter != "return":
            found[parameter] = annotation
    return found
