"""A config that chooses no fit is answered as `solve` answers: decided, kept, resumed."""

import contextlib
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

import inverse_inr as ii
from inverse_inr.command import cli
from inverse_inr.command.answering import decides
from inverse_inr.io import read_image
from inverse_inr.registry import load_object
from inverse_inr.solver import Ended, Solver

CODE = """
from cases.linear import GRID, blocks, dense, random

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.noise import Gaussian
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import HeldOut


def candidates(ruled):
    for prior in ("grid", "hash"):
        yield Candidate(Solver(ruled, prior, steps=20, seed=3).run())


def fails(problem):
    raise RuntimeError("no luck")


def problem(*, failing: bool = False, seed: int = 0) -> ii.Problem:
    matrix = random(90, GRID.numel, seed=1).float()
    y = matrix @ blocks().float().reshape(-1) + 0.05 * random(90, seed=2 + seed).float()
    methods = {"CGLS": baselines.cgls, "TV": baselines.tv}
    if failing:
        methods["TV"] = fails
    suggested = ii.Suggestion(
        prior="grid", baselines=methods, candidates=candidates, stopping=HeldOut(0.2, every=5)
    )
    term = ii.Term(dense(matrix), y, Gaussian(0.05))
    return ii.Problem([term], GRID.box, GRID, suggested=suggested)
"""
SMALL = """
[problem]
name = "mine.py:problem"
seed = 5

[solver]
seed = 7
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("decided")
    (folder / "mine.py").write_text(CODE)
    (folder / "small.toml").write_text(SMALL)
    with contextlib.chdir(folder):
        assert cli.run(folder / "small.toml", out=folder / "out") == 0
    return folder


@pytest.fixture
def beside(finished, monkeypatch) -> Path:
    monkeypatch.chdir(finished)
    return finished / "small.toml"


@pytest.mark.parametrize(
    ("tables", "answer"),
    [
        ({}, True),
        ({"solver": {"seed": 1, "device": "cpu"}, "baselines": {"names": []}}, True),
        ({"prior": {"name": "hash"}}, False),
        ({"regularizers": [{"name": "l1"}]}, False),
        ({"stopping": {"name": "never"}}, False),
        ({"optimizer": {"name": "adam"}}, False),
        ({"solver": {"steps": 5}}, False),
        ({"solver": {"chunk": 5}}, False),
    ],
)
def test_anything_that_is_said_of_a_fit_makes_it_one_fit(tables, answer) -> None:
    assert decides(tables) is answer


def test_a_run_that_chooses_nothing_gives_what_solve_gives(finished) -> None:
    made = load_object(f"{finished / 'mine.py'}:problem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = ii.solve(made(seed=5), seed=7)
    found = read_image(finished / "out" / "image.npz")[0]
    verdict = json.loads((finished / "out" / "verdict.json").read_text())
    assert verdict["chosen"] == answer.method
    torch.testing.assert_close(found, answer.sample(), rtol=1e-4, atol=1e-4)
    assert set(verdict["held-out by method"]) == {"grid", "hash", "CGLS", "TV", "nothing"}


def test_the_table_has_the_methods_that_were_tried_and_the_answer(finished) -> None:
    out = finished / "out"
    rows = json.loads((out / "table.json").read_text())
    assert {"CGLS", "TV"} <= {row["method"] for row in rows}
    assert rows[-1]["method"] == json.loads((out / "verdict.json").read_text())["chosen"]
    assert json.loads((out / "config.json").read_text())["finished"] is True
    assert not (out / "trials").exists()


def test_a_finished_decision_is_not_made_again(finished, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Solver, "step", None)
    before = (finished / "out" / "image.npz").read_bytes()
    assert cli.resume(finished / "out") == 0
    assert "CGLS" in capsys.readouterr().out
    assert (finished / "out" / "image.npz").read_bytes() == before


def test_an_interrupted_decision_goes_on_and_gives_the_same(
    finished, beside, tmp_path, monkeypatch, capsys
) -> None:
    step, made = Solver.step, []

    def interrupted(self: Solver) -> torch.Tensor:
        made.append(self.step_number)
        if len(made) == 30:
            self.stopped = Ended("interrupted", "by the test")
        return step(self)

    monkeypatch.setattr(Solver, "step", interrupted)
    out = tmp_path / "out"
    assert cli.run(beside, out=out) == 130
    assert "Continue: inverse-inr resume" in capsys.readouterr().out
    assert list((out / "trials").glob("fit-*.pt"))
    assert cli.resume(out) == 0
    assert made.count(5) == 2, "no step of the two fits is made twice"
    assert torch.equal(
        read_image(out / "image.npz")[0], read_image(finished / "out" / "image.npz")[0]
    )
    assert not (out / "trials").exists()


def test_force_removes_the_states_of_an_interrupted_decision(finished, beside, tmp_path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    (out / "trials").mkdir()
    (out / "trials" / "fit-1.pt").touch()
    assert cli.run(beside, out=out, force=True) == 0
    assert not (out / "trials").exists()


def test_a_method_that_fails_is_said_and_the_others_decide(beside, tmp_path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"TV failed: RuntimeError: no luck"):
        cli.run(beside, out=out, failing=["true"])
    verdict = json.loads((out / "verdict.json").read_text())
    assert "TV" not in verdict["held-out by method"]
    assert (out / "image.npz").exists()
