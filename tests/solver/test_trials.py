"""Fits inside a longer computation go on from their kept states, each from its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cases.linear import GRID, dense, random

import inverse_inr as ii
from inverse_inr.noise import Gaussian
from inverse_inr.solver import Ended, Solver, Trials, kept_in

MATRIX = random(40, GRID.numel, seed=1, dtype=torch.float32)
CONFIG = {"problem": "1"}


def problem(seed: int = 2) -> ii.Problem:
    y = random(40, seed=seed, dtype=torch.float32)
    return ii.Problem([ii.Term(dense(MATRIX), y, Gaussian(0.1))], GRID.box, GRID)


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of all steps that are made, as they are made."""
    made: list[int] = []
    step = Solver.step

    def counted(self: Solver) -> torch.Tensor:
        made.append(self.step_number)
        return step(self)

    monkeypatch.setattr(Solver, "step", counted)
    return made


def fitted(regularizers: Callable[[], list] = list, steps: int = 6) -> torch.Tensor:
    return Solver(problem(), "grid", steps=steps, regularizers=regularizers()).run().image()


def interrupting(at: int):
    """A callback that ends the run as Ctrl-C does."""

    class Interrupting:
        def __call__(self, solver: Solver, record: dict) -> None:
            pass

        def between_steps(self, solver: Solver) -> None:
            if solver.step_number == at:
                solver.stopped = Ended("interrupted", "by the test")

    return Interrupting()


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path: Path, monkeypatch) -> None:
    whole = fitted()
    made = steps_of(monkeypatch)
    with kept_in(Trials(tmp_path, CONFIG)):
        fitted()
        second = Solver(problem(), "grid", steps=9, callbacks=[interrupting(4)])
        with pytest.raises(KeyboardInterrupt):
            second.run()
    assert made == [*range(6), *range(5)]
    made.clear()
    with kept_in(Trials(tmp_path, CONFIG)):
        assert torch.equal(fitted(), whole)
        Solver(problem(), "grid", steps=9).run()
    assert made == [5, 6, 7, 8], "the first fit is read, the second goes on"


def test_a_fit_within_a_fit_does_not_move_the_places_of_later_ones(tmp_path: Path) -> None:
    inner: list[int] = []

    def guide() -> list:
        """A regularizer that makes a fit when it is first looked at."""
        made: list[torch.Tensor] = []

        def penalty(field: ii.Field, points: torch.Tensor) -> torch.Tensor:
            if not made:
                with torch.enable_grad():
                    made.append(fitted(steps=3))
                inner.append(1)
            return field(points).square().mean()

        return [penalty]

    def computed() -> torch.Tensor:
        first = Solver(problem(), "grid", steps=4, regularizers=guide()).run().image()
        return first + fitted(steps=3)

    with kept_in(Trials(tmp_path, CONFIG)):
        found = computed()
    with kept_in(Trials(tmp_path, CONFIG)):
        assert torch.equal(computed(), found)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 3


@pytest.mark.parametrize("change", ["config", "measurements", "damaged"])
def test_a_state_of_another_fit_is_not_used(tmp_path: Path, monkeypatch, change: str) -> None:
    with kept_in(Trials(tmp_path, CONFIG)):
        fitted()
    made = steps_of(monkeypatch)
    config = CONFIG
    if change == "config":
        config = {"problem": "2"}
    if change == "damaged":
        (tmp_path / "fit-1.pt").write_bytes(b"PK")
    seed = 2 + (change == "measurements")
    with kept_in(Trials(tmp_path, config)):
        Solver(problem(seed), "grid", steps=6).run()
    assert made == list(range(6))


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    with kept_in(Trials(tmp_path / "trials", CONFIG)):
        pass
    fitted()
    assert not list(tmp_path.iterdir())
