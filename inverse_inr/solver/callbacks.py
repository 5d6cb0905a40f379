"""Callbacks run at the stopping rule's checks: a progress bar, a reference metric."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from inverse_inr.hooks import Running
from inverse_inr.solver.solution import Solution

Record = dict[str, Any]
"""One entry of a solver's history: step, seconds, loss, its parts and the stopping rule's value."""

Callback = Callable[[Any, Record], None]
"""Called with the solver and the newest record of its history; of the solver it needs `Running`.

One that has a method `between_steps(solver)` is also called before every step.
"""


class Progress:
    """A tqdm bar with the loss and the stopping rule's value.

    Args:
        always: Show the bar even where stderr is no terminal; otherwise it is silent there.
    """

    def __init__(self, always: bool = False) -> None:
        self.always = always
        self._bar: Any = None

    def __call__(self, solver: Running, record: Record) -> None:
        """Move the bar to the record's step; close it when the run is over."""
        if self._bar is None:
            self._bar = self._opened(solver)
        self._bar.update(record["step"] - self._bar.n)
        shown = {k: f"{record[k]:.4g}" for k in ("loss", solver.stopping.label) if k in record}
        self._bar.set_postfix(shown)
        if solver.finished:
            self.close()

    def _opened(self, solver: Running) -> Any:
        from tqdm.auto import tqdm

        quiet = not (self.always or sys.stderr.isatty() or "ipykernel" in sys.modules)
        bar: Any = tqdm(
            total=solver.steps, disable=quiet, unit="step", desc=solver.label, smoothing=0
        )
        if not quiet:
            # the bar opens with the first record, but the clock has been running since the first
            # step
            bar.start_t -= solver.seconds
        return bar

    def close(self) -> None:
        """End the bar; the next record opens a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class AgainstReference:
    """Add the PSNR in dB against the problem's reference to the history.

    It is printed together with the rest and never used to stop.

    Args:
        average: Sub-samples per axis of each pixel that is compared; default: the problem's, as in
            tables and figures.
    """

    def __init__(self, average: int | None = None) -> None:
        self.average = average

    def __call__(self, solver: Running, record: Record) -> None:
        """Write "PSNR (reference)" into the record; do nothing without a reference."""
        if solver.problem.reference is not None and solver.history:
            current = Solution(solver.field, solver.problem, solver.label)
            record["PSNR (reference)"] = current.metrics(average=self.average)["PSNR"]
