"""Damaged files: each mutation ends in an error of ours that names the file, or in a value."""

import subprocess
import sys
from pathlib import Path

import pytest
from cases.fuzz import faults
from cases.fuzzed_formats import FORMATS
from cases.tree import ROOT

MUTATIONS = 200
SECONDS = 240
NEEDS = {"cphd": "sarpy", "sicd": "sarpy", "dicom": "pydicom", "envi": "spectral"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_never_ends_in_a_foreign_error_a_crash_or_a_hang(name: str, tmp_path: Path):
    """In a child process, so that a crash or a hang fails the test and names the mutation."""
    pytest.importorskip(NEEDS.get(name, "numpy"))
    words = [sys.executable, "-W", "ignore", "-m", "cases.fuzz", name, str(tmp_path)]
    try:
        child = subprocess.run(
            [*words, "0", str(MUTATIONS)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=ROOT / "tests",
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode().strip().splitlines()
        pytest.fail(f"{name} hangs: {said[-1:]}")
    lines = child.stdout.strip().splitlines()
    found = [line for line in lines if line.startswith("FAULT ")]
    assert found == []
    assert child.returncode == 0, (
        f"{name} ended with {child.returncode}: {lines[-1:]}\n" + (child.stderr[-2000:])
    )


@pytest.mark.parametrize("name", [n for n in FORMATS if NEEDS.get(n) != "sarpy"])
@pytest.mark.filterwarnings("ignore")
def test_some_damaged_files(name: str, tmp_path: Path):
    pytest.importorskip(NEEDS.get(name, "numpy"))
    assert faults(FORMATS[name](tmp_path), range(1000, 1014)) == []
