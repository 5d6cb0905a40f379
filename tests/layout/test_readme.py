"""The code blocks of README and docs run as they stand, block after block."""

import re
from pathlib import Path

import pytest
from cases.documentation.pages import written_pages
from cases.tree import ROOT

CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
DATA = re.compile(r"\.(nii|mat|h5|npy|png|tif)\b")
WRITES = re.compile(r"\b(np\.save|np\.savetxt|nib\.save|write_text)\(")


def blocks(page: Path) -> list[str]:
    """The blocks that need no file of the reader's: they name none, or write it themselves."""
    found = CODE.findall(page.read_text())
    return [code for code in found if WRITES.search(code) or not DATA.search(code)]


PAGES = [ROOT / "README.md", *written_pages()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda p: "/".join(p.parts[-2:])
)
def test_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in blocks(page):
        exec(compile(code, page.name, "exec"), names)


def test_there_is_code_to_run():
    assert len(blocks(ROOT / "README.md")) >= 2
