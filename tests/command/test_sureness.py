"""A run that is asked how sure it is writes a map beside its image, from fits of its own config."""

import json
from pathlib import Path

import pytest
import torch
from cases.comparison import CONFIG

from inverse_inr.command import cli, sureness
from inverse_inr.command.config import Run
from inverse_inr.command.presets import find_config
from inverse_inr.io import read_image

SMALL = CONFIG.replace("hash", "grid").replace("steps = 20", "steps = 5")


def test_a_run_writes_a_map_of_its_deviation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(sureness, "COUNT", 2)
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    out = tmp_path / "out"
    assert cli.run(path, out=out, uncertainty="ensemble") == 0
    deviation, grid = read_image(out / "uncertainty.npz")
    assert grid.shape == (16, 16)
    assert bool((deviation >= 0).all() & (deviation > 0).any())
    assert json.loads((out / "config.json").read_text())["uncertainty"] == "ensemble"
    assert "standard deviation of 2 fits" in capsys.readouterr().out
    cli.run(path, out=out, force=True)
    assert not (out / "uncertainty.npz").exists()


def test_the_fits_differ_by_their_seed_and_hold_the_same_rows_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sureness, "COUNT", 2)
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    checked = Run.of(find_config(str(path))[0])
    problem = checked.problem()
    members = sureness.ensemble_of(checked, problem).members
    own = checked.solver(problem, []).run()
    assert torch.equal(members[0].sample(), own.sample())
    assert torch.equal(members[0].watched[0], own.watched[0])
    assert torch.equal(members[1].watched[0], own.watched[0])
    assert not torch.equal(members[1].sample(), own.sample())
