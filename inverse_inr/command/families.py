"""What `inverse-inr train` does: a family of fields from the tasks that a config describes.

[problem]    one problem, as for `run`
[tasks]      count = 40; keywords of the problem that change from task to task: a list, taken in
             turn, or a text with * for the task's number; truths = true to learn from references
[family]     name = "conditioned", and its keywords; encoder = {features = 16, depth = 3}
[training]   steps, tasks, lr, ...: the keywords of `families.train`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inverse_inr import families
from inverse_inr.command.config import Run
from inverse_inr.command.records import arguments
from inverse_inr.command.runs import Unfinished
from inverse_inr.command.tables import ConfigError, Table, check_keywords
from inverse_inr.families.amortized import Amortized
from inverse_inr.families.files import KINDS
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count
from inverse_inr.registry import nearest
from inverse_inr.solver import Checkpoint, Progress, read_checkpoint

GIVEN = ("self", "family", "problems", "targets", "callbacks")
"""Parameters of a training that the other tables give."""


def teach(tables: Table, out: Path, *, force: bool) -> None:
    """Train the family of a config, and write it.

    Args:
        tables: The config's tables.
        out: The family's file. While the training goes on, its state is in a file beside it, from
            which the same command goes on.
        force: Replace the family that is there.

    Raises:
        ConfigError: A table is missing or wrong, or there is a file already.
        Unfinished: Ctrl-C was pressed; the state is kept.
    """
    if out.exists() and not force:
        raise ConfigError(f"{out} exists. Choose another --out, or pass --force.")
    family = family_of(tables.get("family", {}))
    own = tables.get("training", {})
    check_keywords("[training]", families.Training.__init__, own, GIVEN)
    problems = tasks_of(tables)
    targets = None
    if tables["tasks"].get("truths", False):
        targets = [families.truth(problem) for problem in problems]
    state = out.with_name(out.name + ".state")
    checkpoint = Checkpoint(state)
    training = families.Training(
        family,
        problems,
        targets=targets,
        callbacks=[Progress(always=True), checkpoint],
        **arguments(families.Training.__init__, own, GIVEN),
    )
    if state.exists():
        training.load_state_dict(read_checkpoint(state))
        print(f"goes on at step {training.step_number} of {state}")
    trained = training.run()
    if training.stopped is not None and training.stopped.kind == "interrupted":
        checkpoint.write(training)
        raise Unfinished(f"{training.stopped}; repeat the command to go on from {state}.")
    families.save(trained, out)
    state.unlink(missing_ok=True)
    best = training.best
    print(f"{training.label}, {len(problems)} tasks: {best['value']:.4g} of an empty field's loss")
    print(f"at step {best['step']}, on tasks that it did not learn from; written to {out}")


def family_of(table: Table) -> families.Family:
    """Make the family of a table [family], not trained.

    Args:
        table: Its name and keywords.

    Raises:
        ConfigError: There is no name or an unknown one, or a keyword is wrong.
    """
    name = table.get("name")
    if name not in KINDS:
        raise ConfigError(f"[family] name={name!r}: no such kind. {nearest(str(name), KINDS)}")
    kind: Any = KINDS[name]
    keywords = {key: value for key, value in table.items() if key not in ("name", "encoder")}
    where = f"[family] {name}"
    given: Table = {}
    if issubclass(kind, Amortized):
        encoder = table.get("encoder", {})
        check_keywords(f"{where}: encoder", families.Convolutions, encoder, ())
        given["encoder"] = families.Convolutions(**encoder)
    elif "encoder" in table:
        raise ConfigError(f"{where}: this kind has no encoder.")
    taken = ("self", "encoder")
    check_keywords(where, kind.__init__, keywords, taken)
    return kind(**given, **arguments(kind.__init__, keywords, taken))


def tasks_of(tables: Table) -> list[Problem]:
    """Make the problems from which a family learns.

    Args:
        tables: The config's tables, of which [problem] and [tasks] are read.

    Raises:
        ConfigError: [tasks] is missing, or a keyword does not change from task to task.
    """
    table = tables.get("tasks", {})
    check_keywords("[tasks]", _tasks, {k: v for k, v in table.items() if k in _OWN}, ())
    problem = tables["problem"]
    changing = {key: value for key, value in table.items() if key not in _OWN}
    if Run.of({"problem": problem}).draws_noise:
        changing = {"seed": list(range(table["count"])), **changing}
    runs = []
    for k in range(table["count"]):
        own = {key: _in_turn(key, value, k) for key, value in changing.items()}
        runs.append(Run.of({"problem": {**problem, **own}}))
    return [run.problem() for run in runs]


def _in_turn(key: str, value: Any, number: int) -> Any:
    """What a keyword of [tasks] is for the task of a number."""
    if isinstance(value, str) and "*" in value:
        return value.replace("*", str(number))
    if isinstance(value, list) and value:
        return value[number % len(value)]
    raise ConfigError(
        f"[tasks] {key} = {value!r} is the same for all tasks: write a list, or a text with * for "
        "the task's number; what does not change stands in [problem]."
    )


def _tasks(count: Count, truths: bool = False) -> None:
    """The keys of [tasks] that are no keywords of the problem."""


_OWN = ("count", "truths")
