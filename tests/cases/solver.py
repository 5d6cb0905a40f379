"""What the tests of the loop share: a state written and read, and whether two runs are the same to the last bit."""

from io import BytesIO

import torch

from inverse_inr import Solver


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
    for mine, other in (
        (a.objective.state_dict(), b.objective.state_dict()),
        (a.best["state"], b.best["state"]),
    ):
        assert mine.keys() == other.keys()
        for key in mine:
            assert torch.equal(mine[key], other[key]), key
