"""The tables of what configs may say: every key with its meaning, unit, range and default.

Read off the signatures, as `inverse-inr list NAME` is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inverse_inr import priors
from inverse_inr.command import catalogue
from inverse_inr.command.config import GIVEN_TO_PRIORS
from inverse_inr.command.looking.describing import (
    GIVEN_TO_SOLVER,
    allowed,
    arguments_in,
    meaning_of,
)
from inverse_inr.command.records import keys_of
from inverse_inr.registry import Registry
from inverse_inr.solver import solve

KINDS: dict[str, tuple[str, str, Registry, tuple[str, ...]]] = {
    "problem": ("Problems", "[problem]", catalogue.problems, ()),
    "prior": ("Priors", "[prior]", priors.registry, GIVEN_TO_PRIORS),
    "regularizers": ("Regularizers", "[[regularizers]]", catalogue.regularizers, ("grid",)),
    "stopping": ("Stopping rules", "[stopping]", catalogue.stoppings, ()),
    "optimizer": ("Optimizers", "[optimizer]", catalogue.optimizer_names, ()),
}
"""File name: title, table of a config, what may be named there, what the library fills in."""


def write_pages(folder: Path) -> None:
    """Write one page a table of a config.

    Args:
        folder: Where they go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, table, registry, taken) in KINDS.items():
        lines = [f"# {title}: `{table}`", "", f"`name` in `{table}` is one of these.", ""]
        for word in registry.names():
            lines += _described(word, registry.get(word), taken)
        _write(folder / f"{name}.md", lines)
    solver = ["# The solver: `[solver]`", "", *_described("solver", solve, GIVEN_TO_SOLVER)]
    _write(folder / "solver.md", solver)


def _described(word: str, component: Callable[..., Any], taken: tuple[str, ...]) -> list[str]:
    """A heading, the first paragraph of the docstring and the table of keys."""
    text = inspect.getdoc(component) or ""
    meanings = arguments_in(text)
    lines = [f"## `{word}`", "", _plain(text.split("\n\n")[0]), ""]
    keys = {k: v for k, v in keys_of(component, taken).items() if k not in (*taken, "self")}
    if not keys:
        return [*lines, "It takes no keys.", ""]
    lines += ["| key | may be | meaning |", "|---|---|---|"]
    for name, key in keys.items():
        cells = (f"`{name}`", _plain(allowed(key)), _plain(meaning_of(name, key, meanings)))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _plain(text: str) -> str:
    """Text on one line that Markdown takes as it stands, but for `code`."""
    parts = " ".join(text.split()).split("`")
    for k in range(0, len(parts), 2):
        for sign in "\\*_<>[]$|":
            parts[k] = parts[k].replace(sign, f"\\{sign}")
    for k in range(1, len(parts), 2):
        parts[k] = parts[k].replace("|", "\\|")
    return "`".join(parts)


def _write(path: Path, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
