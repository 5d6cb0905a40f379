"""The reasons why a value is not one that an annotation allows."""

from __future__ import annotations

import collections.abc
import math
import numbers
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import torch
from torch import Tensor

from inverse_inr.ranges.kinds import FiniteValues, Range
from inverse_inr.registry import nearest


@dataclass(frozen=True)
class Fault:
    """The reason why a value is refused.

    Args:
        allowed: The values that are allowed, in words.
        slip: The likely slip, a sentence or nothing.
        of_range: Whether the type fits and only the range does not.
    """

    allowed: str
    slip: str = ""
    of_range: bool = False

    def error(self, what: str, value: object) -> TypeError | ValueError:
        """Make the error of this fault.

        Args:
            what: The argument, for the message: "ct: size".
            value: The value that was given.

        Returns:
            ValueError where only the range is wrong, otherwise TypeError.
        """
        kind = ValueError if self.of_range else TypeError
        return kind(f"{what}={shown(value)} must be {self.allowed}. {self.slip}".strip())


def fault_of(value: object, annotation: Any) -> Fault | None:
    """Compare a value with an annotation.

    Args:
        value: The value.
        annotation: The annotation. One of a kind that is not known here allows anything.

    Returns:
        The reason to refuse the value, None where it is allowed.
    """
    marks: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _fault_of_union(value, annotation)
    if origin is Literal:
        return _fault_of_literal(value, get_args(annotation))
    if annotation in (int, float, complex):
        return _fault_of_number(value, annotation, marks)
    if annotation is Tensor:
        return _fault_of_tensor(value, marks)
    if origin in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        return _fault_of_sequence(value, annotation)
    if origin in (dict, collections.abc.Mapping):
        return _fault_of_mapping(value, annotation)
    if not _is_one(value, origin or annotation):
        return Fault(in_words(annotation))
    return None


def in_words(annotation: Any) -> str:
    """Say what an annotation allows: "a whole number of at least 1", "'a' or 'b'".

    Args:
        annotation: The annotation.

    Returns:
        The words, with an article.
    """
    marks: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _either([in_words(part) for part in parts])
    if origin is Literal:
        return _either([repr(part) for part in parts])
    if (origin or annotation) in NAMES:
        ranges = [str(mark) for mark in marks if isinstance(mark, Range)]
        return " ".join([NAMES[origin or annotation], *filter(None, ranges)])
    if annotation is Tensor:
        if any(isinstance(mark, FiniteValues) for mark in marks):
            return "a tensor of finite numbers"
        return "a tensor"
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        return f"{len(parts)} values ({', '.join(in_words(part) for part in parts)})"
    if origin in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        return f"a sequence, each {in_words(parts[0])}"
    if origin in (dict, collections.abc.Mapping):
        return "a mapping"
    if (origin or annotation) is collections.abc.Callable:
        return "a function"
    name = getattr(origin or annotation, "__name__", str(annotation))
    if name[0] in "AEIOU":
        return f"an {name}"
    return f"a {name}"


NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    complex: "a complex number",
    bool: "True or False",
    str: "a text",
    type(None): "None",
    None: "None",
    Path: "a path",
    os.PathLike: "a path",
    Any: "anything",
}


ABSTRACT: dict[Any, type] = {
    int: numbers.Integral,
    float: numbers.Real,
    complex: numbers.Complex,
}
"""The numbers of every library that may stand for a built-in kind."""


def _either(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _fault_of_union(value: object, annotation: Any) -> Fault | None:
    faults = [fault_of(value, part) for part in get_args(annotation)]
    if None in faults:
        return None
    for fault in faults:
        if fault is not None and fault.of_range:
            return Fault(in_words(annotation), fault.slip, of_range=True)
    slips = [fault.slip for fault in faults if fault is not None and fault.slip]
    return Fault(in_words(annotation), next(iter(slips), ""))


def _fault_of_literal(value: object, options: tuple[object, ...]) -> Fault | None:
    if any(value == option and type(value) is type(option) for option in options):
        return None
    slip = ""
    texts = [option for option in options if isinstance(option, str)]
    if isinstance(value, str):
        hint = nearest(value, texts)
        if hint.startswith("Did"):
            slip = hint
    alike = any(type(value) is type(option) for option in options)
    return Fault(_either([repr(option) for option in options]), slip, of_range=alike)


def _fault_of_number(value: object, kind: Any, marks: Sequence[Any]) -> Fault | None:
    allowed = in_words(_marked(kind, marks))
    value = _as_number(value, kind)
    if isinstance(value, bool | np.bool_):
        return Fault(allowed, "A flag in the place of a number?")
    if isinstance(value, str):
        return Fault(allowed, _slip_of_text(value))
    if not isinstance(value, ABSTRACT[kind]):
        if isinstance(value, numbers.Real) and math.isfinite(value):
            return Fault(allowed, f"Write {round(value)}?")
        return Fault(allowed)
    if kind is complex:
        return None
    ranges = [mark for mark in marks if isinstance(mark, Range)] or [Range(finite=False)]
    if all(value in limits for limits in ranges):  # pyright: ignore[reportOperatorIssue]
        return None
    return Fault(allowed, of_range=True)


def _marked(kind: Any, marks: Sequence[Any]) -> Any:
    if marks:
        return Annotated[kind, *marks]
    return kind


def _as_number(value: object, kind: Any) -> object:
    """The number that a tensor or array of one element holds, where one may stand for it."""
    if kind is not int and isinstance(value, Tensor | np.ndarray) and math.prod(value.shape) == 1:
        return value.item()
    return value


def _slip_of_text(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return ""
    return "Leave out the quotes?"


def _fault_of_tensor(value: object, marks: Sequence[Any]) -> Fault | None:
    if not isinstance(value, Tensor):
        slip = ""
        if isinstance(value, (np.ndarray, list, tuple)):
            slip = "Pass torch.as_tensor(...)."
        return Fault("a tensor", slip)
    if not any(isinstance(mark, FiniteValues) for mark in marks):
        return None
    bad = value.numel() - int(torch.isfinite(value).sum())
    if bad:
        slip = f"It holds NaN or Inf in {bad} of {value.numel()} places."
        return Fault("a tensor of finite numbers", slip, of_range=True)
    return None


def _fault_of_sequence(value: object, annotation: Any) -> Fault | None:
    origin, kinds = get_origin(annotation), get_args(annotation)
    if isinstance(value, (Tensor, np.ndarray)) and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, str | bytes):
        return Fault(in_words(annotation), f"Write [{value!r}]?")
    if not isinstance(value, Sequence):
        if origin is collections.abc.Iterable and isinstance(value, collections.abc.Iterable):
            return None  # looking at an iterator would use it up
        return Fault(in_words(annotation))
    fixed = origin is tuple and kinds[-1] is not Ellipsis
    if fixed and len(value) != len(kinds):
        return Fault(in_words(annotation), f"There are {len(value)}.", of_range=True)
    if not fixed:
        kinds = (kinds[0],) * len(value)
    for k, part in enumerate(value):
        fault = fault_of(part, kinds[k])
        if fault is not None:
            slip = f"Number {k} is {shown(part)}. {fault.slip}".strip()
            return Fault(in_words(annotation), slip, fault.of_range)
    return None


def _fault_of_mapping(value: object, annotation: Any) -> Fault | None:
    if not isinstance(value, Mapping):
        return Fault(in_words(annotation))
    of_key, of_value = get_args(annotation)
    for key, part in value.items():
        fault = fault_of(key, of_key) or fault_of(part, of_value)
        if fault is not None:
            return Fault(
                fault.allowed, f"It is at key {key!r}. {fault.slip}".strip(), fault.of_range
            )
    return None


def _is_one(value: object, annotation: Any) -> bool:
    """Whether a value is of a class; True where the annotation is none that can be asked."""
    if annotation is None:
        return value is None
    if annotation is collections.abc.Callable:
        return callable(value)
    if annotation in (Path, os.PathLike):
        return isinstance(value, (str, os.PathLike))
    if not isinstance(annotation, type) or annotation in (object, Any):
        return True
    if getattr(annotation, "_is_protocol", False):
        if not getattr(annotation, "_is_runtime_protocol", False):
            return True
        return not isinstance(value, type) and isinstance(value, annotation)
    return isinstance(value, annotation)


def shown(value: object) -> str:
    """Write a value for an error message, in one short line.

    Args:
        value: Any object.

    Returns:
        The text.
    """
    if isinstance(value, Tensor) and value.numel() > 1:
        return f"a tensor of shape {tuple(value.shape)} and {value.dtype}"
    text = " ".join(repr(value).split())
    if len(text) > 80:
        return f"{text[:76]} ..."
    return text
