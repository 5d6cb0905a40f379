"""Shared by all tests: threads, one seed, GPU tests only with a GPU, the data, a tiny problem."""

import os

# before numpy and torch: their BLAS libraries read it when loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from inverse_inr import Box, Grid, Problem, Solver, Term, noise, phantoms, predict, priors
from inverse_inr.operators import ParallelBeam
from inverse_inr.stopping import HeldOut

# OMP_NUM_THREADS=2 make test: the suite passes with two threads as well
THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)
# the asserts of this module show their values, as those of tests do
pytest.register_assert_rewrite("cases.solver")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the GPU tests on a machine without a CUDA device; the kit's device check is dear.

    Of each operator the first variant is checked on the make-believe device in the fast suite, the
    others in the slow one.
    """
    seen = set()
    for item in items:
        if item.name.startswith("test_works_on_another_device"):
            if item.parent in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(item.parent)
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device; torch.cuda.is_available() is False")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep garbage collections out of collecting, and the collected tests out of them.

    Thousands of tests and their modules live to the end. Collections that looked at them each time
    took a third of the time of collecting, and longer than the fits of small comparisons.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed the default generator, and take back the `--threads` that a test may have set."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)


class DataFolder(type(Path())):
    """The path of the folder with the real data sets."""

    def file(self, name: str) -> Path:
        """The path of one file; a test that needs a missing file is skipped."""
        path = Path(self) / name
        if not path.exists():
            pytest.skip(
                f"{name} is not in {self}; set INVERSE_INR_DATA to the folder that holds it"
            )
        return path


@pytest.fixture
def data() -> DataFolder:
    """The folder named by INVERSE_INR_DATA, or shared/data next to the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    return DataFolder(os.environ.get("INVERSE_INR_DATA") or default)


@pytest.fixture
def problem() -> Problem:
    """Shepp-Logan on 16 x 16 pixels: 12 parallel views of 16 bins (192 rows), 1 % noise."""
    box = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
    operator = ParallelBeam(box, torch.arange(12) * torch.pi / 12, detectors=16)
    truth = phantoms.shepp_logan(box)
    model = noise.Gaussian(0.01)
    y = model.sample(predict(operator, truth), torch.Generator().manual_seed(0))
    return Problem([Term(operator, y, model)], box, Grid(box, (16, 16)), reference=truth)


SMALL = {
    "grid": {"cells": 8.0},
    "hash": {"levels": 3, "coarsest": 4, "finest": 12, "log2_table": 8, "width": 8, "depth": 1},
    "siren": {"width": 16, "depth": 2, "omega0": 5.0},
}


@pytest.fixture
def solver() -> Callable[..., Solver]:
    """A function that makes a solver: 30 steps of 32 rows, a tiny prior, checked every 10."""

    def make(problem: Problem, name: str = "grid", **keywords) -> Solver:
        made = {"steps": 30, "batch": 32, "points": 64, "stopping": HeldOut(every=10), **keywords}
        prior = priors.create(name, problem.box, seed=made.get("seed", 0), **SMALL[name])
        return Solver(problem, prior, **made)

    return make


@pytest.fixture
def learnable() -> Callable[..., Problem]:
    """A function that gives the same problem with an operator that learns its centre."""

    def make(problem: Problem, center: float = 0.0) -> Problem:
        old = problem.terms[0]
        axis = nn.Parameter(torch.tensor(center))
        operator = ParallelBeam(problem.box, old.operator.angles, 16, center=axis)
        return replace(problem, terms=[replace(old, operator=operator)])

    return make


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the optimizer steps; steps["stop"] = n sends Ctrl-C in the n-th."""
    step = Solver.step
    counts = {"done": 0, "stop": -1}

    def counted(self: Solver) -> torch.Tensor:
        counts["done"] += 1
        if counts["done"] == counts["stop"]:
            signal.raise_signal(signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Solver, "step", counted)
    return counts
