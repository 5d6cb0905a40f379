"""What `inverse-inr list` prints and `inverse-inr new` writes: what each component may be told.

Everything is read off the code: keywords and defaults off the signature, ranges off the
annotations, meanings and units off the docstring.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable
from typing import Any

from inverse_inr import priors
from inverse_inr.command import catalogue
from inverse_inr.command.config import GIVEN_TO_PRIORS
from inverse_inr.command.presets import find_config, preset_names, preset_text
from inverse_inr.command.records import Key, keys_of
from inverse_inr.command.tables import ConfigError, Table
from inverse_inr.ranges import in_words
from inverse_inr.registry import Registry, nearest
from inverse_inr.solver import solve

WIDTH = 98
SOLVER = "solver"
GIVEN_TO_SOLVER = ("problem", "prior", "regularizers", "stopping", "optimizer", "callbacks")
"""Parameters of `solve` that other tables of a config say."""

FIRST_ARGUMENT = re.compile(r"^ {4}\*{0,2}(\w+)(?: \(.*?\))?:\s*(.*)$")


def _registries() -> dict[str, Registry]:
    return {
        "problems": catalogue.problems,
        "priors": priors.registry,
        "operators": catalogue.operators,
        "regularizers": catalogue.regularizers,
        "stopping": catalogue.stoppings,
        "optimizers": catalogue.optimizer_names,
    }


def catalogue_in_lines() -> str:
    """Name all presets and all components, one line a kind."""
    lines = [f"{'presets':13s}{', '.join(preset_names())}"]
    lines += [f"{title:13s}{', '.join(r.names())}" for title, r in _registries().items()]
    lines.append("inverse-inr list NAME says what each of them may be told.")
    return "\n".join(lines)


def described(name: str) -> str:
    """Describe whatever has a name: its keywords with meaning, unit, range and default.

    Args:
        name: A component of any kind, "my_file.py:name", or "solver".

    Returns:
        Lines for a terminal.

    Raises:
        ConfigError: Nothing has that name; the message has the nearest one.
    """
    if name == SOLVER:
        return _description("[solver]", solve, GIVEN_TO_SOLVER)
    if ".py:" in name:
        return _description(name, catalogue.problems.get(name), GIVEN_TO_PRIORS)
    parts = []
    known = {SOLVER}
    for registry in _registries().values():
        known |= set(registry.names())
        if name in registry:
            taken = {"prior": GIVEN_TO_PRIORS, "regularizer": ("grid",)}.get(registry.kind, ())
            parts.append(_description(f"{registry.kind} {name}", registry.get(name), taken))
    if not parts:
        raise ConfigError(f"Nothing is called {name!r}. {nearest(name, known)}")
    return "\n\n".join(parts)


def _description(title: str, component: Callable[..., Any], taken: tuple[str, ...]) -> str:
    text = inspect.getdoc(component) or ""
    meanings = arguments_in(text)
    summary = textwrap.wrap(f"{title}: {' '.join(text.split(chr(10) * 2)[0].split())}", WIDTH)
    lines = list(summary)
    for name, key in keys_of(component, taken).items():
        if name in (*taken, "self"):
            continue
        meaning = meaning_of(name, key, meanings)
        lines.append(f"  {name}: {allowed(key)}")
        lines += textwrap.wrap(meaning, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def meaning_of(name: str, key: Key, meanings: dict[str, str]) -> str:
    """The meaning of a key: its record's own, else the component's.

    Args:
        name: The key.
        key: What it may be, and the record that it belongs to.
        meanings: What the component's docstring says of its arguments.

    Returns:
        The meaning on one line; empty where nothing is said.
    """
    meaning = meanings.get(name, "")
    if key.owner is None:
        return meaning
    return arguments_in(inspect.getdoc(key.owner) or "").get(name, meaning)


def allowed(key: Key) -> str:
    """The range of a key and its default in words, e.g. "a number above 0; default 0.5".

    Args:
        key: What it may be.

    Returns:
        One line.
    """
    words = "anything"
    if key.annotation is not inspect.Parameter.empty:
        words = in_words(key.annotation).replace("a sequence", "a list")
    if key.default is inspect.Parameter.empty:
        return f"{words}; must be given"
    default = repr(key.default)
    if callable(key.default):
        default = getattr(key.default, "__name__", default)
    return f"{words}; default {default}"


def arguments_in(docstring: str) -> dict[str, str]:
    """Read the section "Args:" of a docstring in Google's form.

    Args:
        docstring: The text, without the indentation of the code around it.

    Returns:
        The meaning of each argument, on one line, by its name.
    """
    found: dict[str, str] = {}
    name = ""
    inside = False
    for line in docstring.splitlines():
        if not line.startswith(" ") and line.strip():
            inside = line.strip() == "Args:"
            continue
        first = FIRST_ARGUMENT.match(line)
        if inside and first:
            name = first[1]
            found[name] = first[2].strip()
        elif inside and name and line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found


def drafted(word: str) -> str:
    """Write a commented config to begin from: a preset, with every key that it leaves out.

    Args:
        word: The name of a preset or of a problem, or "my_file.py:problem".

    Returns:
        TOML. Keys that are left out stand there as comments with their meanings, ranges and
        defaults; the config means what the preset means until one of them is changed.

    Raises:
        FileNotFoundError: There is no such file.
        ConfigError: Nothing has that name.
    """
    tables, _ = find_config(word)
    lines = [
        f"# Made by: inverse-inr new {word} ... Run it: inverse-inr run THIS_FILE --out runs/..."
    ]
    text = preset_text(word) or f'[problem]\nname = "{tables["problem"]["name"]}"\n\n[solver]\n'
    for part in re.split(r"\n(?=\[)", text):
        header = re.match(r"\[(\w+)\]", part)
        lines.append(part.rstrip())
        if header:
            lines += _left_out(header[1], tables.get(header[1], {}))
        lines.append("")
    return "\n".join(lines)


def _left_out(title: str, section: Table) -> list[str]:
    """The keys that a table of a config may have and has not, as comments."""
    if title == SOLVER:
        component, taken = solve, GIVEN_TO_SOLVER
    elif title == "problem":
        component, taken = catalogue.problems.get(section["name"]), ()
    elif title == "prior" and "name" in section:
        component, taken = priors.registry.get(section["name"]), GIVEN_TO_PRIORS
    else:
        return []
    meanings = arguments_in(inspect.getdoc(component) or "")
    lines = []
    for name, key in keys_of(component, taken).items():
        if name in (*taken, *section):
            continue
        meaning = meaning_of(name, key, meanings)
        said = f"{meaning} ({allowed(key)})"
        lines += ["", *textwrap.wrap(said, WIDTH, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"# {name} = {_in_toml(key.default)}")
    return lines


def _in_toml(value: Any) -> str:
    """A default as TOML has it; dots where it has no such value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return json.dumps(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_in_toml, value))}]"
    return "..."
