"""`train`: one call from a family and its problems to a family that has learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from inverse_inr.families.family import Family
from inverse_inr.families.training import Training
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, ProperFraction, Seed, checked
from inverse_inr.solver import Callback, Checkpoint, Progress, read_checkpoint

Kind = TypeVar("Kind", bound=Family)


@checked
def train(
    family: Kind,
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
    checkpoint: str | Path | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Kind:
    """Learn what the fields of several problems share, through the operators of each.

    Args:
        family: The family, e.g. `MetaLearned("siren")`; one that is trained already goes on.
        problems: The tasks: each a problem with its own operator and measurements.
        targets: For each problem, one of the same field by which the family is judged after it has
            adapted to the problem, e.g. with more measurements; None for the problem itself.
        steps: Steps of Adam.
        tasks: Tasks of a step.
        held_out: Fraction of the tasks that it does not learn from; the state that adapts to them
            best is returned.
        every: Steps between two looks at the held-out tasks.
        patience: Looks without gain that end the training; None for all steps.
        batch: Rows per task, term and inner step; None as in `Solver`.
        lr: Learning rate of what the fields share; None for twice the prior's own.
        clip: Largest norm of the gradient; None for any.
        seed: Seed of the parameters, of the tasks that are held out and of each step's tasks.
        checkpoint: A file in which the training's state is kept from time to time, and from which
            it goes on if it is there; None for none.
        callbacks: Called at each look with the training and its newest record; default: a
            progress bar.

    Returns:
        A trained copy of the family; the one given stays as it is.

    Raises:
        ValueError: There are no problems, they differ in axes or channels, the targets do not match
            them, or the checkpoint is of another training.
        FloatingPointError: The loss became NaN or Inf before the first good state.
    """
    if callbacks is None:
        callbacks = (Progress(),)
    if checkpoint is not None:
        callbacks = (*callbacks, Checkpoint(checkpoint))
    training = Training(
        family,
        problems,
        targets=targets,
        steps=steps,
        tasks=tasks,
        held_out=held_out,
        every=every,
        patience=patience,
        batch=batch,
        lr=lr,
        clip=clip,
        seed=seed,
        callbacks=callbacks,
    )
    if checkpoint is not None and Path(checkpoint).exists():
        training.load_state_dict(read_checkpoint(checkpoint))
    made = training.run()
    assert isinstance(made, type(family))
    return made
