"""`torchrun -m inverse_inr`: one folder, one table, Ctrl-C in all processes, resumed by one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ONE = [sys.executable, "-m", "inverse_inr"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TWO += ["-m", "inverse_inr"]
TINY = ["ct", "--size", "16", "--views", "8"]
TINY += ["--set", "prior.name=siren", "--set", "prior.width=8", "--set", "prior.depth=1"]
TINY += ["--set", "regularizers.0.name=total_variation", "--set", "regularizers.0.weight=1e-3"]


def call(words: list[str], folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=240)


def last(out: Path) -> dict:
    return json.loads((out / "table.json").read_text())[-1]


def test_two_processes_make_one_run(tmp_path):
    words = [*TINY, "--set", "solver.steps=60", "--set", "solver.dtype=float64"]
    alone = call([*ONE, "run", *words, "--out", "one"], tmp_path)
    assert alone.returncode == 0, alone.stderr
    both = call([*TWO, "run", *words, "--out", "two"], tmp_path)
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("written to two/") == 1
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == sorted(
        p.name for p in (tmp_path / "one").iterdir()
    )
    mine, other = last(tmp_path / "one"), last(tmp_path / "two")
    assert other["held-out"] == pytest.approx(mine["held-out"], rel=1e-6)
    assert not [p for p in tmp_path.iterdir() if p.name not in ("one", "two")]


def test_ctrl_c_stops_both_and_one_goes_on(tmp_path):
    words = [*TWO, "run", *TINY, "--set", "solver.steps=4000", "--out", "run"]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    state = tmp_path / "run" / "state.pt"
    until = time.monotonic() + 120
    while not state.exists() and time.monotonic() < until and running.poll() is None:
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert "interrupted at step" in said
    assert "Continue: inverse-inr resume run" in said
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "finished" not in record
    again = call([*ONE, "resume", "run"], tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["finished"] is True


def test_a_run_of_shards_is_stopped_by_ctrl_c_and_goes_on_in_one_process(tmp_path):
    words = [*TINY, "--set", "solver.steps=60", "--set", "solver.dtype=float64"]
    words += ["--set", "solver.sharded=true"]
    alone = call([*ONE, "run", *words, "--out", "one"], tmp_path)
    assert alone.returncode == 0, alone.stderr
    both = call([*TWO, "run", *words, "--out", "two"], tmp_path)
    assert both.returncode == 0, both.stderr
    mine, other = last(tmp_path / "one"), last(tmp_path / "two")
    assert other["held-out"] == pytest.approx(mine["held-out"], rel=1e-6)
    cut = [*TWO, "run", *words, "--set", "solver.steps=4000", "--out", "cut"]
    running = subprocess.Popen(cut, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    state = tmp_path / "cut" / "state.pt"
    until = time.monotonic() + 120
    while not state.exists() and time.monotonic() < until and running.poll() is None:
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert "interrupted at step" in said
    again = call([*ONE, "resume", "cut"], tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "cut" / "config.json").read_text())["finished"] is True


def test_a_run_that_decides_is_refused(tmp_path):
    done = call([*TWO, "run", "ct", "--size", "16", "--views", "8", "--out", "run"], tmp_path)
    assert done.returncode != 0
    assert "a run that decides what to fit takes one process, not 2" in done.stderr
    assert not (tmp_path / "run").exists()


def test_other_commands_are_refused(tmp_path):
    done = call([*TWO, "list"], tmp_path)
    assert done.returncode != 0
    assert "only run and resume can be divided" in done.stderr
