"""A callback that lets the blocks of `acorn` (`tree.py`) move to where the field is hard to represent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.derivatives import gradient
from inverse_inr.evaluation import placement
from inverse_inr.hooks import Running


class Adapt:
    """Lets an adaptive prior ("acorn") move its blocks, every `every` steps until the fraction `until` of the run.

    `indicator(solver, points)` estimates the squared error at (n, d) points of the box, (n,), from measurements and
    field alone; by default `slope_indicator`. Like all callbacks it is asked at the stopping rule's checks.
    Raises TypeError for a prior that has no blocks to move.
    """

    def __init__(
        self,
        every: int = 100,
        *,
        until: float = 0.7,
        points: int = 16384,
        indicator: Callable[[Running, Tensor], Tensor] | None = None,
    ) -> None:
        self.every, self.until, self.points = every, until, points
        self.indicator = slope_indicator if indicator is None else indicator

    def __call__(self, solver: Running, record: dict[str, Any]) -> None:
        network, box = _adaptive(solver.prior), solver.problem.box
        step = record["step"]
        due = step // self.every > (step - solver.stopping.every) // self.every
        if solver.finished or not due or step > self.until * solver.steps:
            return
        dtype, device = placement(solver.prior)
        generator = torch.Generator().manual_seed(step)
        points = box.random_points(self.points, dtype=dtype, generator=generator).to(device)
        split = network.adapt(box.normalize(points), self.indicator(solver, points))
        if solver.history:
            record["splits"] = split


def slope_indicator(solver: Running, points: Tensor) -> Tensor:
    """(node spacing · |∇f|)²: what interpolation between nodes can lose, the indicator of adaptive mesh refinement."""
    network, box = _adaptive(solver.prior), solver.problem.box
    slope = gradient(solver.prior, points).detach() / points.new_tensor(box.scale)
    return network.spacing(box.normalize(points)).square() * slope.abs().square().sum((-1, -2))


def _adaptive(prior: nn.Module) -> Any:
    network = getattr(prior, "network", None)
    if not hasattr(network, "adapt"):
        raise TypeError(
            f"Adapt: '{getattr(prior, 'name', type(prior).__name__)}' has no blocks to move; 'acorn' has."
        )
    return network
