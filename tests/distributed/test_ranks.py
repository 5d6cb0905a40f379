"""Two processes of gloo are one process, to rounding; they stop, fail and go on together."""

import pytest
import torch
from cases.command import ranks
from cases.command.ranks import CASES, STEPS, on_ranks, outcome, solver

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict]:
    """All cases by two processes: what each of the two came to."""
    folder = tmp_path_factory.mktemp("two")
    assert on_ranks(ranks.every_case, folder) == [0, 0], errors(folder)
    return [read(folder / f"every-{rank}.pt") for rank in range(2)]


def read(path) -> dict:
    return torch.load(path, weights_only=True)


def errors(folder) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("error-*.txt"))]


def assert_same(mine: dict, other: dict, tolerance: float = 1e-6) -> None:
    assert mine["ended"] == other["ended"]
    assert mine["steps"] == other["steps"]
    assert mine["best"][0] == other["best"][0]
    assert mine["state"].keys() == other["state"].keys()
    for name, values in mine["state"].items():
        torch.testing.assert_close(
            other["state"][name], values, rtol=tolerance, atol=tolerance, msg=name
        )
    torch.testing.assert_close(other["image"], mine["image"], rtol=tolerance, atol=tolerance)
    assert len(mine["history"]) == len(other["history"]) > 0
    for one, two in zip(mine["history"], other["history"], strict=True):
        assert one == pytest.approx(two, rel=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(two, name):
    alone = outcome(solver(name))
    for found in two:
        assert_same(alone, found[name])


def test_all_processes_have_the_same_numbers(two):
    first, second = (found["rays"] for found in two)
    assert first["history"] == second["history"]
    assert all(torch.equal(v, second["state"][name]) for name, v in first["state"].items())


def test_killed_run_goes_on_with_another_number_of_processes(tmp_path):
    assert on_ranks(ranks.checkpointed, tmp_path) != [0, 0]
    alone = outcome(solver("rays"))
    ranks.resumed(tmp_path)
    assert_same(alone, read(tmp_path / "resumed-0.pt"))
    assert on_ranks(ranks.resumed, tmp_path, world=3) == [0, 0, 0], errors(tmp_path)
    for rank in range(3):
        assert_same(alone, read(tmp_path / f"resumed-{rank}.pt"))


def test_ctrl_c_in_one_process_ends_all_at_one_step(tmp_path):
    assert on_ranks(ranks.interrupted, tmp_path) == [0, 0], errors(tmp_path)
    first, second = (read(tmp_path / f"interrupted-{rank}.pt") for rank in range(2))
    assert first["ended"] == second["ended"] == "interrupted"
    assert 1 < first["steps"] == second["steps"] < 200
    saved = read(tmp_path / "state.pt")
    assert saved["step"] <= first["steps"]


def test_an_error_in_one_process_ends_all_with_its_message(tmp_path):
    assert on_ranks(ranks.failing, tmp_path, wait=60.0) == [1, 1]
    first, second = errors(tmp_path)
    assert second == "ValueError: the 20th question has no answer"
    assert first == f"RuntimeError: rank 1: {second}"


def test_other_measurements_in_one_process_are_refused(tmp_path):
    assert on_ranks(ranks.unlike, tmp_path, wait=60.0) == [1, 1]
    for said in errors(tmp_path):
        assert said.startswith("ValueError: Solver: the run")


def test_one_step_less_is_seen():
    """The comparison sees a difference: the runs move further in a step than its tolerance."""
    short = outcome(solver("rays", steps=STEPS - 1))
    with pytest.raises(AssertionError):
        assert_same(outcome(solver("rays")), {**short, "steps": STEPS})
