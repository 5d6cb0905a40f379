"""The pages of the reference: a page a room, their index, the sources and the bibliography."""

from __future__ import annotations

import importlib
import inspect
from itertools import groupby
from pathlib import Path

import inverse_inr
from making import bibliography
from making.docstrings import as_restructured_text
from making.public_names import Name, public_names

OPTIONS = {"class": ("members", "show-inheritance"), "function": (), "data": ("no-value",)}


def write_pages(folder: Path) -> None:
    """Write one page a room and the index of all.

    Args:
        folder: Where they go; pages of rooms that are gone are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {page: list(names) for page, names in groupby(public_names(), key=lambda n: n.page)}
    texts = {page: _page(page, names) for page, names in pages.items()}
    texts["index"] = _index(pages)
    texts["sources"] = _sources([name for names in pages.values() for name in names])
    texts["bibliography"] = bibliography.page()
    for stale in set(folder.glob("*.rst")) - {folder / f"{page}.rst" for page in texts}:
        stale.unlink()
    for page, text in texts.items():
        _write_if_changed(folder / f"{page}.rst", text)


def _write_if_changed(path: Path, text: str) -> None:
    """Keep the time of a page that is as it was, so that Sphinx does not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _page(page: str, names: list[Name]) -> str:
    module = f"inverse_inr.{page}"
    lines = [f"``{module}``", "=" * (len(module) + 4), "", f".. automodule:: {module}", ""]
    exported = [name for name in names if name.exported]
    for name in exported:
        lines += _entry(name)
    others = [name for name in names if not name.exported]
    for where, group in groupby(sorted(others, key=lambda n: n.module), key=lambda n: n.module):
        lines += ["", f"In ``{where}``", "-" * (len(where) + 7), ""]
        for name in group:
            lines += _entry(name)
    return "\n".join(lines) + "\n"


def _entry(name: Name) -> list[str]:
    options = [f"   :{option}:" for option in OPTIONS[name.kind]]
    return [f".. auto{name.kind}:: {name.path}", *options, ""]


def _index(pages: dict[str, list[Name]]) -> str:
    lines = [
        "Every public name",
        "=================",
        "",
        "A page a room, with what its front door exports first. Names of ``inverse_inr`` itself,",
        "as in ``import inverse_inr as ii``:",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - name",
        "     - what it is",
    ]
    defined = {(n.module, n.path.rpartition(".")[2]): n for names in pages.values() for n in names}
    for short, value in sorted(vars(inverse_inr).items()):
        name = defined.get((getattr(value, "__module__", ""), short))
        if name is not None:
            role = {"class": "class", "function": "func"}[name.kind]
            lines += [f"   * - :py:{role}:`ii.{short} <{name.path}>`", f"     - {_summary(value)}"]
    lines += ["", ".. toctree::", "   :maxdepth: 1", ""]
    return (
        "\n".join([*lines, *(f"   {page}" for page in [*pages, "sources", "bibliography"])]) + "\n"
    )


def _sources(names: list[Name]) -> str:
    """The papers that docstrings name as their sources, each with the names that follow it."""
    cited: dict[str, list[Name]] = {}
    for name in names:
        if name.kind == "data":
            continue
        value = getattr(importlib.import_module(name.module), name.path.rpartition(".")[2])
        for text in bibliography.sources_in(inspect.getdoc(value) or ""):
            cited.setdefault(text, []).append(name)
    lines = [
        "Sources",
        "=======",
        "",
        "What docstrings name as their source, who follows it, and the entry of the",
        ":doc:`bibliography <bibliography>`.",
        "",
    ]
    for text, followers in sorted(cited.items(), key=lambda item: item[0].lower()):
        role = {"class": "class", "function": "func"}
        links = ", ".join(f":py:{role[n.kind]}:`~{n.path}`" for n in followers)
        entries = bibliography.links(text)
        lines += [
            f"- {' '.join(as_restructured_text([text]))} {links}{entries and f' → {entries}'}"
        ]
    return "\n".join(lines) + "\n"


def _summary(value: object) -> str:
    """The first sentence of a docstring, as text."""
    first = (inspect.getdoc(value) or "").split("\n\n")[0].split("\n")
    return " ".join(as_restructured_text(first))
