"""Fits inside a longer computation keep their states in a folder, from which it goes on.

What decides between fits, or guides one by another, is a function of the user's own that makes
solvers where it needs them. Inside `kept_in` each of them finds the state that it had when the
computation was interrupted, by its place among all fits, and goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from inverse_inr.io.files import FileFormatError
from inverse_inr.solver.callbacks import Callback
from inverse_inr.solver.checkpoint import Checkpoint, read_checkpoint

_KEPT: ContextVar[Trials | None] = ContextVar("trials", default=None)


class Trials:
    """The states of the fits of one computation, in the order in which they begin.

    A fit that begins while another runs counts within it, so that the places of later fits do not
    depend on whether the other one had to run.

    Args:
        folder: Where the states are kept, one file a fit; it is made when the first is written.
        config: Digests of what the computation depends on; states of another are not used.
        callbacks: Makes the callbacks of each fit, e.g. a progress bar.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, str],
        callbacks: Callable[[], Sequence[Callback]] = tuple,
    ) -> None:
        self.folder = folder
        self.config = dict(config)
        self.callbacks = callbacks
        self._place = [0]

    @contextmanager
    def keeping(self, solver: Any) -> Iterator[None]:
        """Let a fit run in the block: from its kept state, if there is one, and keeping it.

        Args:
            solver: A `Solver` that is about to run.

        Raises:
            KeyboardInterrupt: The fit was interrupted; its state is kept.
        """
        self._place[-1] += 1
        name = "-".join(map(str, self._place))
        digests = {**self.config, "fit": name, "start": _start_of(solver)}
        checkpoint = Checkpoint(self.folder / f"fit-{name}.pt", config=digests)
        self.folder.mkdir(exist_ok=True)
        self._restore(solver, checkpoint)
        own = list(solver.callbacks)
        solver.callbacks = [*own, *self.callbacks(), checkpoint]
        self._place.append(0)
        try:
            yield
        finally:
            self._place.pop()
            solver.callbacks = own
        if solver.stopped is not None and solver.stopped.kind == "interrupted":
            checkpoint.write(solver)
            raise KeyboardInterrupt

    def _restore(self, solver: Any, checkpoint: Checkpoint) -> None:
        """Put a fit where it was; a state that is damaged or of another fit is not used."""
        if solver.step_number or not checkpoint.path.exists():
            return
        try:
            state = read_checkpoint(checkpoint.path)
            if state.get("config") == checkpoint.config:
                solver.load_state_dict(state)
        except (FileFormatError, ValueError):
            return


def _start_of(solver: Any) -> str:
    """A fingerprint of a fit before its first step: what it begins from, and the rows it fits."""
    digest = hashlib.sha256()
    rows = {f"watched {k}": rows for k, rows in enumerate(solver.watched_rows)}
    for name, value in {**solver.objective.state_dict(), **rows}.items():
        digest.update(name.encode())
        if isinstance(value, torch.Tensor):
            plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def kept_in(trials: Trials) -> Iterator[None]:
    """Keep the states of all fits that run in the block.

    Args:
        trials: Where they are kept.
    """
    token = _KEPT.set(trials)
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def keeping(solver: Any) -> Iterator[None]:
    """Keep the state of a fit that runs in the block, where a block of `kept_in` is around it."""
    trials = _KEPT.get()
    if trials is None:
        yield
        return
    with trials.keeping(solver):
        yield
