"""The verbs that reconstruct nothing: show, view, list, new, check, export."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from cyclopts import App

from inverse_inr.command.code import announce, code_of
from inverse_inr.command.folder import read_json, read_record
from inverse_inr.command.looking import describing
from inverse_inr.command.looking.checking import check_operator
from inverse_inr.command.looking.exporting import export
from inverse_inr.command.looking.view import view
from inverse_inr.command.reporting import text_table
from inverse_inr.command.tables import ConfigError
from inverse_inr.io.files import atomic_write


def register(app: App) -> None:
    """Add the verbs to the command line.

    Args:
        app: The command line.
    """
    app.command(show)
    app.command(view)
    app.command(list_components, name="list")
    app.command(new)
    app.command(check)
    app.command(export)


def show(out: Path) -> None:
    """Print the table of a run, and say whether it has finished."""
    record = read_record(out)
    table = out / "table.json"
    if not table.exists():
        raise FileNotFoundError(
            f"{out} holds a run that has not finished. Continue it: inverse-inr resume {out}"
        )
    rows = read_json(table)
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise ConfigError(f"{table} is damaged: it holds no rows.")
    print(text_table(rows))
    if record.get("finished") is not True:
        print(f"\nnot finished: more methods are to come. Continue: inverse-inr resume {out}")


def list_components(*names: str) -> None:
    """Name what there is; with names, say what each of them may be told.

    Parameters
    ----------
    names
        Problems, priors, regularizers, stopping rules, optimizers, or "solver": each is described
        by its keywords with their meanings, units, ranges and defaults.
    """
    if not names:
        print(describing.catalogue_in_lines())
    for name in names:
        print(describing.described(name))


def new(name: str, path: Path, /, *, force: bool = False) -> None:
    """Write a commented config to begin from: inverse-inr new ct my.toml.

    It is the preset of that name, with every further key as a comment: meaning, unit, range,
    default.

    Parameters
    ----------
    name
        A preset or a problem.
    path
        The file to write; one that exists is kept without --force.
    force
        Replace the file.
    """
    text = describing.drafted(name)
    if path.suffix != ".toml":
        raise ConfigError(f"{path}: a config is a .toml file.")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists. Choose another name, or pass --force.")
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{path} written. Run it: inverse-inr run {shlex.quote(str(path))} --out runs/{name}")


def check(reference: str, *, nonlinear: bool = False, channels: int = 1) -> None:
    """Run the conformance kit on an operator of your own: inverse-inr check my_file.py:MyOperator.

    The object is an operator, or something that makes one when called without arguments.
    """
    announce(code_of({"problem": {"name": reference}}))
    if not check_operator(reference, linear=not nonlinear, channels=channels):
        sys.exit(1)
