"""A map of how sure a run is, made beside its image from further fits of the same config."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from inverse_inr.command.config import Run
from inverse_inr.command.folder import DEVIATION
from inverse_inr.command.runs import Unfinished, the_problem
from inverse_inr.io import write_image
from inverse_inr.problem import Problem
from inverse_inr.solver import Solution
from inverse_inr.uncertainty import Ensemble, SameSplit, held_out_scale

COUNT = 4
"""Fits of an ensemble: the one of the config's seed, and one for each of the next seeds."""


def write_deviation(checked: Run, out: Path) -> None:
    """Fit a config several times, write the map of their scaled spread, and say what it is.

    Args:
        checked: The config; where it chooses nothing, the fits are those that the problem suggests.
        out: The run's folder.

    Raises:
        Unfinished: Ctrl-C was pressed.
        OSError: The disk is full.
    """
    problem = the_problem(checked)
    print(f"uncertainty: an ensemble of {COUNT} fits", flush=True)
    made = ensemble_of(checked, problem)
    deviation = made.deviation(average=problem.average)
    write_image(out / DEVIATION, deviation, problem.grid)
    scaled = "as they are: nothing was held out"
    if not math.isnan(made.scale):
        scaled = f"times {made.scale:.3g}, which explains the measurements that none of them saw"
    print(
        f"uncertainty: standard deviation of {COUNT} fits, {scaled}; "
        f"mean {float(deviation.mean()):.4g}; written to {out / DEVIATION}"
    )


def ensemble_of(checked: Run, problem: Problem) -> Ensemble:
    """Make the fits of a config with its seed and the next ones, which hold the same rows out."""
    seed = checked.tables.get("solver", {}).get("seed", 0)
    members: list[Solution] = []
    options: dict[str, Any] = {}
    for k in range(COUNT):
        own = {**checked.tables.get("solver", {}), "seed": seed + k}
        # weights that the first fit found stay found
        run = replace(checked, tables={**checked.tables, "solver": own})
        solver = run.solver(problem, [], **options)
        if not members:
            rule = SameSplit(solver.stopping, solver.problem.terms, seed)
            options["stopping"] = rule
        members.append(solver.run())
        if members[-1].stopped.kind == "interrupted":
            raise Unfinished("interrupted; the map of uncertainty is not made yet.")
    return Ensemble(members, held_out_scale(members))
