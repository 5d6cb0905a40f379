"""Parameters divided between processes: the fit of one process, resumed by any number."""

import pytest
import torch
from cases.command import sharded
from cases.command.ranks import BOX, STEPS, Means, on_ranks, outcome, problem
from cases.command.sharded import CASES, solver

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.solver import read_checkpoint
from inverse_inr.stopping import HeldOut

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict]:
    """All cases by two processes: what each of the two came to."""
    folder = tmp_path_factory.mktemp("two")
    assert on_ranks(sharded.every_case, folder) == [0, 0], errors(folder)
    return [read(folder / f"every-{rank}.pt") for rank in range(2)]


def read(path) -> dict:
    return torch.load(path, weights_only=True)


def errors(folder) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("error-*.txt"))]


def assert_same(mine: dict, other: dict) -> None:
    for key in ("ended", "steps"):
        assert mine[key] == other[key]
    assert mine["best"][0] == other["best"][0]
    assert mine["state"].keys() == other["state"].keys()
    for name, values in mine["state"].items():
        assert other["state"][name].shape == values.shape
        torch.testing.assert_close(
            other["state"][name], values, rtol=TOLERANCE, atol=TOLERANCE, msg=name
        )
    torch.testing.assert_close(other["image"], mine["image"], rtol=TOLERANCE, atol=TOLERANCE)
    assert len(mine["history"]) == len(other["history"]) > 0
    for one, two in zip(mine["history"], other["history"], strict=True):
        assert one == pytest.approx(two, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(two, name):
    alone = outcome(solver(name))
    for found in two:
        assert_same(alone, found[name])


@pytest.mark.slow
def test_each_process_holds_its_part_alone(tmp_path):
    assert on_ranks(sharded.held, tmp_path, world=3) == [0, 0, 0], errors(tmp_path)
    facts = [read(tmp_path / f"held-{rank}.pt") for rank in range(3)]
    assert sum(f["parts"] for f in facts) == facts[0]["whole"]
    for found in facts:
        assert found["parts"] < 0.34 * found["whole"]
        assert found["means"] <= 2 * found["parts"]
        assert found["stored"] < 100


@pytest.mark.slow
def test_killed_run_goes_on_with_another_number_of_processes(tmp_path):
    assert on_ranks(sharded.checkpointed, tmp_path) != [0, 0]
    assert read_checkpoint(tmp_path / "state.pt")["step"] == STEPS // 2
    alone = outcome(solver("hash"))
    sharded.resumed(tmp_path)
    assert_same(alone, read(tmp_path / "resumed-0.pt"))
    assert on_ranks(sharded.resumed, tmp_path, world=3) == [0, 0, 0], errors(tmp_path)
    for rank in range(3):
        assert_same(alone, read(tmp_path / f"resumed-{rank}.pt"))


@pytest.mark.slow
def test_the_first_process_alone_may_look_at_the_field_and_save(tmp_path):
    assert on_ranks(sharded.told, tmp_path) == [0, 0], errors(tmp_path)
    history = read(tmp_path / "history.pt")["history"]
    assert all(torch.isfinite(torch.tensor(r["PSNR (reference)"])) for r in history)
    saved = read_checkpoint(tmp_path / "told.pt")
    assert saved["step"] == 20
    assert all(bool(torch.isfinite(v).all()) for v in saved["objective"].values())


@pytest.mark.slow
def test_a_parameter_that_is_lost_in_one_process_ends_all_with_the_last_good_state(tmp_path):
    assert on_ranks(sharded.spoilt, tmp_path) == [0, 0], errors(tmp_path)
    for rank in range(2):
        found = read(tmp_path / f"spoilt-{rank}.pt")
        assert len(found["named"]) == 1
        assert found["ended"] == "non-finite"
        assert found["best"][0] == 20
        assert all(bool(torch.isfinite(v).all()) for v in found["state"].values())


def small(**changes) -> ii.Solver:
    prior = priors.siren(BOX, width=8, depth=1).double()
    return ii.Solver(problem(Means(40)), prior, sharded=True, steps=2, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": "lbfgs"}, "sharded=True: LBFGS moves"),
        ({"optimizer": "gauss-newton"}, "sharded=True: GaussNewton moves"),
        ({"optimizer": "muon"}, "sharded=True: Muon moves"),
        ({"compile": True}, "sharded=True and compile=True"),
    ],
    ids=["lbfgs", "gauss-newton", "muon", "compile"],
)
def test_what_cannot_be_divided_is_refused_by_name(changes, said):
    with pytest.raises(ValueError, match=said):
        small(**changes)


def test_one_process_holds_all():
    run = small(stopping=HeldOut(every=1, fraction=0.2))
    assert not run.is_divided
    assert torch.isfinite(run.run().sample()).all()
