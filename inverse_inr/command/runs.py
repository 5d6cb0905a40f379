"""What `inverse-inr run` and `resume` do in a run's folder: prepare, reconstruct, write, print."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from inverse_inr.command.config import Run
from inverse_inr.command.folder import TRUTH, record_more
from inverse_inr.command.keeping import Keeper
from inverse_inr.command.methods import Methods, Shelf
from inverse_inr.command.reporting import (
    figure_of,
    notes_of,
    save_figure,
    text_table,
    truth_of,
    write_json,
)
from inverse_inr.command.tables import ConfigError, Table, anywhere
from inverse_inr.command.verdicts import keeping_out, verdict_on
from inverse_inr.distributed import leave
from inverse_inr.io import write_image
from inverse_inr.io.files import FileFormatError
from inverse_inr.problem import Problem
from inverse_inr.solver import (
    Callback,
    Checkpoint,
    Progress,
    Solution,
    Solver,
    interruptible,
    read_checkpoint,
)
from inverse_inr.solver.identity import recorded

Tried = tuple[Mapping[str, Solution], Mapping[str, str]]
"""Solutions of classical methods by name, and why others failed."""


class Unfinished(KeyboardInterrupt):
    """A run was interrupted; what is done is in its folder, from which `resume` goes on."""


def digests_of(tables: Table) -> dict[str, str]:
    """Compute a fingerprint of each table on which the fit depends: all but [baselines].

    The device does not count: a run may go on on another one.
    """
    return {
        name: hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()
        for name, table in anywhere(tables).items()
        if name != "baselines"
    }


def the_problem(checked: Run) -> Problem:
    """Make a config's problem.

    Raises:
        ConfigError: What [problem] names returns something else.
    """
    problem = checked.problem()
    if not isinstance(problem, Problem):
        name = checked.tables["problem"]["name"]
        raise ConfigError(f"[problem] {name}: it returned {type(problem).__name__}, no Problem.")
    return problem


def prepare(
    checked: Run, out: Path, watching: Callable[[], list[Callback]] = list
) -> tuple[Solver, Checkpoint, Methods]:
    """Make a config's problem, solver and checkpoint; print the problem's notes, write nothing."""
    problem = the_problem(checked)
    methods = checked.baselines(problem)
    checkpoint = Checkpoint(out / "state.pt", config=digests_of(checked.tables))
    solver = checked.solver(problem, [Progress(always=True), *watching(), checkpoint])
    print_notes(problem)
    for key, value in checked.found.items():
        print(f"{key}: {value}")
    return solver, checkpoint, methods


def load_state(solver: Solver, checkpoint: Checkpoint) -> None:
    """Put a solver where a checkpoint was taken; one that was never taken leaves it at its start.

    Raises:
        ConfigError: The file is damaged or no checkpoint, or it is of another config, seed, prior
            or other measurements. The message names the file and says why.
    """
    if not checkpoint.path.exists():
        solver.ranks.from_first({})
        return
    try:
        state = read_checkpoint(checkpoint.path)
    except FileFormatError as error:
        raise ConfigError(str(error)) from None
    mine = checkpoint.config or {}
    theirs = state.get("config")
    if not isinstance(theirs, dict):
        raise ConfigError(
            f"{checkpoint.path} is of no run of the command line: its config is gone."
        )
    different = [f"[{k}]" for k in {**mine, **theirs} if mine.get(k) != theirs.get(k)]
    if different:
        raise ConfigError(
            f"{checkpoint.path} is of another run: its {' and '.join(different)} said something "
            "else. Was it copied here, or config.json changed?"
        )
    solver.ranks.from_first(state)
    try:
        solver.load_state_dict(state)
    except ValueError as error:
        raise ConfigError(f"{checkpoint.path}: {error}") from None


def reconstruct(
    solver: Solver,
    checkpoint: Checkpoint,
    methods: Methods,
    out: Path,
    found: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Run a solver to its end or to Ctrl-C, and write and print what came out.

    The fit is written before the first classical method begins, and table and figure grow with each
    method. On a full disk the run goes on; what could not be written is tried again.

    Args:
        solver: At its first step, or where a checkpoint was taken.
        checkpoint: It is written at the end, so that an interrupted run can go on.
        methods: The classical methods that stand beside the fit; left out after an interruption.
        out: The run's folder.
        found: Settings that were found from the measurements, which the solution's details keep.

    Raises:
        Unfinished: Ctrl-C was pressed.
        OSError: The disk is full to the last.
        ConfigError: A classical method failed; all others are written.
    """
    solution = solver.run()
    for details in found.values():
        solution.details |= details
    leave()  # classical methods are this process's own
    keeper = Keeper(out)
    if not solver.is_divided:  # else it was written at the end, while all processes were there
        keeper.keep("state.pt", lambda _: checkpoint.write(solver))
    if solution.stopped.kind == "interrupted":
        _keep(keeper, solution)
        keeper.finish()
        raise Unfinished(f"{solution.stopped}; the best state is in {out}.")
    conclude(keeper, solution, methods)


def conclude(
    keeper: Keeper,
    solution: Solution,
    methods: Methods,
    tried: Tried = ({}, {}),
    verdict: dict[str, Any] | None = None,
) -> None:
    """Write and print a solution, and the classical methods beside it.

    Args:
        keeper: Writes to the run's folder.
        solution: The fit, or what was chosen.
        methods: The classical methods.
        tried: Those that are done already, by name, and why others failed.
        verdict: What `verdict.json` is to say; default: how they predict what they kept out.

    Raises:
        Unfinished: Ctrl-C was pressed during a classical method.
        OSError: The disk is full to the last.
        ConfigError: A classical method failed; all others are written.
    """
    _keep(keeper, solution)
    rows, beside, failures = _beside(keeper, solution, methods, tried)
    if verdict is None:
        verdict = verdict_on(solution, beside)
    keeper.keep("verdict.json", lambda path: write_json(path, verdict))
    keeper.finish()
    print(f"{text_table(rows)}\n\n{notes_of(rows)}\n{solution.report()}\nwritten to {keeper.out}/")
    if verdict:
        print(verdict["text"])
    if failures:
        raise ConfigError("; ".join(failures))


def _keep(keeper: Keeper, solution: Solution) -> None:
    for name, write in solution.writers().items():
        keeper.keep(name, write)
    truth = truth_of(solution.problem)
    if truth is not None:
        keeper.keep(TRUTH, lambda path: write_image(path, truth, solution.problem.grid))
    _keep_more(keeper, solution)


def _keep_more(keeper: Keeper, solution: Solution) -> None:
    """Write the modality's own files, and keep their names for `clear`."""
    write = solution.problem.suggested.write
    if write is not None:
        out = keeper.out

        def more(_: Path) -> None:
            with recorded(solution):
                record_more(out, write(solution, out))

        keeper.keep("files.json", more)


def _beside(
    keeper: Keeper,
    ours: Solution,
    methods: Methods,
    tried: Tried,
) -> tuple[list[dict[str, Any]], dict[str, Solution], list[str]]:
    """Run the methods that are not done yet; write table and figure after each.

    Returns:
        The rows of the table, the solutions by name, and why methods failed.
    """
    measured = keeping_out(ours)
    shelf = Shelf(keeper.out, measured)
    kept = {name: tried[0].get(name) or shelf.get(name) for name in methods}
    done = {name: solution for name, solution in kept.items() if solution is not None}
    last = ours.summary()
    rows = {name: solution.summary() for name, solution in done.items()}
    failures = list(tried[1].values())
    rows |= {name: {"method": name, "note": why} for name, why in tried[1].items()}

    def write() -> None:
        found = [rows[name] for name in methods if name in rows] + [last]
        shown = [done[name] for name in methods if name in done] + [ours]
        keeper.keep("table.json", lambda path: write_json(path, found))
        keeper.keep_seldom("figure.png", lambda path: _draw(ours.problem, shown, path))
        keeper.retry()

    write()
    for name, method in methods.items():
        if name in rows:
            continue
        try:
            with interruptible(at_once=True) as request:
                solution = method(measured)
            if request.made:  # a method that is a fit itself ends at Ctrl-C without a word
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            keeper.finish()
            raise Unfinished(
                f"interrupted in {name}; the fit and what was done before are in {keeper.out}."
            ) from None
        except Exception as error:
            failures.append(f"{name} failed: {type(error).__name__}: {error}")
            rows[name] = {"method": name, "note": failures[-1]}
            write()
            continue
        done[name] = solution
        rows[name] = solution.summary()
        keeper.keep("methods.json", lambda _, n=name, s=solution: shelf.put(n, s))
        write()
    return [rows[name] for name in methods] + [last], done, failures


def _draw(problem: Problem, solutions: Sequence[Solution], path: Path) -> None:
    draw = problem.suggested.figure or figure_of
    figure = draw(problem, solutions)
    if figure is not None:
        save_figure(figure, path)


def print_notes(problem: Problem) -> None:
    """Print what a loader found or inferred; of a long tensor, its shape and range (of moduli)."""
    for key, value in problem.notes.items():
        if isinstance(value, torch.Tensor) and value.numel() > 8:
            if value.is_complex():
                value = value.abs()
            least, most = float(value.min()), float(value.max())
            value = f"{tuple(value.shape)}, from {least:.4g} to {most:.4g}"
        print(f"{key}: {value}")
