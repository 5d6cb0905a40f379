"""Imports lead down, never in a circle, and into the core through its front door."""

from pathlib import Path

import pytest
from cases.floors import FLOORS
from cases.tree import (
    PACKAGE,
    ROOT,
    Import,
    circle,
    floors_of,
    imports,
    module_arrows,
    modules,
    room_arrows,
    source_files,
    upward,
)


def test_files_import_in_no_circle():
    found = circle(module_arrows())
    assert not found, " -> ".join(found)


def test_rooms_import_in_no_circle():
    found = circle(room_arrows())
    assert not found, " -> ".join(found)


def test_every_room_stands_on_a_floor():
    listed = [name for names in FLOORS.values() for name in names]
    assert len(listed) == len(set(listed)), "a room stands on one floor"
    assert set(room_arrows()) - set(listed) == set(), (
        "new rooms: say in tests/cases/floors.py where they stand"
    )
    assert set(listed) - set(room_arrows()) == set(), (
        "rooms that are gone: take them out of tests/cases/floors.py"
    )


def test_no_arrow_leads_upward():
    assert upward(ROOT, FLOORS) == []


def test_problems_of_one_modality_know_no_other():
    """Two modalities share what stands below them: an operator, a tool of problems, the core."""
    rooms = set(FLOORS["problems"])
    arrows = room_arrows()
    known = {name: sorted(arrows[name] & rooms) for name in arrows if name in rooms}
    assert not any(known.values()), known


def _front_door() -> set[str]:
    """The names that inverse_inr/__init__.py exports, submodules among them."""
    return {found.name for found in imports(ROOT / PACKAGE / "__init__.py")}


def _past_the_door(found: Import, exported: set[str]) -> bool:
    """True if an operator takes something that is not offered to it."""
    top, *rest = found.module.split(".")
    if top != PACKAGE:
        return False
    if any(part.startswith("_") for part in (*rest, found.name)):
        return True
    if not rest:
        return found.name not in exported | {"io", "operators"}
    if rest[0] == "operators":
        return False
    return len(rest) > 1 or rest[0] not in exported | {"io"}


def test_operators_use_the_front_door():
    """Operators import names of `inverse_inr`, its public submodules, readers and each other.

    They import nothing private.
    """
    exported = _front_door()
    faults = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in source_files(ROOT / "operators")
        for found in imports(path)
        if _past_the_door(found, exported)
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("module", "name", "past"),
    [
        ("torch", "_C", False),
        ("inverse_inr", "Box", False),
        ("inverse_inr", "noise", False),
        ("inverse_inr.regularizers", "Regularizer", False),
        ("inverse_inr.io", "read_image", False),
        ("inverse_inr.operators.ct.radon", "ParallelBeam", False),
        ("inverse_inr.operators.ct.radon", "_fan", True),
        ("inverse_inr", "testing", True),
        ("inverse_inr.domain", "Box", True),
        ("inverse_inr.regularizers.slopes", "Regularizer", True),
        ("inverse_inr.problems.ct", "ct", True),
        ("inverse_inr.command.cli", "main", True),
    ],
)
def test_the_front_door_refuses(module: str, name: str, past: bool):
    assert _past_the_door(Import(module, name, 1), _front_door()) is past


# The same rules on a tree of a few lines: what they are there to find is found.


def _tree(root: Path, **files: str) -> Path:
    """Files below inverse_inr/, with an empty `__init__` in each folder.

    In a keyword, "__" stands for a slash.
    """
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    (root / PACKAGE / "__init__.py").touch()
    return root


def test_a_circle_by_a_late_import_is_found(tmp_path: Path):
    late = "def solve():\n    from inverse_inr.solver import loop\n"
    root = _tree(
        tmp_path,
        inverse_inr__domain=late,
        inverse_inr__solver__loop="from inverse_inr import domain\n",
    )
    expected = ["inverse_inr.domain", "inverse_inr.solver.loop", "inverse_inr.domain"]
    assert circle(module_arrows(root)) == expected
    assert circle(room_arrows(root)) == ["domain", "solver", "domain"]


def test_a_circle_of_rooms_that_is_none_of_files_is_found(tmp_path: Path):
    root = _tree(
        tmp_path,
        inverse_inr__solver__loop="from inverse_inr.priors.prior import Prior\n",
        inverse_inr__priors__prior="",
        inverse_inr__solver__seeds="",
        inverse_inr__priors__tree="import inverse_inr.solver.seeds\n",
    )
    assert circle(module_arrows(root)) == []
    assert circle(room_arrows(root)) == ["priors", "solver", "priors"]


@pytest.mark.parametrize(
    "line",
    [
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from inverse_inr.operators.ct.radon import Beam",
        "import inverse_inr.operators.ct.radon",
        "from inverse_inr.operators.ct import radon",
        "from .operators.ct import radon",
        "import importlib\nimportlib.import_module('inverse_inr.operators.ct.radon')",
    ],
)
def test_an_upward_arrow_is_found(tmp_path: Path, line: str):
    root = _tree(tmp_path, inverse_inr__problem=line, operators__ct__radon="class Beam: ...")
    floors = {"core": ["problem", "inverse_inr"], "physics": ["operators.ct"]}
    message = "inverse_inr.problem imports inverse_inr.operators.ct.radon: core -> physics"
    assert upward(root, floors) == [message]
    assert upward(root, {"physics": floors["physics"], "core": floors["core"]}) == []
    assert floors_of(floors) == {"problem": 0, "inverse_inr": 0, "operators.ct": 1}
    assert set(modules(root)) == {
        "inverse_inr",
        "inverse_inr.problem",
        "inverse_inr.operators.ct",
        "inverse_inr.operators.ct.radon",
    }
