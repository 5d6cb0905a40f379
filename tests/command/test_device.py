"""Runs on a device that is asked for by name: before work starts, in all methods, and resumed."""

import json
from pathlib import Path

import pytest
import torch

from inverse_inr import io
from inverse_inr.command import cli
from inverse_inr.command.comparison import compare
from inverse_inr.command.config import Run
from inverse_inr.command.options import check_words
from inverse_inr.command.tables import ConfigError, anywhere
from inverse_inr.solver import Solver
from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA

CONFIG = """
[problem]
name = "ct"
size = 16
views = 6
seed = 0

[prior]
name = "grid"
cells = 8.0

[stopping]
name = "held_out"
every = 2

[baselines]
names = ["FBP", "CGLS"]

[solver]
steps = 4
batch = 32
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def no_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("device", "cuda:1", r"\[solver\] device='cuda:1': torch .* finds no cuda device here"),
        ("device", "gpu", r"\[solver\] device='gpu' is unknown: take auto, cpu, cuda"),
        ("device", 3, r"device"),
        ("dtype", "float16", r"\[solver\] dtype='float16' must be float32.* Gradients underflow"),
        ("dtype", "double", r"\[solver\] dtype='double' must be float32"),
    ],
)
@pytest.mark.usefixtures("no_gpu")
def test_what_is_not_there_is_refused_before_work_starts(key, value, message):
    solver = {"steps": 4, key: value}
    with pytest.raises(ConfigError, match=message):
        Run.of({"problem": {"name": "ct"}, "solver": solver})


@pytest.mark.usefixtures("no_gpu")
def test_a_device_that_is_not_there_leaves_no_folder(config, tmp_path):
    with pytest.raises(ConfigError, match="finds no cuda device here"):
        cli.run(str(config), out=tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()


def test_the_word_needs_a_value():
    with pytest.raises(ConfigError, match="--device has no value"):
        check_words(["run", "ct", "--device", "--out", "x"])


@pytest.mark.slow
def test_a_run_on_the_device_writes_what_a_run_on_the_cpu_does(config, tmp_path, capsys):
    for name, device in (("here", None), ("there", "auto")):
        with FakeCuda():
            cli.run(str(config), out=tmp_path / name, device=device)
    tables = [json.loads((tmp_path / k / "table.json").read_text()) for k in ("here", "there")]
    for mine, other in zip(*tables, strict=True):
        assert mine["method"] == other["method"]
        assert mine["PSNR"] == pytest.approx(other["PSNR"], rel=1e-3)
    a, b = (io.read_image(tmp_path / k / "image.npz")[0] for k in ("here", "there"))
    assert torch.allclose(a, b, atol=1e-3)
    record = json.loads((tmp_path / "there" / "config.json").read_text())
    assert record["config"]["solver"]["device"] == "auto"


@pytest.mark.slow
def test_a_run_goes_on_on_another_device(config, tmp_path, monkeypatch, capsys):
    step = Solver.step

    def stopped(self):
        if self.step_number == 2 and self.problem.device == CUDA:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Solver, "step", stopped)
    with FakeCuda():
        cli.run(str(config), out=tmp_path / "out", device="cuda")
    assert "Continue" in capsys.readouterr().out
    assert cli.resume(tmp_path / "out", device="cpu") == 0
    assert "finished" in json.loads((tmp_path / "out" / "config.json").read_text())


@pytest.mark.slow
def test_a_comparison_is_on_the_device_that_is_asked_for(tmp_path):
    small = {"name": "ct", "size": 12, "views": 4}
    classical = {"names": ["CGLS"]}
    run = Run.of({"problem": small, "solver": {"steps": 2}, "baselines": classical})
    with FakeCuda():
        made = compare(run, ["grid"], out=tmp_path / "out", seeds=1, device="cuda")
        assert made.first.device == CUDA
        assert all("PSNR (dB)" in row for row in made.table())


def test_two_configs_that_differ_by_their_device_are_one():
    assert anywhere({"solver": {"device": "cpu"}}) == {}
    assert anywhere({"a": 1, "solver": {"device": "cuda", "steps": 2}}) == {
        "a": 1,
        "solver": {"steps": 2},
    }
