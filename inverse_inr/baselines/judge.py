"""Which of several images to keep: by rows that none of them was made from, or by the truth, and then labelled so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inverse_inr.evaluation import sample
from inverse_inr.least_squares import LeastSquares
from inverse_inr.metrics import modulus, psnr
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution
from inverse_inr.solver.solution import Ended
from inverse_inr.stopping import hold_out, least, one_standard_error


class Judge:
    """Collects candidate images and picks one: by held-out rows, by the reference ("oracle"), or the last one.

    Of weights the rule is one standard error (simplest first), of iterates the least held-out misfit.
    """

    def __init__(self, problem: Problem, rule: object, seed: int) -> None:
        if isinstance(rule, str) and rule not in ("held-out", "oracle"):
            raise ValueError(f"Choose by 'held-out' or 'oracle', or give a number; got {rule!r}.")
        if rule == "oracle" and problem.reference is None:
            raise ValueError("The oracle needs the truth: this problem has no reference.")
        self.problem, self.rule = problem, rule
        self.fit = [t.trusted for t in problem.terms]
        self.watch: list[Tensor] = []
        self.details: dict[str, Any] = {}
        if rule == "held-out":
            self.fit, self.watch, self.details = hold_out(
                problem.suggested.stopping, problem.terms, seed
            )
            self._unseen = LeastSquares.of(problem, self.watch)
        if rule == "oracle":
            assert problem.reference is not None
            self._truth = modulus(sample(problem.reference, problem.grid, average=problem.average))
        self.images: list[Tensor] = []
        self.choices: list[float] = []
        self.scores: list[Tensor] = []

    def consider(self, x: Tensor, choice: float) -> None:
        self.images.append(x)
        self.choices.append(choice)
        if self.rule == "held-out":
            self.scores.append(self._unseen.misfits(x))
        elif self.rule == "oracle":
            span = float(self._truth.max() - self._truth.min())
            self.scores.append(torch.tensor([-psnr(modulus(x), self._truth, data_range=span)]))
        else:
            self.scores.append(torch.tensor([-float(len(self.images))]))

    @property
    def hopeless(self) -> bool:
        """The last three candidates were each worse than the one before."""
        means = [float(s.mean()) for s in self.scores[-4:]]
        return len(means) == 4 and means == sorted(means)

    def solution(self, name: str, what: str, seconds: float) -> Solution:
        simplest_first = what == "weight" and self.rule == "held-out"
        best = one_standard_error(self.scores) if simplest_first else least(self.scores)
        choice = self.choices[best]
        label = f"{name} (oracle)" if self.rule == "oracle" else name
        return Solution(
            SampledField(self.images[best], self.problem.grid),
            self.problem,
            label,
            seconds=seconds,
            stopped=Ended(
                "direct",
                f"{what} {choice:.4g} ({self.rule if isinstance(self.rule, str) else 'given'})",
            ),
            watched=self.watch,
            details={what: choice, **self.details},
        )
