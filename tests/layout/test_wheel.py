"""The wheel that users get, built from a clean copy and run from an environment of its own."""

import json
import tomllib
import zipfile
from pathlib import Path

import pytest
from cases.command.wheel import run
from cases.tree import ROOT

pytestmark = pytest.mark.slow


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2, (
        "inverse_inr and its metadata: no tests, no benchmarks, no bare operators or problems"
    )
    assert "inverse_inr/py.typed" in names
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package in settings["packages"]:
        assert f"{package.replace('.', '/')}/__init__.py" in names
    presets = {f"inverse_inr/problems/{path.name}" for path in (ROOT / "problems").glob("*.toml")}
    assert presets <= set(names)
    page = (ROOT / "inverse_inr" / "viewing" / "page").iterdir()
    assert {f"inverse_inr/viewing/page/{path.name}" for path in page} <= set(names)


EVERY_MODULE = """
import importlib, json, pkgutil, inverse_inr
found = [m.name for m in pkgutil.walk_packages(inverse_inr.__path__, "inverse_inr.")]
names = ["inverse_inr", *found]
print(json.dumps({name: importlib.import_module(name).__file__ for name in names}))
"""


def test_every_module_imports_from_the_wheel(environment: Path, tmp_path: Path):
    found = json.loads(run(environment / "bin" / "python", "-c", EVERY_MODULE, cwd=tmp_path))
    outside = [path for path in found.values() if not Path(path).is_relative_to(environment)]
    assert outside == []
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(settings["packages"]) <= set(found)


def test_a_preset_runs_from_the_wheel(environment: Path, tmp_path: Path):
    """The installed command runs the preset inside the package by its name, without a checkout."""
    run(
        environment / "bin" / "inverse-inr",
        "run",
        "ct",
        "--out",
        "out",
        "--threads",
        "1",
        "--size",
        "16",
        "--views",
        "8",
        "--set",
        "solver.steps=20",
        cwd=tmp_path,
    )
    assert {"config.json", "figure.png", "table.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert "Number of views" in run(environment / "bin" / "inverse-inr", "list", "ct", cwd=tmp_path)
