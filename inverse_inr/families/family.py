"""`Family`: fields that share something, learnt from problems, which gives solutions."""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import placement
from inverse_inr.families.alike import axes_of, require_alike
from inverse_inr.families.fields import Fields, State, field_of
from inverse_inr.families.tasks import Task, as_tasks, power_of
from inverse_inr.priors import Prior, Recipe
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Range, Seed, checked
from inverse_inr.solver import Ended, Solution, make_prior

InnerSteps = Annotated[int, Range(least=1, most=1000)]
"""Steps of an inner loop: a few. A fit of thousands goes on from `Family.start`."""


class Family(nn.Module, ABC):
    """Fields that share a start, a decoder or a generator; `families.train` teaches it.

    Made by name it has no parameters yet: the first problems it meets say how many axes and
    channels there are. `for_problems` gives a copy that has.

    Args:
        prior: A name of the catalogue of priors, which all fields are made of.
        options: Options of the prior.

    Attributes:
        template: The prior that the fields share, with what they share as its parameters.
        made_of: The recipe of the prior; None before the family has met a problem.
        grid: The grid of the first problem.
        power: Mean square of the measurements of the family, which makes losses comparable.
        unit_step: Step size of the inner loop before the training; learned sizes are factors of it.
    """

    kind: ClassVar[str] = ""
    """The name by which a file knows the class."""

    power: Tensor
    unit_step: Tensor
    rates: ClassVar[Mapping[str, float]] = {}
    """Learning rates of the training for what is learnt beside the template, by the first word of
    the parameters' names."""

    def __init__(self, prior: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.prior = prior
        self.options = dict(options or {})
        self.template: Prior | None = None
        self.made_of: Recipe | None = None
        self.grid: Grid | None = None
        self.is_complex = False

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Give the arguments that make the family again, as plain values."""

    @abstractmethod
    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        """Find the parameters of each task's field.

        Args:
            tasks: The tasks.
            learning: Whether gradients shall reach what the family has learnt.
            steps: Steps of the inner loop, where there is one; None for the family's own number.

        Returns:
            (tasks, *shape) for each parameter in which the fields differ.
        """

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        """Make what the family learns beside the template, which it may replace."""
        return template

    def begin(self, tasks: Sequence[Task]) -> None:
        """Set what the first tasks decide before the training, in place.

        Args:
            tasks: Some of the tasks.
        """

    # --- made for problems ------------------------------------------------------------------------

    @property
    def known(self) -> Prior:
        """The template.

        Raises:
            ValueError: The family has met no problem yet.
        """
        if self.template is None:
            raise ValueError(
                f"{type(self).__name__}: this family is not trained; "
                "family = families.train(family, problems)."
            )
        return self.template

    @checked
    def for_problems(self, problems: Sequence[Problem], seed: Seed = 0) -> Self:
        """Make a copy that is laid out for some problems, and not trained yet.

        Args:
            problems: The problems, of one number of axes and channels.
            seed: Seed of its parameters.

        Returns:
            The copy; where this family is laid out already, a copy with its parameters.

        Raises:
            ValueError: There are no problems, they differ in axes or channels among each other or
                from this family, or the prior cannot be shared.
        """
        require_alike(type(self).__name__, problems)
        made = copy.deepcopy(self)
        if made.template is not None:
            made.require_fits(problems[0])
            return made
        prior = make_prior(problems[0], self.prior, seed, **self.options)
        assert isinstance(prior, Prior)
        power = power_of(problems)
        return made.laid_out(prior, problems[0].grid, power, problems[0].is_complex, seed)

    def laid_out(
        self, prior: Prior, grid: Grid, power: float, is_complex: bool, seed: int = 0
    ) -> Self:
        """Take a prior as the template, in place.

        Args:
            prior: The prior.
            grid: The grid of the family's first problem.
            power: Mean square of the family's measurements.
            is_complex: Whether the fields are complex.
            seed: Seed of what is learnt beside the template.

        Returns:
            This family.

        Raises:
            ValueError: The prior sets itself from each problem's measurements.
        """
        if prior.wants_data:
            raise ValueError(
                f"{type(self).__name__}: the prior {prior.name!r} sets itself from one problem's "
                "measurements, which a family cannot share. Take another, e.g. 'siren'."
            )
        prior.anneal(1.0)
        self.made_of = prior.recipe
        self.grid = grid
        self.is_complex = is_complex
        self.power = nn.Buffer(torch.tensor(power, dtype=torch.float64))
        self.unit_step = nn.Buffer(torch.zeros((), dtype=torch.float64))
        self.template = self._extend(prior, torch.Generator().manual_seed(seed))
        return self

    def require_fits(self, problem: Problem) -> None:
        """Refuse a problem of other axes or channels.

        Args:
            problem: The problem.

        Raises:
            ValueError: It differs from those of the family.
        """
        own = axes_of(self.known.box.ndim, self.known.channels, self.is_complex)
        other = axes_of(problem.box.ndim, problem.channels, problem.is_complex)
        if own != other:
            raise ValueError(
                f"{type(self).__name__}: the family is of fields with {own}; "
                f"this problem is of one with {other}."
            )

    @property
    def begun(self) -> bool:
        """Whether a training has set what the first tasks decide (`begin`)."""
        return bool(self.unit_step)

    def require_trained(self) -> None:
        """Raise ValueError where the family has not been trained."""
        template = self.known  # refuses by itself what has met no problem
        if not self.begun:
            raise ValueError(
                f"{type(self).__name__}: this family of {template.name!r} fields is laid out, and "
                "not trained yet; "
                "family = families.train(family, problems)."
            )

    def groups(self, lr: float | None = None) -> list[dict[str, Any]]:
        """Group all that is learnt, with a learning rate for each, as torch's optimizers take it.

        Args:
            lr: Largest rate of the template's parameters; None for twice the prior's own.
        """
        template = self.known
        if lr is None:
            lr = 2 * template.learning_rate
        ratio = lr / template.learning_rate
        groups = [{**g, "lr": g["lr"] * ratio} for g in template.param_groups()]
        for prefix, rate in self.rates.items():
            named = [p for n, p in self.named_parameters() if n.split(".")[0] == prefix]
            groups.append({"role": prefix, "params": named, "lr": rate})
        groups = [{**g, "params": [p for p in g["params"] if p.requires_grad]} for g in groups]
        return [g for g in groups if g["params"]]

    # --- use --------------------------------------------------------------------------------------

    def tasks(
        self, problems: Sequence[Problem], batch: int | None = None, seed: int = 0
    ) -> list[Task]:
        """Make tasks of problems, in the family's precision and unit.

        Args:
            problems: The problems.
            batch: Rows per step for each term; None as in `Solver`.
            seed: Decides which rows a step sees.
        """
        for problem in problems:
            self.require_fits(problem)
        return as_tasks(problems, float(self.power), batch, seed, placement(self.known))

    def fields(self, tasks: Sequence[Task], own: State) -> Fields:
        """Join the parameters that `states` found to fields.

        Args:
            tasks: The tasks.
            own: (tasks, *shape) for each parameter in which the fields differ.
        """
        return Fields(self.known, own, [task.problem.box for task in tasks])

    @checked
    def start(self, problem: Problem, *, steps: InnerSteps | None = None, seed: Seed = 0) -> Prior:
        """Find the family's field for a problem, as a prior that a fit can go on from.

        Args:
            problem: The problem.
            steps: Steps of the inner loop, where there is one; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            An ordinary prior on the problem's box: `ii.solve(problem, prior=family.start(problem))`
            goes on from there.

        Raises:
            ValueError: The family is not trained, or of fields with other axes or channels.
        """
        self.require_trained()
        tasks = self.tasks([problem], seed=seed)
        with evaluating(*(term.operator for term in tasks[0].terms)):
            own = self.states(tasks, learning=False, steps=steps)
        state = {name: values[0] for name, values in own.items()}
        return field_of(self.known, state, problem.box)

    @checked
    def solve(
        self, problem: Problem, *, steps: InnerSteps | None = None, seed: Seed = 0
    ) -> Solution:
        """Solve a problem by what the family knows: a few steps, or one pass.

        Args:
            problem: The problem.
            steps: Steps of the inner loop, where there is one; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            The solution. Its field is an ordinary prior.

        Raises:
            ValueError: The family is not trained, or of fields with other axes or channels.
        """
        began = time.perf_counter()
        field = self.start(problem, steps=steps, seed=seed).eval()
        done = self.steps_of(steps)
        text = "one pass"
        if done:
            text = f"{done} steps of the family's inner loop"
        return Solution(
            field,
            problem,
            f"{self.kind} {self.known.name}",
            seconds=time.perf_counter() - began,
            steps=done,
            stopped=Ended("direct", text),
            best_step=done,
        )

    def steps_of(self, steps: int | None) -> int:
        """The number of inner steps that `states` takes when it is asked for `steps`."""
        return 0
