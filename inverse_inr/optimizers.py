"""Optimisers as values: `Adam(lr=1e-2)`, `Muon()`, `LBFGS()`; `build` makes torch's own from parameter groups.

Priors say which parameters are which (role "hidden", "table", ...) and what step suits them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Group = dict[str, Any]
ScheduleName = Literal["cosine", "exponential", "constant"]

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(t, 1.0))),
    "exponential": lambda t: 0.1 ** min(t, 1.0),
    "constant": lambda t: 1.0,
}
"""Factor of the learning rate at a fraction t of the run."""


def parameter_groups(
    prior: nn.Module, operators: list[nn.Module], operator_lr: float
) -> list[Group]:
    """The prior's groups (one for a plain module) and one for what the operators learn."""
    has_groups = getattr(prior, "param_groups", None)
    groups = (
        has_groups()
        if has_groups
        else [{"role": "other", "params": list(prior.parameters()), "lr": 1e-3}]
    )
    nuisance = [p for operator in operators for p in operator.parameters()]
    return groups + (
        [{"role": "operator", "params": nuisance, "lr": operator_lr}] if nuisance else []
    )


class Several:
    """Several torch optimisers stepped as one; learning rates follow a schedule that is a function of the step."""

    def __init__(
        self, optimizers: list[torch.optim.Optimizer], schedule: str | Callable[[float], float]
    ) -> None:
        if isinstance(schedule, str):
            if schedule not in SCHEDULES:
                raise ValueError(f"schedule must be one of {sorted(SCHEDULES)}, got {schedule!r}.")
            schedule = SCHEDULES[schedule]
        self.optimizers, self.schedule = optimizers, schedule
        self._base = [[g["lr"] for g in o.param_groups] for o in optimizers]

    def step(self, closure: Callable[[], Tensor], progress: float) -> Tensor:
        """One step at `progress` (0 to 1) of the run. `closure` computes the loss and fills the gradients."""
        factor = self.schedule(progress)
        for optimizer, base in zip(self.optimizers, self._base, strict=True):
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor
        if isinstance(self.optimizers[0], torch.optim.LBFGS):
            return torch.as_tensor(self.optimizers[0].step(closure))  # pyright: ignore[reportArgumentType]
        loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def state_dict(self) -> list[dict[str, Any]]:
        return [o.state_dict() for o in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def descend(optimizer: Several, loss: Callable[[], Tensor], progress: Iterable[float]) -> None:
    """One step for each value of `progress` (0 to 1 of the run), on a loss that is computed anew each time.

    For fits that are no `Problem`: a surface through points, a network trained on examples.
    """

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for t in progress:
        optimizer.step(closure, t)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015). `lr` replaces the prior's own suggestion; its groups keep their ratios."""

    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    epsilon: float = 1e-15
    schedule: ScheduleName = "cosine"
    full_batch = False

    def build(self, groups: list[Group]) -> Several:
        return Several([self._adam(_rescaled(groups, self.lr))], self.schedule)

    def _adam(self, groups: list[Group]) -> torch.optim.Optimizer:
        fused = all(p.is_floating_point() for g in groups for p in g["params"])
        return torch.optim.Adam(groups, betas=self.betas, eps=self.epsilon, fused=fused)


@dataclass(frozen=True)
class Muon:
    """Muon for hidden matrices (Jordan et al. 2024), Adam for the rest. `lr` is Muon's, `adam_lr` replaces Adam's."""

    lr: float = 5e-3
    adam_lr: float | None = None
    momentum: float = 0.95
    schedule: ScheduleName = "cosine"
    full_batch = False

    def build(self, groups: list[Group]) -> Several:
        hidden = [p for g in groups if g["role"] == "hidden" for p in g["params"]]
        rest = [g for g in groups if g["role"] != "hidden"]
        if not hidden:
            raise ValueError(
                "Muon: this prior has no real hidden matrices to orthogonalise. Use Adam."
            )
        muon = torch.optim.Muon(hidden, lr=self.lr, momentum=self.momentum, weight_decay=0.0)
        return Several([muon, Adam()._adam(_rescaled(rest, self.adam_lr))], self.schedule)


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with a strong Wolfe line search, on the full batch. One step is `iterations` updates."""

    lr: float = 1.0
    iterations: int = 5
    history: int = 50
    schedule: ScheduleName = "constant"
    full_batch = True

    def build(self, groups: list[Group]) -> Several:
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
NAMES: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "muon": Muon, "lbfgs": LBFGS}


def _rescaled(groups: list[Group], lr: float | None) -> list[Group]:
    """Groups scaled so that the largest learning rate of the prior's is `lr`; what operators learn keeps its own."""
    largest = max((g["lr"] for g in groups if g["role"] != "operator"), default=1.0)
    factor = 1.0 if lr is None else lr / largest
    return [{**g, "lr": g["lr"] * (1.0 if g["role"] == "operator" else factor)} for g in groups]
