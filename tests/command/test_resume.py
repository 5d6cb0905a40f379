"""Resuming a run: refused with the cause where it is another run; going on where methods lack."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cases.comparison import CONFIG

from inverse_inr import Box, Grid, Problem, Solution, baselines, solve
from inverse_inr.command import cli, runs
from inverse_inr.command.catalogue import problems
from inverse_inr.command.looking import verbs
from inverse_inr.command.tables import ConfigError
from inverse_inr.io import read_image, write_image
from inverse_inr.problems.ct import ct
from inverse_inr.solver import Solver

SMALL = CONFIG.replace("hash", "grid").replace('names = ["FBP"]', 'names = ["FBP", "CGLS"]')


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SMALL)
    cli.run(folder / "small.toml", out=folder / "out")
    return folder / "out"


@pytest.fixture
def out(finished, tmp_path) -> Path:
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["config"]["solver"].update(seed=8), r"\[solver\] said something else"),
        (lambda r: r["config"]["problem"].update(seed=6), r"\[problem\] said something else"),
        (lambda r: r["config"]["prior"].update(name="hash"), r"\[prior\] said something else"),
        (lambda r: [1], "config.json is damaged: 'config' is missing or no dict"),
        (lambda r: {"config": None}, "config.json is damaged: 'config'"),
        (lambda r: {"config": {"problem": 3}}, "problem = 3 is no table"),
        (lambda r: r.update(priors="grid"), "config.json is damaged: 'priors'"),
    ],
)
def test_another_config_is_refused(out, change, message):
    edit(out / "config.json", change)
    with pytest.raises(ConfigError, match=message):
        cli.resume(out)


def test_a_damaged_state_or_table_is_one_line(out):
    (out / "state.pt").write_bytes(b"PK\3\4" + bytes(500))
    with pytest.raises(ConfigError, match=r"state\.pt: expected a checkpoint") as raised:
        cli.resume(out)
    assert "\n" not in str(raised.value)
    for text in ("{", "3", "[1]"):
        (out / "table.json").write_text(text)
        with pytest.raises(ConfigError, match=r"table\.json is damaged"):
            verbs.show(out)


def test_a_measured_file_that_changed_is_refused(tmp_path):
    """It is known by the measurements, not by the file's name or date."""
    path = tmp_path / "p.npz"
    grid = Grid(Box((0.0, 0.0), (12.0, 12.0), ("px", "px")), (12, 12))
    values = torch.rand(12, 12, 1)
    write_image(path, values, grid)
    words = {"crop": ["12"], "image": [str(path)], "measured": ["true"], "noise-level": ["0.1"]}
    out = tmp_path / "out"
    cli.run("denoise", out=out, set=("solver.steps=1", "baselines.names=[]"), **words)
    write_image(path, values, grid)
    cli.resume(out)
    values[3, 4] += 1e-3
    write_image(path, values, grid)
    with pytest.raises(ConfigError, match="of other measurements"):
        cli.resume(out)


def test_without_a_checkpoint_a_run_begins_at_its_first_step(out, finished, capsys):
    (out / "state.pt").unlink()
    (out / "image.npz").unlink()
    assert cli.resume(out) == 0
    assert "no checkpoint yet" in capsys.readouterr().out
    assert torch.equal(read_image(out / "image.npz")[0], read_image(finished / "image.npz")[0])


def test_relative_paths_mean_at_resume_what_they_meant(tmp_path, monkeypatch):
    grid = Grid(Box((0.0, 0.0), (12.0, 12.0), ("px", "px")), (12, 12))
    write_image(tmp_path / "p.npz", torch.rand(12, 12, 1), grid)
    monkeypatch.chdir(tmp_path)
    words = {"crop": ["12"], "image": ["p.npz"], "noise-level": ["0.1"]}
    cli.run("denoise", out=Path("out"), set=("solver.steps=1", "baselines.names=[]"), **words)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli.resume(Path("../out")) == 0
    assert Path.cwd() == tmp_path / "elsewhere"


# --- the methods beside a fit ---------------------------------------------------------------------


@pytest.fixture
def scan(monkeypatch) -> dict[str, Any]:
    """A problem with three methods: what they do, and how often each was called."""
    state: dict[str, Any] = {"calls": [], "second": lambda problem: baselines.cgls(problem)}

    def counted(name: str, method: Callable[[Problem], Solution]) -> Callable[[Problem], Solution]:
        def call(problem: Problem) -> Solution:
            state["calls"].append(name)
            return replace(method(problem), method=name)

        return call

    def make(size: int = 16) -> Problem:
        problem = ct(size=size, views=8)
        methods = {
            "first": counted("first", baselines.cgls),
            "second": counted("second", lambda p: state["second"](p)),
            "third": counted("third", baselines.cgls),
        }
        return replace(problem, suggested=replace(problem.suggested, baselines=methods))

    monkeypatch.setitem(problems._known, "scan", make)
    return state


SCAN = """
[problem]
name = "scan"
[prior]
name = "grid"
[solver]
steps = 4
batch = 16
"""


def ctrl_c(problem: Problem) -> Solution:
    signal.raise_signal(signal.SIGINT)
    return baselines.cgls(problem)


def fit_with_ctrl_c(problem: Problem) -> Solution:
    """A method that is a fit: it hears Ctrl-C itself, and returns as if nothing had been."""

    def press(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    return solve(problem, "grid", steps=60, batch=16, callbacks=(press,))


def methods_of(out: Path) -> list[str]:
    return [row["method"] for row in json.loads((out / "table.json").read_text())]


@pytest.mark.parametrize("press", [ctrl_c, fit_with_ctrl_c])
def test_ctrl_c_in_a_slow_method_keeps_all_and_resume_runs_only_what_is_missing(
    scan, config, tmp_path, press, capsys
):
    config.write_text(SCAN)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    cli.run(config, out=whole)
    scan["calls"].clear()
    usual = scan["second"]
    scan["second"] = press
    assert cli.run(config, out=parts) == 130
    assert f"Continue: inverse-inr resume {parts}" in capsys.readouterr().out
    assert methods_of(parts) == ["first", "grid"]
    assert {"image.npz", "field.safetensors", "figure.png"} <= {p.name for p in parts.iterdir()}
    assert scan["calls"] == ["first", "second"]
    scan["second"] = usual
    assert cli.resume(parts) == 0
    assert scan["calls"] == ["first", "second", "second", "third"]
    tables = [json.loads((out / "table.json").read_text()) for out in (whole, parts)]
    for rows in tables:
        for row in rows:
            row.pop("seconds")
    assert tables[0] == tables[1]


def test_the_fit_is_on_the_disk_before_the_first_method_begins(scan, config, tmp_path):
    config.write_text(SCAN)
    out, seen = tmp_path / "out", []

    def look(problem: Problem) -> Solution:
        seen.append((methods_of(out), (out / "image.npz").exists(), (out / "figure.png").exists()))
        return baselines.cgls(problem)

    scan["second"] = look
    cli.run(config, out=out)
    assert seen == [(["first", "grid"], True, True)]
    assert methods_of(out) == ["first", "second", "third", "grid"]


def test_a_method_that_fails_takes_no_other_with_it(scan, config, tmp_path):
    config.write_text(SCAN)

    def fail(problem: Problem) -> Solution:
        raise RuntimeError("no luck")

    scan["second"] = fail
    with pytest.raises(ConfigError, match="second failed: RuntimeError: no luck"):
        cli.run(config, out=tmp_path / "out")
    assert methods_of(tmp_path / "out") == ["first", "second", "third", "grid"]


def test_a_damaged_image_of_a_method_is_computed_again(scan, config, tmp_path):
    config.write_text(SCAN)
    out = tmp_path / "out"
    cli.run(config, out=out)
    scan["calls"].clear()
    (out / "baseline-first.npz").write_bytes(b"x")
    edit(out / "methods.json", lambda entries: entries.pop("third") and None)
    cli.resume(out)
    assert scan["calls"] == ["first", "third"]


def test_sigterm_is_an_interruption(config, tmp_path, monkeypatch):
    step = Solver.step

    def told(self: Solver) -> torch.Tensor:
        if self.step_number == 7:
            signal.raise_signal(signal.SIGTERM)
        return step(self)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patched:
        patched.setattr(Solver, "step", told)
        assert cli.run(config, out=tmp_path / "out") == 130
    assert signal.getsignal(signal.SIGTERM) == before
    assert cli.resume(tmp_path / "out") == 0


def test_a_full_disk_at_the_end_is_tried_again(config, tmp_path, monkeypatch, capsys):
    """The figure fails while the first method runs, and is written with the next."""
    import errno

    draw, failures = runs.save_figure, [2]

    def full(figure, path) -> None:
        if failures[0]:
            failures[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        draw(figure, path)

    monkeypatch.setattr(runs, "save_figure", full)
    assert cli.run(config, out=tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert said.count("figure.png: disk full (No space left on device)") == 1
    assert (tmp_path / "out" / "figure.png").stat().st_size > 1000
