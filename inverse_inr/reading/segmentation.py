"""`Segmenter`: a family of fields with a head of labels, which problems without labels adapt."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr.compose import OnGrid
from inverse_inr.domain import Grid
from inverse_inr.families import Channels, Family, train
from inverse_inr.families.family import InnerSteps
from inverse_inr.metrics.labels import Classes
from inverse_inr.problem import Problem, Suggestion
from inverse_inr.protocol import Operator
from inverse_inr.ranges import Count, NonNegative, Positive, ProperFraction, Seed, checked
from inverse_inr.reading.images import same
from inverse_inr.reading.labels import CrossEntropy, one_hot
from inverse_inr.solver import Callback, Solution
from inverse_inr.term import Term


class Segmenter:
    """A field of intensities and labels on one trunk, of which an instrument sees intensities.

    A family finds the field of a problem by its measurements alone; the labels come with it. With
    `MetaLearned` intensities are fitted in a few steps and labels are read (MetaSeg), with
    `Conditioned` an encoder's features are interpolated at x and decoded (IOSNet).

    Args:
        family: The family, trained with a head of labels or not yet.
        classes: Number of classes, the background included.
        channels: Number of channels of the intensities.
        intensity_weight: Factor of the measurements' own misfit beside the cross entropy of the
            labels in the training; 0 where intensities need not be right.

    Source:
        Vyas et al. 2025 (MetaSeg); Khan & Fang 2022 (IOSNet).
    """

    @checked
    def __init__(
        self,
        family: Family,
        classes: Classes,
        *,
        channels: Count = 1,
        intensity_weight: NonNegative = 1.0,
    ) -> None:
        self.family = family
        self.classes = classes
        self.intensity_weight = float(intensity_weight)
        self.heads = Channels({"intensity": channels, "labels": classes})

    @property
    def parameters(self) -> int:
        """Number of numbers that the family has learnt."""
        return sum(p.numel() for p in self.family.parameters() if p.requires_grad)

    @checked
    def whole(self, problems: Sequence[Problem]) -> list[Problem]:
        """Make the problems of the whole field, whose instruments see intensities alone.

        Args:
            problems: Problems of a field of intensities.

        Raises:
            ValueError: There are none, or one has another number of channels, or complex ones.
        """
        if not problems:
            raise ValueError("Segmenter: the list of problems is empty.")
        seen: dict[int, Operator] = {}
        made = []
        for k, problem in enumerate(problems):
            size = self.heads.sizes["intensity"]
            if problem.channels != size:
                raise ValueError(
                    f"Segmenter: problems[{k}] is of a field of {problem.channels} channels, and "
                    f"intensities have {size}; Segmenter(..., channels={problem.channels})?"
                )
            if problem.is_complex:
                raise ValueError(
                    f"Segmenter: problems[{k}] is of a complex field, and labels are read from "
                    "real ones. Operators that see two real channels, Segmenter(..., channels=2)?"
                )
            terms = []
            for term in problem.terms:
                # problems of one operator stay so, object for object: a family asks it once
                if id(term.operator) not in seen:
                    seen[id(term.operator)] = self.heads.see(term.operator, "intensity")
                terms.append(replace(term, operator=seen[id(term.operator)]))
            made.append(
                replace(
                    problem,
                    terms=terms,
                    channels=self.heads.total,
                    reference=None,
                    suggested=Suggestion(),
                )
            )
        return made

    def targets(self, problems: Sequence[Problem], labels: Sequence[Tensor]) -> list[Problem]:
        """Make the problems by which an adapted field is judged: labels, and intensities.

        Args:
            problems: Problems of the whole field.
            labels: For each, (*grid.shape) whole numbers.

        Raises:
            TypeError: Labels are no whole numbers.
            ValueError: There are not as many as problems, or some are of another grid or outside
                the classes.
        """
        if len(labels) != len(problems):
            raise ValueError(
                f"Segmenter: {len(problems)} problems and {len(labels)} label maps; each problem "
                "has one."
            )
        known: dict[Grid, Operator] = {}
        made = []
        for k, (problem, own) in enumerate(zip(problems, labels, strict=True)):
            grid = problem.grid
            y = one_hot(own, grid, self.classes, f"Segmenter: labels[{k}]")
            if grid not in known:
                whole = OnGrid(same, grid, (*grid.shape, self.classes), trailing=1)
                known[grid] = self.heads.see(whole, "labels")
            terms = [Term(known[grid], y, CrossEntropy())]
            if self.intensity_weight:
                weight = self.intensity_weight
                terms += [replace(t, weight=weight * t.weight) for t in problem.terms]
            made.append(replace(problem, terms=terms))
        return made

    @checked
    def solve(
        self, problem: Problem, *, steps: InnerSteps | None = None, seed: Seed = 0
    ) -> Solution:
        """Find the field of a problem by its measurements, labels included.

        Args:
            problem: A problem of intensities.
            steps: Steps of the inner loop, where there is one; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            The solution of the whole field: intensities, then logits of the classes.
        """
        (whole,) = self.whole([problem])
        return self.family.solve(whole, steps=steps, seed=seed)

    @checked
    def probabilities(
        self,
        problem: Problem,
        *,
        grid: Grid | None = None,
        steps: InnerSteps | None = None,
        seed: Seed = 0,
    ) -> Tensor:
        """Read the probabilities of the classes.

        Args:
            problem: A problem of intensities.
            grid: Where to read them, which may be finer than the problem's grid; None for that.
            steps: Steps of the inner loop; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            (*grid.shape, classes), which sum to 1.

        Raises:
            ValueError: The family is not trained, or the problem is of another kind of field.
        """
        field = self.solve(problem, steps=steps, seed=seed).field
        points = (grid or problem.grid).points()
        with torch.no_grad():
            values = field(points.reshape(-1, points.shape[-1]))
        logits = self.heads.of(values, "labels").reshape(*points.shape[:-1], self.classes)
        return torch.softmax(logits, -1)

    @checked
    def labels(
        self,
        problem: Problem,
        *,
        grid: Grid | None = None,
        steps: InnerSteps | None = None,
        seed: Seed = 0,
    ) -> Tensor:
        """Read the most probable class at each place.

        Args:
            problem: A problem of intensities.
            grid: Where to read it, which may be finer than the problem's grid; None for that.
            steps: Steps of the inner loop; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            (*grid.shape) whole numbers.
        """
        return self.probabilities(problem, grid=grid, steps=steps, seed=seed).argmax(-1)


@checked
def train_segmenter(
    segmenter: Segmenter,
    problems: Sequence[Problem],
    labels: Sequence[Tensor],
    *,
    steps: Count = 500,
    tasks: Count = 4,
    held_out: ProperFraction = 0.1,
    patience: Count | None = None,
    lr: Positive | None = None,
    seed: Seed = 0,
    checkpoint: str | Path | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Segmenter:
    """Teach a family to hold the labels of a field that it finds by its measurements.

    Args:
        segmenter: What is taught; one that is trained already goes on.
        problems: Problems of intensities.
        labels: For each, (*grid.shape) whole numbers from 0 to classes - 1.
        steps: Steps of Adam.
        tasks: Tasks of a step.
        held_out: Fraction of the tasks that it does not learn from; the state that adapts to them
            best is returned.
        patience: Looks at them without gain that end the training; None for all steps.
        lr: Learning rate of what the fields share; None for twice the prior's own.
        seed: Seed of the parameters, of the tasks that are held out and of each step's tasks.
        checkpoint: A file in which the training's state is kept; None for none.
        callbacks: As of `families.train`.

    Returns:
        A trained copy.

    Raises:
        TypeError: Labels are no whole numbers.
        ValueError: There are no problems, or labels do not match them.
    """
    whole = segmenter.whole(problems)
    family = train(
        segmenter.family,
        whole,
        targets=segmenter.targets(whole, labels),
        steps=steps,
        tasks=tasks,
        held_out=held_out,
        patience=patience,
        lr=lr,
        seed=seed,
        checkpoint=checkpoint,
        callbacks=callbacks,
    )
    made = copy.copy(segmenter)
    made.family = family
    return made
