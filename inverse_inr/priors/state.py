"""How a prior is made again: its recipe, and what a saved state must agree with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from torch import Tensor, nn

from inverse_inr.domain import Box

SMOOTHNESS = {
    -float("inf"): "no derivatives by place",
    0: "continuous, no derivative at its kinks",
    float("inf"): "smooth",
}
"""Words of `Prior.describe` for a number of continuous derivatives; other numbers are printed."""


@dataclass(frozen=True)
class Recipe:
    """How a prior was made: `create(name, box, **options)` makes it again.

    Attributes:
        name: The preset's name.
        options: Its keywords, without the box.
        summary: The first paragraph of its docstring.
    """

    name: str
    options: dict[str, Any] = dataclass_field(default_factory=dict)
    summary: str = ""


def state_differences(own: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Name the fields in which a saved state is of another architecture.

    Args:
        own: The state_dict of the prior that is to be restored.
        state: The saved state_dict.

    Returns:
        A phrase for each field that is missing, unknown, or of another shape; empty if they agree.
    """
    differ = [f"{k} is missing from the state" for k in own if k not in state]
    differ += [f"{k} of the state is unknown here" for k in state if k not in own]
    differ += [
        f"{k} has shape {tuple(state[k].shape)} in the state, {tuple(v.shape)} here"
        for k, v in own.items()
        if k in state and state[k].shape != v.shape
    ]
    return differ


def saved_box(prior: nn.Module, name: str, own: Box, lower: Tensor, upper: Tensor) -> Box:
    """Give the box of a state that has just been loaded.

    Args:
        prior: The prior, whose parts may be laid out on the shape of its own box (`fills_the_box`).
        name: The prior's name, for the message.
        own: The prior's box so far.
        lower: (d,) lower corner that was loaded, in physical units.
        upper: (d,) upper corner that was loaded, in physical units.

    Returns:
        `own` if the corners agree, otherwise a box of the loaded corners in the same units.

    Raises:
        ValueError: If a part fills the box and the loaded one has another shape.
    """
    corners = tuple(lower.double().tolist()), tuple(upper.double().tolist())
    if corners == (own.lower, own.upper):
        return own
    box = Box(*corners, own.units)
    if any(getattr(m, "fills_the_box", False) for m in prior.modules()):
        sides = [[n * s for n, s in zip(b.lengths, b.scale, strict=True)] for b in (box, own)]
        if any(abs(a - b) > 1e-9 for a, b in zip(*sides, strict=True)):
            raise ValueError(
                f"The state is of a box {box.lengths}, this '{name}' prior of {own.lengths}."
            )
    return box
