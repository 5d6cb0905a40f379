"""The command line and its configs: a run from TOML to files, every slip answered in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from inverse_inr import Problem, Solution, load_field, priors
from inverse_inr.command import cli, keeping
from inverse_inr.command.catalogue import problems
from inverse_inr.command.config import Run
from inverse_inr.command.looking import verbs
from inverse_inr.command.tables import ConfigError, read_tables, set_keywords
from inverse_inr.problems.ct import ct

SMALL = """
[problem]
name = "ct"
size = 24
views = 12

[prior]
name = "grid"

[[regularizers]]
name = "total_variation"
weight = 0.1

[stopping]
name = "held_out"
every = 10

[baselines]
names = ["FBP", "CGLS"]

[solver]
steps = 40
batch = 64
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_run_writes_everything(config, tmp_path, capsys):
    out = tmp_path / "run"
    cli.run(config, out=out)
    files = {p.name for p in out.iterdir()}
    wanted = {
        "config.json",
        "figure.png",
        "image.npz",
        "field.safetensors",
        "history.json",
        "table.json",
        "state.pt",
    }
    assert wanted <= files
    printed = capsys.readouterr().out
    assert "PSNR" in printed
    assert "FBP" in printed
    history = json.loads((out / "history.json").read_text())["history"]
    assert [h["step"] for h in history] == [10, 20, 30, 40]
    assert isinstance(load_field(out / "field.safetensors"), priors.Prior)
    verbs.show(out)
    assert "grid" in capsys.readouterr().out


def test_words_of_the_command_line_are_keywords_of_the_problem(config, tmp_path, monkeypatch):
    def scans(
        files: Sequence[str], turns: Sequence[float] = (), label: str = "", size: int = 8
    ) -> Problem:
        """A problem that needs files."""
        raise NotImplementedError

    monkeypatch.setitem(problems._known, "scans", scans)
    config.write_text('[problem]\nname = "scans"\n')
    tables = read_tables(config)
    words = {"files": ["a.nii"], "turns": ["1", "-2.5"], "label": ["a b"], "size": ["16"]}
    set_keywords(tables, words)
    assert tables["problem"] == {
        "name": "scans",
        "files": ["a.nii"],
        "turns": [1, -2.5],
        "label": "a b",
        "size": 16,
    }
    Run.of(tables)
    set_keywords(tables, {"siez": ["3"]})
    with pytest.raises(ConfigError, match="size"):
        Run.of(tables)


def test_a_problem_draws_and_writes_in_its_own_way(config, tmp_path, monkeypatch):
    def scan(size: int = 24) -> Problem:
        problem = ct(size=size, views=12)
        suggested = replace(problem.suggested, figure=figure, write=write)
        return replace(problem, suggested=suggested)

    def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
        drawn.extend(s.method for s in solutions)
        return Figure()

    def write(solution: Solution, folder: Path) -> list[Path]:
        path = folder / "poses.csv"
        path.write_text(f"{solution.method}\n")
        return [path]

    drawn: list[str] = []
    monkeypatch.setattr(keeping, "REST", 0.0)
    monkeypatch.setitem(problems._known, "scan", scan)
    config.write_text(SMALL.replace('name = "ct"\nsize = 24\nviews = 12', 'name = "scan"'))
    cli.run(config, out=tmp_path / "run", set=("solver.steps=10",), size=["16"])
    # after each method that takes longer than the rest
    assert drawn == ["grid", "FBP", "grid", "FBP", "CGLS", "grid"]
    assert (tmp_path / "run" / "poses.csv").read_text() == "grid\n"
    config.write_text(SMALL)
    cli.run(config, out=tmp_path / "run", set=("solver.steps=10",), force=True)
    assert not (tmp_path / "run" / "poses.csv").exists()


def test_another_run_is_never_overwritten(config, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="--force"):
        cli.run(config, out=out)
    cli.run(config, out=out, force=True, set=("solver.steps=10",))
    assert (out / "mine.txt").read_text() == "keep"
    assert json.loads((out / "config.json").read_text())["config"]["solver"]["steps"] == 10


def test_what_cannot_be_made_takes_no_folder_and_clears_none(config, tmp_path):
    out = tmp_path / "run"
    bad = ("problem.views=0",)
    with pytest.raises(ValueError, match="views"):
        cli.run(config, out=out, set=bad)
    assert not out.exists()
    cli.run(config, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(ValueError, match="views"):
        cli.run(config, out=out, set=bad, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_resume_gives_the_same_image(config, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    cli.run(config, out=whole)
    from inverse_inr.solver import Solver

    step, count = Solver.step, 0

    def interrupted(self):
        nonlocal count
        count += 1
        if count == 17:
            import signal

            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Solver, "step", interrupted)
    cli.run(config, out=parts)
    assert not (parts / "table.json").exists()
    cli.resume(parts)
    fields = [load_field(p / "field.safetensors").state_dict() for p in (whole, parts)]
    assert all(torch.equal(fields[0][k], fields[1][k]) for k in fields[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("views = 12", "vews = 12"), "Did you mean 'views'"),
        (("views = 12", 'views = "many"'), "views = 'many'"),
        (('name = "grid"', 'name = "gird"'), "Did you mean 'grid'"),
        (("[solver]", "[slover]"), "Did you mean 'solver'"),
        (("steps = 40", "stepz = 40"), "Did you mean 'steps'"),
        (('name = "total_variation"', 'name = "total_varation"'), "Did you mean 'total_variation'"),
        (("every = 10", "evry = 10"), "Did you mean 'every'"),
        (('name = "ct"', 'name = "ctt"'), "Did you mean 'ct'"),
        (("views = 12", "views = "), "no valid TOML"),
    ],
)
def test_a_slip_in_a_config_is_named(change, message, config):
    config.write_text(SMALL.replace(*change))
    with pytest.raises(ConfigError, match=message):
        Run.read(config)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no config"):
        Run.read(tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        verbs.show(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        cli.resume(tmp_path)


def test_errors_are_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "inverse_inr.command.cli",
        "run",
        str(tmp_path / "none.toml"),
        "--out",
        str(tmp_path / "o"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip() == f"inverse-inr: There is no config {tmp_path / 'none.toml'}."


def test_presets_are_valid():
    for path in sorted((Path(__file__).parents[2] / "problems").glob("*.toml")):
        Run.read(path)


QUICKER = {"cassi_real": {"rows": [0, 96]}, "kspace_scan": {"phase": "coils"}}
"""What two presets decide by long fits, which tests of their problems look at."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The phase sign")  # a narrow aperture cannot show it
@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "problems").glob("*.toml")), ids=lambda p: p.stem
)
def test_a_preset_makes_its_problem_and_its_solver(path, monkeypatch):
    data_folder = os.environ.get("INVERSE_INR_DATA") or path.parents[2] / "shared" / "data"
    monkeypatch.setenv("INVERSE_INR_DATA", str(data_folder))
    tables = read_tables(path)
    tables["problem"] |= QUICKER.get(path.stem, {})
    run = Run.of(tables)
    if path.stem == "slices":
        with pytest.raises(ValueError, match="there are no stacks"):
            run.problem()
        return
    try:
        problem = run.problem()
    except FileNotFoundError as error:
        pytest.skip(f"needs real data: {error}")
    assert run.solver(problem, []).steps > 0
    run.baselines(problem)


OPERATOR = '''
import torch


class MyOperator:
    """The mean of the field at two places."""

    def __init__(self):
        self.places = torch.linspace(-1, 1, 22, dtype=torch.float64).reshape(11, 2)

    def __len__(self):
        return len(self.places)

    def __call__(self, rows):
        points = torch.stack([self.places[rows], -self.places[rows]], 1)
        return points, lambda values: values[..., 0].mean(1)
'''


def test_check_an_operator_of_ones_own(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(OPERATOR)
    verbs.check(f"{path}:MyOperator")
    assert "0 failed" in capsys.readouterr().out
    path.write_text(OPERATOR.replace("values[..., 0].mean(1)", "values[..., 0].mean(1) + rows[0]"))
    with pytest.raises(SystemExit):
        verbs.check(f"{path}:MyOperator")
    with pytest.raises(ValueError, match="Did you mean 'MyOperator'"):
        verbs.check(f"{path}:MyOperatr")


def test_list(capsys):
    verbs.list_components()
    printed = capsys.readouterr().out
    assert all(
        name in printed
        for name in ("hash", "siren", "ct_scan", "ParallelBeam", "total_variation", "held_out")
    )
