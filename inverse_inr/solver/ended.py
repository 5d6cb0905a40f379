"""How a run ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

FALLING = 0.01
"""A value that fell by more than this fraction in the last tenth of the steps is still falling."""


@dataclass(frozen=True)
class Ended:
    """How a run ended; `str()` gives its text.

    The kinds are:

    - done: all steps are done.
    - paused: the caller asked for fewer steps, or has not run it to the end yet.
    - interrupted: Ctrl-C; the run can be resumed.
    - satisfied: the stopping rule was content.
    - non-finite: NaN or Inf turned up; the last good state was kept.
    - direct: no rule watched the steps of a classical or trained method; the text says what decided
      its parameter.

    Args:
        kind: One of the kinds above, for programs.
        text: A sentence for people.
    """

    kind: Literal["done", "paused", "interrupted", "satisfied", "non-finite", "direct"]
    text: str

    def __str__(self) -> str:
        return self.text


def all_steps_done(history: Sequence[Mapping[str, Any]], label: str) -> Ended:
    """Say that a run made all its steps, and whether more of them would have helped.

    Args:
        history: The records of the checks: "step", "loss", and the stopping rule's value.
        label: The name of that value; the loss counts where the rule gives none.
    """
    text = "all steps done"
    values = [float(record.get(label, record["loss"])) for record in history]
    late = [v for v, r in zip(values, history, strict=True) if r["step"] <= 0.9 * _last(history)]
    if late and math.isfinite(values[-1]) and late[-1] - values[-1] > FALLING * abs(late[-1]):
        name = "the loss"
        if label in history[-1]:
            name = f"the value of {label}"
        text = f'{text}, but {name} was still falling: steps="auto" goes on'
    return Ended("done", text)


def _last(history: Sequence[Mapping[str, Any]]) -> int:
    return history[-1]["step"]
