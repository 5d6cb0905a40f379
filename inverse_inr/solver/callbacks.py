"""What happens beside the loop at the stopping rule's checks: progress, checkpoints, a reference metric."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inverse_inr.hooks import Running
from inverse_inr.io.files import atomic_write
from inverse_inr.solver.solution import Solution

Record = dict[str, Any]


Callback = Callable[[Any, Record], None]
"""Called with the solver, of which a callback needs what `Running` names, and the newest record of its history."""


class Progress:
    """A tqdm bar with the loss and the stopping rule's value; silent where stderr is no terminal, unless `always`."""

    def __init__(self, always: bool = False) -> None:
        self.always = always
        self._bar: Any = None

    def __call__(self, solver: Running, record: Record) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            quiet = not (self.always or sys.stderr.isatty() or "ipykernel" in sys.modules)
            self._bar = tqdm(
                total=solver.steps, disable=quiet, unit="step", desc=solver.label, smoothing=0
            )
            if not quiet:
                self._bar.start_t -= (
                    solver.seconds
                )  # the bar comes with the first record, the clock ran before
        self._bar.update(record["step"] - self._bar.n)
        shown = {k: f"{record[k]:.4g}" for k in ("loss", solver.stopping.label) if k in record}
        self._bar.set_postfix(shown)
        if solver.finished:
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Checkpoint:
    """Writes the solver's state to `path` every `seconds`, whole or not at all: the previous one survives a failure."""

    def __init__(self, path: str | Path, seconds: float = 30.0) -> None:
        self.path, self.seconds = Path(path), seconds
        self._last = time.monotonic()

    def __call__(self, solver: Running, record: Record) -> None:
        if solver.finished or time.monotonic() - self._last >= self.seconds:
            self.write(solver)

    def write(self, solver: Running) -> None:
        with atomic_write(self.path) as temporary:
            torch.save(solver.state_dict(), temporary)
        self._last = time.monotonic()


class AgainstReference:
    """Adds the PSNR against the problem's reference to the history: printed beside, never used to stop."""

    def __init__(self, average: int = 4) -> None:
        self.average = average

    def __call__(self, solver: Running, record: Record) -> None:
        if solver.problem.reference is not None and solver.history:
            current = Solution(solver.prior, solver.problem, solver.label)
            record["PSNR (reference)"] = current.metrics(average=self.average)["PSNR"]
