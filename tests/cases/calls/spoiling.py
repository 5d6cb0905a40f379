"""Spoilt versions of a good call: one argument of another kind or value, or two swapped."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from cases.calls.judge import Bad, Good
from torch import Tensor


def bad_calls(good: Good) -> Iterator[Bad]:
    """All spoilt versions of a call."""
    annotations = _annotations(good.function)
    for argument, value in good.keywords.items():
        if argument in good.fixed:
            continue
        annotation = annotations.get(argument, "Any")
        for word, other, must_fail in _spoilt(value, annotation):
            yield Bad(good, {argument: other}, f"{argument}={word}", must_fail)
    free = [argument for argument in good.keywords if argument not in good.fixed]
    for first, second in itertools.pairwise(free):
        changes = {first: good.keywords[second], second: good.keywords[first]}
        yield Bad(good, changes, f"{first} <-> {second}", must_fail=False)


def _annotations(function: Callable[..., Any]) -> dict[str, str]:
    """The annotations as text, with aliases resolved where that is possible."""
    from inverse_inr.ranges import annotations_of

    found = {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is not parameter.empty
    }
    target = function if isinstance(function, type) else inspect.unwrap(function)
    if inspect.isfunction(target) or isinstance(target, type):
        found |= {name: str(kind) for name, kind in annotations_of(target).items()}
    return found


def _spoilt(value: object, annotation: str) -> Iterator[tuple[str, object, bool]]:
    """Other values in words, and whether they can never be right."""
    anything = any(word in annotation for word in ("Any", "object", "Callable"))
    texts = isinstance(value, str) or any(w in annotation for w in ("str", "Path", "Literal"))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    yield "object()", object(), not anything
    yield "'nonsense'", "nonsense", not (anything or texts)
    yield "[]", [], number and "Sequence" not in annotation and not anything
    yield "None", None, False
    if number:
        yield from _spoilt_numbers(value, annotation)
    if isinstance(value, bool):
        yield "2", 2, not anything
    if isinstance(value, tuple | list) and value and isinstance(value[0], int | float):
        yield from _spoilt_sequences(value)
    if isinstance(value, Tensor):
        yield from _spoilt_tensors(value, annotation)


def _spoilt_numbers(value: Any, annotation: str) -> Iterator[tuple[str, object, bool]]:
    yield "-1", type(value)(-1), False
    yield "0", type(value)(0), False
    yield "nan", math.nan, True
    yield "inf", math.inf, isinstance(value, int) and "float" not in annotation
    yield "True", True, "bool" not in annotation
    if isinstance(value, int) and "float" not in annotation:
        yield "1.5", 1.5, True
        yield "10**12", 10**12, False
    else:
        yield "1e12", 1e12, False
        yield "1e-300", 1e-300, False


def _spoilt_sequences(value: Any) -> Iterator[tuple[str, object, bool]]:
    kind = type(value)
    yield "[nan, ...]", kind([math.nan, *value[1:]]), True
    yield "[-1, ...]", kind([-1, *value[1:]]), False
    yield "['a', ...]", kind(["a", *value[1:]]), True
    yield "longer", kind([*value, value[0]]), False
    yield "empty", kind([]), False
    yield "backwards", kind(reversed(value)), False


def _spoilt_tensors(value: Tensor, annotation: str) -> Iterator[tuple[str, object, bool]]:
    if value.is_floating_point() or value.is_complex():
        yield "nan tensor", value * math.nan, "FiniteValues" in annotation
        yield "negative tensor", -value, False
    yield "empty tensor", value[..., :0], False
    yield "one number", value.flatten()[0].clone(), False
    yield "transposed", value.mT if value.ndim > 1 else value[:, None], False
    yield "list", value.tolist(), False
