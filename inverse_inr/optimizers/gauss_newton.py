"""Gauss-Newton with Levenberg and Marquardt's damping: steps that know the loss's curvature.

    (Σ weight J'J + λ M) δ = -g,        M ≈ the diagonal of Σ weight J'J

It is solved by conjugate gradients, with products by autograd alone. λ follows the gain ratio, the
loss's decrease over the decrease that the quadratic promised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from inverse_inr.kernels.conjugate_gradients import conjugate_gradients, inner
from inverse_inr.optimizers.groups import Group
from inverse_inr.optimizers.linearized import Curvature, Evaluation
from inverse_inr.ranges import Count, ProperFraction, Range, checked

GOOD = 0.75
"""Gain ratio above which the damping is lowered."""

POOR = 0.25
"""Gain ratio below which the damping is raised."""

FIRST_PROBES = 16
PROBES = 4
"""Random vectors that estimate the diagonal of the curvature, in the first step and in others."""

POWER = 0.75
"""Power of the diagonal that scales parameters: below 1, as it is an estimate (Martens 2010)."""

FLOOR = 1e-3
"""Least diagonal, as a fraction of its mean."""

MEMORY = 0.9
"""How much of the diagonal's running mean stays from one step to the next."""

FIRST = 10
"""Most iterations of conjugate gradients in the first step, and the least limit in any."""

GROWTH = 1.5
"""Factor by which the limit grows after a step as good as promised, and shrinks after a poor one.

Far from the minimum the quadratic holds for short steps only, and long solutions are wasted.
"""

HALVINGS = 8
"""How often a step that raises the loss is halved before it is given up."""

LEAST_DAMPING = 1e-10
MOST_DAMPING = 1e10

Damping = Annotated[float, Range(least=LEAST_DAMPING, most=MOST_DAMPING)]
"""Damping as a fraction of the curvature's own diagonal."""


class LevenbergMarquardt:
    """The steps of `GaussNewton`.

    Args:
        parameters: The parameters that vary.
        iterations: The most iterations of conjugate gradients a step.
        damping: λ at the beginning.
        progress: The gain by which conjugate gradients are ended, see `conjugate_gradients`.
    """

    def __init__(
        self, parameters: Sequence[Tensor], iterations: int, damping: float, progress: float
    ) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self.iterations = iterations
        self.damping = damping
        self.progress = progress
        self.steps = 0
        self.diagonal = [torch.zeros_like(p, dtype=p.dtype.to_real()) for p in self.parameters]
        self.limit = min(FIRST, iterations)

    def step(self, closure: Callable[[], Tensor], progress: float) -> Tensor:
        """Take one step; the loss does not rise.

        Args:
            closure: The solver's evaluation of the loss (`Evaluation`).
            progress: Fraction of the run that is done, from 0 to 1; it does not count.

        Returns:
            The loss before the step, a scalar.

        Raises:
            TypeError: The closure computes nothing but the loss.
        """
        if not isinstance(closure, Evaluation):
            raise TypeError(
                "GaussNewton needs an evaluation that can be linearised, as the Solver gives it; "
                f"got {type(closure).__name__}. Take Adam or LBFGS for a plain loss."
            )
        found = closure.linearized()
        before = float(found.loss.detach())
        slope = torch.autograd.grad(
            found.loss,
            self.parameters,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        curvature = Curvature(found, self.parameters)
        scale = self._scale(curvature)
        damping = self.damping

        def damped(direction: list[Tensor]) -> list[Tensor]:
            product = curvature(direction)
            return [b + damping * m * d for b, m, d in zip(product, scale, direction, strict=True)]

        downhill = [-g for g in slope]
        solved = conjugate_gradients(
            damped,
            downhill,
            iterations=self.limit,
            progress=self.progress,
            tolerance=1e-7,
            scale=scale,
        )
        gain = inner(downhill, solved.x)
        length = inner(solved.x, [m * d for m, d in zip(scale, solved.x, strict=True)])
        bent = gain - inner(solved.residual, solved.x) - damping * length
        halved, ratio = self._move(closure, before, solved.x, gain, bent)
        self._adapt(ratio, halved, solved.iterations)
        self.steps += 1
        return found.loss.detach()

    def _scale(self, curvature: Curvature) -> list[Tensor]:
        """The running mean of the curvature's diagonal, kept away from zero."""
        generator = torch.Generator().manual_seed(self.steps)
        probes = PROBES
        memory = MEMORY
        if self.steps == 0:
            probes = FIRST_PROBES
            memory = 0.0
        for kept, new in zip(self.diagonal, curvature.diagonal(probes, generator), strict=True):
            kept.mul_(memory).add_(new, alpha=1 - memory)
        count = sum(d.numel() for d in self.diagonal)
        middle = max(sum(float(d.sum()) for d in self.diagonal) / max(1, count), 1e-30)
        return [middle * (d / middle + FLOOR) ** POWER for d in self.diagonal]

    def _move(
        self,
        closure: Evaluation,
        before: float,
        direction: Sequence[Tensor],
        gain: float,
        bent: float,
    ) -> tuple[int, float]:
        """Go along a direction as far as the loss falls: the number of halvings, the gain ratio."""
        start = [p.detach().clone() for p in self.parameters]
        for halved in range(HALVINGS):
            length = 0.5**halved
            with torch.no_grad():
                for p, s, d in zip(self.parameters, start, direction, strict=True):
                    p.copy_(s + length * d)
            fall = before - float(closure.loss())
            promised = length * gain - 0.5 * length**2 * bent
            if fall >= 0 and fall >= 1e-4 * promised:
                return halved, fall / max(promised, 1e-300)
        with torch.no_grad():
            for p, s in zip(self.parameters, start, strict=True):
                p.copy_(s)
        return HALVINGS, 0.0

    def _adapt(self, ratio: float, halved: int, done: int) -> None:
        """Trust the quadratic more or less, as it deserved."""
        if halved or ratio < POOR:
            self.damping *= 4.0
            self.limit = max(min(FIRST, self.iterations), int(self.limit / GROWTH))
        elif ratio > GOOD:
            self.damping /= 3.0
            if done == self.limit:
                self.limit = min(self.iterations, int(self.limit * GROWTH))
        self.damping = min(max(self.damping, LEAST_DAMPING), MOST_DAMPING)

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Collect what the next step needs, for `load_state_dict`."""
        return {
            "damping": self.damping,
            "limit": self.limit,
            "steps": self.steps,
            "diagonal": self.diagonal,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what the next step needs.

        Args:
            state: What `state_dict` returned.

        Raises:
            ValueError: The state is of parameters of other shapes.
        """
        shapes = [tuple(d.shape) for d in state["diagonal"]]
        mine = [tuple(d.shape) for d in self.diagonal]
        if shapes != mine:
            raise ValueError(f"GaussNewton: the state is of parameters {shapes}, here are {mine}.")
        self.damping = state["damping"]
        self.limit = state["limit"]
        self.steps = state["steps"]
        self.diagonal = [
            d.to(p.device, copy=True)
            for d, p in zip(state["diagonal"], self.parameters, strict=True)
        ]


@checked
@dataclass(frozen=True)
class GaussNewton:
    """Gauss-Newton by conjugate gradients with adaptive damping, on all rows at once.

    Quadratic fidelities and regularizers enter exactly, others by a quadratic that bounds them or
    stands in for them (iteratively reweighted least squares). A regularizer without `residuals` of
    its own counts with its slope alone. Learning rates do not count, `operator_lr` included: what
    operators learn is scaled by its own curvature.

    Args:
        iterations: The most iterations of conjugate gradients a step, each about the cost of two
            gradients.
        damping: Damping at the first step, as a fraction of the curvature's own diagonal.
        progress: Conjugate gradients end where their last iterations gained less than this fraction
            each.

    Attributes:
        full_batch: Whether every step needs all rows.

    Source:
        Marquardt 1963; by conjugate gradients for networks: Martens 2010.
    """

    iterations: Count = 200
    damping: Damping = 1e-1
    progress: ProperFraction = 5e-4
    full_batch = True

    def build(self, groups: list[Group]) -> LevenbergMarquardt:
        """Make the optimiser.

        Args:
            groups: Parameters as `parameter_groups` collects them.

        Returns:
            The object that takes the steps.
        """
        params = [p for g in groups for p in g["params"]]
        return LevenbergMarquardt(params, self.iterations, self.damping, self.progress)
