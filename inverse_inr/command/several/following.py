"""A run that `torchrun` started in several processes: the first one writes, the others follow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from inverse_inr.command.answering import decides
from inverse_inr.command.config import Run
from inverse_inr.command.session import INTERRUPTED, continuable
from inverse_inr.command.tables import ConfigError, Table
from inverse_inr.distributed import Ranks, leave, started

DIVIDED = ("run", "resume")
"""The commands whose work several processes may divide."""


@contextlib.contextmanager
def together(words: Sequence[str]) -> Iterator[None]:
    """Let the processes that `torchrun` started work as one; only the first of them prints.

    Args:
        words: The words of the command line.

    Raises:
        ConfigError: There are several processes, and the command is not one that they can divide.
    """
    with started() as ranks:
        if ranks.world > 1 and words[:1] and words[0] not in DIVIDED:
            raise ConfigError(
                f"{words[0]} in {ranks.world} processes: only {' and '.join(DIVIDED)} can be "
                "divided. Many runs beside each other: inverse-inr batch --jobs N."
            )
        if ranks.first:
            yield
            return
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield


def require_divisible(tables: Table, out: Path, ranks: Ranks) -> None:
    """Refuse work that several processes cannot divide.

    Args:
        tables: The config, or the record of a comparison.
        out: The run's folder, for the message.
        ranks: The processes.

    Raises:
        ConfigError: There are several processes, and it is a comparison, or a run that decides by
            itself what to fit.
    """
    if ranks.world == 1:
        return
    if "priors" in tables:
        raise ConfigError(f"{out} holds a comparison: resume it in one process.")
    if decides(tables):
        raise ConfigError(
            f"a run that decides what to fit takes one process, not {ranks.world}. Choose a fit: "
            "--set prior.name=hash, for example."
        )


def follow(checked: Run, out: Path, *, resuming: bool = False) -> int:
    """Do this process's share of a run, and write nothing.

    Args:
        checked: The config.
        out: The run's folder, which is the first process's.
        resuming: Begin where the first process's checkpoint was taken.

    Returns:
        The exit status.
    """
    with continuable(out):
        solver = checked.solver(checked.problem(), [])
        if resuming:
            state = solver.ranks.from_first({})
            if state:
                solver.load_state_dict(state)
        solution = solver.run()
        leave()
        if solution.stopped.kind != "interrupted":
            return 0
    return INTERRUPTED
