"""Problems that one family can hold: those of fields with the same axes and channels."""

from __future__ import annotations

from collections.abc import Sequence

from inverse_inr.problem import Problem


def axes_of(ndim: int, channels: int, is_complex: bool) -> str:
    """Say in words how many axes and channels a field has, and of which kind."""
    kind = "complex" if is_complex else "real"
    return f"{_several(ndim, 'axis', 'axes')} and {_several(channels, f'{kind} channel')}"


def _several(count: int, one: str, many: str = "") -> str:
    if count == 1:
        return f"1 {one}"
    return f"{count} {many or one + 's'}"


def require_alike(name: str, problems: Sequence[Problem]) -> None:
    """Refuse problems that no one family can hold.

    Args:
        name: Who asks, for the message.
        problems: The problems.

    Raises:
        ValueError: There are none, or they differ in axes or channels.
    """
    if not len(problems):
        raise ValueError(f"{name}: the list of problems is empty; a family is learnt from several.")
    first = axes_of(problems[0].box.ndim, problems[0].channels, problems[0].is_complex)
    for k, problem in enumerate(problems):
        other = axes_of(problem.box.ndim, problem.channels, problem.is_complex)
        if other != first:
            raise ValueError(
                f"{name}: problems[0] is of a field with {first}, problems[{k}] of one with "
                f"{other}. One family has one kind of field."
            )
