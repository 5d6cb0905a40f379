"""The loop: resumed and interrupted runs, determinism, stopping, failures, what operators learn, what is saved."""

import errno
import signal
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import Grid, OnGrid, Problem, Solver, Term, fidelity, noise, optimizers, phantoms, priors, solve
from inverse_inr.callbacks import AgainstReference, Checkpoint, Progress
from inverse_inr.objective import Objective, RowSchedule, seeded
from inverse_inr.operators import ParallelBeam
from inverse_inr.regularizers import L1, TotalVariation
from inverse_inr.solution import load_field
from inverse_inr.stopping import Discrepancy, HeldOut, Never

SMALL = {
    "grid": {"cells": 8.0},
    "hash": {"levels": 3, "coarsest": 4, "finest": 12, "log2_table": 8, "width": 8, "depth": 1},
    "siren": {"width": 16, "depth": 2, "omega0": 5.0},
}
EVERY10 = HeldOut(every=10)


def prior(problem: Problem, name: str = "grid", seed: int = 0) -> priors.Prior:
    return priors.create(name, problem.box, seed=seed, **SMALL[name])


def solver(problem: Problem, name: str = "grid", **keywords) -> Solver:
    made = {"steps": 30, "batch": 32, "points": 64, "stopping": EVERY10, **keywords}
    return Solver(problem, prior(problem, name, made.get("seed", 0)), **made)


def through_disk(solver: Solver) -> dict:
    file = BytesIO()
    torch.save(solver.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def history(run: Solver) -> list[dict]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in run.history]


def assert_same_run(a: Solver, b: Solver) -> None:
    assert history(a) == history(b)
    assert len(a.history) > 0
    assert a.best["step"] == b.best["step"]
    for mine, other in ((a.objective.state_dict(), b.objective.state_dict()), (a.best["state"], b.best["state"])):
        assert mine.keys() == other.keys()
        for key in mine:
            assert torch.equal(mine[key], other[key]), key


def learnable(problem: Problem, center: float = 0.0) -> Problem:
    old = problem.terms[0]
    assert isinstance(old.operator, ParallelBeam)
    axis = nn.Parameter(torch.tensor(center))
    return replace(problem, terms=[replace(old, operator=ParallelBeam(problem.box, old.operator.angles, 16, center=axis))])


@dataclass
class Recorder:
    """A callback that records steps, and presses Ctrl-C at one of them."""

    interrupt_at: int = -1
    steps: list[int] = field(default_factory=list)

    def __call__(self, solver: Solver, record: dict) -> None:
        self.steps.append(record["step"])
        if record["step"] == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)


class Failing:
    """A regularizer that returns NaN from its `last` call on, or a finite value with a NaN gradient."""

    def __init__(self, last: int, gradient_only: bool = False) -> None:
        self.calls, self.last, self.gradient_only = 0, last, gradient_only

    def __call__(self, f: ii.Field, points: Tensor) -> Tensor:
        self.calls += 1
        value = f(points).square().mean()
        if self.calls < self.last:
            return value
        return (value * 0).sqrt() if self.gradient_only else value * float("nan")


# --- resuming, interrupting, determinism --------------------------------------------------------------------------

CASES = [
    ("grid", "adam", 32), ("hash", "adam", 32), ("siren", "muon", 32),
    ("siren", optimizers.LBFGS(iterations=2), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "optimizer", "batch"), CASES, ids=["adam-grid", "adam-hash", "muon", "lbfgs"])
@pytest.mark.parametrize("at", [1, 7, 10, 23])
def test_resumed_run_is_bit_exact(problem, name, optimizer, batch, at):
    keywords = {"optimizer": optimizer, "batch": batch, "regularizers": [1e-3 * TotalVariation()], "steps": 24}
    whole = solver(problem, name, **keywords)
    whole.run()
    first = solver(problem, name, **keywords)
    paused = first.run(at)
    assert paused.stopped == f"paused at step {at}"
    assert not first.finished
    state = through_disk(first)
    second = solver(problem, name, **keywords)
    torch.rand(5)  # the default generator is no part of the state
    second.load_state_dict(state)
    second.run()
    assert second.step_number == 24
    assert_same_run(whole, second)


def test_steps_one_by_one_are_the_run_and_rays_jitter(problem):
    a, b = solver(problem), solver(problem)
    a.run()
    seen = [float(b.step().sum()) for _ in range(30)]
    assert all(torch.equal(p, q) for p, q in zip(a.prior.parameters(), b.prior.parameters(), strict=True))
    assert seen[9] == a.history[0]["loss"]
    operator = a.problem.terms[0].operator.train()
    first, again = operator(torch.arange(4)).points, operator(torch.arange(4)).points
    assert not torch.equal(first, again)


def test_resume_restores_what_operators_learnt(problem):
    runs = [solver(learnable(problem, 0.1)) for _ in range(3)]
    runs[0].run()
    runs[1].run(13)
    runs[2].load_state_dict(through_disk(runs[1]))
    runs[2].run()
    assert_same_run(runs[0], runs[2])


def test_resume_refuses_another_run(problem):
    state = solver(problem).state_dict()
    with pytest.raises(ValueError, match="seed=0, the solver 1: not the same run"):
        solver(problem, seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match="steps=30, the solver 31"):
        solver(problem, steps=31).load_state_dict(state)


@pytest.mark.parametrize("at", [10, 20])
def test_interrupted_run_returns_its_best_and_resumes(problem, at):
    before = signal.getsignal(signal.SIGINT)
    whole = solver(problem)
    expected = whole.run()
    cut = solver(problem, callbacks=[Recorder(interrupt_at=at)])
    solution = cut.run()
    assert signal.getsignal(signal.SIGINT) == before
    assert solution.stopped == f"interrupted at step {at}"
    assert solution.steps == at
    assert solution.best_step == cut.best["step"]
    kept = {k.removeprefix("prior."): v for k, v in cut.best["state"].items() if k.startswith("prior.")}
    assert all(torch.equal(v, kept[k]) for k, v in solution.field.state_dict().items())
    again = solver(problem)
    again.load_state_dict(through_disk(cut))
    resumed = again.run()
    assert_same_run(whole, again)
    assert torch.equal(resumed.sample(), expected.sample())


def test_interrupted_before_any_check_returns_the_current_state(problem):
    class Stop:
        def __call__(self, f: ii.Field, points: Tensor) -> Tensor:
            signal.raise_signal(signal.SIGINT)
            return f(points).square().mean()

    recorder = Recorder()
    run = solver(problem, regularizers=[Stop()], callbacks=[recorder])
    solution = run.run()
    assert solution.stopped == "interrupted at step 1"
    assert recorder.steps == [1], "callbacks must learn that the run is over"
    assert torch.equal(solution.sample(), ii.sample(run.prior, problem.grid))


def test_interrupt_on_a_check_still_closes_callbacks(problem, tmp_path):
    """A checkpoint written only at the end must be written too where Ctrl-C falls on a check."""
    path = tmp_path / "run.pt"
    solver(problem, callbacks=[Recorder(interrupt_at=20), Checkpoint(path, seconds=1e9)]).run()
    assert path.exists()
    assert torch.load(path, weights_only=True)["step"] == 20


def test_second_run_after_an_interrupt_continues(problem):
    whole, cut = solver(problem), solver(problem, callbacks=[Recorder(interrupt_at=10)])
    whole.run()
    cut.run()
    cut.run()
    assert cut.step_number == 30
    assert_same_run(whole, cut)


@pytest.mark.parametrize("name", ["grid", "hash", "siren"])
def test_user_random_state_is_untouched(problem, name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    solve(problem, prior(problem, name) if name == "grid" else name, steps=2, batch=32, stopping=Never(every=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_restores_the_generator_and_depends_on_both_numbers():
    def draw(seed: int, step: int) -> float:
        with seeded(seed, step, torch.device("cpu")):
            return float(torch.rand(()))

    before = torch.get_rng_state()
    assert draw(1, 2) == draw(1, 2)
    assert len({draw(s, k) for s in range(20) for k in range(20)}) == 400
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_decides_everything(problem):
    def image(seed: int) -> Tensor:
        torch.manual_seed(int(torch.randint(100, ())))  # whatever the user's generator holds
        options = ii.Suggestion("hash", SMALL["hash"])
        return solve(replace(problem, suggested=options), steps=20, batch=32, stopping=EVERY10, seed=seed).sample()

    assert torch.equal(image(3), image(3))
    assert not torch.equal(image(3), image(4))


def test_solving_twice_gives_the_same_although_the_operator_learns(problem):
    task = learnable(problem, 0.1)
    a, b = (solver(task).run() for _ in range(2))
    assert torch.equal(a.sample(), b.sample())


# --- which rows ---------------------------------------------------------------------------------------------------


def test_rows_at_a_step_are_a_pure_function():
    rows = torch.arange(100)[::2]
    a, b = RowSchedule(rows, 8, seed=3), RowSchedule(rows, 8, seed=3)
    order = [17, 3, 3, 0, 40, 17]
    assert all(torch.equal(a.at(k), b.at(k)) for k in order)
    assert {k: a.at(k).tolist() for k in range(60)} == {k: b.at(k).tolist() for k in reversed(range(60))}
    epochs = [torch.cat([a.at(6 * e + k) for k in range(6)]) for e in range(9)]
    for epoch in epochs:
        assert len(epoch) == 48  # constant batches: the last 2 rows of an epoch's order wait
        assert len(epoch.unique()) == 48
        assert torch.isin(epoch, rows).all()
    assert len({tuple(e.tolist()) for e in epochs}) == 9
    assert torch.equal(torch.cat(epochs).unique(), rows)
    assert not torch.equal(a.at(0), RowSchedule(rows, 8, seed=4).at(0))


@pytest.mark.parametrize("batch", [None, 50, 1000])
def test_a_full_batch_is_all_rows(batch):
    rows = torch.arange(50)
    assert torch.equal(RowSchedule(rows, batch, 0).at(5), rows)
