"""Arguments are refused by their annotations, before a function begins."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inverse_inr.ranges import (
    Count,
    Finite,
    FiniteTensor,
    Fraction,
    NonNegative,
    Positive,
    ProperFraction,
    Range,
    WholeNumber,
    annotations_of,
    checked,
    fault_of,
    in_words,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked
def blurred(
    values: FiniteTensor,
    width: Positive = 1.0,
    *,
    passes: Count = 1,
    border: Literal["mirror", "zero"] = "mirror",
    figure: Figure | None = None,
) -> float:
    """A function with annotations of several kinds, one of which exists for type checkers only."""
    return width * passes


@checked
class Scaled(nn.Module):
    """A module whose constructor is checked."""

    def __init__(self, factor: NonNegative) -> None:
        super().__init__()
        self.factor = factor


class Doubled(Scaled):
    """A class that inherits a checked constructor."""


@checked
@dataclass(frozen=True)
class Place:
    """A record."""

    row: WholeNumber
    weights: tuple[Fraction, ...] = ()


ALLOWED: list[tuple[Any, Any]] = [
    (3, Count),
    (np.int64(3), Count),
    (3, Positive),
    (np.float32(0.5), Positive),
    (torch.tensor(0.5), Positive),
    (math.inf, float),
    (-math.inf, Finite | float),
    (0, Fraction),
    (1.0, Fraction),
    (None, Count | None),
    ("auto", Count | Literal["auto"]),
    ([1.0, 2], tuple[float, float]),
    (torch.ones(3), Sequence[Positive]),
    ({"a": 1}, Mapping[str, Count]),
    ("scan.h5", Path),
    (Path("scan.h5"), str | Path),
    (torch.sin, Callable[[Tensor], Tensor]),
    (torch.zeros(2), Tensor),
    (object(), Any),
    (2j, complex),
    (True, bool),
]
REFUSED: list[tuple[Any, Any, type[Exception], str]] = [
    (0, Count, ValueError, "a whole number of at least 1"),
    (True, Count, TypeError, "A flag"),
    (1.0, Count, TypeError, "Write 1"),
    ("2", Count, TypeError, "quotes"),
    (np.array([1]), Count, TypeError, "whole number"),
    (-1, WholeNumber, ValueError, "at least 0"),
    (0.0, Positive, ValueError, "above 0"),
    (math.inf, Positive, ValueError, "above 0"),
    (math.nan, float, ValueError, "a number"),
    (torch.tensor(math.nan), NonNegative, ValueError, "at least 0"),
    (1j, float, TypeError, "a number"),
    (1, ProperFraction, ValueError, "above 0 and below 1"),
    (1.5, Fraction, ValueError, "from 0 to 1"),
    (5, Annotated[int, Range(least=1, most=4)], ValueError, "from 1 to 4"),
    (-1, Count | None, ValueError, "at least 1 or None"),
    ("mirorr", Literal["mirror", "zero"], ValueError, "Did you mean 'mirror'"),
    (1, Literal["mirror", True], TypeError, "'mirror' or True"),
    ("FBP", Sequence[str], TypeError, r"Write \['FBP'\]"),
    ([1.0], tuple[float, float], ValueError, "There are 1"),
    ([1.0, -1.0], tuple[Positive, Positive], ValueError, "Number 1 is -1.0"),
    ({"a": 0}, Mapping[str, Count], ValueError, "at key 'a'"),
    (3, Mapping[str, Count], TypeError, "a mapping"),
    (3, Callable[[Tensor], Tensor], TypeError, "a function"),
    (3, Path, TypeError, "a path"),
    ([1.0], Tensor, TypeError, "torch.as_tensor"),
    (torch.tensor([1.0, math.nan]), FiniteTensor, ValueError, "1 of 2"),
    (3, nn.Module, TypeError, "a Module"),
    (1, bool, TypeError, "True or False"),
]


@pytest.mark.parametrize(("value", "annotation"), ALLOWED, ids=range(len(ALLOWED)))
def test_a_value_of_the_kind_is_allowed(value: Any, annotation: Any) -> None:
    assert fault_of(value, annotation) is None


@pytest.mark.parametrize(("value", "annotation", "kind", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_value_of_another_kind_is_refused_in_words(
    value: Any, annotation: Any, kind: type[Exception], words: str
) -> None:
    fault = fault_of(value, annotation)
    assert fault is not None
    with pytest.raises(kind, match=words):
        raise fault.error("f: x", value)


def test_the_message_names_function_argument_and_value() -> None:
    with pytest.raises(ValueError, match=r"^blurred: width=-1\.0 must be a number above 0\.$"):
        blurred(torch.zeros(3), -1.0)
    with pytest.raises(TypeError, match=r"^blurred: missing a required argument: 'values'"):
        blurred()  # pyright: ignore[reportCallIssue]


def test_what_is_allowed_reaches_the_function_as_it_is() -> None:
    assert blurred(torch.zeros(3), 2, passes=3) == 6
    assert blurred(torch.zeros(3), figure=3) == 1  # pyright: ignore[reportArgumentType]


def test_a_constructor_is_named_by_the_class_that_is_made() -> None:
    with pytest.raises(ValueError, match=r"^Doubled: factor=-1 "):
        Doubled(-1)
    assert Doubled(2).factor == 2


def test_a_record_is_checked_with_its_sequences() -> None:
    with pytest.raises(ValueError, match=r"^Place: weights=\[0\.5, 2\] .* Number 1 is 2"):
        Place(0, [0.5, 2])  # pyright: ignore[reportArgumentType]
    assert Place(3, (0.5,)) == Place(row=3, weights=(0.5,))


def test_the_signature_stays() -> None:
    assert list(inspect.signature(blurred).parameters)[:2] == ["values", "width"]
    assert annotations_of(blurred)["passes"] == Count
    assert "figure" not in annotations_of(blurred)


def test_an_annotation_is_told_in_words() -> None:
    assert in_words(Count | None) == "a whole number of at least 1 or None"
    assert in_words(tuple[Positive, ...]) == "a sequence, each a number above 0"
