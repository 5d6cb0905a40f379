"""Comparing priors: the table, cells that are neither lost nor computed twice, priors that fail."""

import json
import math
import tomllib
from pathlib import Path

import pytest
import torch
from cases.comparison import CONFIG, stored

from inverse_inr import Solver, load_field, priors
from inverse_inr.command.cell import Cell
from inverse_inr.command.comparison import compare
from inverse_inr.command.config import Run
from inverse_inr.command.reporting import truth_of
from inverse_inr.io import read_image


@pytest.fixture
def run() -> Run:
    return Run.of(tomllib.loads(CONFIG))


def same(a: Path, b: Path) -> bool:
    """Image, weights and everything but the clock of two cells agree to the last bit."""
    one = Cell.read(a)
    two = Cell.read(b)
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


def test_the_table_is_what_single_fits_give(run, tmp_path):
    out = tmp_path / "out"
    table = compare(run, ["grid", "hash"], out=out, seeds=2).table()
    assert [row["method"] for row in table] == ["FBP", "grid", "hash"]
    assert list(table[0]) == [
        "method",
        "PSNR (dB)",
        "SSIM",
        "held-out",
        "parameters",
        "seconds",
        "memory (MB)",
    ]
    for seed in (0, 1):  # of the noise and of the solver, whatever the config says
        tables = run.tables | {
            "prior": {"name": "grid"},
            "solver": {**run.tables["solver"], "seed": seed},
        }
        single = Run.of(tables | {"problem": {**run.tables["problem"], "seed": seed}})
        solution = single.solver(single.problem(), []).run()
        cell = Cell.read(out / "cells" / f"grid-{seed}")
        assert cell is not None
        compared = ("PSNR", "SSIM", "held-out")
        expected = {k: v for k, v in solution.summary().items() if k in compared}
        assert {k: cell.values[k] for k in compared} == expected
        assert torch.equal(read_image(cell.folder / "image.npz")[0], solution.sample(average=4))
    psnr = [
        cell.values["PSNR"]
        for name, cell in stored(out).items()
        if cell and name.startswith("grid")
    ]
    assert table[1]["PSNR (dB)"].mean == pytest.approx(sum(psnr) / 2)
    assert table[1]["PSNR (dB)"].std == pytest.approx(abs(psnr[0] - psnr[1]) / math.sqrt(2))
    box = run.problem().box
    assert table[1]["parameters"] == priors.create("grid", box, bandwidth=4.0).parameter_count
    assert table[0]["parameters"] is None
    assert not list(out.glob("cells/*/state.pt"))


def test_tables_and_figures_are_written_for_documents(run, tmp_path):
    out = tmp_path / "out"
    comparison = compare(run, ["grid"], out=out, seeds=1)
    # one seed: plain numbers
    assert json.loads((out / "table.json").read_text()) == comparison.table()
    lines = (out / "table.md").read_text().splitlines()
    head = "| method | PSNR (dB) | SSIM | held-out | parameters | seconds | memory (MB) |"
    assert lines[0] == head
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| FBP", "| grid"]
    axes = [ax for ax in comparison.figure().axes if ax.images]
    titles = [ax.get_title() for ax in axes]
    assert titles[0] == "truth"
    truth, grid = read_image(out / "truth.npz")  # for the errors that `view` draws
    assert torch.equal(truth, truth_of(comparison.first))
    assert grid == comparison.first.grid
    assert titles[1].startswith("FBP, ")
    assert titles[2].startswith("grid, ")
    assert len({ax.images[0].get_clim() for ax in axes}) == 1
    assert axes[0].get_subplotspec().rowspan.start == 0 == axes[1].get_subplotspec().rowspan.start
    assert axes[2].get_subplotspec().rowspan.start == 1


def test_finished_cells_are_kept_and_new_ones_added(run, tmp_path, steps):
    out = tmp_path / "out"
    compare(run, ["grid"], out=out, seeds=1)
    first = (out / "cells/grid-0/cell.json").read_text()
    done = steps["done"]
    assert done == 20 + 1  # the fit, and one step to measure memory
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


# while memory is measured, in the first fit, between the fits, in the second
@pytest.mark.parametrize("stop", [1, 13, 22, 30])
def test_an_interruption_changes_nothing(run, whole, tmp_path, steps, stop):
    out = tmp_path / "parts"
    steps["stop"] = stop
    with pytest.raises(KeyboardInterrupt):
        compare(run, ["hash", "grid"], out=out, seeds=1)
    assert (out / "cells/hash-0/cell.json").exists() == (stop > 21)
    done = [row["method"] for row in json.loads((out / "table.json").read_text())]
    assert done == (["FBP", "hash"] if stop > 21 else ["FBP"])  # it grows with each method
    steps |= {"done": 0, "stop": -1}
    compare(run, ["hash", "grid"], out=out, seeds=1)
    if stop == 13:  # memory was measured again; twelve steps were not lost
        assert steps["done"] == 1 + (20 - 12) + 1 + 20
    assert same(whole / "cells/hash-0", out / "cells/hash-0")
    assert same(whole / "cells/grid-0", out / "cells/grid-0")


def test_a_prior_that_fails_is_a_row(run, tmp_path):
    curved = run.tables | {"regularizers": [{"name": "sobolev", "order": 2, "weight": 1e-9}]}
    curved = Run.of(curved | {"solver": {"steps": 5, "batch": 8, "points": 8}})
    out = tmp_path / "out"
    comparison = compare(curved, ["hash", "siren"], out=out, seeds=2)
    rows = {row["method"]: row for row in comparison.table()}
    assert rows["hash"]["PSNR (dB)"] is None
    assert "SmoothnessError: The field 'hash' has 0 continuous derivatives" in rows["hash"]["note"]
    assert rows["hash"]["note"].endswith("(seeds 0, 1)")
    assert rows["siren"]["PSNR (dB)"].mean > 0
    assert rows["siren"]["note"] is None
    assert "hash" in (out / "table.md").read_text()
    assert not any("hash" in ax.get_title() for ax in comparison.figure().axes)


def test_numbers_that_are_no_longer_finite(run, tmp_path, monkeypatch):
    """Before any good state there is no image; after one, its numbers stand with the reason."""
    step = Solver.step
    at = [3]

    def broken(self):
        parts = step(self)
        if self.label == "hash" and self.step_number == at[0]:
            return parts * math.nan
        return parts

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
