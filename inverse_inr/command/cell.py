"""One fit of a comparison in a folder of its own: read if finished, continued if it was cut off."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inverse_inr.command.config import Run
from inverse_inr.command.folder import remove_orphans
from inverse_inr.command.memory import step_memory
from inverse_inr.command.reporting import entry, write_json
from inverse_inr.command.runs import digests_of, load_state
from inverse_inr.command.tables import ConfigError, Table
from inverse_inr.io import write_image
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.solver import Checkpoint, Progress, Solution, interruptible, save_field
from inverse_inr.solver.identity import recorded

logger = logging.getLogger("inverse_inr")

MEASURES = {
    "PSNR": "PSNR (dB)",
    "SSIM": "SSIM",
    "held-out": "held-out",
    "parameters": "parameters",
    "seconds": "seconds",
    "memory": "memory (MB)",
}
"""The columns of a comparison, by the names of a cell's values."""

FILES = ("cell.json", "image.npz", "field.safetensors", "state.pt")
"""All that a cell's folder may hold."""


@dataclass(frozen=True)
class Cell:
    """One fit as it is remembered.

    Attributes:
        method: The prior's or the baseline's name.
        seed: The seed of the fit, and of the noise where the problem draws any.
        folder: Where image, weights and this record are kept.
        values: What was measured, by the names of `MEASURES`; empty for a fit that failed.
        note: Why it failed, or what went wrong on the way.
        machine: What the seconds were measured on.
        steps: Steps that were made.
        best_step: The step whose state was kept.
        stopped: How the run ended, in words.
        history: The records of the stopping rule's checks.
    """

    method: str
    seed: int
    folder: Path
    values: dict[str, float | None] = field(default_factory=dict)
    note: str = ""
    machine: str = ""
    steps: int = 0
    best_step: int = 0
    stopped: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether the fit raised an error instead of giving an image."""
        return not self.values

    @classmethod
    def read(cls, folder: Path) -> Cell | None:
        """Read the cell of a folder, finished or failed.

        Returns:
            None where there is no cell, or one that is damaged or lacks its image.
        """
        try:
            cell = cls(folder=folder, **json.loads((folder / "cell.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        if not cell.failed and not (folder / "image.npz").exists():
            return None
        return cell

    @property
    def remark(self) -> str:
        """The note as it is printed: marked where it is the reason of a failure."""
        if self.failed:
            return f"failed: {self.note}"
        return self.note

    def __str__(self) -> str:
        """One line: the method, the seed, what was measured and the remark."""
        shown = [
            f"{title} {entry(self.values[key])}"
            for key, title in MEASURES.items()
            if self.values.get(key) is not None
        ]
        if self.remark:
            shown.append(self.remark)
        return f"{self.method}, seed {self.seed}: {', '.join(shown)}"


def attempt(method: str, seed: int, folder: Path, work: Callable[[Path], Table]) -> Cell:
    """Return the finished cell of a folder, or make one there.

    An error of the method is remembered as a failure, which is tried again the next time.

    Args:
        method: The name under which the cell is kept.
        seed: The seed of the fit.
        folder: The cell's folder.
        work: Makes image and weights in the folder, and returns the other attributes of the cell.

    Raises:
        OSError: The disk is full or gone, which is no property of a method.
        ConfigError: The folder's checkpoint is damaged, or of another fit.
    """
    found = Cell.read(folder)
    if found is None or found.failed:
        folder.mkdir(parents=True, exist_ok=True)
        remove_orphans(folder)
        try:
            found = Cell(method, seed, folder, **work(folder))
        except (OSError, ConfigError):
            raise
        except Exception as error:
            logger.debug("%s, seed %d", method, seed, exc_info=True)
            found = Cell(method, seed, folder, note=f"{type(error).__name__}: {error}")
        write_json(folder / "cell.json", {k: v for k, v in asdict(found).items() if k != "folder"})
    if not found.failed:
        (folder / "state.pt").unlink(missing_ok=True)
    return found


def fit(run: Run, problem: Problem, progress: Progress, folder: Path) -> Table:
    """Fit the prior of a config, from the folder's checkpoint where there is one.

    Args:
        run: The config.
        problem: Its problem, made before.
        progress: What is shown on the way; it is closed at the end.
        folder: The cell's folder.

    Returns:
        The attributes of the cell.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; a checkpoint is left.
    """
    memory = step_memory(run.solver(problem, []))
    checkpoint = Checkpoint(folder / "state.pt", config=digests_of(run.tables))
    solver = run.solver(problem, [progress, checkpoint])
    load_state(solver, checkpoint)
    try:
        solution = solver.run()
    finally:
        progress.close()
    if solution.stopped.kind == "interrupted":
        checkpoint.write(solver)
        raise KeyboardInterrupt
    more: Table = {"parameters": count_parameters(solver.prior), "memory": memory}
    if memory is not None:
        more["memory"] = memory / 1e6
    return remember(solution, more, folder)


def baseline(method: Callable[[Problem], Solution], problem: Problem, folder: Path) -> Table:
    """Reconstruct by a classical method, and return the attributes of the cell."""
    with interruptible(at_once=True) as request:
        solution = method(problem)
    if request.made:  # a method that is a fit itself ends at Ctrl-C without a word
        raise KeyboardInterrupt
    return remember(solution, {}, folder)


def remember(solution: Solution, more: Table, folder: Path) -> Table:
    """Write image and weights to the folder; return the rest, which is written last.

    Args:
        solution: The fit.
        more: Further values of the cell.
        folder: The cell's folder.

    Returns:
        The attributes of the cell.
    """
    summary = solution.summary()
    note = ""
    if solution.stopped.kind == "non-finite":
        note = str(solution.stopped)
    with recorded(solution):
        write_image(folder / "image.npz", solution.image(), solution.problem.grid)
    if isinstance(solution.field, nn.Module):
        save_field(solution.field, folder / "field.safetensors")
    return {
        "values": {k: v for k, v in (summary | more).items() if k != "method"},
        "note": note,
        "machine": _machine(solution),
        "steps": solution.steps,
        "best_step": solution.best_step,
        "stopped": str(solution.stopped),
        "history": solution.history,
    }


def count_parameters(prior: nn.Module) -> int:
    """The number of real numbers that a prior learns."""
    count = getattr(prior, "parameter_count", None)
    if count is not None:
        return int(count)
    return sum(
        torch.view_as_real(p).numel() if p.is_complex() else p.numel() for p in prior.parameters()
    )


def _machine(solution: Solution) -> str:
    """What the seconds were measured on."""
    device = placement(solution.field)[1]
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = _counted(torch.get_num_threads(), "CPU thread")
    return f"{name}, torch {torch.__version__}"


def _counted(number: int, thing: str) -> str:
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing}s"


def notes(cells: Sequence[Cell]) -> list[str]:
    """Say what went wrong in several cells of one method: each remark once, with its seeds."""
    seeds: dict[str, list[str]] = {}
    for cell in cells:
        if cell.note:
            seeds.setdefault(cell.remark, []).append(str(cell.seed))
    lines = []
    for remark, which in seeds.items():
        word = "seed" if len(which) == 1 else "seeds"
        lines.append(f"{remark} ({word} {', '.join(which)})")
    return lines
