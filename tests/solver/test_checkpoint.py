"""Checkpoints: whole, early, refused with the cause, and never the end of a run."""

import errno
import os
import pickle
import random
from functools import partial
from pathlib import Path

import pytest
import torch
from cases.solver import assert_same_run
from torch import nn

import inverse_inr as ii
from inverse_inr.io.files import FileFormatError
from inverse_inr.solver import Checkpoint, checkpoint, disk_full, read_checkpoint
from inverse_inr.stopping import HeldOut


class Bomb:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "boom")


@pytest.fixture
def written(problem, solver, tmp_path) -> Path:
    """A checkpoint of a run after ten steps."""
    path = tmp_path / "state.pt"
    run = solver(problem, callbacks=[Checkpoint(path, seconds=0)])
    run.run(10)
    return path


def test_what_is_written_comes_back(problem, solver, written):
    whole = solver(problem)
    whole.run()
    second = solver(problem)
    second.load_state_dict(read_checkpoint(written))
    second.run()
    assert_same_run(whole, second)


DAMAGE = {
    "empty": (lambda path: path.write_bytes(b""), "found an empty file"),
    "text": (lambda path: path.write_text("step = 3\n" * 20), "found text of 180 bytes"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged copy"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps({"step": 3})), "no format known"),
    "another torch file": (lambda path: torch.save({"a": 1}, path), "another program"),
    "weights alone": (
        lambda path: torch.save(nn.Linear(2, 2).state_dict(), path),
        "another program",
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_one_line_with_file_and_cause(how, written):
    spoil, message = DAMAGE[how]
    spoil(written)
    with pytest.raises(FileFormatError, match=message) as raised:
        read_checkpoint(written)
    assert str(raised.value).startswith(f"{written}: expected a checkpoint of inverse_inr")
    assert "weights_only" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_any_changed_byte_is_noticed(written):
    """A ZIP reader notices few of them: torch does not look at its check sums."""
    whole = written.read_bytes()
    drawn = random.Random(0)
    for _ in range(100):
        at = drawn.randrange(len(whole))
        written.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(FileFormatError):
            read_checkpoint(written)


def sealed(path: Path, content: object) -> None:
    """Write anything as if it were a checkpoint, with a digest that fits."""
    with path.open("w+b") as file:
        checkpoint._save_sealed(content, file)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    path = tmp_path / "state.pt"
    target = tmp_path / "boom.txt"
    sealed(path, {"step": Bomb(target)})
    with pytest.raises(FileFormatError, match="UnpicklingError while its values were read"):
        read_checkpoint(path)
    assert not target.exists()


def test_what_is_missing_is_named(written):
    state = read_checkpoint(written)
    del state["best"], state["history"]
    sealed(written, state)
    with pytest.raises(FileFormatError, match="incomplete: it lacks best, history"):
        read_checkpoint(written)
    sealed(written, [1, 2])
    with pytest.raises(FileFormatError, match="holds list"):
        read_checkpoint(written)


def changed(problem: ii.Problem) -> ii.Problem:
    """The problem with one measurement a little larger."""
    y = problem.terms[0].y.clone()
    y[7] += 1e-6
    return ii.Problem(
        [ii.Term(problem.terms[0].operator, y, problem.terms[0].fidelity)],
        problem.box,
        problem.grid,
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda make, problem: make(changed(problem)), "other measurements"),
        (lambda make, problem: make(problem, "siren"), "the prior was grid"),
        (lambda make, problem: make(problem, regularizers=[_flat]), "the objective was"),
    ],
    ids=["measurements", "prior", "regularizer"],
)
def test_the_state_of_another_run_is_refused_and_changes_nothing(
    problem, solver, written, other, message
):
    mine = other(solver, problem)
    before = {k: v.clone() for k, v in mine.objective.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        mine.load_state_dict(read_checkpoint(written))
    assert mine.step_number == 0
    assert all(torch.equal(v, before[k]) for k, v in mine.objective.state_dict().items())


def _flat(f: ii.Field, points: torch.Tensor) -> torch.Tensor:
    return f(points).square().mean()


def test_a_state_that_does_not_fit_changes_nothing(problem, solver, written):
    state = read_checkpoint(written)
    state["optimizer"] = []
    mine = solver(problem)
    before = {k: v.clone() for k, v in mine.objective.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit the solver"):
        mine.load_state_dict(state)
    assert all(torch.equal(v, before[k]) for k, v in mine.objective.state_dict().items())


def test_the_first_one_is_early_and_does_not_wait_for_a_check(
    problem, solver, tmp_path, monkeypatch
):
    """The clock is told what to say: 2 s a step, and no check before step 1000."""
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    steps = []

    class Noted(Checkpoint):
        def write(self, solver) -> None:
            super().write(solver)
            steps.append((solver.step_number, now[0]))

    class Clock:
        def between_steps(self, solver) -> None:
            now[0] = 2.0 * solver.step_number

        def __call__(self, solver, record) -> None: ...

    path = tmp_path / "state.pt"
    keywords = {"steps": 40, "stopping": HeldOut(every=1000)}
    whole = solver(problem, **keywords)
    whole.run()
    first = solver(problem, callbacks=[Clock(), Noted(path, seconds=30.0, first=3.0)], **keywords)
    first.run(39)
    assert steps == [(2, 4.0), (17, 34.0), (32, 64.0)]
    second = solver(problem, **keywords)
    second.load_state_dict(read_checkpoint(path))
    second.run()
    assert_same_run(whole, second)


def no_room(number: int, *_, **__) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_warning_and_the_next_one_is_tried(
    problem, solver, tmp_path, monkeypatch, number
):
    path = tmp_path / "state.pt"
    run = solver(problem, callbacks=[Checkpoint(path, seconds=0)])
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_save_sealed", partial(no_room, number))
        with pytest.warns(RuntimeWarning, match="state.pt: disk full .* goes on without"):
            run.run(20)
    assert run.step_number == 20
    assert list(tmp_path.iterdir()) == []
    run.run()
    assert read_checkpoint(path)["step"] == 30


def test_a_write_that_fails_inside_torch_says_why(tmp_path):
    """Torch reports it as an assertion about positions in its archive."""

    class Full:
        def write(self, data) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as raised:
        checkpoint._save_sealed({"a": torch.zeros(1000)}, Full())
    assert disk_full(raised.value)


def test_another_error_of_the_disk_ends_the_run(problem, solver, tmp_path):
    run = solver(problem, callbacks=[Checkpoint(tmp_path / "gone" / "state.pt", seconds=0)])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run.run()
