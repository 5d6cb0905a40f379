"""The notebooks: each .ipynb is its .py, without outputs, and each one runs."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def test_there_are_notebooks():
    assert SCRIPTS
    assert [p.stem for p in SCRIPTS] == [p.stem for p in sorted(FOLDER.glob("*.ipynb"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_is_in_sync_with_its_script(script):
    source = jupytext.read(script)
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    fix = f"jupytext --to ipynb --update notebooks/{script.name}"
    cells = [[(c.cell_type, c.source) for c in book.cells] for book in (source, notebook)]
    assert cells[0] == cells[1], fix
    assert not any(c.get("outputs") or c.get("execution_count") for c in notebook.cells), (
        f"clear the outputs: {fix}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_runs(script, tmp_path):
    environment = os.environ | {
        "MPLBACKEND": "Agg",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        timeout=240,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
