"""The notebooks: each .ipynb is its .py with one figure that is up to date, and each one runs."""

import os
import subprocess
import sys

import jupytext
import pytest
from cases.documentation import solved
from cases.documentation.pages import DOCS
from cases.documentation.solved import FOLDER, SCRIPTS

assert DOCS.exists()  # that module makes `making` importable
from making.stored_notebooks import (  # noqa: E402
    DRAWN_FROM,
    LARGEST,
    code_until_figure,
    fingerprint,
    stored_figure,
    write,
)

FIX = "run: make notebooks"


def test_there_are_twelve_questions_and_two_beside():
    assert [p.name[:2] for p in SCRIPTS] == [f"{k:02d}" for k in range(1, 15)]
    assert [p.stem for p in SCRIPTS] == [p.stem for p in sorted(FOLDER.glob("*.ipynb"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_is_in_sync_with_its_script(script):
    source = jupytext.read(script)
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    cells = [[(c.cell_type, c.source) for c in book.cells] for book in (source, notebook)]
    assert cells[0] == cells[1], FIX
    assert not any(c.get("execution_count") for c in notebook.cells), FIX


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_the_one_stored_figure_is_that_of_the_code(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert notebook.metadata[DRAWN_FROM] == fingerprint(jupytext.read(script)), FIX
    shown = [c for c in notebook.cells if c.get("outputs")]
    assert [len(c.outputs) for c in shown] == [1]
    assert "figure" in shown[0].metadata["tags"]
    figure = stored_figure(notebook)
    assert figure is not None
    assert figure.startswith(b"\x89PNG")
    assert 4_000 < len(figure) <= LARGEST


SMALL = """# %%
import matplotlib.pyplot as plt

# %% tags=["figure"]
plt.plot([1, 2])

# %%
after = 1
"""


def test_a_notebook_is_run_where_the_code_of_its_figure_changed(tmp_path, capsys):
    script = tmp_path / "01_small.py"
    figures = []
    for text, runs in (
        (SMALL, True),
        (SMALL, False),
        (SMALL.replace("after = 1", "after = 2"), False),
        (SMALL.replace("[1, 2]", "[2, 1]"), True),
    ):
        script.write_text(text)
        write(script)
        assert ("drawn" in capsys.readouterr().out) == runs
        stored = jupytext.read(script.with_suffix(".ipynb"))
        assert [c.source for c in stored.cells] == [c.source for c in jupytext.read(script).cells]
        figures.append(stored_figure(stored))
    assert figures[0] == figures[1] == figures[2] != figures[3]


@pytest.mark.parametrize("tags", ["", ' tags=["figure"]\n1\n\n# %% tags=["figure"]'])
def test_one_cell_is_tagged_as_the_figure(tags):
    book = jupytext.reads(f"# %%{tags}\n2\n", "py:percent")
    with pytest.raises(ValueError, match='"figure", one must'):
        code_until_figure(book)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_notebook_and_its_solutions_run(script, tmp_path):
    environment = os.environ | {
        "MPLBACKEND": "Agg",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(
        [sys.executable, solved.__file__, str(script)],
        cwd=tmp_path,
        env=environment,
        timeout=300,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(": right.") == 2, ran.stdout
