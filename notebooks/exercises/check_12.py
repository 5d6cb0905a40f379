"""12: Solving an equation without a grid."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from exercises import exercise, require
from inverse_inr import operators, predict


def _residual(equation: Callable[[Any], Tensor], field: Callable[[Tensor], Tensor]) -> float:
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return float(predict(operators.Residual(equation, points), field).detach().abs().max())


@exercise
def first(answer: Callable[[Any], Tensor]) -> None:
    """Helmholtz' equation with k = 5."""
    require(
        _residual(answer, lambda x: torch.cos(3 * x[..., :1] + 4 * x[..., 1:])) < 1e-3,
        "cos(3x + 4y) does not solve it: Δu + k² u, k = 5.",
    )
    require(
        _residual(answer, lambda x: torch.cos(3 * x[..., :1] + 3 * x[..., 1:])) > 1.0,
        "cos(3x + 3y) solves it too, and must not.",
    )


@exercise
def second(answer: Callable[[Any], Tensor]) -> None:
    """The wave equation with c = 2 m/s; axis 0 is place, axis 1 time."""
    require(
        _residual(answer, lambda x: torch.sin(x[..., :1] - 2 * x[..., 1:])) < 1e-3,
        "sin(x - 2t) runs at 2 m/s and does not solve it: u_tt - c² u_xx.",
    )
    require(
        _residual(answer, lambda x: torch.sin(x[..., :1] - x[..., 1:])) > 0.5,
        "sin(x - t) runs at 1 m/s and solves it too.",
    )
    require(
        _residual(answer, lambda x: torch.sin(2 * x[..., :1] - x[..., 1:])) > 0.5,
        "sin(2x - t) solves it: are place and time exchanged?",
    )
