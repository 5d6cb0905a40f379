"""One fit of a comparison, kept in a folder of its own: read where it is finished, continued where it was cut off."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inverse_inr.command.config import Run, Table
from inverse_inr.command.memory import step_memory
from inverse_inr.command.reporting import entry, image_of, write_json
from inverse_inr.evaluation import placement
from inverse_inr.io import write_image
from inverse_inr.problem import Problem
from inverse_inr.solver import Checkpoint, Progress, Solution, save_field

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


@dataclass(frozen=True)
class Cell:
    """One fit as it is remembered: `values` by measure, none where it failed; `note` says why, or what went wrong."""

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
        return not self.values

    @classmethod
    def read(cls, folder: Path) -> Cell | None:
        """The cell of a folder, finished or failed; None where there is none, or one that cannot be read."""
        try:
            cell = cls(folder=folder, **json.loads((folder / "cell.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        return cell if cell.failed or (folder / "image.npz").exists() else None

    def __str__(self) -> str:
        shown = [
            f"{title} {entry(self.values[k])}"
            for k, title in MEASURES.items()
            if self.values.get(k) is not None
        ]
        note = f"failed: {self.note}" if self.failed else self.note
        return f"{self.method}, seed {self.seed}: {', '.join(shown + [note] * bool(note))}"


def attempt(method: str, seed: int, folder: Path, work: Callable[[Path], Table]) -> Cell:
    """The finished cell of `folder`, else the one that `work` makes there. What it raises is remembered as a failure,
    which is tried again the next time; a disk that is full or gone (OSError) is no property of a method."""
    found = Cell.read(folder)
    if found is None or found.failed:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = Cell(method, seed, folder, **work(folder))
        except OSError:
            raise
        except Exception as error:
            logger.debug("%s, seed %d", method, seed, exc_info=True)
            found = Cell(method, seed, folder, note=f"{type(error).__name__}: {error}")
        write_json(folder / "cell.json", {k: v for k, v in asdict(found).items() if k != "folder"})
    if not found.failed:
        (folder / "state.pt").unlink(missing_ok=True)
    return found


def fit(run: Run, problem: Problem, progress: Progress, folder: Path) -> Table:
    """Fit the prior of `run`, from the folder's checkpoint where there is one; KeyboardInterrupt leaves one."""
    memory = step_memory(run.solver(problem, []))
    checkpoint = Checkpoint(folder / "state.pt")
    solver = run.solver(problem, [progress, checkpoint])
    if checkpoint.path.exists():
        solver.load_state_dict(torch.load(checkpoint.path, weights_only=True))
    try:
        solution = solver.run()
    finally:
        progress.close()
    if solution.stopped.kind == "interrupted":
        checkpoint.write(solver)
        raise KeyboardInterrupt
    more = {
        "parameters": _parameters(solver.prior),
        "memory": None if memory is None else memory / 1e6,
    }
    return _remember(solution, more, folder)


def baseline(method: Callable[[Problem], Solution], problem: Problem, folder: Path) -> Table:
    """A classical reconstruction."""
    return _remember(method(problem), {}, folder)


def _remember(solution: Solution, more: Table, folder: Path) -> Table:
    """Image and weights to the folder, the rest to the cell, which is written last."""
    summary = solution.summary()
    write_image(folder / "image.npz", image_of(solution), solution.problem.grid)
    if isinstance(solution.field, nn.Module):
        save_field(solution.field, folder / "field.safetensors")
    return {
        "values": {k: v for k, v in (summary | more).items() if k != "method"},
        "note": str(solution.stopped) if solution.stopped.kind == "non-finite" else "",
        "machine": _machine(solution),
        "steps": solution.steps,
        "best_step": solution.best_step,
        "stopped": str(solution.stopped),
        "history": solution.history,
    }


def _parameters(prior: nn.Module) -> int:
    """Real numbers learnt."""
    count = getattr(prior, "parameter_count", None)
    return (
        sum(p.numel() * (2 if p.is_complex() else 1) for p in prior.parameters())
        if count is None
        else int(count)
    )


def _machine(solution: Solution) -> str:
    """What the seconds were measured on."""
    device, threads = placement(solution.field)[1], torch.get_num_threads()
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{threads} CPU thread{'s'[: threads - 1]}"
    )
    return f"{name}, torch {torch.__version__}"


def notes(cells: Sequence[Cell]) -> list[str]:
    """What went wrong, each once, with its seeds."""
    seeds: dict[str, list[str]] = {}
    for c in cells:
        if c.note:
            seeds.setdefault(f"failed: {c.note}" if c.failed else c.note, []).append(str(c.seed))
    return [
        f"{note} (seed{'s' * (len(which) > 1)} {', '.join(which)})" for note, which in seeds.items()
    ]
