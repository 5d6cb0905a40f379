"""What happens beside the loop: progress, checkpoints, a reference metric, and Ctrl-C that waits for the step's end."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from inverse_inr.derivatives import gradient
from inverse_inr.evaluation import placement
from inverse_inr.io.files import atomic_write
from inverse_inr.problem import Problem
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import Stopping

Record = dict[str, Any]


class Running(Protocol):
    """What a callback may ask of the solver that calls it."""

    prior: nn.Module
    problem: Problem
    stopping: Stopping
    label: str
    steps: int
    seconds: float
    history: list[Record]

    @property
    def finished(self) -> bool:
        """The run is over: all steps are done, or something ended it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        ...


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
            self._bar = tqdm(total=solver.steps, disable=quiet, unit="step", desc=solver.label, smoothing=0)
            if not quiet:
                self._bar.start_t -= solver.seconds  # the bar comes with the first record, the clock ran before
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


class Adapt:
    """Lets an adaptive prior ("acorn") move its blocks, every `every` steps until the fraction `until` of the run.

    `indicator(solver, points)` estimates the squared error at (n, d) points of the box, (n,), from measurements and
    field alone; by default `slope_indicator`. Like all callbacks it is asked at the stopping rule's checks.
    Raises TypeError for a prior that has no blocks to move.
    """

    def __init__(self, every: int = 100, *, until: float = 0.7, points: int = 16384,
                 indicator: Callable[[Running, Tensor], Tensor] | None = None) -> None:  # fmt: skip
        self.every, self.until, self.points = every, until, points
        self.indicator = slope_indicator if indicator is None else indicator

    def __call__(self, solver: Running, record: Record) -> None:
        network, box = _adaptive(solver.prior), solver.problem.box
        step = record["step"]
        due = step // self.every > (step - solver.stopping.every) // self.every
        if solver.finished or not due or step > self.until * solver.steps:
            return
        dtype, device = placement(solver.prior)
        generator = torch.Generator().manual_seed(step)
        points = box.random_points(self.points, dtype=dtype, generator=generator).to(device)
        split = network.adapt(box.normalize(points), self.indicator(solver, points))
        if solver.history:
            record["splits"] = split


def slope_indicator(solver: Running, points: Tensor) -> Tensor:
    """(node spacing · |∇f|)²: what interpolation between nodes can lose, the indicator of adaptive mesh refinement."""
    network, box = _adaptive(solver.prior), solver.problem.box
    slope = gradient(solver.prior, points).detach() / points.new_tensor(box.scale)
    return network.spacing(box.normalize(points)).square() * slope.abs().square().sum((-1, -2))


def _adaptive(prior: nn.Module) -> Any:
    network = getattr(prior, "network", None)
    if not hasattr(network, "adapt"):
        raise TypeError(f"Adapt: '{getattr(prior, 'name', type(prior).__name__)}' has no blocks to move; 'acorn' has.")
    return network


class _Request:
    made = False


@contextmanager
def interruptible() -> Iterator[_Request]:
    """Ctrl-C sets `request.made` instead of raising, so that a step is never cut in two; a second one raises."""
    request = _Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        request.made = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)
