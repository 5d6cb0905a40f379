"""Steps of a long work, shown by a bar, which Ctrl-C ends early."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from inverse_inr.solver.interrupt import Interruption, interruptible


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
    with (
        interruptible() as request,
        tqdm(total=count, desc=label, unit="step", disable=quiet) as bar,
    ):
        outer = request.outer
        for step in range(count):
            if request.made or (isinstance(outer, Interruption) and outer.made):
                return
            yield step
            bar.update()
