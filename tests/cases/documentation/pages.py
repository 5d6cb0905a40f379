"""The pages of docs/: those that somebody wrote, and those that a build makes beside them."""

import sys
from pathlib import Path

from cases.tree import ROOT, modules

DOCS = ROOT / "docs"
sys.path.append(str(DOCS))  # for `making`, which writes pages from the code

MADE = ("reference/api", "reference/keys", "gallery/figures", "tutorials/notebooks")
"""Folders that `make docs` fills; git ignores them."""


def is_made(path: Path) -> bool:
    """Whether a path lies where a build writes, be it there or not."""
    inside = path.resolve()
    return any(inside.is_relative_to(DOCS / folder) for folder in MADE)


def written_pages() -> list[Path]:
    """Every Markdown page below docs/ that git keeps."""
    return [page for page in sorted(DOCS.rglob("*.md")) if not is_made(page)]


def made_files() -> set[Path]:
    """What a build writes. Nothing is built; test_documentation.py holds the rooms to what is."""
    from making import gallery, keys
    from making.public_names import GROUPS, LEFT_OUT

    pages = {"index", "sources", "bibliography"}
    for module in modules():
        parts = module.split(".")[1:3]
        if len(parts) > 1 and parts[0] in GROUPS and (ROOT / parts[0] / parts[1]).is_dir():
            pages.add(".".join(parts))
        elif parts and parts[0] not in LEFT_OUT:
            pages.add(parts[0])
    return {
        *(DOCS / "reference" / "api" / f"{page}.rst" for page in pages),
        *(DOCS / "reference" / "keys" / f"{name}.md" for name in [*keys.KINDS, "solver"]),
        *(DOCS / "gallery" / "figures" / f"{name}.png" for name in gallery.FIGURES),
        *(
            DOCS / "tutorials" / "notebooks" / notebook.name
            for notebook in (ROOT / "notebooks").glob("*.ipynb")
        ),
    }
