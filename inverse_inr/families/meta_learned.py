"""`MetaLearned`: a start and step sizes from which a few steps of gradient descent suffice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from inverse_inr.families.adapted import Adapted
from inverse_inr.families.family import InnerSteps
from inverse_inr.families.fields import State, stacked
from inverse_inr.families.tasks import Task, losses
from inverse_inr.priors import Prior
from inverse_inr.ranges import Positive, checked


class MetaLearned(Adapted):
    """A shared start θ and learned step sizes α: θ_k+1 = θ_k - α_k ∇ D(A f_θk, y).

    The outer loss is the loss after the steps. Its gradient reaches θ and α through the steps
    themselves (second order), or takes the inner gradients as constants (first order).

    Args:
        prior: A name of the catalogue of priors.
        options: Options of the prior.
        inner_steps: Steps of the inner loop.
        order: 2 to differentiate through the inner gradients, 1 to take them as constants.
        rates: One step size for each "parameter" and step, or for each "tensor" and step.
        inner_lr: Step size with which the training begins, for the loss without unit; None for the
            one whose first step reduces the loss of the first tasks most.

    Source:
        Finn et al. 2017 (MAML); Sitzmann et al. 2020 (MetaSDF), step sizes of each parameter and
        step; Tancik et al. 2021 (Learnit), starts of coordinate networks.
    """

    kind = "meta-learned"
    rates: ClassVar[Mapping[str, float]] = {"step_sizes": 2e-2}

    @checked
    def __init__(
        self,
        prior: str = "siren",
        options: Mapping[str, Any] | None = None,
        *,
        inner_steps: InnerSteps = 3,
        order: Literal[1, 2] = 2,
        rates: Literal["parameter", "tensor"] = "parameter",
        inner_lr: Positive | None = None,
    ) -> None:
        super().__init__(prior, options)
        self.inner_steps = inner_steps
        self.order = order
        self.kind_of_rates = rates
        self.inner_lr = inner_lr
        self.step_sizes = nn.ParameterList()

    def recipe(self) -> dict[str, Any]:
        return {
            "prior": self.prior,
            "options": self.options,
            "inner_steps": self.inner_steps,
            "order": self.order,
            "rates": self.kind_of_rates,
            "inner_lr": self.inner_lr,
        }

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        for parameter in template.parameters():
            shape = parameter.shape
            if self.kind_of_rates == "tensor":
                shape = (1,) * parameter.ndim
            sizes = torch.ones(self.inner_steps, *shape, dtype=parameter.dtype)
            self.step_sizes.append(nn.Parameter(sizes))
        return template

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        own = stacked(self.known, len(tasks))
        for k in range(self.steps_of(steps)):
            own = self._stepped(tasks, own, k, learning)
        return own

    def _stepped(self, tasks: Sequence[Task], own: State, step: int, learning: bool) -> State:
        """The parameters after one step; the last step sizes serve further steps too."""
        if not learning:
            own = {name: p.detach().requires_grad_() for name, p in own.items()}
        second = learning and self.order == 2
        with torch.enable_grad():
            total = losses(tasks, self.fields(tasks, own), step).sum()
            slopes = torch.autograd.grad(
                total, list(own.values()), create_graph=second, materialize_grads=True
            )
        unit = float(self.unit_step)
        sizes = [unit * size[min(step, self.inner_steps - 1)] for size in self.step_sizes]
        moved = zip(own.items(), slopes, sizes, strict=True)
        return {name: p - size * slope for (name, p), slope, size in moved}
