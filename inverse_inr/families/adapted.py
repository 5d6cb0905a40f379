"""Families whose fields are found by a few steps of gradient descent with learned sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from inverse_inr.families.family import Family
from inverse_inr.families.step_size import best_step
from inverse_inr.families.tasks import Task, losses


class Adapted(Family):
    """A family with an inner loop, whose learned step sizes begin at one found from the tasks.

    Attributes:
        inner_steps: Steps of the inner loop.
        inner_lr: Step size with which the training begins; None for the one whose first step
            reduces the loss of the first tasks most.
    """

    inner_steps: int
    inner_lr: float | None

    def steps_of(self, steps: int | None) -> int:
        return steps or self.inner_steps

    def begin(self, tasks: Sequence[Task]) -> None:
        if self.inner_lr is not None:
            self.unit_step.fill_(self.inner_lr)
        elif not self.begun:
            self.unit_step.fill_(best_step(lambda size: self._after_one(tasks, size)))

    def _after_one(self, tasks: Sequence[Task], size: float) -> float:
        """The loss after one step of this size."""
        self.unit_step.fill_(size)
        own = self.states(tasks, learning=False, steps=1)
        with torch.no_grad():
            return float(losses(tasks, self.fields(tasks, own)).sum())
