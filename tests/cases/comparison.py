"""Shared by the tests of comparisons: a small config, and the cells that a folder holds."""

from pathlib import Path

from inverse_inr.command.cell import Cell

CONFIG = """
[problem]
name = "ct"
size = 16
views = 8
seed = 5

[prior]
name = "hash"

[stopping]
name = "held_out"
every = 5

[baselines]
names = ["FBP"]

[solver]
steps = 20
batch = 16
seed = 7
"""


def stored(out: Path) -> dict[str, Cell | None]:
    return {folder.name: Cell.read(folder) for folder in sorted((out / "cells").iterdir())}
