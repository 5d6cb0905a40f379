"""Steps of a long work, shown by a bar, which Ctrl-C ends early."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

from inverse_inr.solver.interrupt import Interruption, interruptible


def interrupted() -> bool:
    """Tell whether Ctrl-C was pressed since the `interruptible` block around this began."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, Interruption) and handler.made


def shown_steps(count: int, label: str) -> Iterator[int]:
    """Count steps, and show them where stderr is a terminal or in a notebook.

    The first Ctrl-C ends the steps, so that the work goes on with what it has. It ends those of
    later works inside the same `interruptible` block, too. A second one raises KeyboardInterrupt.

    Args:
        count: How many steps.
        label: What stands before the bar.

    Yields:
        The number of each step.
    """
    from tqdm.auto import tqdm

    quiet = not (sys.stderr.isatty() or "ipykernel" in sys.modules)
    if interrupted():
        return
    with (
        interruptible() as request,
        tqdm(total=count, desc=label, unit="step", disable=quiet) as bar,
    ):
        for step in range(count):
            if request.made:
                return
            yield step
            bar.update()
