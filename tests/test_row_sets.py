"""Rows of very large acquisitions: solved without a list of them, measurements on disk included."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Query, Solver, Term, fidelity, noise, row_sets
from inverse_inr.io import FileFormatError, map_array, write_hdf5
from inverse_inr.row_sets import AllBut, drawn, listed
from inverse_inr.solver.schedule import RowSchedule
from inverse_inr.stopping import Discrepancy, HeldOut, Never

LINE = Box((0.0,), (1.0,))


class Places:
    """Each row is the field at a place of its own; none is stored."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __call__(self, rows: Tensor) -> Query:
        return Query(((rows + 0.5) / self.count)[:, None].float(), lambda v: v[:, 0])


def problem(count: int, y: Tensor | None = None, **term: Any) -> Problem:
    if y is None:
        y = torch.linspace(0, 1, count)
    return Problem([Term(Places(count), y, fidelity.L2(), **term)], LINE, Grid(LINE, (8,)))


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a thousand rows as very many."""
    import inverse_inr.solver.schedule as schedule
    import inverse_inr.stopping.rules as rules
    import inverse_inr.term as terms

    for module in (row_sets, schedule, rules, terms):
        monkeypatch.setattr(module, "LARGE", 1000)


@pytest.mark.parametrize("without", [[], [0], [9], [0, 1, 2], [3, 5, 9], list(range(9))])
def test_all_but_some_are_the_others(without: list[int]):
    rows = AllBut(10, torch.tensor(without, dtype=torch.int64))
    expected = torch.tensor([k for k in range(10) if k not in without])
    assert len(rows) == len(expected)
    torch.testing.assert_close(rows.tensor(), expected)
    torch.testing.assert_close(listed(rows), expected)
    torch.testing.assert_close(rows[:4], expected[:4])
    places = torch.tensor([[len(expected) - 1, 0]])
    torch.testing.assert_close(rows[places], expected[places])


@pytest.mark.usefixtures("few_are_many")
def test_an_epoch_sees_each_row_once_and_another_epoch_in_another_order():
    rows = AllBut(2003, torch.tensor([5, 1000]))
    schedule = RowSchedule(rows, 100, seed=3)
    first = torch.cat([schedule.at(step) for step in range(20)])
    second = torch.cat([schedule.at(step) for step in range(20, 40)])
    assert len(first.unique()) == 2000
    assert not bool(torch.isin(torch.tensor([5, 1000]), first).any())
    assert not torch.equal(first, second)
    torch.testing.assert_close(RowSchedule(rows, 100, seed=3).at(27), schedule.at(27))
    assert not torch.equal(RowSchedule(rows, 100, seed=4).at(27), schedule.at(27))


@pytest.mark.usefixtures("few_are_many")
def test_rules_split_without_lists():
    terms = problem(3000).terms
    (fit,), (watch,) = HeldOut().split(terms, 0)
    assert isinstance(fit, AllBut)
    assert len(watch) == 150
    torch.testing.assert_close(torch.cat([fit.tensor(), watch]).sort().values, torch.arange(3000))
    (fit,), (watch,) = Never().split(terms, 0)
    assert (len(fit), len(watch)) == (3000, 0)
    noisy = [Term(Places(3000), torch.rand(3000), noise.Gaussian(0.1))]
    (fit,), (watch,) = Discrepancy(limit=40).split(noisy, 0)
    assert isinstance(fit, AllBut)
    assert len(watch.unique()) == 40


@pytest.mark.usefixtures("few_are_many")
def test_a_run_without_lists_fits_and_resumes_exactly():
    def made() -> Solver:
        return Solver(problem(1500), "grid", steps=24, batch=64, lr=0.05)

    whole = made()
    whole.run()
    assert whole.history[-1]["loss"] < 0.1
    begun = made()
    for _ in range(9):
        begun.step()
    resumed = made()
    resumed.load_state_dict(begun.state_dict())
    resumed.run()
    for a, b in zip(resumed.prior.parameters(), whole.prior.parameters(), strict=True):
        assert torch.equal(a, b)


def test_places_are_drawn_without_repetition():
    assert len(drawn(50, 20, 0).unique()) == 20
    assert len(drawn(5, 20, 0)) == 5


@pytest.mark.parametrize("start", [0, 2**22 + 5], ids=["first block", "second block"])
def test_what_is_not_finite_is_counted_in_all_blocks(start: int):
    y = torch.zeros(2**22 + 100)
    y[start] = torch.nan
    y[-1] = torch.inf
    with pytest.raises(ValueError, match="holds 2 NaN or Inf among 4194404 values"):
        problem(len(y), y)


@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_measurements_may_stay_on_disk(kind: str, tmp_path: Path):
    y = torch.linspace(0, 1, 500)
    if kind == "npy":
        np.save(tmp_path / "y.npy", y.numpy())
        mapped = map_array(tmp_path / "y.npy")
    else:
        write_hdf5(tmp_path / "y.h5", {"scan/y": y})
        mapped = map_array(tmp_path / "y.h5", "scan/y")
    torch.testing.assert_close(mapped, y)
    fits = [Solver(problem(500, v), "grid", steps=5, batch=32).run() for v in (y, mapped)]
    torch.testing.assert_close(fits[0].sample(), fits[1].sample(), rtol=0, atol=0)


def test_what_cannot_be_mapped_is_refused(tmp_path: Path):
    import h5py

    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("packed", data=np.zeros(100), compression="gzip")
    with pytest.raises(FileFormatError, match="kept in pieces"):
        map_array(tmp_path / "y.h5", "packed")
    with pytest.raises(FileFormatError, match="expected dataset 'y'"):
        map_array(tmp_path / "y.h5", "y")
    with pytest.raises(FileFormatError, match="HDF5 with dataset="):
        map_array(tmp_path / "y.h5")
    np.save(tmp_path / "y.npy", np.zeros(100))
    cut = tmp_path / "cut.npy"
    cut.write_bytes((tmp_path / "y.npy").read_bytes()[:300])
    with pytest.raises(FileFormatError, match=r"cut\.npy"):
        map_array(cut)


MEMORY = """
import resource, sys, numpy as np, torch
sys.path.insert(0, sys.argv[3])
from test_row_sets import Places, LINE
from inverse_inr import Grid, Problem, Solver, Term, fidelity
from inverse_inr.io import map_array
torch.set_num_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
count = int(sys.argv[2])
Solver(Problem([Term(Places(99), torch.zeros(99), fidelity.L2())], LINE, Grid(LINE, (8,))),
       "grid", steps=2, batch=8).run()
before = peak()
y = map_array(sys.argv[1])
problem = Problem([Term(Places(count), y, fidelity.L2())], LINE, Grid(LINE, (8,)))
solver = Solver(problem, "grid", steps=20, batch=4096)
for _ in range(20):
    solver.step()
print(before, peak())
"""


@pytest.mark.slow
def test_a_row_costs_its_measurement_and_nothing_else(tmp_path: Path):
    count = 3 * 10**7
    np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (count,)).flush()
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            MEMORY,
            str(tmp_path / "y.npy"),
            str(count),
            str(Path(__file__).parent),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (int(n) for n in answer.stdout.split())
    # 4 bytes a row are pages of the file, which the system takes back when memory is short
    assert after - before < 7.0 * count
