"""Variable projection: parameters that enter linearly are solved for, all others descend.

    minimise over α:  min over c  L(α, c)

c are the values of a grid, the weights of a last layer, amplitudes. At the best c the gradient in α
of the inner minimum is that of L itself, so any optimiser of α will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inverse_inr.kernels.conjugate_gradients import conjugate_gradients
from inverse_inr.optimizers.first_order import LBFGS, Adam
from inverse_inr.optimizers.gauss_newton import GaussNewton, LevenbergMarquardt
from inverse_inr.optimizers.groups import Group
from inverse_inr.optimizers.linearized import Curvature, Evaluation, Linearized
from inverse_inr.optimizers.several import Several
from inverse_inr.ranges import Count, Positive, checked

HALVINGS = 6
"""How often a solution that raises a loss which is not quadratic is halved towards the start."""


class Projected:
    """An evaluation that first solves for the linear parameters.

    Args:
        evaluation: The solver's evaluation.
        linear: The parameters that enter linearly.
        iterations: The most iterations of conjugate gradients.
        tolerance: Residual, as a fraction of the slope, at which they end.
    """

    def __init__(
        self, evaluation: Evaluation, linear: Sequence[Tensor], iterations: int, tolerance: float
    ) -> None:
        self.evaluation = evaluation
        self.linear = linear
        self.iterations = iterations
        self.tolerance = tolerance

    def __call__(self) -> Tensor:
        """Solve for the linear parameters, compute the loss and fill the gradients."""
        self.solve()
        return self.evaluation()

    def loss(self) -> Tensor:
        """Compute the loss alone, of the parameters as they are."""
        return self.evaluation.loss()

    def linearized(self) -> Linearized:
        """Solve for the linear parameters and evaluate, recorded."""
        self.solve()
        return self.evaluation.linearized()

    def solve(self) -> None:
        """Put the linear parameters where the quadratic of the loss has its minimum."""
        found = self.evaluation.linearized()
        slope = torch.autograd.grad(
            found.loss, self.linear, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        curvature = Curvature(found, self.linear)
        solved = conjugate_gradients(
            curvature,
            [-g for g in slope],
            iterations=self.iterations,
            tolerance=self.tolerance,
        )
        start = [p.detach().clone() for p in self.linear]
        before = float(found.loss.detach())
        for halved in [*range(HALVINGS), None]:
            length = 0.0
            if halved is not None:
                length = 0.5**halved
            with torch.no_grad():
                for p, s, d in zip(self.linear, start, solved.x, strict=True):
                    p.copy_(s + length * d)
            # a fall that rounding hides is no rise
            if length == 0 or float(self.evaluation.loss()) <= before * (1 + 1e-6):
                return


class Projection:
    """The steps of `VariableProjection`.

    Args:
        linear: The parameters that enter linearly.
        rest: The optimiser of the others; None where there are none.
        iterations: The most iterations of conjugate gradients.
        tolerance: Residual, as a fraction of the slope, at which they end.
    """

    def __init__(
        self,
        linear: Sequence[Tensor],
        rest: Several | LevenbergMarquardt | None,
        iterations: int,
        tolerance: float,
    ) -> None:
        self.linear = list(linear)
        self.rest = rest
        self.iterations = iterations
        self.tolerance = tolerance

    def step(self, closure: Callable[[], Tensor], progress: float) -> Tensor:
        """Solve for the linear parameters, step with the others, and solve again.

        Args:
            closure: The solver's evaluation of the loss (`Evaluation`).
            progress: Fraction of the run that is done, from 0 to 1.

        Returns:
            The loss as last evaluated with a gradient, a scalar.

        Raises:
            TypeError: The closure computes nothing but the loss.
        """
        if not isinstance(closure, Evaluation):
            raise TypeError(
                "VariableProjection needs an evaluation that can be linearised, as the Solver "
                f"gives it; got {type(closure).__name__}. Take Adam or LBFGS for a plain loss."
            )
        projected = Projected(closure, self.linear, self.iterations, self.tolerance)
        if self.rest is None:
            projected.solve()
            return closure()
        loss = self.rest.step(projected, progress)
        projected.solve()
        return loss

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""
        for p in self.linear:
            p.grad = None
        if self.rest is not None:
            self.rest.zero_grad()

    def state_dict(self) -> list[Any]:
        """List the state of the inner optimiser, for `load_state_dict`."""
        if self.rest is None:
            return []
        return [self.rest.state_dict()]

    def load_state_dict(self, states: list[Any]) -> None:
        """Restore the state of the inner optimiser.

        Args:
            states: What `state_dict` returned.
        """
        for state in states:
            assert self.rest is not None
            self.rest.load_state_dict(state)


@checked
@dataclass(frozen=True)
class VariableProjection:
    """Solve for what enters linearly in every step, and optimise the rest, on all rows at once.

    What enters linearly is the last layer of a network, a grid's values, amplitudes: see
    `priors.linear_parameters`. With linear operators, squared residuals and quadratic penalties one
    solution is exact; other losses are solved by the quadratic that stands in for them.

    Args:
        rest: Optimiser of all other parameters. `GaussNewton` steps with all parameters together,
            which is Kaufman's variant of variable projection.
        iterations: The most iterations of conjugate gradients per solution.
        tolerance: Residual, as a fraction of the slope, at which they end.

    Attributes:
        full_batch: Whether every step needs all rows.
        projects: Whether the linear parameters are wanted in a group of their own.

    Source:
        Golub & Pereyra 1973; Kaufman 1975.
    """

    rest: GaussNewton | LBFGS | Adam = field(default_factory=GaussNewton)
    iterations: Count = 50
    tolerance: Positive = 1e-6
    full_batch = True
    projects = True

    def build(self, groups: list[Group]) -> Projection:
        """Make the optimiser.

        Args:
            groups: Parameters as `parameter_groups(..., split_linear=True)` collects them.

        Returns:
            The object that takes the steps.

        Raises:
            ValueError: No parameter is known to enter linearly.
        """
        linear = [p for g in groups if g["role"] == "linear" for p in g["params"]]
        others = [g for g in groups if g["role"] != "linear"]
        if not linear:
            raise ValueError(
                "VariableProjection: no parameter of this prior is known to enter linearly. A head "
                "that is not linear? Take GaussNewton."
            )
        inner = None
        if others and isinstance(self.rest, GaussNewton):
            inner = self.rest.build(groups)
        elif others:
            inner = self.rest.build(others)
        return Projection(linear, inner, self.iterations, self.tolerance)
