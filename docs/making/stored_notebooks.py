"""Notebooks as they are stored: each .ipynb is its .py, with the one figure that is worth keeping.

    python docs/making/stored_notebooks.py [notebooks/03_how_many_views.py ...]

The figure is drawn by the cell tagged "figure". A notebook is run only if the code up to that cell
changed since its figure was drawn; `--again` runs it in any case.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"
DRAWN_FROM = "figure_drawn_from"
"""The key of a notebook's metadata that says from which code its figure was drawn."""
DOTS = 80
LARGEST = 150_000
"""Bytes of a stored figure, at most."""


def scripts() -> list[Path]:
    """All notebooks, as scripts."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def code_until_figure(book: Any) -> list[str]:
    """The sources of a notebook's code cells, up to the one that draws its figure.

    Args:
        book: The notebook, as jupytext reads it.

    Returns:
        The sources in order; the last one draws the figure.

    Raises:
        ValueError: Not exactly one cell has the tag "figure".
    """
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    tagged = [k for k, cell in enumerate(code) if "figure" in cell.metadata.get("tags", ())]
    if len(tagged) != 1:
        raise ValueError(f'{len(tagged)} cells have the tag "figure", one must.')
    return [cell.source for cell in code[: tagged[0] + 1]]


def fingerprint(book: Any) -> str:
    """What changes with the code that draws the figure."""
    return hashlib.sha256("\n\n".join(code_until_figure(book)).encode()).hexdigest()[:16]


def drawn(book: Any) -> bytes:
    """Run a notebook up to its figure.

    Args:
        book: The notebook, as jupytext reads it.

    Returns:
        The figure, a PNG file of at most `LARGEST` bytes.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    *before, last = code_until_figure(book)
    names: dict[str, Any] = {"__name__": "__main__"}
    for source in before:
        exec(compile(source, "cell", "exec"), names)
    pyplot.close("all")
    known = list(names.values())  # kept, so that no new object gets the place of an old one
    exec(compile(last, "figure", "exec"), names)
    made = [value for value in names.values() if not any(value is old for old in known)]
    figure = pyplot.gcf() if pyplot.get_fignums() else _one_figure(made)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DOTS, metadata={"Software": None})
    pyplot.close("all")
    return _small(buffer.getvalue())


def _one_figure(values: Sequence[object]) -> Any:
    from matplotlib.figure import Figure

    (figure,) = {id(v): v for v in values if isinstance(v, Figure)}.values()
    return figure


def _small(png: bytes) -> bytes:
    """The same picture in 256 colours, should it be large."""
    from PIL import Image

    if len(png) > LARGEST:
        buffer = io.BytesIO()
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        picture.quantize(256).save(buffer, "PNG", optimize=True)
        png = buffer.getvalue()
    if len(png) > LARGEST:
        raise ValueError(f"the figure has {len(png)} bytes, at most {LARGEST} may be stored.")
    return png


def stored_figure(book: Any) -> bytes | None:
    """The figure that a stored notebook holds; None if there is none."""
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    return None


def write(script: Path, *, again: bool = False) -> None:
    """Write the .ipynb beside a script; run the script if its figure is out of date.

    Args:
        script: A notebook as a percent script.
        again: Whether to draw the figure in any case.
    """
    import jupytext
    import nbformat

    book = jupytext.read(script)
    target = script.with_suffix(".ipynb")
    figure = None
    if target.exists() and not again:
        old = jupytext.read(target)
        if old.metadata.get(DRAWN_FROM) == fingerprint(book):
            figure = stored_figure(old)
    if figure is None:
        began = time.process_time()
        with contextlib.chdir(FOLDER):
            figure = drawn(book)
        print(f"{script.stem}: drawn in {time.process_time() - began:.0f} s of one core")
    book.metadata[DRAWN_FROM] = fingerprint(book)
    for k, cell in enumerate(book.cells):
        cell["id"] = f"cell-{k}"
        if "figure" in cell.metadata.get("tags", ()):
            data = {"image/png": base64.b64encode(figure).decode(), "text/plain": ["a figure"]}
            cell["outputs"] = [nbformat.v4.new_output("display_data", data)]
    book.nbformat_minor = 5
    nbformat.write(book, target)


def main() -> None:
    """Write the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", type=Path)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    sys.path.insert(0, str(FOLDER))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for script in given.scripts or scripts():
        write(script.with_suffix(".py").resolve(), again=given.again)


if __name__ == "__main__":
    main()
