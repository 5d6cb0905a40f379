"""`inverse-inr batch`: folders, parts, one table, failures that end nothing, resuming, submitit."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inverse_inr.command.reporting import write_json
from inverse_inr.command.session import INTERRUPTED
from inverse_inr.command.several import batch as many
from inverse_inr.command.several.planned import Planned, part_of, planned
from inverse_inr.command.tables import ConfigError
from inverse_inr.solver import read_checkpoint

TINY = """
[problem]
name = "ct"
size = 12
views = 6

[prior]
name = "siren"
width = 8
depth = 1

[solver]
steps = 4
"""


def configs(folder: Path, *names: str) -> list[str]:
    paths = [folder / f"{name}.toml" for name in names]
    for path in paths:
        text = TINY
        if path.stem.startswith("wrong"):
            text += "batch = 'many'\n"
        path.write_text(text, encoding="utf-8")
    return [str(path) for path in paths]


def test_each_config_has_a_folder_of_its_own():
    runs = planned(["a/one.toml", "ct", "mine.py:made"], Path("out"), (), None)
    assert [run.out.name for run in runs] == ["one", "ct", "mine.py_made"]


def test_two_configs_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"a/x.toml and b/x.toml would both be the run out/x"):
        planned(["a/x.toml", "b/x.toml"], Path("out"), (), None)


def test_parts_are_all_runs_once():
    runs = planned([f"{k}.toml" for k in range(7)], Path("out"), (), None)
    parts = [part_of(runs, f"{k}/3") for k in (1, 2, 3)]
    assert parts[0] == [runs[0], runs[3], runs[6]]
    assert sorted(r.config for part in parts for r in part) == [r.config for r in runs]
    assert part_of(runs, None) == runs


@pytest.mark.parametrize("part", ["0/3", "4/3", "2", "a/b", "1/0"])
def test_no_part_is_refused(part):
    with pytest.raises(ConfigError, match="K/N"):
        part_of([], part)


def test_status_is_what_the_folder_says(tmp_path):
    (path,) = configs(tmp_path, "one")
    run = Planned(path, tmp_path / "out" / "one")
    assert run.status() == "new"
    assert run.words()[3] == "run"
    tables = run._tables()
    run.out.mkdir(parents=True)
    write_json(run.out / "config.json", {"config": tables})
    assert run.status() == "begun"
    assert run.words()[3:] == ["resume", str(run.out)]
    write_json(run.out / "config.json", {"config": tables, "finished": True})
    assert run() == ("done", "")


def test_a_folder_of_another_config_is_refused(tmp_path):
    (path,) = configs(tmp_path, "one")
    run = Planned(path, tmp_path / "one")
    other = Planned(path, tmp_path / "one", ("solver.steps=5",))
    run.out.mkdir()
    write_json(run.out / "config.json", {"config": run._tables()})
    status, note = other()
    assert status == "failed"
    assert "another config" in note


def test_the_table_has_a_row_for_each_method_and_for_a_run_without(tmp_path):
    runs = [Planned(name, tmp_path / name) for name in ("a", "b")]
    runs[0].out.mkdir()
    table = [{"method": "FBP", "PSNR": 20.5}, {"method": "hash", "PSNR": 30.25, "note": None}]
    write_json(runs[0].out / "table.json", table)
    ended = {runs[0]: ("done", ""), runs[1]: ("failed", "no such file")}
    many.write_summary(runs, ended, tmp_path, "summary")
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["a", "a", "b"]
    assert [row["PSNR"] for row in rows] == ["20.5", "30.25", ""]
    assert rows[2]["status"] == "failed"
    assert rows[2]["note"] == "no such file"
    assert (tmp_path / "summary.md").read_text().count("\n") == 5


def test_without_submitit_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"inverse-inr\[cluster\]"):
        list(many.on_cluster([], "debug", tmp_path, ()))


@pytest.mark.slow
def test_a_failing_config_does_not_end_the_rest_and_the_batch_goes_on(tmp_path, capsys):
    found = configs(tmp_path, "one", "wrong", "three")
    out = tmp_path / "out"
    assert many.batch(*found, out=out, jobs=2) == 1
    said = capsys.readouterr().out
    assert "wrong.toml: failed" in said
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    status = {row["run"]: row["status"] for row in rows}
    assert status == {"one": "done", "wrong": "failed", "three": "done"}
    assert any(row["method"] == "siren" and row["held-out"] for row in rows)
    before = (out / "one" / "state.pt").stat().st_mtime_ns
    record = json.loads((out / "three" / "config.json").read_text())
    write_json(out / "three" / "config.json", {k: v for k, v in record.items() if k != "finished"})
    assert many.batch(found[0], found[2], out=out) == 0
    assert (out / "one" / "state.pt").stat().st_mtime_ns == before
    assert json.loads((out / "three" / "config.json").read_text())["finished"] is True


@pytest.mark.slow
def test_sigterm_ends_all_runs_which_keep_their_states_and_go_on(tmp_path):
    text = TINY.replace("steps = 4", "steps = 3000")
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "inverse_inr", "batch", "one.toml", "two.toml", "three.toml"]
    words += ["--out", "out", "--jobs", "2"]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    begun = [tmp_path / "out" / name for name in ("one", "two")]
    until = time.monotonic() + 120
    while not all((folder / "state.pt").exists() for folder in begun):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    running.terminate()
    said, _ = running.communicate(timeout=60)
    assert running.returncode == INTERRUPTED
    assert "interrupted; repeat the command to go on" in said
    for folder in begun:
        log = folder.with_name(f"{folder.name}.log").read_text(encoding="utf-8")
        assert "interrupted at step" in log
        assert "finished" not in json.loads((folder / "config.json").read_text())
        assert 0 < read_checkpoint(folder / "state.pt")["step"] < 3000
    assert not (tmp_path / "out" / "three").exists()
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stdout
    for name in ("one", "two", "three"):
        record = json.loads((tmp_path / "out" / name / "config.json").read_text())
        assert record["finished"] is True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit's logs
@pytest.mark.parametrize("cluster", ["debug", "local"])
def test_jobs_of_submitit(tmp_path, cluster):
    pytest.importorskip("submitit", reason="submitit is not installed (extra cluster)")
    found = configs(tmp_path, "one", "wrong")
    out = tmp_path / "out"
    options = ("timeout_min=5",)
    assert many.batch(*found, out=out, cluster=cluster, cluster_set=options) == 1
    with (out / "summary.csv").open(newline="") as file:
        status = {row["run"]: row["status"] for row in csv.DictReader(file)}
    assert status == {"one": "done", "wrong": "failed"}
