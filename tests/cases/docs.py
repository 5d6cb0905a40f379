"""The pages of docs/: those that somebody wrote, without what a build makes beside them."""

from pathlib import Path

from cases.tree import ROOT

DOCS = ROOT / "docs"
MADE = ("reference/api", "reference/keys", "gallery/figures", "tutorials/notebooks")
"""Folders that `make docs` fills; git ignores them."""


def written_pages() -> list[Path]:
    """Every Markdown page below docs/ that is kept by git."""
    made = tuple(DOCS / folder for folder in MADE)
    pages = sorted(DOCS.rglob("*.md"))
    return [page for page in pages if not any(page.is_relative_to(folder) for folder in made)]
