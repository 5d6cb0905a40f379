"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
