"""Checks of the notebooks' exercises: a module a notebook, a function an exercise.

A check is called with the answer. It prints that the answer is right, or that there is none yet
(None), and raises `WrongAnswer` with a hint otherwise. Look into these files only after you have
tried.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch


class WrongAnswer(AssertionError):  # noqa: N818 (what a student reads)
    """An answer that is not right yet; the message is a hint."""


def exercise(check: Callable[..., None]) -> Callable[..., None]:
    """Make a check of what raises `WrongAnswer`: no answer yet, or the good news, is printed.

    Args:
        check: Called with the answer, and with what else of the notebook it needs.

    Returns:
        The check for the notebook. What an answer raises by itself becomes `WrongAnswer` too.
    """

    @functools.wraps(check)
    def checked(answer: Any = None, *context: Any) -> None:
        name = f"Exercise {check.__module__[-2:]}, {check.__name__}"
        if answer is None:
            print(f"{name}: no answer yet.")
            return
        try:
            check(answer, *context)
        except WrongAnswer:
            raise
        except Exception as error:
            raise WrongAnswer(f"{name} cannot be used: {type(error).__name__}: {error}") from error
        print(f"{name}: right.")

    return checked


def require(holds: object, hint: str) -> None:
    """Raise `WrongAnswer` with this hint unless something holds."""
    if not holds:
        raise WrongAnswer(hint)


def require_near(found: Any, expected: Any, tolerance: float, hint: str) -> None:
    """Raise `WrongAnswer` unless two numbers or tensors agree.

    Args:
        found: The answer.
        expected: What it should be.
        tolerance: The largest difference, in the same unit.
        hint: What to say otherwise; a different shape is said by itself.
    """
    found = torch.as_tensor(found).detach()
    expected = torch.as_tensor(expected).to(
        found.dtype if found.is_floating_point() else torch.float64
    )
    if found.shape != expected.shape:
        raise WrongAnswer(
            f"The shape is {tuple(found.shape)}, it should be {tuple(expected.shape)}. {hint}"
        )
    require(bool(((found - expected).abs() <= tolerance).all()), hint)
