"""Classical methods beside a fit: run one after the other, each kept as soon as it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inverse_inr.command.folder import image_name
from inverse_inr.command.reporting import write_json
from inverse_inr.io import read_image, write_image
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Ended, Solution
from inverse_inr.solver.identity import recorded

Methods = dict[str, Callable[[Problem], Any]]

FILE = "methods.json"
"""What is known of each classical method that is done, beside its image."""


class Shelf:
    """The classical solutions of a run's folder, from which an interrupted run takes them again.

    A solution is kept where a file gives it back exactly; another is computed again.

    Args:
        out: The folder.
        problem: The problem that was solved.
    """

    def __init__(self, out: Path, problem: Problem) -> None:
        self.out = out
        self.problem = problem
        self.entries = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads((self.out / FILE).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return entries

    def put(self, name: str, solution: Solution) -> None:
        """Keep a solution, if a file can hold it.

        Raises:
            OSError: The disk is full.
        """
        entry = {
            "method": solution.method,
            "seconds": solution.seconds,
            "steps": solution.steps,
            "best_step": solution.best_step,
            "stopped": [solution.stopped.kind, solution.stopped.text],
            "watched": [rows.tolist() for rows in solution.watched],
            "details": solution.details,
        }
        if not isinstance(solution.field, SampledField) or solution.history or solution.learnt:
            return
        try:
            if json.loads(json.dumps(entry)) != entry:
                return
        except (TypeError, ValueError):
            return
        path = self.out / image_name(name)
        with recorded(solution):
            write_image(path, solution.field.values, solution.field.grid)
        values, grid = read_image(path)
        same = values.dtype == solution.field.values.dtype and grid == solution.field.grid
        if not (same and torch.equal(values, solution.field.values.detach().cpu())):
            path.unlink()
            return
        self.entries[name] = entry
        write_json(self.out / FILE, self.entries)

    def get(self, name: str) -> Solution | None:
        """Take a solution that was kept; None if there is none, or it is damaged."""
        entry = self.entries.get(name)
        path = self.out / image_name(name)
        if not isinstance(entry, dict) or not path.is_file():
            return None
        try:
            values, grid = read_image(path)
            device = self.problem.terms[0].y.device
            return Solution(
                SampledField(values.to(device), grid),
                self.problem,
                entry["method"],
                seconds=entry["seconds"],
                steps=entry["steps"],
                stopped=Ended(*entry["stopped"]),
                best_step=entry["best_step"],
                watched=[torch.tensor(rows, dtype=torch.long) for rows in entry["watched"]],
                details=entry["details"],
            )
        except (ValueError, KeyError, TypeError):
            return None
