"""The command line: run, compare, resume, show, list, check."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter

from inverse_inr import priors
from inverse_inr.command import catalogue
from inverse_inr.command.comparison import Comparison
from inverse_inr.command.config import Run
from inverse_inr.command.reporting import HELD_OUT, text_table, versions, write_json
from inverse_inr.command.runs import clear, prepare, print_notes, read_record, reconstruct
from inverse_inr.command.tables import ConfigError, override, read_tables, set_keywords
from inverse_inr.solver import Progress

app = App(name="inverse-inr", help="Imaging inverse problems with implicit neural representations.")
logger = logging.getLogger("inverse_inr")

Config = Annotated[Path, Parameter(help="The config, e.g. problems/ct.toml.")]
Overrides = Annotated[
    tuple[str, ...], Parameter(help="Override a value: --set solver.steps=200 (repeat).")
]
Keywords = Annotated[
    list[str], Parameter(consume_multiple=True, help="Any keyword of the problem: --size 64.")
]
Threads = Annotated[
    int | None,
    Parameter(
        help="CPU threads for torch. One is fastest for small problems and on a busy machine."
    ),
]


@app.command
def run(
    path: Config,
    /,
    *,
    out: Path,
    force: bool = False,
    set: Overrides = (),
    threads: Threads = None,
    **keywords: Keywords,
) -> None:
    """Reconstruct what a TOML file describes; write figure, image, weights, history and config.

    Parameters
    ----------
    out
        Folder of the run; one that holds another run is refused without --force.
    """
    _use_threads(threads)
    tables = read_tables(path)
    override(tables, set)
    set_keywords(tables, keywords)
    checked = Run.of(tables)
    if out.exists() and any(out.iterdir()) and not force:
        raise ConfigError(
            f"{out} is not empty and may hold another run. Choose another --out, or pass --force."
        )
    prepared = prepare(checked, out)  # what cannot be prepared takes no folder, and clears none
    clear(out)
    write_json(out / "config.json", {"config": tables, "versions": versions()})
    reconstruct(*prepared, out)


@app.command
def compare(
    path: Config,
    *,
    priors: str,
    out: Path,
    seeds: int = 3,
    force: bool = False,
    set: Overrides = (),
    threads: Threads = None,
) -> None:
    """Fit several priors to one problem: a table and a figure, with the classical baselines above.

    Everything but [prior] is taken from the config; --set prior.bandwidth=20 holds for every prior.
    What is finished in `out` is kept: repeat the command to go on after an interruption, with more
    priors or with more seeds.

    Parameters
    ----------
    priors
        Names of the catalogue, e.g. siren,wire,hash (see inverse-inr list).
    out
        Folder of the comparison; one that holds something else is refused without --force.
    seeds
        How many fits of each, with seeds 0, 1, ... of the noise and of the solver.
    force
        Begin again.
    """
    _use_threads(threads)
    tables = {k: v for k, v in read_tables(path).items() if k != "prior"}
    override(tables, set)
    options = tables.pop("prior", {})
    if "name" in options:
        raise ConfigError(f"--set prior.name={options['name']}: --priors names them.")
    names = [name.strip() for name in priors.split(",") if name.strip()]
    command = ["inverse-inr", "compare", str(path)]
    command += ["--priors", ",".join(names), "--seeds", str(seeds)]
    command += [word for assignment in set for word in ("--set", assignment)]
    comparison = Comparison(
        Run.of(tables),
        names,
        out,
        seeds,
        options,
        partial(Progress, always=True),
        shlex.join(command),
    )
    comparison.claim(force=force)
    _compare(comparison)


@app.command
def resume(out: Path, *, threads: Threads = None) -> None:
    """Continue an interrupted run or comparison: the result is as without the interruption."""
    _use_threads(threads)
    record = read_record(out)
    checked = Run.of(record["config"])
    if "priors" in record:
        _compare(
            Comparison(
                checked,
                record["priors"],
                out,
                record["seeds"],
                record["options"],
                partial(Progress, always=True),
                record["command"],
            )
        )
        return
    if not (out / "state.pt").exists():
        raise FileNotFoundError(
            f"{out} has no checkpoint (state.pt): nothing to resume; run it again."
        )
    solver, checkpoint, methods = prepare(checked, out)
    solver.load_state_dict(torch.load(checkpoint.path, weights_only=True))
    reconstruct(solver, checkpoint, methods, out)


@app.command
def show(out: Path) -> None:
    """Print the table of a finished run."""
    read_record(out)
    table = out / "table.json"
    if not table.exists():
        raise FileNotFoundError(
            f"{out} holds a run that has not finished. Continue it: inverse-inr resume {out}"
        )
    print(text_table(json.loads(table.read_text())))


@app.command(name="list")
def list_components() -> None:
    """Name what there is: problems, priors, operators, regularizers, stopping rules, optimizers."""
    known = {
        "problems": catalogue.problems,
        "priors": priors.registry,
        "operators": catalogue.operators,
        "regularizers": catalogue.regularizers,
        "stopping": catalogue.stoppings,
        "optimizers": catalogue.optimizer_names,
    }
    for title, registry in known.items():
        print(f"{title:13s}{', '.join(registry.names())}")


@app.command
def check(reference: str, *, nonlinear: bool = False, channels: int = 1) -> None:
    """Run the conformance kit on an operator of your own: inverse-inr check my_file.py:MyOperator.

    The object is an operator, or something that makes one when called without arguments.
    """
    from inverse_inr.protocol import Operator
    from inverse_inr.registry import load_object
    from inverse_inr.testing import OperatorTests, run_checks

    found: Any = load_object(reference)

    class Kit(OperatorTests):
        linear = not nonlinear

        def make(self) -> Operator:
            if isinstance(found, type) or not isinstance(found, Operator):
                return found()
            return found

    Kit.channels = channels
    results = run_checks(Kit())
    for name, failure in results:
        if failure is None:
            print(f"ok   {name}")
        else:
            print(f"FAIL {name}: {failure}")
    failed = sum(f is not None for _, f in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        sys.exit(1)


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"--threads must be at least 1, got {threads}.")
        torch.set_num_threads(threads)


def _compare(comparison: Comparison) -> None:
    print_notes(comparison.first)
    try:
        for cell in comparison.cells():
            print(cell)
    except KeyboardInterrupt:
        print(
            f"interrupted; what is done is in {comparison.out}. "
            f"Continue: inverse-inr resume {comparison.out}"
        )
        return
    comparison.write()
    print(f"\n{text_table(comparison.table())}\n\n{HELD_OUT}\nwritten to {comparison.out}/")


def main() -> None:
    """Run the command line. An error that a user can mend is one line, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        sys.exit(f"inverse-inr: {error}")


if __name__ == "__main__":
    main()
