"""The shape of the tree: links, packages, import rules, import time."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_links_point_to_the_top_level_folders():
    for name in ("operators", "problems"):
        link = ROOT / "inverse_inr" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_every_package_is_listed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {"inverse_inr" + str(p.parent).removeprefix(str(ROOT / "inverse_inr")).replace("/", ".")
             for p in (ROOT / "inverse_inr").rglob("__init__.py")
             if not {"operators", "problems"} & set(p.relative_to(ROOT / "inverse_inr").parts)}  # fmt: skip
    assert found | {"inverse_inr.operators", "inverse_inr.problems"} == set(settings["packages"])


def _imports(path: Path) -> list[tuple[str, str]]:
    tree = ast.parse(path.read_text())
    return [(n.module or "", a.name) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]


@pytest.mark.parametrize("path", sorted((ROOT / "operators").glob("*.py")), ids=lambda p: p.name)
def test_operators_use_the_front_door(path):
    """Operators import only public names of the core, and neither problems nor the command line."""
    for module, name in _imports(path):
        if module.startswith("inverse_inr"):
            assert not any(part.startswith("_") for part in (*module.split("."), name)), f"{module}.{name}"
            assert not module.startswith(("inverse_inr.problems", "inverse_inr.command.cli"))


@pytest.mark.parametrize("path", sorted((ROOT / "inverse_inr").glob("*.py")), ids=lambda p: p.name)
def test_the_core_knows_no_modality(path):
    modules = [m for m, _ in _imports(path)]
    assert not any(m.startswith(("inverse_inr.operators", "inverse_inr.problems")) for m in modules)


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_light():
    code = "import sys, inverse_inr; print(*sorted(m for m in sys.modules))"
    loaded = _python(code).split()
    heavy = {"matplotlib", "h5py", "nibabel", "skimage", "scipy.sparse", "pydantic", "cyclopts", "astra", "pydicom"}
    assert not heavy & set(loaded)
    assert not any(m.startswith(("inverse_inr.operators", "inverse_inr.problems")) for m in loaded)


def test_no_module_has_two_names():
    code = "import sys, inverse_inr.operators, inverse_inr.problems.ct; print('operators' in sys.modules)"
    assert _python(code).strip() == "False"
