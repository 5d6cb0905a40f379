"""A config that chooses nothing: the run decides, as `solve` does, and can be interrupted.

The states of all fits are kept in a folder until the answer is written, and the classical methods
that were tried are those of the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from inverse_inr.command.config import Run
from inverse_inr.command.folder import TRIALS, remove_trials
from inverse_inr.command.keeping import Keeper
from inverse_inr.command.methods import Methods, Shelf
from inverse_inr.command.runs import (
    Unfinished,
    conclude,
    digests_of,
    load_state,
    prepare,
    print_notes,
    reconstruct,
    the_problem,
)
from inverse_inr.command.tables import Table
from inverse_inr.io import recording
from inverse_inr.problem import Problem
from inverse_inr.solver import (
    Callback,
    Progress,
    Solution,
    Trials,
    decide,
    interruptible,
    kept_in,
    kept_out,
    measurements_digest,
    null_image,
)
from inverse_inr.stopping import HeldOut


@dataclass
class Decision:
    """The decision of a run.

    Args:
        problem: The problem, as it was measured.
        methods: The classical methods that are tried.
        digests: Fingerprints of the config's tables.
        seed: The seed of the run.
        out: The run's folder.
        done: What each classical method gave, by its name in the config.
        failures: Why classical methods failed, by name; they are not compared.
        watching: Makes what draws a fit while it goes on.
    """

    problem: Problem
    methods: Methods
    digests: dict[str, str]
    seed: int
    out: Path
    done: dict[str, Solution] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    watching: Callable[[], list[Callback]] = list

    def answer(self, keeper: Keeper) -> Solution:
        """Decide; what an interrupted run had done is not done again.

        Args:
            keeper: Writes to the run's folder.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the states of the fits are kept.
        """
        shelf = Shelf(self.out, self.problem)
        watched = {name: self._kept(shelf, keeper, name) for name in self.methods}
        problem = replace(
            self.problem, suggested=replace(self.problem.suggested, baselines=watched)
        )
        trials = Trials(
            self.out / TRIALS, self.digests, lambda: [Progress(always=True), *self.watching()]
        )
        with interruptible(at_once=True), kept_in(trials), warnings.catch_warnings():
            # the verdict says it, in the table's place and in its file
            warnings.filterwarnings("ignore", message="solve: ", category=UserWarning)
            return decide(problem, seed=self.seed)

    def clear(self) -> None:
        """Remove the states of the fits, once the answer is written."""
        remove_trials(self.out)

    def _kept(self, shelf: Shelf, keeper: Keeper, name: str) -> Callable[[Problem], Any]:
        """The method, whose result for the rows that decide is kept in the folder and in `done`.

        Other problems that a candidate may give it, and all rows, are its own business.
        """
        method = self.methods[name]
        measurements = measurements_digest(self.problem)

        def kept_method(problem: Problem) -> Any:
            rule = problem.suggested.stopping
            decides = isinstance(rule, HeldOut) and rule.rows is not None
            if not decides or measurements_digest(problem) != measurements:
                return method(problem)
            assert isinstance(rule, HeldOut)
            assert rule.rows is not None
            solution = shelf.get(name)
            if solution is None or not kept_out(solution, list(rule.rows)):
                try:
                    solution = method(problem)
                except Exception as error:
                    self.failures[name] = f"{name} failed: {type(error).__name__}: {error}"
                    return null_image(problem, [])  # it kept nothing out, and is not compared
                keeper.keep("methods.json", lambda _: shelf.put(name, solution))
            self.done[name] = solution
            return replace(solution, problem=problem)

        return kept_method


def decides(tables: Table) -> bool:
    """Say whether a config chooses nothing of a fit: then held-out measurements do, as in `solve`.

    Args:
        tables: The config's tables, by name.
    """
    if any(tables.get(name) for name in ("prior", "regularizers", "stopping", "optimizer")):
        return False
    return tables.get("solver", {}).keys() <= {"seed", "device"}


def begin(
    checked: Run,
    out: Path,
    *,
    resumed: bool = False,
    watching: Callable[[], list[Callback]] = list,
) -> Callable[[], None]:
    """Prepare a run: one fit, or a decision where the config chooses no fit; write nothing.

    Args:
        checked: The config.
        out: The run's folder.
        resumed: Go on from what is in the folder.
        watching: Makes what draws a fit while it goes on.

    Returns:
        The work, which writes to the folder and raises as `reconstruct` does.

    Raises:
        ConfigError: The problem is none, or the folder holds the state of another run.
    """
    work = _prepared(checked, out, resumed, watching)

    def recorded_work() -> None:
        with recording({"config": checked.tables}):
            work()

    return recorded_work


def _prepared(
    checked: Run, out: Path, resumed: bool, watching: Callable[[], list[Callback]]
) -> Callable[[], None]:
    if not decides(checked.tables):
        prepared = prepare(checked, out, watching)
        if resumed:
            load_state(prepared[0], prepared[1])
        return partial(reconstruct, *prepared, out, checked.found)
    problem = the_problem(checked)
    methods = checked.baselines(problem)
    seed = checked.tables.get("solver", {}).get("seed", 0)
    decision = Decision(problem, methods, digests_of(checked.tables), seed, out, watching=watching)
    print_notes(problem)
    return partial(_decide, decision)


def _decide(decision: Decision) -> None:
    """Decide, and write and print what came out."""
    keeper = Keeper(decision.out)
    try:
        answer = decision.answer(keeper)
    except KeyboardInterrupt:
        keeper.finish()
        raise Unfinished(f"interrupted; what was tried is in {decision.out}.") from None
    done = decision.done
    others = {
        name: method
        for name, method in decision.methods.items()
        if name not in done or done[name].method != answer.method
    }
    conclude(keeper, answer, others, (done, decision.failures), verdict_of(answer))
    decision.clear()


def verdict_of(answer: Solution) -> dict[str, Any]:
    """Say what was decided, as `verdict.json` keeps it.

    Args:
        answer: What `decide` gave.

    Returns:
        "chosen", the method's name; "text", which says why, after the warnings if there are any;
        the misfit or the risk of each method.
    """
    details = answer.details
    told = [f"WARNING: {each}" for each in details.get("warnings", [])]
    measures = ("held-out by method", "risk by method")
    found = {key: details[key] for key in measures if key in details}
    return {"chosen": answer.method, "text": " ".join([*told, details["chosen"]]), **found}
