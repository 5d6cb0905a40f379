"""docs/ as a whole: every public name is documented, every page is found, and it builds."""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cases.documentation.pages import DOCS, is_made, made_files, written_pages
from cases.tree import PACKAGE, ROOT, modules

TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
ENTRY = re.compile(r"^\.\. auto(class|function|data):: (\S+)$", re.MULTILINE)


def exported() -> list[tuple[str, str]]:
    """(front door, name) of what packages import as public, from the text of their `__init__`."""
    found = []
    for module, path in modules(ROOT).items():
        if path.name != "__init__.py" or module.startswith(f"{PACKAGE}.command"):
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                found += [(module, a.asname) for a in node.names if a.asname == a.name]
    operators = importlib.import_module(f"{PACKAGE}.operators")
    return found + [(operators.__name__, name) for name in operators.__all__]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths that the written reference documents, each with its kind."""
    from making.reference_pages import write_pages

    folder = tmp_path_factory.mktemp("api")
    write_pages(folder)
    assert {page.name for page in folder.iterdir()} == {
        path.name for path in made_files() if path.parent.name == "api"
    }
    found = {}
    for page in folder.glob("*.rst"):
        for kind, path in ENTRY.findall(page.read_text()):
            assert path not in found, f"{path} is documented twice"
            found[path] = kind
    return found


def resolved(path: str) -> object:
    """What a documented path leads to."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_documented_name_can_be_imported(entries):
    assert len(entries) > 1000
    for path, kind in entries.items():
        value = resolved(path)
        assert inspect.isclass(value) == (kind == "class") or kind == "data", path


def test_every_public_name_is_documented(entries):
    documented = {id(resolved(path)) for path, kind in entries.items() if kind != "data"}
    missing = []
    for door, name in exported():
        value = getattr(importlib.import_module(door), name)
        ours = getattr(value, "__module__", None) or ""
        is_ours = ours.startswith(PACKAGE) and (inspect.isclass(value) or inspect.isroutine(value))
        if is_ours and id(value) not in documented:
            missing.append(f"{door}.{name}")
    assert missing == []


def test_every_name_of_a_config_has_its_keys_described(tmp_path):
    from making import keys

    keys.write_pages(tmp_path)
    for name, (_, _, registry, _) in keys.KINDS.items():
        text = (tmp_path / f"{name}.md").read_text()
        for word in registry.names():
            assert f"\n## `{word}`\n" in text
    assert "| `noise_level` | a number" in (tmp_path / "problem.md").read_text()


def listed() -> set[Path]:
    """The pages that some toctree names."""
    found = {DOCS / "index.md"}
    for page in written_pages():
        for block in TOCTREE.findall(page.read_text()):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    base = DOCS if line.startswith("/") else page.parent
                    found.add((base / f"{line.lstrip('/')}.md").resolve())
    return found


def test_every_page_is_on_the_map():
    assert sorted(set(written_pages()) - listed()) == []


def clicks(start: Path, most: int) -> set[Path]:
    """The pages that so many clicks reach."""
    reached = {start}
    for _ in range(most):
        for page in [p for p in reached if p.suffix == ".md" and not is_made(p)]:
            links = LINK.findall(page.read_text())
            reached |= {(page.parent / link).resolve() for link in links}
    return reached


@pytest.mark.parametrize("front", [ROOT / "README.md", DOCS / "index.md"], ids=lambda p: p.name)
def test_own_measurements_are_two_clicks_away(front):
    tasks = set((DOCS / "how-to").glob("own_*.md"))
    assert len(tasks) >= 6
    assert tasks <= clicks(front, 2)


def headings(page: Path) -> set[str]:
    """The anchors that GitHub and MyST make of headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize(
    "page", [p for p in written_pages() if ANCHOR.search(p.read_text())], ids=lambda p: p.name
)
def test_anchors_of_links_exist(page):
    for link, anchor in ANCHOR.findall(page.read_text()):
        if ":" not in link:
            target = (page.parent / link).resolve() if link else page
            assert anchor in headings(target), f"{link}#{anchor}"


def test_pictures_have_alternative_texts():
    for page in written_pages():
        for text, _ in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
            assert len(text) > 20, f"{page.name}: {text!r}"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("points: (*s, d)", r"points: (\*s, d)"),
        ("`rows` is |x|", r"``rows`` is \|x\|"),
        ("`subrays`² in all", "``subrays``\\ ² in all"),
        ("the field f_θ, and a_", "the field f_θ, and a\\_"),
    ],
)
def test_docstrings_are_shown_as_they_were_written(written, shown):
    from making.docstrings import as_restructured_text

    assert as_restructured_text([written]) == [shown]


def test_a_formula_stays_a_block_and_a_section_stays_a_section():
    from making.docstrings import as_restructured_text

    lines = ["It is:", "", "    y = A * x", "", "Args:", "    x: |x| of it.", "    **more: Rest."]
    assert as_restructured_text(lines) == [
        "It is:",
        "",
        "::",
        "",
        "    y = A * x",
        "",
        "Args:",
        r"    x: \|x\| of it.",
        "    **more: Rest.",
    ]


def test_signatures_name_types_without_their_ranges():
    from making.docstrings import without_ranges

    written = "(a: Annotated[int, R(1, 2)] | Literal['x'] = 2, b: Annotated[dict[str, int], 3])"
    assert without_ranges(written) == "(a: int | Literal['x'] = 2, b: dict[str, int])"
    assert without_ranges("(t: TypeAliasForwardRef('FiniteTensor') = None)") == (
        "(t: FiniteTensor = None)"
    )


@pytest.mark.slow
def test_the_pages_are_read_without_a_warning(tmp_path):
    """All that `make docs` does but for writing HTML, which warns of nothing more."""
    for library in ("sphinx", "myst_nb", "furo"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed: pip install 'inverse-inr[docs]' (make docs)")
    command = [sys.executable, "-m", "sphinx", "-b", "dummy", "-W", "--keep-going", "-q"]
    built = subprocess.run(
        [*command, "-d", tmp_path / "trees", DOCS, tmp_path / "out"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert built.returncode == 0, built.stderr[-4000:]
