"""Choose one of several images: by rows that none of them was made from, or by the truth.

A choice by the truth is labelled "oracle", because nobody who only has measurements can make it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from inverse_inr.compose import on_grid
from inverse_inr.evaluation import pool, sample
from inverse_inr.least_squares import LeastSquares
from inverse_inr.metrics import modulus, psnr_of_span, where_known
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Range, Seed, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution
from inverse_inr.solver.ended import Ended
from inverse_inr.stopping import hold_out, least, one_standard_error

Iterations = Annotated[int, Range(least=1, most=10**7)]
"""A number of iterations that ends some day."""
Rule = Literal["held-out", "oracle"]
"""How a parameter is chosen: by rows kept out of the fit, or by the truth."""


class Judge:
    """Collects candidate images and picks one.

    Weights are chosen by the rule of one standard error, simplest first; iterations by the least
    held-out misfit.

    Args:
        problem: The problem that the candidates solve.
        rule: "held-out" for rows that are kept out, "oracle" for the reference; with anything else,
            e.g. a number, the last candidate is kept.
        seed: Decides which rows are held out.
        finer: Pixels of the candidates per pixel of the problem's grid and axis.

    Attributes:
        seen: The problem on the candidates' pixels.
        fit: For each term, the indices of the rows that candidates may be made from.
        watch: For each term, the indices of the held-out rows; empty for other rules.

    Raises:
        ValueError: The rule is an unknown word, or the problem has no reference for the oracle.
    """

    @checked
    def __init__(self, problem: Problem, rule: object, seed: Seed, finer: Count = 1) -> None:
        if isinstance(rule, str) and rule not in ("held-out", "oracle"):
            raise ValueError(f"Choose by 'held-out' or 'oracle', or give a number; got {rule!r}.")
        if rule == "oracle" and problem.reference is None:
            raise ValueError("The oracle needs the truth: this problem has no reference.")
        self.problem = problem
        grid = problem.grid
        if finer > 1:
            grid = problem.grid.refined(finer)
            self.problem = replace(problem, finer=finer)
        # maps of sampled images are made once for the rows to fit and for those to be judged by
        terms = [
            replace(term, operator=on_grid(term.operator, grid, term.y.device))
            for term in problem.terms
        ]
        self.seen = replace(problem, grid=grid, terms=terms)
        self.rule = rule
        self.finer = finer
        self.fit = [t.trusted for t in problem.terms]
        self.watch: list[Tensor] = []
        self.details: dict[str, Any] = {}
        if rule == "held-out":
            self.fit, self.watch, self.details = hold_out(
                problem.suggested.stopping, problem.terms, seed
            )
            self._unseen = LeastSquares.of(self.seen, self.watch)
        if rule == "oracle":
            assert problem.reference is not None
            self._truth = modulus(sample(problem.reference, problem.grid, average=problem.average))
        self.images: list[Tensor] = []
        self.choices: list[float] = []
        self.scores: list[Tensor] = []

    def consider(self, x: Tensor, choice: float, *, least_only: bool = False) -> None:
        """Add a candidate.

        Args:
            x: (*grid.shape, channels), the image.
            choice: The weight or the number of iterations that it was made with.
            least_only: Keep the image of the least score alone: sixty volumes fill a memory.
        """
        self.images.append(x)
        self.choices.append(choice)
        self.scores.append(self._score(x))
        if least_only or not isinstance(self.rule, str):
            kept = least(self.scores)
            for k, image in enumerate(self.images):
                if k != kept:
                    self.images[k] = image.new_empty(0)

    def _score(self, x: Tensor) -> Tensor:
        """Lower is better: held-out misfits of each row, or -PSNR, or the newest is the best."""
        if self.rule == "held-out":
            return self._unseen.misfits(x)
        if self.rule == "oracle":
            image = modulus(pool(x, self.finer, self.problem.grid.ndim))
            return torch.tensor([-psnr_of_span(*where_known(image, self._truth))])
        return torch.tensor([-float(len(self.images))])

    @property
    def hopeless(self) -> bool:
        """The last three candidates were each worse than the one before."""
        means = [float(s.mean()) for s in self.scores[-4:]]
        return len(means) == 4 and means == sorted(means)

    def solution(self, name: str, what: str, seconds: float) -> Solution:
        """The chosen candidate.

        Args:
            name: The method, which is labelled "(oracle)" if the truth chose.
            what: The parameter that was chosen, "weight" or "iterations".
            seconds: The time that all candidates took, in seconds.
        """
        best = self.best(what)
        choice = self.choices[best]
        rule = "given"
        if isinstance(self.rule, str):
            rule = self.rule
        if rule == "oracle":
            name = f"{name} (oracle)"
        return Solution(
            SampledField(self.images[best], self.seen.grid),
            self.problem,
            name,
            seconds=seconds,
            stopped=Ended("direct", f"{what} {choice:.4g} ({rule})"),
            watched=self.watch,
            details={what: choice, **self.details},
        )

    def best(self, what: str) -> int:
        """The index of the candidate that the rule chooses by `what`, as `solution` does."""
        if what == "weight" and self.rule == "held-out":
            return one_standard_error(self.scores)
        return least(self.scores)
