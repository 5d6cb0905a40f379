"""What surrounds a command: its signals, the folder in which it began, its threads."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from inverse_inr.command.code import Digests, announce, code_of, with_absolute_code
from inverse_inr.command.folder import LIVE, LIVE_RECORD, RECORD
from inverse_inr.command.presets import find_config, without_example
from inverse_inr.command.runs import Unfinished
from inverse_inr.command.tables import ConfigError, Table, override, set_keywords
from inverse_inr.solver import Callback
from inverse_inr.viewing import Watch

INTERRUPTED = 130
"""The exit status of a run that Ctrl-C or SIGTERM ended."""


def use_threads(threads: int | None) -> None:
    """Let torch use so many CPU threads; None leaves it as it is.

    Raises:
        ConfigError: The number is below 1.
    """
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"--threads must be at least 1, got {threads}.")
        torch.set_num_threads(threads)


def use_device(tables: Table, device: str | None) -> None:
    """Let the solver of a config work on a device; None leaves it as it is.

    Raises:
        ConfigError: [solver] is no table.
    """
    if device is None:
        return
    solver = tables.setdefault("solver", {})
    if not isinstance(solver, dict):
        raise ConfigError(f"--device {device}: [solver] is no table.")
    solver["device"] = device


def use_compiler(tables: Table, wanted: bool) -> None:
    """Let the solver of a config compile its step; False leaves it as it is.

    Raises:
        ConfigError: [solver] is no table.
    """
    if not wanted:
        return
    solver = tables.setdefault("solver", {})
    if not isinstance(solver, dict):
        raise ConfigError("--compile: [solver] is no table.")
    solver["compile"] = True


def watching(out: Path, seconds: float | None) -> Callable[[], list[Callback]]:
    """Make what draws each fit of a run while it goes on.

    Args:
        out: The run's folder.
        seconds: Between two pictures; None draws none.

    Returns:
        A function that makes the callbacks of one fit.

    Raises:
        ConfigError: The time is not above 0, or not finite.
    """
    if seconds is None:
        return list
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ConfigError(f"--watch is the seconds between two pictures, above 0; got {seconds}.")
    return lambda: [Watch(out / LIVE, out / LIVE_RECORD, seconds)]


def told(
    config: str,
    assignments: Sequence[str],
    keywords: Mapping[str, Sequence[str]],
    device: str | None = None,
    family: Path | None = None,
    compile: bool = False,
) -> tuple[Table, Digests]:
    """Read a config and what the words beside it say, and print where it is from.

    Args:
        config: A file, the name of a preset or problem, or "my_file.py:problem".
        assignments: Texts "section.key=value".
        keywords: Words for keywords of the problem.
        device: Where to solve; None for where the config says.
        family: A file of a family, whose field takes the place of [prior].
        compile: Compile the step.

    Returns:
        The tables, and the digests of the code that they run.
    """
    tables, where = find_config(config)
    left_out = ""
    if where.startswith("preset"):
        left_out = without_example(tables, keywords)
    if family is not None:
        tables["prior"] = {"family": str(family.absolute())}
    override(tables, assignments)
    use_device(tables, device)
    use_compiler(tables, compile)
    tables = with_absolute_code(tables)
    code = code_of(tables)
    print(where)
    if left_out:
        print(left_out)
    announce(code)
    set_keywords(tables, keywords)
    return tables, code


@contextlib.contextmanager
def continuable(out: Path) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block; say how to go on if there is something to go on with.

    After the block, `INTERRUPTED` is the exit status: without an interruption it returns before.
    """
    with _as_ctrl_c(signal.SIGTERM):
        try:
            yield
        except KeyboardInterrupt as stopped:
            said = str(stopped) if isinstance(stopped, Unfinished) else "interrupted"
            if (out / RECORD).exists():
                said += f" Continue: inverse-inr resume {out}"
            print(said)


@contextlib.contextmanager
def _as_ctrl_c(number: int) -> Iterator[None]:
    """Let a signal do what Ctrl-C does: clusters send SIGTERM before they end a job."""
    try:
        before = signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)


@contextlib.contextmanager
def in_folder(folder: Any) -> Iterator[None]:
    """Work where a run began, so that relative paths of its config mean what they meant."""
    if not isinstance(folder, str) or folder == str(Path.cwd()):
        yield
        return
    if not Path(folder).is_dir():
        raise ConfigError(
            f"The run began in {folder}, where its relative paths begin; that folder is gone."
        )
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
