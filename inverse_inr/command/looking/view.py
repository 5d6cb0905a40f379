"""The verb `view`: a local page to look at what runs and comparisons found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inverse_inr.command.folder import RECORD
from inverse_inr.command.looking.found import found
from inverse_inr.command.tables import ConfigError
from inverse_inr.viewing import Contents, serve

MOST_PORT = 65535


def view(
    *outs: Path,
    port: int = 0,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Look at runs in a browser: slices, errors, spectra, curves, surfaces, side by side.

    The page is served on this machine alone (127.0.0.1), under an address that nobody can guess,
    and reads nothing but the folders named. It shows unfinished runs as they grow. Ctrl-C ends it.

    Parameters
    ----------
    outs
        Folders of runs or comparisons.
    port
        The port; 0 takes one that is free.
    browser
        Open the page in the usual browser; its address is printed in any case.
    """
    if not outs:
        raise ConfigError("view needs the folder of a run: inverse-inr view runs/ct")
    if not 0 <= port <= MOST_PORT:
        raise ConfigError(f"--port is {port}; a port is 0 (any that is free) to {MOST_PORT}.")
    for out in outs:
        _check(out)
    folders = list(dict.fromkeys(out.absolute() for out in outs))
    names = dict(zip((out.absolute() for out in outs), outs, strict=True))
    serve(lambda: [_looked(names[folder]) for folder in folders], port=port, browser=browser)


def _check(out: Path) -> None:
    """Refuse a folder that holds no run.

    Raises:
        FileNotFoundError: There is no such folder, or no run in it; runs inside it are named.
        NotADirectoryError: It is a file.
        ConfigError: Its record is damaged.
    """
    if not out.exists():
        raise FileNotFoundError(f"{out}: there is no such folder.")
    if not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; view takes the folder of a run.")
    if not (out / RECORD).exists():
        inside = sorted(str(path.parent) for path in out.glob(f"*/{RECORD}"))
        hint = f" There are runs inside: inverse-inr view {' '.join(inside[:4])}" if inside else ""
        raise FileNotFoundError(f"{out} holds no run (there is no {RECORD}).{hint}")
    found(out)


def _looked(out: Path) -> Contents:
    """What a folder holds now; what went wrong since it was first read stands in its notes."""
    try:
        return found(out)
    except (OSError, ConfigError) as error:
        return Contents(str(out), out.resolve(), "unfinished", notes=[str(error)])
