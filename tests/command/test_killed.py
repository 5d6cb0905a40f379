"""Killed at any moment, on a full disk, with a second process beside: a run loses nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cases.tree import ROOT

pytestmark = pytest.mark.slow


def happened(scenario: str, folder: Path) -> dict[str, Any]:
    """What happened in a scenario of `cases/command/killing.py`, in a process of its own."""
    script = ROOT / "tests" / "cases" / "command" / "killing.py"
    done = subprocess.run(
        [sys.executable, script, scenario, folder], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_twenty_deaths_lose_nothing(tmp_path: Path) -> None:
    """At random moments, inside a checkpoint's write, between a write and its renaming."""
    found = happened("killed", tmp_path)
    deaths = found["deaths"]
    assert len(deaths) == 20
    assert sum(death["died"] == -9 for death in deaths) >= 15  # some were done before
    assert all(death["status"] == 0 for death in deaths), found["log"]
    assert all(death["same"] for death in deaths), "a resumed run differs from the one that was not"
    assert all(death["left"] == [] for death in deaths), "locks or halves of files are left"
    mine = [f"mine-{k}" for k in range(20)]
    own = [f"run-{k}" for k in range(20)]
    assert set(found["beside"]) == {*mine, *own, "log", "small.toml", "warm", "whole"}
    assert {(tmp_path / name).read_text() for name in mine} == {"mine"}


def test_a_full_disk_is_said_and_costs_nothing_once_there_is_room(tmp_path: Path) -> None:
    for case in happened("full_disk", tmp_path)["cases"]:
        last = case["said"].strip().splitlines()[-1]
        assert case["status"] == 1
        assert last.startswith("inverse-inr: disk full: state.pt")
        assert "Make room, then: inverse-inr resume" in last
        assert case["resumed"] == 0
        assert case["same"]


def test_a_second_process_is_refused_and_sigterm_is_an_interruption(tmp_path: Path) -> None:
    found = happened("two_at_once", tmp_path)
    assert found["refused"] == [1, 1, 1]  # run, resume and run --force
    assert found["said"].count(f"process {found['pid']} on ") == 3
    assert found["ended"] == 130
    assert "Continue: inverse-inr resume" in found["log"]
    assert found["resumed"] == 0
    assert found["same"]
