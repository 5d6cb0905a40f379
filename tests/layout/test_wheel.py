"""The wheel that users get, built from a clean copy and run from an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from cases.tree import ROOT

pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command and give its output, without PYTHONPATH.

    A checkout on that path would win over what is installed.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without network from what git knows or would add.

    What an earlier build left behind plays no part.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to it is not known")
    copy = tmp_path_factory.mktemp("copy")
    out = tmp_path_factory.mktemp("wheel")
    listed = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        target = copy / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--disable-pip-version-check",
        "-w",
        out,
        copy,
        cwd=out,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel alone and sees the libraries of this one.

    A line of a .pth file adds a folder without reading the .pth files in it, so that an editable
    install of this checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    _run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        wheel,
        cwd=folder,
    )
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    ours = Path(_run(folder / "bin" / "python", "-c", where, cwd=folder).strip())
    paths = sysconfig.get_paths()
    libraries = dict.fromkeys([paths["purelib"], paths["platlib"]])
    (ours / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return folder


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


EVERY_MODULE = """
import importlib, json, pkgutil, inverse_inr
found = [m.name for m in pkgutil.walk_packages(inverse_inr.__path__, "inverse_inr.")]
names = ["inverse_inr", *found]
print(json.dumps({name: importlib.import_module(name).__file__ for name in names}))
"""


def test_every_module_imports_from_the_wheel(environment: Path, tmp_path: Path):
    found = json.loads(_run(environment / "bin" / "python", "-c", EVERY_MODULE, cwd=tmp_path))
    outside = [path for path in found.values() if not Path(path).is_relative_to(environment)]
    assert outside == []
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(settings["packages"]) <= set(found)


def test_a_preset_runs_from_the_wheel(environment: Path, tmp_path: Path):
    """The installed command runs the preset inside the package by its name, without a checkout."""
    _run(
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
    assert "Number of views" in _run(
        environment / "bin" / "inverse-inr", "list", "ct", cwd=tmp_path
    )
