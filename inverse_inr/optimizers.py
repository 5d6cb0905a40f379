"""Optimisers as values: `Adam(lr=1e-2)`, `Muon()`, `LBFGS()`.

`build` makes torch's own optimisers from parameter groups. Priors say which parameters are which
(role "hidden", "table", ...) and what learning rate suits them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from inverse_inr.ranges import Count, Positive, Range, checked

Group = dict[str, Any]
"""Parameters with their "role" and "lr", as torch's optimizers take them."""

ScheduleName = Literal["cosine", "exponential", "constant"]
"""Names of the learning rate's schedules."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(t, 1.0))),
    "exponential": lambda t: 0.1 ** min(t, 1.0),
    "constant": lambda t: 1.0,
}
"""Factor of the learning rate when a fraction t of the run is done."""

Momentum = Annotated[float, Range(least=0, below=1)]
"""How much of a running mean stays from one step to the next."""

PLAIN_MODULE_LR = 1e-3
"""Learning rate of a prior that suggests none, the usual one of Adam."""


@checked
def parameter_groups(
    prior: nn.Module, operators: list[nn.Module], operator_lr: Positive
) -> list[Group]:
    """Collect all parameters of a fit in groups.

    Args:
        prior: The prior; a module without `param_groups` makes one group.
        operators: Operators and fidelities that learn.
        operator_lr: Learning rate of what they learn.

    Returns:
        The prior's groups, and one of role "operator" where operators have parameters.
    """
    own_groups = getattr(prior, "param_groups", None)
    if own_groups:
        groups = own_groups()
    else:
        groups = [{"role": "other", "params": list(prior.parameters()), "lr": PLAIN_MODULE_LR}]
    nuisance = [p for operator in operators for p in operator.parameters()]
    if not nuisance:
        return groups
    return [*groups, {"role": "operator", "params": nuisance, "lr": operator_lr}]


class Several:
    """Several torch optimisers stepped as one, with learning rates that follow a schedule.

    Args:
        optimizers: Torch's optimisers; their learning rates are those of the beginning.
        schedule: Name of a schedule, or the factor of the learning rate as a function of the
            fraction of the run that is done.

    Raises:
        ValueError: The schedule's name is unknown.
    """

    def __init__(
        self, optimizers: list[torch.optim.Optimizer], schedule: str | Callable[[float], float]
    ) -> None:
        if isinstance(schedule, str):
            if schedule not in SCHEDULES:
                raise ValueError(f"schedule must be one of {sorted(SCHEDULES)}, got {schedule!r}.")
            schedule = SCHEDULES[schedule]
        self.optimizers = optimizers
        self.schedule = schedule
        self._base = [[g["lr"] for g in o.param_groups] for o in optimizers]

    def step(self, closure: Callable[[], Tensor], progress: float) -> Tensor:
        """Take one step.

        Args:
            closure: Function that computes the loss and fills the gradients.
            progress: Fraction of the run that is done, from 0 to 1.

        Returns:
            The loss before the step, a scalar.
        """
        factor = self.schedule(progress)
        for optimizer, base in zip(self.optimizers, self._base, strict=True):
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor
        first = self.optimizers[0]
        if isinstance(first, torch.optim.LBFGS):
            return torch.as_tensor(first.step(closure))  # pyright: ignore[reportArgumentType]
        loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        """List the states of the optimisers, for `load_state_dict`."""
        return [o.state_dict() for o in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Restore the states of the optimisers.

        Args:
            states: What `state_dict` returned.
        """
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def descend(optimizer: Several, loss: Callable[[], Tensor], progress: Iterable[float]) -> None:
    """Minimise a loss that is no `Problem`: a surface through points, a network with examples.

    Args:
        optimizer: The optimiser of the parameters.
        loss: Function that computes the loss anew for each step.
        progress: Fraction of the run that is done at each step, from 0 to 1.
    """

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for t in progress:
        optimizer.step(closure, t)


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
        return Several([self._adam(_rescaled(groups, self.lr))], self.schedule)

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
        return Several([muon, Adam()._adam(_rescaled(rest, self.adam_lr))], self.schedule)


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


Optimizer = Adam | Muon | LBFGS
"""Any of the optimisers here."""

NAMES: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "muon": Muon, "lbfgs": LBFGS}
"""The optimisers by the names that configurations use."""


def _rescaled(groups: list[Group], lr: float | None) -> list[Group]:
    """Groups whose largest learning rate is `lr`, except for what operators learn."""
    if lr is None:
        return [dict(g) for g in groups]
    largest = max((g["lr"] for g in groups if g["role"] != "operator"), default=1.0)
    factor = lr / largest
    rescaled = []
    for group in groups:
        rate = group["lr"]
        if group["role"] != "operator":
            rate = rate * factor
        rescaled.append({**group, "lr": rate})
    return rescaled
