"""Inputs of a comparison: slips, other folders, problems made in Python, the command line."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases.comparison import CONFIG, stored
from matplotlib.figure import Figure

import inverse_inr as ii
from inverse_inr import Suggestion, baselines, load_field, priors
from inverse_inr.command import cli
from inverse_inr.command.comparison import Comparison, compare
from inverse_inr.command.config import Run
from inverse_inr.command.looking import verbs
from inverse_inr.command.tables import ConfigError
from inverse_inr.operators import PointSamples


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config) -> Run:
    return Run.read(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"priors": ["grid", "sirne"]}, "Did you mean 'siren'"),
        ({"priors": ["grid", "grid"]}, "'grid' is named twice"),
        ({"priors": []}, "needs priors"),
        ({"seeds": 0}, "needs priors and seeds"),
        ({"options": {"omega0": 30.0}}, "hash.*omega0"),
    ],
)
def test_a_slip_ends_it_before_any_work(run, tmp_path, change, message):
    out = tmp_path / "out"
    arguments = {"priors": ["siren", "hash"], "out": out} | change
    with pytest.raises(ConfigError, match=message):
        Comparison(run, **arguments)
    assert not out.exists()


def test_another_comparison_is_refused(run, tmp_path):
    out = tmp_path / "out"
    compare(run, ["grid"], out=out, seeds=1)
    other = Run.of(run.tables | {"solver": {"steps": 10}})
    with pytest.raises(ConfigError, match=r"whose \[solver\] said something else"):
        compare(other, ["grid"], out=out, seeds=1)
    with pytest.raises(ConfigError, match=r"\[prior\]"):
        compare(run, ["grid"], out=out, seeds=1, options={"bandwidth": 3.0})
    (out / "mine.txt").write_text("keep")
    (out / "cells/grid-0/mine.txt").write_text("keep")
    compare(run, ["hash"], out=out, seeds=1, options={"bandwidth": 3.0}, force=True)
    assert (out / "mine.txt").read_text() == (out / "cells/grid-0/mine.txt").read_text() == "keep"
    assert set(stored(out)) == {"baseline-FBP-0", "grid-0", "hash-0"}
    assert stored(out)["grid-0"] is None
    field = load_field(out / "cells/hash-0/field.safetensors")
    assert isinstance(field, priors.Prior)
    assert field.bandwidth == 3.0


def test_a_folder_of_something_else_is_refused(run, config, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(ConfigError, match="no comparison"):
        compare(run, ["grid"], out=tmp_path / "mine")
    cli.run(config, out=tmp_path / "single", set=("solver.steps=5", 'prior.name="grid"'))
    with pytest.raises(ConfigError, match="holds a single run"):
        compare(run, ["grid"], out=tmp_path / "single")


def test_a_problem_made_in_python_without_a_reference(problem, tmp_path, steps):
    classical = Suggestion(steps=10, baselines={"CGLS": baselines.cgls})
    real = replace(problem, reference=None, suggested=classical)
    settings = {"solver": {"batch": 32}, "stopping": {"name": "held_out", "every": 5}}
    comparison = compare(Run.on(real, **settings), ["grid"], out=tmp_path / "out", seeds=2)
    table = comparison.table()
    assert list(table[0]) == ["method", "held-out", "parameters", "seconds", "memory (MB)"]
    assert isinstance(
        table[0]["held-out"], float
    )  # the measurements are what they are: one seed of a baseline
    assert table[1]["held-out"].std > 0
    assert [ax.get_title() for ax in comparison.figure().axes if ax.images] == ["CGLS", "grid"]
    assert steps["done"] == 2 * 11
    other = replace(real, terms=[replace(real.terms[0], y=2 * real.terms[0].y)])
    with pytest.raises(ConfigError, match=r"\[problem\]"):
        compare(Run.on(other, **settings), ["grid"], out=tmp_path / "out", seeds=2)
    with pytest.raises(ConfigError, match="Did you mean 'solver'"):
        Run.on(real, solvr={"steps": 1})


def test_a_line_is_drawn_by_its_problem(tmp_path):
    drawn = []

    def draw(problem, solutions):
        drawn.extend(s.method for s in solutions)
        return Figure()

    box = ii.Box((0.0,), (1.0,))
    grid = ii.Grid(box, (16,))
    samples = ii.Term(PointSamples(grid.points()), torch.linspace(0, 1, 16), ii.fidelity.L2())
    line = ii.Problem(
        [samples], box, grid, suggested=Suggestion(baselines={"CGLS": baselines.cgls})
    )
    plain = Run.on(line, solver={"steps": 5})
    assert compare(plain, ["grid"], out=tmp_path / "plain", seeds=1).figure() is None
    drawing = Run.on(
        replace(line, suggested=replace(line.suggested, figure=draw)), solver={"steps": 5}
    )
    assert compare(drawing, ["grid"], out=tmp_path / "drawn", seeds=1).figure() is not None
    assert drawn[-2:] == ["CGLS", "grid"]


def test_command_line(config, tmp_path, capsys, steps):
    out = tmp_path / "out"
    steps["stop"] = 10
    keywords = {
        "priors": "grid, hash,",
        "seeds": 1,
        "set": ("solver.steps=15", "prior.bandwidth=3.5"),
    }
    assert cli.compare(config, out=out, **keywords) == 130
    assert f"Continue: inverse-inr resume {out}" in capsys.readouterr().out
    verbs.show(out)
    assert "not finished" in capsys.readouterr().out
    assert cli.resume(out) == 0
    assert steps["done"] == 15 + 15 + 3  # memory was measured once more
    printed = capsys.readouterr().out
    assert printed.count("PSNR (dB)") == 4
    assert "FBP, seed 0: PSNR (dB)" in printed
    verbs.show(out)
    shown = capsys.readouterr().out
    assert shown.splitlines()[2].startswith("FBP")
    assert "not finished" not in shown
    assert "--priors grid,hash --seeds 1 --set solver.steps=15" in (out / "table.md").read_text()
    assert (out / "figure.png").stat().st_size > 1000
    with pytest.raises(ConfigError, match="--priors names them"):
        cli.compare(config, priors="grid", out=tmp_path / "x", set=('prior.name="hash"',))


def test_command_line_arguments_and_one_line_errors(config, tmp_path):
    words = [
        "compare",
        str(config),
        "--priors",
        "grid,sirne",
        "--seeds",
        "2",
        "--out",
        str(tmp_path / "out"),
    ]
    result = subprocess.run(
        [sys.executable, "-m", "inverse_inr.command.cli", *words], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert (
        result.stderr.strip() == "inverse-inr: [prior] Unknown prior 'sirne'. Did you mean 'siren'?"
    )
    assert not (tmp_path / "out").exists()
