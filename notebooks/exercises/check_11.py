"""11: Bring your own operator."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from exercises import exercise, require, require_near
from inverse_inr import predict
from inverse_inr.testing import OperatorTests, run_checks


@exercise
def first(answer: Callable[..., Any]) -> None:
    """Means along segments."""
    draw = torch.Generator().manual_seed(0)
    start, end = torch.rand(2, 9, 2, generator=draw, dtype=torch.float64)

    def wave(x: Tensor) -> Tensor:
        return torch.cos(3 * x[..., :1] + 2 * x[..., 1:])

    phase = torch.stack([p @ torch.tensor([3.0, 2.0], dtype=torch.float64) for p in (start, end)])
    expected = (phase[1].sin() - phase[0].sin()) / (phase[1] - phase[0])
    found = predict(answer(start, end, 200), wave).double()
    lengths = (end - start).norm(dim=1)
    require(
        (found - expected * lengths).abs().max() > 1e-3,
        "The mean along the segment, not the integral.",
    )
    require_near(
        found,
        expected,
        1e-3,
        "A wave along a segment has another mean: do nodes fill it from start to end?",
    )

    class Small(OperatorTests):
        def make(self) -> Any:
            return answer(start, end)

    failed = [name for name, failure in run_checks(Small()) if failure is not None]
    require(not failed, f"The library's kit fails: {', '.join(failed)}.")


@exercise
def second(answer: float) -> None:
    """The speed of sound."""
    require(
        abs(float(answer) - 1.4) > 0.01,
        "That is the first guess: was it learnt? operator_lr= of solve.",
    )
    require_near(float(answer), 1.5, 0.02, "Twelve hundred arcs tell it to a per cent.")
