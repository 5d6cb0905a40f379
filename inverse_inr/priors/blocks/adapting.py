"""A callback that moves the blocks of `acorn` to where the field is hard to represent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.derivatives import gradient
from inverse_inr.hooks import Running
from inverse_inr.precision import placement


class Adapt:
    """A callback that lets an adaptive prior ("acorn") move its blocks.

    Like all callbacks it is asked at the stopping rule's checks.

    Args:
        every: Steps between moves.
        until: The fraction of the run after which blocks stay.
        points: Random points of the box at which the error is estimated.
        indicator: Estimates the squared error (n,) at (n, d) points of the box, from measurements
            and field alone; None for `slope_indicator`.

    Raises:
        TypeError: When it is called, for a prior that has no blocks to move.
    """

    def __init__(
        self,
        every: int = 100,
        *,
        until: float = 0.7,
        points: int = 16384,
        indicator: Callable[[Running, Tensor], Tensor] | None = None,
    ) -> None:
        self.every = every
        self.until = until
        self.points = points
        self.indicator = indicator or slope_indicator

    def __call__(self, solver: Running, record: dict[str, Any]) -> None:
        """Move the blocks if it is time; the number of splits joins the record.

        Args:
            solver: The run.
            record: The entry of the run's history that is being made.
        """
        network = _adaptive(solver.prior)
        box = solver.problem.box
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
    """Estimate the squared error by (node spacing · |∇f|)².

    It is the most that interpolation between nodes can lose, the indicator of adaptive mesh
    refinement.

    Args:
        solver: The run, whose prior has blocks.
        points: (n, d) in the box's units.

    Returns:
        (n,).
    """
    network = _adaptive(solver.prior)
    box = solver.problem.box
    slope = gradient(solver.prior, points).detach() / points.new_tensor(box.scale)
    return network.spacing(box.normalize(points)).square() * slope.abs().square().sum((-1, -2))


def _adaptive(prior: nn.Module) -> Any:
    network = getattr(prior, "network", None)
    if not hasattr(network, "adapt"):
        name = getattr(prior, "name", type(prior).__name__)
        raise TypeError(f"Adapt: '{name}' has no blocks to move; 'acorn' has.")
    return network
