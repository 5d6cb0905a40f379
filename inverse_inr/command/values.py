"""One value of a config: converted as its annotation says, or refused; never bent to fit.

A text is no number, a number is no truth value and one word is no list. What is checked is what is
used: `converted` returns the value that the component gets.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inverse_inr.ranges import Fault, Range, fault_of, in_words

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def converted(value: Any, annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """Convert a value of TOML to what a parameter takes.

    Whole numbers become floats and lists become tuples where the annotation asks for them. Objects
    that TOML does not know, from a table made in Python, are checked by their type.

    Args:
        value: The value.
        annotation: The parameter's annotation; `inspect.Parameter.empty` lets everything pass.
        default: The parameter's default. Infinity is refused unless that is infinite too, or the
            annotation's range has it.

    Returns:
        The value to be used.

    Raises:
        ValueError: The value does not fit; the message ends a sentence that begins with it:
            "must be a whole number of at least 1."
    """
    from pydantic import ValidationError

    if annotation is inspect.Parameter.empty:
        return value
    if not all(_allowed(number, annotation, default) for number in _floats(value)):
        raise ValueError(f"must be {in_words(annotation)}, and finite.")
    try:
        text = json.dumps(value)
    except TypeError:
        text = None
    try:
        if text is None:
            made = _adapter(annotation).validate_python(value)
        else:
            made = _adapter(annotation).validate_json(text, strict=True)
    except ValidationError as error:
        fault = fault_of(value, annotation)
        if fault is None:
            raise ValueError(f"is refused. {_told(error)}") from None
        raise ValueError(_sentence(fault)) from None
    fault = fault_of(made, annotation)
    if fault is not None:
        raise ValueError(_sentence(fault))
    return made


def _sentence(fault: Fault) -> str:
    """The fault in the words of a config, where a sequence is a list."""
    return f"must be {fault.allowed}. {fault.slip}".strip().replace("a sequence", "a list")


def _allowed(number: float, annotation: Any, default: Any) -> bool:
    if math.isfinite(number):
        return True
    marks = getattr(annotation, "__metadata__", ())
    return math.isinf(number) and (
        default in (math.inf, -math.inf)
        or any(isinstance(mark, Range) and number in mark for mark in marks)
    )


def fits(value: Any, annotation: Any) -> bool:
    """Say whether `converted` takes a value."""
    try:
        converted(value, annotation)
    except ValueError:
        return False
    return True


def _floats(value: Any) -> Iterator[float]:
    """All floats in a value, those in lists included."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _floats(part)


def _told(error: Any) -> str:
    """What would fit, in one sentence: each reason once, without those of Python alone."""
    reasons = [e["msg"] for e in error.errors()]
    plain = [r for r in reasons if not r.startswith("Cannot check `isinstance`")]
    return "; ".join(dict.fromkeys(plain or ["It cannot be written in a config"])) + "."


@lru_cache(maxsize=1024)
def _cached(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _cached(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _cached.__wrapped__(annotation)
