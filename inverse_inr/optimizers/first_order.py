"""Optimisers of gradients alone: `Adam(lr=1e-2)`, `Muon()` on mini-batches, `LBFGS()` on all rows.

`build` makes torch's own optimisers from parameter groups. Priors say which parameters are which
(role "hidden", "table", ...) and what learning rate suits them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from inverse_inr.optimizers.groups import Group, rescaled
from inverse_inr.optimizers.several import ScheduleName, Several
from inverse_inr.ranges import Count, Positive, Range, checked

Momentum = Annotated[float, Range(least=0, below=1)]
"""How much of a running mean stays from one step to the next."""


@checked
@dataclass(frozen=True)
class Adam:
    """Adam, on mini-batches.

    Args:
        lr: Largest learning rate, instead of the prior's own suggestion; the prior's groups keep
            their ratios. None for the suggestion.
        betas: Decay of the means of the gradient and of its square, per step.
        epsilon: What is added to the root of the mean square; so small that tiny gradients count.
        schedule: Schedule of the learning rate.

    Attributes:
        full_batch: Whether every step needs all rows.

    Source:
        Kingma & Ba 2015.
    """

    lr: Positive | None = None
    betas: tuple[Momentum, Momentum] = (0.9, 0.99)
    epsilon: Positive = 1e-15
    schedule: ScheduleName = "cosine"
    full_batch = False

    def build(self, groups: list[Group]) -> Several:
        """Make the optimiser.

        Args:
            groups: Parameters as `parameter_groups` collects them.

        Returns:
            Torch's Adam with the schedule.
        """
        return Several([self._adam(rescaled(groups, self.lr))], self.schedule)

    def _adam(self, groups: list[Group]) -> torch.optim.Optimizer:
        fused = all(p.is_floating_point() for g in groups for p in g["params"])
        return torch.optim.Adam(groups, betas=self.betas, eps=self.epsilon, fused=fused)


@checked
@dataclass(frozen=True)
class Muon:
    """Muon for hidden matrices and Adam for all other parameters, on mini-batches.

    Args:
        lr: Muon's learning rate.
        adam_lr: Adam's largest learning rate; the prior's own suggestion if None.
        momentum: Muon's momentum.
        schedule: Schedule of both learning rates.

    Attributes:
        full_batch: Whether every step needs all rows.

    Source:
        Jordan et al. 2024.
    """

    lr: Positive = 5e-3
    adam_lr: Positive | None = None
    momentum: Momentum = 0.95
    schedule: ScheduleName = "cosine"
    full_batch = False

    def build(self, groups: list[Group]) -> Several:
        """Make the two optimisers.

        Args:
            groups: Parameters as `parameter_groups` collects them.

        Returns:
            Torch's Muon and Adam with the schedule.

        Raises:
            ValueError: No group has the role "hidden".
        """
        hidden = [p for g in groups if g["role"] == "hidden" for p in g["params"]]
        rest = [g for g in groups if g["role"] != "hidden"]
        if not hidden:
            raise ValueError(
                "Muon: this prior has no real hidden matrices to orthogonalise. Use Adam."
            )
        muon = torch.optim.Muon(hidden, lr=self.lr, momentum=self.momentum, weight_decay=0.0)
        return Several([muon, Adam()._adam(rescaled(rest, self.adam_lr))], self.schedule)


@checked
@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with a strong Wolfe line search, on all rows at once.

    Args:
        lr: Length of the first trial step of each line search.
        iterations: Updates per step of the solver.
        history: Number of updates that are remembered.
        schedule: Schedule of `lr`.

    Attributes:
        full_batch: Whether every step needs all rows.
    """

    lr: Positive = 1.0
    iterations: Count = 5
    history: Count = 50
    schedule: ScheduleName = "constant"
    full_batch = True

    def build(self, groups: list[Group]) -> Several:
        """Make the optimiser.

        Args:
            groups: Parameters as `parameter_groups` collects them; their learning rates do not
                count.

        Returns:
            Torch's LBFGS with the schedule.
        """
        params = [p for g in groups for p in g["params"]]
        lbfgs = torch.optim.LBFGS(
            params,
            lr=self.lr,
            max_iter=self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
        )
        return Several([lbfgs], self.schedule)
