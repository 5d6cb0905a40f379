"""Linear methods choose by held-out rows or by an oracle that says so, and by no other rule."""

import pytest
import torch
from cases.linear import GRID, image_of, problem_of
from torch import Tensor

from inverse_inr import baselines
from inverse_inr.evaluation import sample
from inverse_inr.metrics import relative_error


def forbidden(points: Tensor) -> Tensor:
    raise AssertionError("the truth was looked at")


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_held_out_choice_never_sees_the_truth(method) -> None:
    images = []
    for reference in (None, forbidden):
        solution = method(problem_of(sigma=0.5, reference=reference))
        assert len(solution.watched[0]) == 3
        assert "held-out" in str(solution.stopped)
        assert "oracle" not in solution.method
        images.append(image_of(solution))
    assert torch.equal(*images)


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_an_oracle_needs_a_reference(method) -> None:
    with pytest.raises(ValueError, match="has no reference"):
        method(problem_of(), "oracle")


def truth(p: Tensor) -> Tensor:
    """The blocks: 1 inside a rectangle, 0 outside."""
    x, y = p[..., :1], p[..., 1:]
    return ((x > 0.4) & (x < 1.6) & (y > 1) & (y < 2.5)).to(p.dtype)


@pytest.mark.parametrize(
    ("method", "ladder"),
    [(baselines.cgls, {}), (baselines.tv, {"weights": (1.0, 40.0)})],
    ids=["cgls", "tv"],
)
def test_an_oracle_says_so(method, ladder) -> None:
    solution = method(problem_of(sigma=1.0, reference=truth), "oracle", **ladder)
    assert "oracle" in solution.method
    assert not solution.watched
    others = [method(problem_of(sigma=1.0, reference=truth), k) for k in (1, 40)]
    expected = sample(truth, GRID, average=4)
    error = [relative_error(s.sample(), expected) for s in (solution, *others)]
    assert error[0] <= min(error) + 1e-3


@pytest.mark.parametrize("method", [baselines.cgls, baselines.tv])
def test_other_rules_are_refused(method) -> None:
    with pytest.raises(ValueError, match="'held-out' or 'oracle'"):
        method(problem_of(), "reference")
