"""README and docs name only what is there: files, modules and the names imported from them."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest
from cases.documentation.pages import is_made, made_files, written_pages
from cases.tree import PACKAGE, ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written_pages()]
FILE = re.compile(
    r"(?<![\w/.])(?:inverse_inr|operators|problems|tests|benchmarks|notebooks|docs)"
    r"/[\w/.-]*\w\.(?:py|toml|md|png)"
)
PLACEHOLDER = re.compile("ROOM|NAME|FAMILY|FORMAT")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
CODE = re.compile(r"```python\n(.*?)```", re.S)
DOTTED = re.compile(
    r"`(?:inverse_inr\.)?"
    r"((?:operators|problems|baselines|surfaces|regularizers|analysis|io)(?:\.\w+)+)"
)


def _resolve(name: str) -> object:
    """The module or the attribute that a dotted name means.

    Raises:
        ModuleNotFoundError: if its first part is no module.
        AttributeError: if a later part is not there.
    """
    parts = name.split(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if len(parts) == 1:
            raise
        return getattr(_resolve(".".join(parts[:-1])), parts[-1])


@cache
def made() -> set[Path]:
    """What `make docs` writes."""
    return made_files()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: "/".join(p.parts[-2:]))
def test_files_that_a_page_names_exist(page: Path):
    text = page.read_text()
    gone = [
        name
        for name in FILE.findall(text)
        if not PLACEHOLDER.search(name) and not (ROOT / name).exists()
    ]
    for link in LINK.findall(text):
        target = (page.parent / link).resolve()
        if is_made(target):
            there = target in made()
        else:
            there = target.exists()
        if not there:
            gone.append(link)
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: "/".join(p.parts[-2:]))
def test_names_that_a_page_imports_or_spells_out_exist(page: Path):
    text = page.read_text()
    for name in DOTTED.findall(text):
        _resolve(f"{PACKAGE}.{name}")
    for code in CODE.findall(text):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                for alias in node.names:
                    _resolve(f"{node.module}.{alias.name}")


def test_a_name_that_moved_is_found():
    with pytest.raises((ModuleNotFoundError, AttributeError)):
        _resolve("inverse_inr.problems.slice_baselines.average")
    assert callable(_resolve("inverse_inr.problems.slices.baselines.average"))
