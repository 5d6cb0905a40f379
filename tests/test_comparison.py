"""Comparing priors: what stands in the table, that nothing is computed twice or lost, and that slips end it early."""

import json
import math
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

import inverse_inr as ii
from inverse_inr import Solver, Suggestion, baselines, cli, load_field, priors
from inverse_inr.cell import Cell
from inverse_inr.comparison import Comparison, compare
from inverse_inr.config import ConfigError, Run
from inverse_inr.io import read_image
from inverse_inr.operators import PointSamples

CONFIG = """
[problem]
name = "ct"
size = 16
views = 8
seed = 5

[prior]
name = "hash"

[stopping]
name = "held_out"
every = 5

[baselines]
names = ["FBP"]

[solver]
steps = 20
batch = 16
seed = 7
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config) -> Run:
    return Run.read(config)


def stored(out: Path) -> dict[str, Cell | None]:
    return {folder.name: Cell.read(folder) for folder in sorted((out / "cells").iterdir())}


def same(a: Path, b: Path) -> bool:
    """Image, weights and everything but the clock of two cells agree to the last bit."""
    one, two = Cell.read(a), Cell.read(b)
    assert one is not None
    assert two is not None
    fields = [load_field(folder / "field.safetensors").state_dict() for folder in (a, b)]
    timeless = [{**c.values, "seconds": 0, "memory": 0} for c in (one, two)]
    records = [[{**r, "seconds": 0} for r in c.history] for c in (one, two)]
    return (
        torch.equal(read_image(a / "image.npz")[0], read_image(b / "image.npz")[0])
        and all(torch.equal(fields[0][k], fields[1][k]) for k in fields[0])
        and timeless[0] == timeless[1]
        and records[0] == records[1]
    )


@pytest.fixture
def steps(monkeypatch) -> dict[str, int]:
    """Counts the optimiser steps; steps["stop"] = n sends Ctrl-C in the n-th."""
    step, counts = Solver.step, {"done": 0, "stop": -1}

    def counted(self):
        counts["done"] += 1
        if counts["done"] == counts["stop"]:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Solver, "step", counted)
    return counts


def test_the_table_is_what_single_fits_give(run, tmp_path):
    out = tmp_path / "out"
    table = compare(run, ["grid", "hash"], out=out, seeds=2).table()
    assert [row["method"] for row in table] == ["FBP", "grid", "hash"]
    assert list(table[0]) == ["method", "PSNR (dB)", "SSIM", "held-out", "parameters", "seconds", "memory (MB)"]
    for seed in (0, 1):  # of the noise and of the solver, whatever the config says
        tables = run.tables | {"prior": {"name": "grid"}, "solver": {**run.tables["solver"], "seed": seed}}
        single = Run.of(tables | {"problem": {**run.tables["problem"], "seed": seed}})
        solution = single.solver(single.problem(), []).run()
        cell = Cell.read(out / "cells" / f"grid-{seed}")
        assert cell is not None
        assert {k: cell.values[k] for k in ("PSNR", "SSIM", "held-out")} == {
            k: v for k, v in solution.summary().items() if k in ("PSNR", "SSIM", "held-out")
        }
        assert torch.equal(read_image(cell.folder / "image.npz")[0], solution.sample(average=4))
    psnr = [cell.values["PSNR"] for name, cell in stored(out).items() if cell and name.startswith("grid")]
    assert table[1]["PSNR (dB)"].mean == pytest.approx(sum(psnr) / 2)
    assert table[1]["PSNR (dB)"].std == pytest.approx(abs(psnr[0] - psnr[1]) / math.sqrt(2))
    box = run.problem().box
    assert table[1]["parameters"] == priors.create("grid", box, bandwidth=4.0).parameter_count
    assert table[0]["parameters"] is None
    assert not list(out.glob("cells/*/state.pt"))


def test_files_for_documents(run, tmp_path):
    out = tmp_path / "out"
    comparison = compare(run, ["grid"], out=out, seeds=1)
    assert json.loads((out / "table.json").read_text()) == comparison.table()  # one seed: plain numbers
    lines = (out / "table.md").read_text().splitlines()
    assert lines[0] == "| method | PSNR (dB) | SSIM | held-out | parameters | seconds | memory (MB) |"
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| FBP", "| grid"]
    axes = [ax for ax in comparison.figure().axes if ax.images]
    titles = [ax.get_title() for ax in axes]
    assert titles[0] == "truth"
    assert titles[1].startswith("FBP, ")
    assert titles[2].startswith("grid, ")
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    assert axes[0].get_subplotspec().rowspan.start == 0 == axes[1].get_subplotspec().rowspan.start
    assert axes[2].get_subplotspec().rowspan.start == 1


def test_finished_cells_are_kept_and_new_ones_added(run, tmp_path, steps):
    out = tmp_path / "out"
    compare(run, ["grid"], out=out, seeds=1)
    first, done = (out / "cells/grid-0/cell.json").read_text(), steps["done"]
    assert done == 20 + 1  # the fit, and a step to measure memory
    compare(run, ["grid"], out=out, seeds=1)
    assert steps["done"] == done
    table = compare(run, ["hash", "grid"], out=out, seeds=2).table()
    assert steps["done"] == done + 3 * 21
    assert [row["method"] for row in table] == ["FBP", "hash", "grid"]
    assert (out / "cells/grid-0/cell.json").read_text() == first
    (out / "cells/grid-0/cell.json").write_text("{")  # damaged: done again
    compare(run, ["grid"], out=out, seeds=1)
    assert json.loads((out / "cells/grid-0/cell.json").read_text())["seed"] == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The comparison that nothing interrupted."""
    out = tmp_path_factory.mktemp("comparison") / "whole"
    compare(Run.of(tomllib.loads(CONFIG)), ["hash", "grid"], out=out, seeds=1)
    return out


@pytest.mark.parametrize("stop", [1, 13, 22, 30])  # as memory is measured, in the first fit, between, in the second
def test_an_interruption_changes_nothing(run, whole, tmp_path, steps, stop):
    out = tmp_path / "parts"
    steps["stop"] = stop
    with pytest.raises(KeyboardInterrupt):
        compare(run, ["hash", "grid"], out=out, seeds=1)
    assert (out / "cells/hash-0/cell.json").exists() == (stop > 21)
    assert not (out / "table.json").exists()
    steps |= {"done": 0, "stop": -1}
    compare(run, ["hash", "grid"], out=out, seeds=1)
    if stop == 13:
        assert steps["done"] == 1 + (20 - 12) + 1 + 20  # memory was measured again; twelve steps were not lost
    assert same(whole / "cells/hash-0", out / "cells/hash-0")
    assert same(whole / "cells/grid-0", out / "cells/grid-0")


def test_a_prior_that_fails_is_a_row(run, tmp_path):
    curved = run.tables | {"regularizers": [{"name": "sobolev", "order": 2, "weight": 1e-9}]}
    curved = Run.of(curved | {"solver": {"steps": 5, "batch": 8, "points": 8}})
    out = tmp_path / "out"
    comparison = compare(curved, ["hash", "siren"], out=out, seeds=2)
    rows = {row["method"]: row for row in comparison.table()}
    assert rows["hash"]["PSNR (dB)"] is None
    assert "TypeError: The field 'hash' has 0 continuous derivatives" in rows["hash"]["note"]
    assert rows["hash"]["note"].endswith("(seeds 0, 1)")
    assert rows["siren"]["PSNR (dB)"].mean > 0
    assert rows["siren"]["note"] is None
    assert "hash" in (out / "table.md").read_text()
    assert not any("hash" in ax.get_title() for ax in comparison.figure().axes)


def test_numbers_that_are_no_longer_finite(run, tmp_path, monkeypatch):
    """Before any good state there is no image; after one, its numbers stand with the reason beside them."""
    step, at = Solver.step, [3]

    def broken(self):
        parts = step(self)
        return parts * math.nan if self.label == "hash" and self.step_number == at[0] else parts

    monkeypatch.setattr(Solver, "step", broken)
    early = compare(run, ["hash", "grid"], out=tmp_path / "early", seeds=1).table()
    assert "FloatingPointError" in early[1]["note"]
    assert early[1]["PSNR (dB)"] is None
    assert early[2]["note"] is None
    at[0] = 13
    with pytest.warns(RuntimeWarning, match="returning the state of step 10"):
        late = compare(run, ["hash"], out=tmp_path / "late", seeds=1).table()
    assert late[1]["note"].startswith("non-finite: D(ParallelBeam) became NaN or Inf at step 13")
    assert late[1]["PSNR (dB)"] > 0


def test_a_failure_is_tried_again(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Solver, "step", lambda self: 1 / 0)
        failed = compare(run, ["grid"], out=tmp_path / "out", seeds=1).table()
    assert failed[1]["note"].startswith("failed: ZeroDivisionError")
    assert compare(run, ["grid"], out=tmp_path / "out", seeds=1).table()[1]["PSNR (dB)"] > 0


def test_a_full_disk_is_no_property_of_a_prior(run, tmp_path, monkeypatch):
    def full(self):
        raise OSError("No space left on device")

    monkeypatch.setattr(Solver, "step", full)
    with pytest.raises(OSError, match="No space left"):
        compare(run, ["grid"], out=tmp_path / "out", seeds=1)


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


def test_another_comparison_is_refused(run, tmp_path, steps):
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
    assert isinstance(table[0]["held-out"], float)  # the measurements are what they are: one seed of a baseline
    assert table[1]["held-out"].std > 0
    assert [ax.get_title() for ax in comparison.figure().axes if ax.images] == ["CGLS", "grid"]
    assert steps["done"] == 2 * 11
    other = replace(real, terms=[replace(real.terms[0], y=2 * real.terms[0].y)])
    with pytest.raises(ConfigError, match=r"\[problem\]"):
        compare(Run.on(other, **settings), ["grid"], out=tmp_path / "out", seeds=2)
    with pytest.raises(ConfigError, match="Did you mean 'solver'"):
        Run.on(real, solvr={"steps": 1})


def test_a_line_is_drawn_by_its_problem(tmp_path, steps):
    drawn = []

    def draw(problem, solutions):
        drawn.extend(s.method for s in solutions)
        return Figure()

    box = ii.Box((0.0,), (1.0,))
    grid = ii.Grid(box, (16,))
    samples = ii.Term(PointSamples(grid.points()), torch.linspace(0, 1, 16), ii.fidelity.L2())
    line = ii.Problem([samples], box, grid, suggested=Suggestion(baselines={"CGLS": baselines.cgls}))
    run = Run.on(line, solver={"steps": 5})
    assert compare(run, ["grid"], out=tmp_path / "plain", seeds=1).figure() is None
    line.suggested = replace(line.suggested, figure=draw)
    assert compare(run, ["grid"], out=tmp_path / "drawn", seeds=1).figure() is not None
    assert drawn[-2:] == ["CGLS", "grid"]


def test_command_line(config, tmp_path, capsys, steps):
    out = tmp_path / "out"
    steps["stop"] = 10
    keywords = {"priors": "grid, hash,", "seeds": 1, "set": ("solver.steps=15", "prior.bandwidth=3.5")}
    cli.compare(config, out=out, **keywords)
    assert f"Continue: inverse-inr resume {out}" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="not finished"):
        cli.show(out)
    cli.resume(out)
    assert steps["done"] == 15 + 15 + 3  # memory was measured once more
    printed = capsys.readouterr().out
    assert printed.count("PSNR (dB)") == 4
    assert "FBP, seed 0: PSNR (dB)" in printed
    cli.show(out)
    assert capsys.readouterr().out.splitlines()[2].startswith("FBP")
    assert "--priors grid,hash --seeds 1 --set solver.steps=15" in (out / "table.md").read_text()
    assert (out / "figure.png").stat().st_size > 1000
    with pytest.raises(ConfigError, match="--priors names them"):
        cli.compare(config, priors="grid", out=tmp_path / "x", set=('prior.name="hash"',))


def test_command_line_arguments_and_one_line_errors(config, tmp_path):
    words = ["compare", str(config), "--priors", "grid,sirne", "--seeds", "2", "--out", str(tmp_path / "out")]
    result = subprocess.run([sys.executable, "-m", "inverse_inr.cli", *words], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip() == "inverse-inr: [prior] Unknown prior 'sirne'. Did you mean 'siren'?"
    assert not (tmp_path / "out").exists()
