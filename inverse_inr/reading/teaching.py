"""`train_classifier`: a start, step sizes and a transformer, learnt from labelled problems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.families import Training
from inverse_inr.families.tasks import losses
from inverse_inr.metrics.labels import checked_labels
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, ProperFraction, Seed, checked
from inverse_inr.reading.task_aware import TaskAware
from inverse_inr.solver import Callback, Checkpoint, Progress, read_checkpoint


class ClassTraining(Training):
    """The training of a `TaskAware` family: the loss of the measurements and the cross entropy.

    Its parameters are those of `train_classifier`, which describes them.
    """

    @checked
    def __init__(
        self,
        family: TaskAware,
        problems: Sequence[Problem],
        labels: Sequence[int] | Tensor,
        **settings: Any,
    ) -> None:
        self.labels = labels_of("train_classifier", labels, len(problems), family.classes)
        super().__init__(family, problems, **settings)

    def task_losses(self, numbers: Sequence[int], *, learning: bool) -> Tensor:
        family = self.family
        assert isinstance(family, TaskAware)
        family.reader.train(learning)
        tasks = [self._inner[k] for k in numbers]
        own = family.states(tasks, learning=learning)
        fits = losses(tasks, family.fields(tasks, own), family.steps_of(None))
        logits = family.logits(own)
        wrong = nn.functional.cross_entropy(
            logits, self.labels[list(numbers)].to(logits.device), reduction="none"
        )
        return fits + family.share * wrong


def labels_of(name: str, labels: Sequence[int] | Tensor, count: int, classes: int) -> Tensor:
    """Check one label for each problem.

    Args:
        name: Who asks, for the message.
        labels: Whole numbers from 0 to classes - 1.
        count: Number of problems.
        classes: Number of classes.

    Returns:
        (count,) int64.
    """
    if not count:
        raise ValueError(f"{name}: the list of problems is empty.")
    found = checked_labels(name, "labels", torch.as_tensor(labels), classes)
    if found.shape != (count,):
        raise ValueError(
            f"{name}: {count} problems and labels of shape {tuple(found.shape)}; each problem has "
            "one."
        )
    return found


@checked
def train_classifier(
    family: TaskAware,
    problems: Sequence[Problem],
    labels: Sequence[int] | Tensor,
    *,
    steps: Count = 500,
    tasks: Count = 16,
    held_out: ProperFraction = 0.1,
    every: Count = 25,
    patience: Count | None = None,
    lr: Positive | None = None,
    seed: Seed = 0,
    checkpoint: str | Path | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> TaskAware:
    """Learn a start, step sizes and the transformer from labelled problems.

    Args:
        family: The family; one that is trained already goes on.
        problems: The problems.
        labels: Class of each, from 0.
        steps: Steps of Adam.
        tasks: Problems of a step.
        held_out: Fraction of the problems that it does not learn from; the state whose loss on them
            is least is returned.
        every: Steps between two looks at them.
        patience: Looks without gain that end the training; None for all steps.
        lr: Learning rate of the start; None for twice the prior's own.
        seed: Seed of the parameters and of each step's problems.
        checkpoint: A file in which the training's state is kept; None for none.
        callbacks: As of `families.train`.

    Returns:
        A trained copy.

    Raises:
        TypeError: Labels are no whole numbers.
        ValueError: There are no problems, or labels do not match them.
    """
    if callbacks is None:
        callbacks = (Progress(),)
    if checkpoint is not None:
        callbacks = (*callbacks, Checkpoint(checkpoint))
    training = ClassTraining(
        family,
        problems,
        labels,
        steps=steps,
        tasks=tasks,
        held_out=held_out,
        every=every,
        patience=patience,
        lr=lr,
        seed=seed,
        callbacks=callbacks,
    )
    if checkpoint is not None and Path(checkpoint).exists():
        training.load_state_dict(read_checkpoint(checkpoint))
    made = training.run()
    assert isinstance(made, TaskAware)
    return made
