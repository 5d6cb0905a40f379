"""Whether a fit predicts held-out measurements better than the methods beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inverse_inr.problem import Problem
from inverse_inr.solver import Solution, compare_held_out, kept_out
from inverse_inr.stopping import HeldOut


def keeping_out(ours: Solution) -> Problem:
    """Make the problem for the methods beside a fit: they keep out the rows that the fit did.

    Args:
        ours: The fit.

    Returns:
        The problem as it was measured. Where the fit kept nothing out, its rule is its own.
    """
    measured = ours.problem.origin or ours.problem
    if not _judged(ours):
        return measured
    rule = HeldOut(rows=[rows.sort().values for rows in ours.watched])
    return replace(measured, suggested=replace(measured.suggested, stopping=rule))


def verdict_on(ours: Solution, beside: Mapping[str, Solution]) -> dict[str, Any]:
    """Compare a fit with the methods beside it and with nothing, by rows that none of them saw.

    Args:
        ours: The fit.
        beside: The methods' solutions, by their names in the config.

    Returns:
        "chosen", the name of what predicts these rows best, the fit where it does to one standard
        error; "text", which says so and warns where another's misfit is less; "held-out by method".
        Empty where the fit kept nothing out.
    """
    if not _judged(ours):
        return {}
    watch = [rows.sort().values for rows in ours.watched]
    problem = ours.problem.origin or ours.problem
    named = {ours.method: ours} | {name: beside[name] for name in reversed(list(beside))}
    compared = {name: each for name, each in named.items() if kept_out(each, watch)}
    solutions = [replace(each, method=name) for name, each in compared.items()]
    verdict = compare_held_out(problem, solutions, watch)
    text = verdict.text
    if verdict.misfits[ours.method] > min(verdict.misfits.values()):
        text = f"WARNING: {text} The fit does not predict them better."
    chosen = list(verdict.misfits)[verdict.place]
    return {"chosen": chosen, "text": text, "held-out by method": verdict.misfits}


def _judged(ours: Solution) -> bool:
    return bool(ours.watched) and all(len(rows) for rows in ours.watched)
