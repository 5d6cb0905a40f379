"""The shape of the tree: links, packages, sizes, tests that mirror the source, light imports."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cases.tree import ROOT, TOPS, source_files, unlisted_packages

SOURCES = [*TOPS, "tests"]
MOST_MODULES = 25  # in a folder, `__init__` not counted
MOST_LINES = 300  # in a file
PLACE = "inverse_inr.problems."


def test_links_point_to_the_top_level_folders():
    for name in ("operators", "problems"):
        link = ROOT / "inverse_inr" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_every_folder_of_modules_is_a_listed_package():
    assert unlisted_packages() == []


def test_a_forgotten_package_is_found(tmp_path: Path):
    for folder in ("inverse_inr/kernels", "operators/ct", "problems"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "inverse_inr" / "__init__.py").touch()
    (tmp_path / "operators" / "ct" / "radon").mkdir()
    (tmp_path / "operators" / "ct" / "radon" / "beams.py").touch()
    packages = [
        "inverse_inr",
        "inverse_inr.kernels",
        "inverse_inr.solver",
        "inverse_inr.operators.ct",
        "inverse_inr.problems",
    ]
    (tmp_path / "pyproject.toml").write_text(f"[tool.setuptools]\npackages = {packages}\n")
    assert unlisted_packages(tmp_path) == [
        "inverse_inr.operators.ct.radon is not listed in pyproject.toml",
        "pyproject.toml lists inverse_inr.solver, which has no files",
        "inverse_inr.operators.ct.radon has no __init__.py",
    ]


def test_every_preset_is_package_data():
    """A TOML file in a folder that no pattern covers would be missing from the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for top in TOPS:
        for path in (ROOT / top).rglob("*.toml"):
            package = ".".join((TOPS[top], *path.parent.relative_to(ROOT / top).parts))
            patterns = settings["package-data"].get(package, ())
            assert any(path.match(pattern) for pattern in patterns), path


def _crowded(root: Path, tops: list[str]) -> list[str]:
    """Folders of too many modules (`__init__` not counted), and files of too many lines."""
    counts: dict[Path, int] = {}
    faults = []
    for top in tops:
        for path in source_files(root / top):
            if path.name != "__init__.py":
                counts[path.parent] = counts.get(path.parent, 0) + 1
            lines = len(path.read_text().splitlines())
            if lines > MOST_LINES:
                faults.append(f"{path.relative_to(root)} has {lines} lines")
    return faults + [
        f"{k.relative_to(root)} has {n} modules" for k, n in counts.items() if n > MOST_MODULES
    ]


def test_no_folder_is_crowded_and_no_file_is_long():
    assert _crowded(ROOT, SOURCES) == []


def test_a_crowded_folder_and_a_long_file_are_found(tmp_path: Path):
    (tmp_path / "tests").mkdir()
    for k in range(MOST_MODULES):
        (tmp_path / "tests" / f"test_{k}.py").touch()
    (tmp_path / "tests" / "__init__.py").touch()
    assert _crowded(tmp_path, ["tests"]) == []
    (tmp_path / "tests" / "test_more.py").write_text("\n" * (MOST_LINES + 1))
    assert _crowded(tmp_path, ["tests"]) == [
        "tests/test_more.py has 301 lines",
        "tests has 26 modules",
    ]


NOT_A_ROOM = {"cases", "layout"}  # what tests share, and the tests of the tree itself


def _folders(folder: Path) -> set[Path]:
    """The folders that hold Python files below a folder, relative to it."""
    return {path.parent.relative_to(folder) for path in source_files(folder)}


def _unmirrored(root: Path) -> list[str]:
    """Folders of tests without a room, and rooms of operators/ and problems/ without tests."""
    tests = {p for p in _folders(root / "tests") if p.parts and p.parts[0] not in NOT_A_ROOM}
    modalities = {Path(top) / p for top in ("operators", "problems") for p in _folders(root / top)}
    faults = [
        f"tests/{p} tests no room"
        for p in sorted(tests - modalities - _folders(root / "inverse_inr"))
    ]
    return faults + [f"{p} has no folder of tests" for p in sorted(modalities - tests)]


def test_tests_mirror_the_source():
    """A folder of tests is called as its room; each room of operators/ and problems/ has one."""
    assert _unmirrored(ROOT) == []


def test_a_missing_folder_of_tests_is_found(tmp_path: Path):
    for name in (
        "inverse_inr/solver",
        "operators/ct",
        "tests/solver",
        "tests/cases",
        "tests/operators/radon",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").touch()
    assert _unmirrored(tmp_path) == [
        "tests/operators/radon tests no room",
        "operators/ct has no folder of tests",
    ]


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_import_is_light():
    code = "import sys, inverse_inr; print(*sorted(m for m in sys.modules))"
    loaded = _python(code).split()
    heavy = {
        "matplotlib",
        "h5py",
        "nibabel",
        "skimage",
        "scipy.sparse",
        "pydantic",
        "cyclopts",
        "astra",
        "pydicom",
    }
    assert not heavy & set(loaded)
    assert not any(m.startswith(("inverse_inr.operators", "inverse_inr.problems")) for m in loaded)


@pytest.fixture(scope="module")
def with_one_problem() -> set[str]:
    """The modules that are loaded when the command line has found a problem by its name."""
    found = "from inverse_inr.command.catalogue import problems; problems.get('ct')"
    return set(_python(f"import sys; {found}; print(*sys.modules)").split())


def test_no_module_has_two_names(with_one_problem):
    assert "inverse_inr.operators" in with_one_problem
    assert not {"operators", "problems"} & with_one_problem


def test_a_problem_is_found_without_the_rooms_of_others(with_one_problem):
    rooms = {name.split(".")[2] for name in with_one_problem if name.startswith(PLACE)}
    assert {"ct"} < rooms
    assert not rooms & {"audio", "fields", "kspace", "radar", "scene", "slices", "spectral"}
