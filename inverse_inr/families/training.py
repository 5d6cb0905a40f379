"""The state of a training: a flat loop over tasks that resumes and stops by held-out tasks."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inverse_inr.families.alike import require_alike
from inverse_inr.families.family import Family
from inverse_inr.families.tasks import losses
from inverse_inr.optimizers import Several
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, Positive, ProperFraction, Seed, checked
from inverse_inr.solver import (
    Callback,
    Ended,
    interruptible,
    measurements_digest,
)
from inverse_inr.solver.identity import check_same
from inverse_inr.solver.seeds import mix, seeded


@dataclass(frozen=True)
class HeldOutTasks:
    """When a training looks at the tasks that it does not learn from.

    Args:
        every: Steps between two looks.
        patience: Looks without gain that end the training; None for all steps.
        label: The name of the value in the history.
    """

    every: int
    patience: int | None
    label: str = "held-out tasks"


class Training:
    """The state of a training, which can be advanced, saved and read at any step.

    Its parameters are those of `train`, which describes them.

    Attributes:
        family: The family as it is now.
        step_number: The number of steps done.
        history: One record per look at the held-out tasks.
        best: The best "state" so far, its "step" and its "value" on the held-out tasks.
        stopped: How the training ended early; None while it may go on.
    """

    @checked
    def __init__(
        self,
        family: Family,
        problems: Sequence[Problem],
        *,
        targets: Sequence[Problem] | None = None,
        steps: Count = 500,
        tasks: Count = 4,
        held_out: ProperFraction = 0.1,
        every: Count = 25,
        patience: Count | None = None,
        batch: Count | None = None,
        lr: Positive | None = None,
        clip: Positive | None = 1.0,
        seed: Seed = 0,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        require_alike("families.train", problems)
        targets = _checked_targets(problems, targets)
        self.family = family.for_problems(problems, seed)
        self.steps = steps
        self.count = tasks
        self.clip = clip
        self.seed = seed
        self.stopping = HeldOutTasks(every, patience)
        self.callbacks = list(callbacks)
        order = torch.randperm(len(problems), generator=torch.Generator().manual_seed(seed))
        kept = max(1, round(held_out * len(problems))) if len(problems) > 1 else 0
        self._learnt_from, self._held_out = order[kept:].tolist(), order[:kept].tolist()
        self._inner = self.family.tasks(problems, batch, seed)
        self._outer = self._inner
        if targets is not None:
            self._outer = self.family.tasks(targets, batch, seed)
        self._digest = "".join(measurements_digest(p)[:16] for p in (*problems, *(targets or ())))
        self.family.begin([self._inner[k] for k in self._learnt_from[:8] or self._held_out])
        groups = self.family.groups(lr)
        adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
        self.optimizer = Several([adam], "cosine")
        self.label = f"{self.family.kind} {self.family.known.name}"
        self.problem = problems[0]
        self.step_number = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"value": math.inf, "step": 0, "state": None}
        self.stopped: Ended | None = None

    @property
    def prior(self) -> Family:
        """The family, under the name by which a callback asks for what is learnt."""
        return self.family

    field = prior

    @property
    def finished(self) -> bool:
        """Whether the training is over: all steps are done, or something ended it."""
        return self.stopped is not None or self.step_number >= self.steps

    def step(self) -> float:
        """Make one step of the outer optimizer, a pure function of the state and its number.

        Returns:
            The mean loss after adaptation of the tasks of this step.
        """
        generator = torch.Generator().manual_seed(mix(self.seed, self.step_number))
        pool = self._learnt_from or self._held_out
        drawn = torch.randperm(len(pool), generator=generator)[: self.count].tolist()
        numbers = [pool[k] for k in drawn]
        parameters = [p for group in self.family.groups() for p in group["params"]]

        def closure() -> torch.Tensor:
            self.optimizer.zero_grad()
            loss = self.task_losses(numbers, learning=True).mean()
            loss.backward()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(parameters, self.clip)
            return loss.detach()

        device = self.family.known.lower.device
        with seeded(self.seed, self.step_number, device):
            loss = self.optimizer.step(closure, self.step_number / self.steps)
        self.step_number += 1
        return float(loss)

    def task_losses(self, numbers: Sequence[int], *, learning: bool) -> torch.Tensor:
        """Compute the losses of some tasks after adaptation, (tasks,): what the training reduces.

        Args:
            numbers: Numbers of the tasks.
            learning: Whether gradients shall reach what the family has learnt.
        """
        inner = [self._inner[k] for k in numbers]
        outer = [self._outer[k] for k in numbers]
        own = self.family.states(inner, learning=learning)
        fields = self.family.fields(inner, own)
        return losses(outer, fields, _last(self.family))

    def run(self, steps: int | None = None) -> Family:
        """Go on to the end. Ctrl-C ends it after the current step and loses nothing.

        Args:
            steps: Make at most this many steps now; None for all that are left.

        Returns:
            The family of the best state so far, in evaluation mode.

        Raises:
            FloatingPointError: The loss became NaN or Inf before the first good state.
        """
        last = self.steps
        if steps is not None:
            last = min(last, self.step_number + steps)
        if self.stopped is not None and self.stopped.kind == "interrupted":
            self.stopped = None
        began, before = time.perf_counter(), self.seconds
        with interruptible() as interrupt:
            while self.step_number < last and self.stopped is None:
                loss = self.step()
                self.seconds = before + time.perf_counter() - began
                if interrupt.made:
                    self.stopped = Ended("interrupted", f"interrupted at step {self.step_number}")
                if not math.isfinite(loss):
                    self._give_up()
                elif self.step_number % self.stopping.every == 0 or self.finished:
                    self._watch(loss)
        return self.trained()

    def trained(self) -> Family:
        """Give a copy of the family with the best state so far, in evaluation mode."""
        made = copy.deepcopy(self.family)
        if self.best["state"] is not None:
            made.load_state_dict(self.best["state"])
        return made.eval()

    def _watch(self, loss: float) -> None:
        """Look at the held-out tasks, keep the best state, tell the callbacks."""
        value = loss
        if self._held_out:
            operators = [t.operator for k in self._held_out for t in self._outer[k].terms]
            with evaluating(*operators):
                parts = [self.task_losses([k], learning=False).detach() for k in self._held_out]
            value = float(torch.cat(parts).mean())
        if value < self.best["value"]:
            state = {k: v.detach().clone() for k, v in self.family.state_dict().items()}
            self.best = {"value": value, "step": self.step_number, "state": state}
        elif self.finished and self.best["state"] is None:
            # finite losses of the steps before, and no good state behind them
            self._give_up()
        record = {"step": self.step_number, "seconds": self.seconds, "loss": loss}
        record[self.stopping.label] = value
        self.history.append(record)
        waited = (self.step_number - self.best["step"]) // self.stopping.every
        if self.stopping.patience is not None and waited >= self.stopping.patience:
            text = f"{self.stopping.label}: no gain since step {self.best['step']}"
            self.stopped = Ended("satisfied", text)
        for callback in self.callbacks:
            callback(self, record)

    def _give_up(self) -> None:
        where = f"families.train: the loss became NaN or Inf at step {self.step_number}"
        if self.best["state"] is None:
            raise FloatingPointError(f"{where}, before any good state. A smaller lr or inner_lr?")
        warnings.warn(
            f"{where}; returning the state of step {self.best['step']}.",
            RuntimeWarning,
            stacklevel=3,
        )
        self.stopped = Ended("non-finite", f"non-finite: {where}")

    # --- state ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Collect all that a resumed training needs to give the identical result."""
        stopped = None
        if self.stopped is not None and self.stopped.kind != "interrupted":
            stopped = (self.stopped.kind, self.stopped.text)
        return {
            **self._identity(),
            "step": self.step_number,
            "seconds": self.seconds,
            "objective": self.family.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
            "stopped": stopped,
        }

    def _identity(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "seed": self.seed,
            "measurements": self._digest,
            "prior": f"{self.family.kind} {self.family.recipe()}",
            "parts": [f"{self.count} tasks a step"],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where a state was taken.

        Args:
            state: The result of `state_dict` of a training made with the same arguments.

        Raises:
            ValueError: The state belongs to another training.
        """
        check_same(state, self._identity())
        self.family.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_number = state["step"]
        self.seconds = state["seconds"]
        self.best = dict(state["best"])
        self.history = list(state["history"])
        self.stopped = Ended(*state["stopped"]) if state["stopped"] is not None else None


def _last(family: Family) -> int:
    """The number of the step after the inner loop's last one: its rows are fresh."""
    return family.steps_of(None)


def _checked_targets(
    problems: Sequence[Problem], targets: Sequence[Problem] | None
) -> Sequence[Problem] | None:
    if targets is None:
        return None
    require_alike("families.train: targets", targets)
    if len(targets) != len(problems):
        raise ValueError(
            f"families.train: {len(problems)} problems and {len(targets)} targets; "
            "each problem has one."
        )
    return targets
