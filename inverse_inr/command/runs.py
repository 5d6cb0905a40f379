"""What `inverse-inr run` and `resume` do in a run's folder: prepare, reconstruct, write, print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inverse_inr.command.config import Run
from inverse_inr.command.reporting import HELD_OUT, figure_of, save_figure, text_table, write_json
from inverse_inr.command.tables import ConfigError
from inverse_inr.problem import Problem
from inverse_inr.solver import Checkpoint, Progress, Solution, Solver

Methods = dict[str, Callable[[Problem], Any]]

OURS = (
    "state.pt",
    "table.json",
    "figure.png",
    "history.json",
    "image.npz",
    "image.nii.gz",
    "field.safetensors",
)
"""What a run writes."""

MORE = "files.json"
"""Names of what the problem's own `Suggestion.write` added."""


def prepare(checked: Run, out: Path) -> tuple[Solver, Checkpoint, Methods]:
    """Make a config's problem, solver and checkpoint; print the problem's notes, write nothing."""
    problem = checked.problem()
    methods = checked.baselines(problem)
    print_notes(problem)
    checkpoint = Checkpoint(out / "state.pt")
    return checked.solver(problem, [Progress(always=True), checkpoint]), checkpoint, methods


def reconstruct(solver: Solver, checkpoint: Checkpoint, methods: Methods, out: Path) -> None:
    """Run a solver to its end or to Ctrl-C, and write and print what came out.

    Args:
        solver: At its first step, or where a checkpoint was taken.
        checkpoint: It is written at the end, so that an interrupted run can go on.
        methods: The classical methods that stand beside the fit; left out after an interruption.
        out: The run's folder.
    """
    problem = solver.problem
    solution = solver.run()
    checkpoint.write(solver)
    solution.save(out)
    _write_more(solution, out)
    if solution.stopped.kind == "interrupted":
        print(f"{solution.stopped}; the best state is in {out}. Continue: inverse-inr resume {out}")
        return
    solutions = [method(problem) for method in methods.values()] + [solution]
    rows = [s.summary() for s in solutions]
    write_json(out / "table.json", rows)
    draw = problem.suggested.figure or figure_of
    figure = draw(problem, solutions)
    if figure is not None:
        save_figure(figure, out / "figure.png")
    print(f"{text_table(rows)}\n\n{HELD_OUT}\n{solution.report()}\nwritten to {out}/")


def _write_more(solution: Solution, out: Path) -> None:
    """Write the modality's own files, and keep their names for `clear`."""
    write = solution.problem.suggested.write
    if write is not None:
        write_json(out / MORE, [path.relative_to(out).as_posix() for path in write(solution, out)])


def print_notes(problem: Problem) -> None:
    """Print what a loader found or inferred."""
    for key, value in problem.notes.items():
        print(f"{key}: {value}")


def read_record(out: Path) -> dict[str, Any]:
    """Read the record of the run or comparison in a folder.

    Raises:
        FileNotFoundError: The folder holds none.
        ConfigError: The record is damaged.
    """
    path = out / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{out} holds no run (there is no config.json).")
    try:
        record = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is damaged: {error}.") from None
    if "config" not in record:
        raise ConfigError(f"{path} is damaged: 'config'.")
    return record


def clear(out: Path) -> None:
    """Make the folder, and remove from it what an earlier run wrote: never anything else."""
    out.mkdir(parents=True, exist_ok=True)
    more: list[str] = []
    if (out / MORE).exists():
        more = json.loads((out / MORE).read_text())
    for name in (*OURS, *more, MORE):
        (out / name).unlink(missing_ok=True)
