"""A fit that is watched: the same bits, a picture of it, and a bounded share of its time."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from cases.solver import assert_same_run
from cases.viewing.run_folder import grid_of

from inverse_inr import Solver, priors
from inverse_inr.io import read_image
from inverse_inr.problems.ct import ct
from inverse_inr.stopping import HeldOut
from inverse_inr.viewing import Watch, watching
from inverse_inr.viewing.watching import lattice_of, plane_of


def solver(callbacks: tuple = ()) -> Solver:
    problem = ct(size=16, views=8)
    prior = priors.hash(problem.box, seed=0, width=8)
    rule = HeldOut(every=3)
    return Solver(problem, prior, steps=9, stopping=rule, callbacks=callbacks, seed=3)


def test_a_watched_fit_is_the_same_to_the_last_bit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(watching, "SHARE", 1e3)
    watch = Watch(tmp_path / "watch.png", tmp_path / "watch.json", 1e-9)
    watched, alone = solver((watch,)), solver()
    watched.run()
    alone.run()
    assert watch.spent > 0
    assert_same_run(watched, alone)
    assert all(module.training for module in watched.prior.modules()) == all(
        module.training for module in alone.prior.modules()
    )
    image, grid = read_image(tmp_path / "watch.png")
    assert grid.shape == (16, 16)
    assert float(image.max()) == 1.0
    told = json.loads((tmp_path / "watch.json").read_text())
    assert told["steps"] == 9
    assert [record["step"] for record in told["history"]] == [3, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch.json", "watch.png"]


@dataclass
class Clock:
    """Time that passes only where it is told to."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Fit:
    """A solver as a callback sees it, whose field takes time for each point."""

    clock: Clock
    point: float
    problem: Any = None
    label: str = "made"
    steps: int = 10
    seconds: float = 0.0
    history: list = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def __post_init__(self):
        @dataclass
        class Shown:
            grid = grid_of((200, 300), ("cm", "cm"))

        self.problem = Shown()

    def field(self, points: torch.Tensor) -> torch.Tensor:
        count = points[..., 0].numel()
        self.asked.append(count)
        self.clock.now += self.point * count
        return points[..., :1]


@pytest.mark.parametrize("point", [1e-7, 1e-5, 1e-4, 1e-3, 1e-2])
def test_pictures_take_less_than_two_per_cent_of_the_time(tmp_path, monkeypatch, point):
    """On a clock of our own, on which writing takes 30 ms: from a fast field to a very slow one."""
    clock = Clock()
    monkeypatch.setattr(watching.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(watching.time, "process_time", clock.monotonic)
    written = []

    def write(self, fit, image):
        clock.now += 0.03
        written.append(clock.now)

    monkeypatch.setattr(Watch, "_write", write)
    watch, fit = Watch(tmp_path / "w.png", tmp_path / "w.json", 2.0), Fit(clock, point)
    while clock.now < 1000:
        clock.now += 0.05  # a step
        watch.between_steps(fit)  # pyright: ignore[reportArgumentType]
    assert watch.spent < 0.02 * clock.now
    assert len(written) >= {1e-7: 400, 1e-5: 80, 1e-4: 40, 1e-3: 8, 1e-2: 1}[point]
    assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(written))
    assert max(fit.asked) <= 128**2
    if point == 1e-7:
        assert max(fit.asked) > 15000


def test_the_plane_is_of_one_unit_and_then_the_largest():
    assert plane_of(grid_of((9, 5, 3), ("mm", "mm", "mm"))) == (0, 1)
    assert plane_of(grid_of((3, 9, 5), ("mm", "mm", "mm"))) == (1, 2)
    assert plane_of(grid_of((4, 5, 90), ("px", "px", "nm"))) == (0, 1)
    assert plane_of(grid_of((1, 5, 6), ("px", "px", "px"))) == (1, 2)
    assert plane_of(grid_of((50,), ("s",))) is None


def test_the_lattice_lies_in_the_middle():
    lattice = lattice_of(grid_of((8, 6, 4), ("mm", "mm", "mm")), (0, 1), 12)
    assert lattice.shape == (4, 3, 1)
    assert lattice.box.lower == (0.0, 0.0, 1.0)
    assert lattice.box.upper == (4.0, 3.0, 1.5)
    whole = lattice_of(grid_of((8, 6, 4), ("mm", "mm", "mm")), (0, 1), 10**6)
    assert whole.shape == (8, 6, 1)


def test_a_full_disk_does_not_end_the_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "SHARE", 1e3)

    def full(path, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watching, "write_image", full)
    watch = Watch(tmp_path / "watch.png", tmp_path / "watch.json", 1e-9)
    made = solver((watch,))
    with pytest.warns(UserWarning, match="No space left"):
        made.run()
    assert made.step_number == 9
