"""The command line: run, resume, show, list, check."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Parameter

from inverse_inr import config, priors
from inverse_inr.callbacks import Checkpoint, Progress
from inverse_inr.config import ConfigError, Run
from inverse_inr.io.files import atomic_write
from inverse_inr.problem import Problem
from inverse_inr.solution import Solution

app = App(name="inverse-inr", help="Imaging inverse problems with implicit neural representations.")
logger = logging.getLogger("inverse_inr")


@app.command
def run(
    path: Path,
    *,
    out: Path,
    force: bool = False,
    set: Annotated[tuple[str, ...], Parameter()] = (),
    threads: int | None = None,
) -> None:
    """Reconstruct what a TOML file describes; write figure, image, weights, history and resolved config.

    Parameters
    ----------
    path
        The config, e.g. problems/ct.toml.
    out
        Folder of the run; one that holds another run is refused without --force.
    set
        Override a value: --set solver.steps=200 (repeat).
    threads
        CPU threads for torch. One is fastest for small problems, and on a machine that has other work to do.
    """
    _use_threads(threads)
    tables = Run.read(path).tables
    for assignment in set:
        _override(tables, assignment)
    checked = Run.of(tables)
    if out.exists() and any(out.iterdir()) and not force:
        raise ConfigError(f"{out} is not empty and may hold another run. Choose another --out, or pass --force.")
    _clear(out)
    _write_json(out / "config.json", {"config": tables, "versions": _versions()})
    _reconstruct(checked, out)


@app.command
def resume(out: Path, *, threads: int | None = None) -> None:
    """Continue an interrupted run from its last checkpoint: the result is the same as without the interruption."""
    _use_threads(threads)
    _reconstruct(_stored(out), out, resume=True)


@app.command
def show(out: Path) -> None:
    """Print the table of a finished run."""
    _stored(out)
    table = out / "table.json"
    if not table.exists():
        raise FileNotFoundError(f"{out} holds a run that has not finished. Continue it: inverse-inr resume {out}")
    _print_table(json.loads(table.read_text()))


@app.command(name="list")
def list_components() -> None:
    """Name what there is: problems, priors, operators, regularizers, stopping rules, optimizers."""
    for title, names in (
        ("problems", config.problems.names()), ("priors", priors.names()), ("operators", config.operators.names()),
        ("regularizers", config.regularizers.names()), ("stopping", config.stoppings.names()),
        ("optimizers", config.optimizer_names.names()),
    ):  # fmt: skip
        print(f"{title:13s}{', '.join(names)}")


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
            return found() if isinstance(found, type) or not isinstance(found, Operator) else found

    Kit.channels = channels
    results = run_checks(Kit())
    for name, failure in results:
        print(f"{'ok  ' if failure is None else 'FAIL'} {name}{'' if failure is None else f': {failure}'}")
    failed = sum(f is not None for _, f in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        sys.exit(1)


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"--threads must be at least 1, got {threads}.")
        torch.set_num_threads(threads)


def _reconstruct(checked: Run, out: Path, *, resume: bool = False) -> None:
    problem = checked.problem()
    methods = checked.baselines(problem)
    for key, value in problem.notes.items():
        print(f"{key}: {value}")
    checkpoint = Checkpoint(out / "state.pt")
    solver = checked.solver(problem, [Progress(always=True), checkpoint])
    if resume:
        if not checkpoint.path.exists():
            raise FileNotFoundError(f"{out} has no checkpoint (state.pt): nothing to resume; run it again.")
        solver.load_state_dict(torch.load(checkpoint.path, weights_only=True))
    solution = solver.run()
    checkpoint.write(solver)
    solution.save(out)
    if solution.stopped.startswith("interrupted"):
        print(f"{solution.stopped}; the best state is in {out}. Continue: inverse-inr resume {out}")
        return
    solutions = [method(problem) for method in methods.values()] + [solution]
    rows = [s.summary() for s in solutions]
    _write_json(out / "table.json", rows)
    _figure(problem, solutions, out / "figure.png")
    _print_table(rows)
    print(f"\nheld-out: mean negative log-likelihood of rows that no fit saw; 0.5 would be noise alone (Gaussian).\n"
          f"{solution.report()}\nwritten to {out}/")  # fmt: skip


def _figure(problem: Problem, solutions: list[Solution], path: Path) -> None:
    from inverse_inr import plotting
    from inverse_inr.domain import sample

    images = {s.method: s.sample(average=1 if s.is_raster else 4) for s in solutions}
    truth = None
    if problem.reference is not None:
        images = {"truth": sample(problem.reference, problem.grid, average=4)} | images
        truth = "truth"
    values = images.get("truth", images[solutions[-1].method])
    span = (float(values.quantile(0.001)), float(values.quantile(0.999))) if values.numel() < 2**24 else None
    axes = plotting.compare(images, value_range=span, errors_against=truth)
    with atomic_write(path) as temporary:
        axes.flat[0].figure.savefig(temporary, dpi=150)


def _print_table(rows: list[dict[str, Any]]) -> None:
    keys = list(dict.fromkeys(k for row in rows for k in row))
    cells = [[_cell(row.get(k)) for k in keys] for row in rows]
    widths = [max(len(k), *(len(c[i]) for c in cells)) for i, k in enumerate(keys)]
    for line in [keys, ["-" * w for w in widths], *cells]:
        print(
            "  ".join(
                text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
            )
        )


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _override(tables: dict[str, Any], assignment: str) -> None:
    import tomllib

    key, _, value = assignment.partition("=")
    section, _, name = key.strip().partition(".")
    if not name or not value:
        raise ConfigError(f"--set {assignment!r}: write section.key=value, e.g. solver.steps=200.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    tables.setdefault(section, {})[name] = parsed


def _stored(out: Path) -> Run:
    path = out / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{out} holds no run (there is no config.json).")
    try:
        return Run.of(json.loads(path.read_text())["config"])
    except (json.JSONDecodeError, KeyError) as error:
        raise ConfigError(f"{path} is damaged: {error}.") from None


OURS = ("state.pt", "table.json", "figure.png", "history.json", "image.npz", "image.nii.gz", "field.safetensors")


def _clear(out: Path) -> None:
    """Only what an earlier run wrote goes: never anything else in the folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name in OURS:
        (out / name).unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("inverse-inr", "torch", "numpy", "scipy")}


def _write_json(path: Path, content: object) -> None:
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1))


def main() -> None:
    """Errors that a user can mend are one line, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        sys.exit(f"inverse-inr: {error}")


if __name__ == "__main__":
    main()
