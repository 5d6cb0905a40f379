"""Resumed and interrupted runs are the run that nothing stopped, to the last bit."""

import signal

import pytest
import torch
from cases.solver import assert_same_run, through_disk
from torch import Tensor

import inverse_inr as ii
from inverse_inr import optimizers
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Checkpoint


def ctrl_c(at: int):
    """A callback that interrupts the run at step `at`."""

    def interrupt(solver, record) -> None:
        if record["step"] == at and "loss" in record:
            signal.raise_signal(signal.SIGINT)

    return interrupt


@pytest.mark.parametrize(
    ("name", "optimizer", "batch"),
    [
        ("grid", "adam", 32),
        ("hash", "adam", 32),
        ("siren", "muon", 32),
        ("siren", optimizers.LBFGS(iterations=2), None),
    ],
    ids=["adam-grid", "adam-hash", "muon", "lbfgs"],
)
@pytest.mark.parametrize("at", [1, 7, 10, 23])
def test_resumed_run_is_bit_exact(problem, name, optimizer, batch, at, solver):
    keywords = {
        "optimizer": optimizer,
        "batch": batch,
        "regularizers": [1e-3 * TotalVariation()],
        "steps": 24,
    }
    whole = solver(problem, name, **keywords)
    whole.run()
    first = solver(problem, name, **keywords)
    paused = first.run(at)
    assert str(paused.stopped) == f"paused at step {at}"
    assert not first.finished
    state = through_disk(first)
    second = solver(problem, name, **keywords)
    torch.rand(5)  # the default generator is no part of the state
    second.load_state_dict(state)
    second.run()
    assert second.step_number == 24
    assert_same_run(whole, second)


def test_resume_restores_what_operators_learnt(problem, solver, learnable):
    runs = [solver(learnable(problem, 0.1)) for _ in range(3)]
    runs[0].run()
    runs[1].run(13)
    runs[2].load_state_dict(through_disk(runs[1]))
    runs[2].run()
    assert_same_run(runs[0], runs[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "seed=0, the solver 1: not the same run"),
        ({"steps": 31}, "steps=30, the solver 31"),
    ],
    ids=["seed", "steps"],
)
def test_resume_refuses_another_run(problem, solver, options, message):
    state = solver(problem).state_dict()
    with pytest.raises(ValueError, match=message):
        solver(problem, **options).load_state_dict(state)


@pytest.mark.parametrize("at", [10, 20])
def test_interrupted_run_returns_its_best_and_resumes(problem, at, solver):
    before = signal.getsignal(signal.SIGINT)
    whole = solver(problem)
    expected = whole.run()
    cut = solver(problem, callbacks=[ctrl_c(at)])
    solution = cut.run()
    assert signal.getsignal(signal.SIGINT) == before
    assert str(solution.stopped) == f"interrupted at step {at}"
    assert solution.steps == at
    assert solution.best_step == cut.best["step"]
    kept = cut.best["state"]
    assert all(torch.equal(v, kept[f"prior.{k}"]) for k, v in solution.field.state_dict().items())
    again = solver(problem)
    again.load_state_dict(through_disk(cut))
    resumed = again.run()
    assert_same_run(whole, again)
    assert torch.equal(resumed.sample(), expected.sample())


def test_interrupted_before_any_check_returns_the_current_state(problem, solver):
    class Stop:
        rehearsed = False

        def __call__(self, f: ii.Field, points: Tensor) -> Tensor:
            if self.rehearsed:
                signal.raise_signal(signal.SIGINT)
            self.rehearsed = True
            return f(points).square().mean()

    told = []

    def tell(_, record) -> None:
        told.append(record["step"])

    run = solver(problem, regularizers=[Stop()], callbacks=[tell])
    solution = run.run()
    assert str(solution.stopped) == "interrupted at step 1"
    assert told == [1], "callbacks must learn that the run is over"
    # as `Solution.sample` does: with gradients recorded, sums are taken in another order
    with torch.no_grad():
        assert torch.equal(solution.sample(), ii.sample(run.prior, problem.grid))


def test_interrupt_on_a_check_still_closes_callbacks(problem, tmp_path, solver):
    """A checkpoint for the end of the run is written even if Ctrl-C falls on a check."""
    path = tmp_path / "run.pt"
    solver(problem, callbacks=[ctrl_c(20), Checkpoint(path, seconds=1e9)]).run()
    assert path.exists()
    assert torch.load(path, weights_only=True)["step"] == 20


def test_second_run_after_an_interrupt_continues(problem, solver):
    whole = solver(problem)
    cut = solver(problem, callbacks=[ctrl_c(10)])
    whole.run()
    cut.run()
    cut.run()
    assert cut.step_number == 30
    assert_same_run(whole, cut)
