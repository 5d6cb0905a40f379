"""`TaskAware`: a start from which a few steps make weights that a transformer can classify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.families import MetaLearned
from inverse_inr.families.family import InnerSteps
from inverse_inr.families.fields import State
from inverse_inr.families.files import KINDS
from inverse_inr.families.tasks import Task
from inverse_inr.metrics.labels import Classes
from inverse_inr.priors import Prior
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Positive, Range, checked
from inverse_inr.reading.features import AT_ONCE
from inverse_inr.reading.tokens import TokenReader, linear_maps, weight_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TaskAware(MetaLearned):
    """A start, step sizes and a transformer on weight tokens, learnt together.

    The start is not the one from which the fit is best, but one whose fits tell the classes: the
    loss after the inner steps is that of the measurements, plus a share of the cross entropy.

    Args:
        classes: Number of classes.
        prior: A name of the catalogue of priors whose network is an MLP.
        options: Options of the prior.
        inner_steps: Steps of the inner loop.
        order: 2 to differentiate through the inner gradients, 1 to take them as constants.
        features: Numbers of a token inside the transformer, a multiple of 4.
        blocks: Blocks of the transformer.
        share: Factor of the cross entropy beside the loss of the measurements, which is about 1 for
            an empty field.
        dropout: Fraction of numbers that each training step leaves out in the transformer.

    Raises:
        ValueError: `features` is no multiple of 4.

    Source:
        Gielisse & van Gemert 2025 (MWT).
    """

    kind = "task-aware"
    rates: ClassVar[Mapping[str, float]] = {"step_sizes": 2e-2, "reader": 1e-3}
    scales: Tensor

    @checked
    def __init__(
        self,
        classes: Classes,
        prior: str = "siren",
        options: Mapping[str, Any] | None = None,
        *,
        inner_steps: InnerSteps = 3,
        order: Literal[1, 2] = 2,
        features: Annotated[int, Range(least=4, most=4096)] = 64,
        blocks: Annotated[int, Range(least=1, most=64)] = 2,
        share: Positive = 0.1,
        dropout: Annotated[float, Range(least=0, below=1)] = 0.0,
    ) -> None:
        if features % 4:
            raise ValueError(
                f"TaskAware: features={features} is no multiple of 4, the heads of attention."
            )
        super().__init__(prior, options, inner_steps=inner_steps, order=order)
        self.classes = classes
        self.feature_count = features
        self.blocks = blocks
        self.share = float(share)
        self.dropout = float(dropout)
        self.reader: nn.Module = nn.Identity()

    def recipe(self) -> dict[str, Any]:
        return {
            "classes": self.classes,
            "prior": self.prior,
            "options": self.options,
            "inner_steps": self.inner_steps,
            "order": self.order,
            "features": self.feature_count,
            "blocks": self.blocks,
            "share": self.share,
            "dropout": self.dropout,
        }

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        made = super()._extend(template, generator)
        maps = linear_maps(made)
        shapes = [made.get_parameter(f"{name}.weight").shape for name in maps]
        self.scales = nn.Buffer(torch.ones(len(maps)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            self.reader = TokenReader(
                sum(shape[0] for shape in shapes),
                max(shape[1] for shape in shapes) + 1,
                self.classes,
                self.feature_count,
                self.blocks,
                self.dropout,
            )
        return made

    def begin(self, tasks: Sequence[Task]) -> None:
        if self.begun:
            return  # what the training began with
        super().begin(tasks)
        # differences of weights are small numbers: the transformer begins with those of unit size
        own = self.states(tasks, learning=False)
        sizes = []
        for name in linear_maps(self.known):
            moved = own[f"{name}.weight"] - self.known.get_parameter(f"{name}.weight")
            sizes.append(moved.detach().square().mean().sqrt().clamp(min=1e-12))
        self.scales.copy_(torch.stack(sizes))

    def logits(self, own: State) -> Tensor:
        """Classify fields by their weights.

        Args:
            own: (fields, *shape) for each parameter, as `states` gives them.

        Returns:
            (fields, classes).
        """
        return self.reader(weight_tokens(self.known, own, self.scales))

    # --- use --------------------------------------------------------------------------------------

    def _states_of(self, problems: Sequence[Problem], steps: int | None) -> Iterator[State]:
        """The fields of problems after the inner steps, some at a time."""
        if not problems:
            raise ValueError("TaskAware: the list of problems is empty.")
        self.require_trained()
        tasks = self.tasks(problems)
        with evaluating(*(t.operator for task in tasks for t in task.terms)):
            for first in range(0, len(tasks), AT_ONCE):
                yield self.states(tasks[first : first + AT_ONCE], learning=False, steps=steps)

    @checked
    def tokens(
        self, problems: Sequence[Problem], *, steps: InnerSteps | None = None
    ) -> NDArray[np.float32]:
        """Fit problems in a few steps, and give the weights' moves as tokens.

        Args:
            problems: The problems.
            steps: Inner steps; None for the family's own number.

        Returns:
            (problems, units, most inputs + 1).
        """
        rows = [
            weight_tokens(self.known, own, self.scales).detach()
            for own in self._states_of(problems, steps)
        ]
        return _array(rows)

    @checked
    def features(
        self, problems: Sequence[Problem], *, steps: InnerSteps | None = None
    ) -> NDArray[np.float32]:
        """Give what the transformer makes of the weights before its last linear map.

        Args:
            problems: The problems.
            steps: Inner steps; None for the family's own number.

        Returns:
            (problems, features).
        """
        found = []
        for own in self._states_of(problems, steps):
            assert isinstance(self.reader, TokenReader)
            with torch.no_grad():
                tokens = weight_tokens(self.known, own, self.scales)
                found.append(self.reader.eval().pooled(tokens))
        return _array(found)

    @checked
    def probabilities(
        self, problems: Sequence[Problem], *, steps: InnerSteps | None = None
    ) -> NDArray[np.float32]:
        """Classify problems by the weights of fits of a few steps.

        Args:
            problems: The problems.
            steps: Inner steps; None for the family's own number.

        Returns:
            (problems, classes), which sum to 1.

        Raises:
            ValueError: There are no problems, or the family is not trained, or of other fields.
        """
        found = []
        for own in self._states_of(problems, steps):
            with torch.no_grad():
                found.append(torch.softmax(self.logits(own), -1))
        return _array(found)


KINDS[TaskAware.kind] = TaskAware  # `families.load` knows files by their kind


def _array(parts: list[Tensor]) -> NDArray[np.float32]:
    """Some problems' numbers after the others', as an array for other libraries."""
    return torch.cat(parts).cpu().numpy().astype(np.float32)
