"""A run names the method that predicts held-out measurements best, and warns if it is another."""

import json
from pathlib import Path

import pytest
import torch
from cases.comparison import CONFIG
from cases.linear import GRID, blocks, dense, random

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.command import cli
from inverse_inr.command.verdicts import keeping_out, verdict_on
from inverse_inr.noise import Gaussian
from inverse_inr.solver import Ended

MATRIX = random(90, GRID.numel, seed=1, dtype=torch.float32)
BLOCKS = blocks().float()
ROWS = torch.arange(3, 90, 5)


@pytest.fixture
def problem() -> ii.Problem:
    y = MATRIX @ BLOCKS.reshape(-1) + 0.05 * random(90, seed=2, dtype=torch.float32)
    return ii.Problem([ii.Term(dense(MATRIX), y, Gaussian(0.05))], GRID.box, GRID)


def off_by(problem: ii.Problem, error: float, name: str, rows: torch.Tensor = ROWS) -> ii.Solution:
    """A solution that is wrong by a constant and kept these rows out."""
    field = ii.SampledField(BLOCKS + error, GRID)
    return ii.Solution(field, problem, name, stopped=Ended("direct", ""), watched=[rows])


def test_the_fit_that_predicts_best_stands_without_a_warning(problem) -> None:
    verdict = verdict_on(off_by(problem, 0.01, "hash"), {"TV": off_by(problem, 0.2, "TV")})
    assert verdict["chosen"] == "hash"
    assert verdict["text"].startswith("hash predicts the held-out measurements best")
    assert set(verdict["held-out by method"]) == {"nothing", "TV", "hash"}


def test_a_method_that_predicts_better_than_the_fit_is_a_warning(problem) -> None:
    verdict = verdict_on(off_by(problem, 0.2, "hash"), {"TV": off_by(problem, 0.01, "TV")})
    assert verdict["chosen"] == "TV"
    assert verdict["text"].startswith("WARNING: TV predicts")


def test_a_fit_that_predicts_worse_than_nothing_is_a_warning(problem) -> None:
    assert verdict_on(off_by(problem, 9.0, "hash"), {})["chosen"] == "nothing"


def test_a_method_that_saw_the_rows_is_not_compared(problem) -> None:
    saw = off_by(problem, 0.0, "TV", torch.arange(5))
    verdict = verdict_on(off_by(problem, 0.01, "hash"), {"TV": saw})
    assert "TV" not in verdict["held-out by method"]


def test_a_fit_that_kept_nothing_out_is_not_judged(problem) -> None:
    fit = off_by(problem, 0.0, "hash")
    fit.watched = []
    assert verdict_on(fit, {}) == {}
    assert keeping_out(fit) is problem


def test_the_methods_beside_a_fit_keep_out_the_rows_that_it_did(problem) -> None:
    beside = baselines.cgls(keeping_out(off_by(problem, 0.01, "hash")))
    assert torch.equal(beside.watched[0].sort().values, ROWS)


def test_a_run_keeps_and_prints_its_verdict(tmp_path: Path, capsys) -> None:
    config = tmp_path / "small.toml"
    config.write_text(CONFIG.replace("hash", "grid"))
    cli.run(config, out=tmp_path / "out")
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["chosen"] in ("nothing", "FBP", "grid")
    assert verdict["text"] in capsys.readouterr().out
