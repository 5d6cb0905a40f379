"""Sphinx: `make docs` builds docs/ into build/docs; warnings are errors.

Pages are Markdown. The reference, the tables of keys and the gallery's figures are written from the
code before Sphinx reads anything (docs/making). Notebooks are shown as they are stored, never run.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from making.bibliography import with_links  # noqa: E402
from making.docstrings import as_restructured_text, without_ranges  # noqa: E402

import inverse_inr  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "inverse_inr"
author = "The inverse_inr developers"
copyright = "The inverse_inr developers"  # noqa: A001
version = release = inverse_inr.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "inverse_inr"
html_static_path: list[str] = []
exclude_patterns = ["making"]
highlight_language = "none"  # indented blocks are equations and command lines
python_maximum_signature_line_length = 88

nb_execution_mode = "off"
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "deflist"]

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Source", "notes_style"), ("Sources", "notes_style")]
autodoc_default_options = {"member-order": "bysource", "special-members": "__call__"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in vars(inverse_inr.ranges) if name[0].isupper()}
suppress_warnings = [
    "ref.python",  # L1 and Rule are names in two rooms; a type hint then leads to neither
]

# Links into the pages of Python, numpy, scipy and torch want a network: off where there is none.
if os.environ.get("INVERSE_INR_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }


def _plain_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Write a docstring as reStructuredText with links, before napoleon reads its sections."""
    lines[:] = with_links(lines, as_restructured_text(lines))


def _plain_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str
) -> tuple[str | None, str]:
    """Write types in signatures without the ranges that are annotated beside them."""
    return without_ranges(signature or "") or None, without_ranges(returns or "")


def _is_left_out(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the fields of named tuples: the section "Attributes" of the tuple says them."""
    if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number"):
        return True
    return None


def _write_from_code(app: Sphinx) -> None:
    """Write what is made from the code, and copy the notebooks beside their page."""
    from making import gallery, keys, reference_pages

    reference_pages.write_pages(HERE / "reference" / "api")
    keys.write_pages(HERE / "reference" / "keys")
    gallery.write_figures(HERE / "gallery" / "figures")
    target = HERE / "tutorials" / "notebooks"
    target.mkdir(parents=True, exist_ok=True)
    for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(notebook, target / notebook.name)


def setup(app: Sphinx) -> None:
    """Register what happens before and while Sphinx reads."""
    app.connect("builder-inited", _write_from_code, priority=100)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("autodoc-skip-member", _is_left_out)
    app.connect("autodoc-process-docstring", _plain_docstring, priority=400)
