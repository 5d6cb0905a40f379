"""minimise over θ: D(A(f_θ), y) + Σ λ R(f_θ), by one flat loop.

The loop can be stopped and resumed at any step: a step is a pure function of the state and of its
own number.
"""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from inverse_inr.hooks import BetweenSteps
from inverse_inr.protocol import evaluating
from inverse_inr.solver.callbacks import Callback
from inverse_inr.solver.ended import Ended
from inverse_inr.solver.interrupt import Interruption, interruptible
from inverse_inr.solver.linearization import Step
from inverse_inr.solver.seeds import in_fixed_order
from inverse_inr.solver.solution import Solution
from inverse_inr.solver.state import Reconstruction
from inverse_inr.solver.trials import keeping
from inverse_inr.stopping import ComparesTwins


class Solver(Reconstruction):
    """The state of one reconstruction, which can be advanced, saved and read at any step.

    Its parameters are those of `solve`, which describes them; only the default of `callbacks`
    differs, which is none here. `solve(problem)` does no more than
    `Solver(problem, callbacks=[Progress()]).run()`. The attributes are those of
    `Reconstruction`, e.g. `prior`, `step_number`, `history` and `best`.
    """

    def step(self) -> Tensor:
        """Make one step of the optimizer, a pure function of the state and the step's number.

        Returns:
            (parts,), the weighted parts of the loss as last evaluated; `objective.names` names
            them.
        """
        progress = self.step_number / self.steps
        rows = [schedule.at(self.step_number) for schedule in self.schedules]
        now = Step(
            self.objective,
            rows,
            self._random_points,
            self.seed,
            self.step_number,
            self._device,
            self._held.evaluate,
            self._held.parameters,
        )
        with self._held.stepping(), in_fixed_order(self.deterministic):
            self._prepare_step()
            self._held.settle()
            self.optimizer.step(now, progress)
        self.step_number += 1
        if isinstance(self._twin, Solver):
            self._twin.step()
        return now.parts.detach()

    def _prepare_step(self) -> None:
        """Let what takes part know that a step begins."""
        if not all(module.training for module in self._modules):
            self.objective.train()
        for before_step in self._before_step:
            before_step(self.step_number, self.step_number / self.steps)

    def run(self, steps: int | None = None) -> Solution:
        """Go on to the end of the run. Ctrl-C ends it after the current step and loses nothing.

        Args:
            steps: Make at most this many steps now; None for all that are left.

        Returns:
            The best state so far, as `solution()` gives it.

        Raises:
            FloatingPointError: Something became NaN or Inf before the first good state.
        """
        if steps is not None:
            return self._run(min(self.steps, self.step_number + steps))
        with keeping(self):
            return self._run(self.steps)

    def _run(self, last: int) -> Solution:
        """Go on to step number `last`."""
        began = time.perf_counter()
        before = self.seconds
        self.stopped = self._ended_for_good()
        self._told = False
        modes = [(module, module.training) for module in self.objective.modules()]
        between = [c.between_steps for c in self._called() if isinstance(c, BetweenSteps)]
        with interruptible() as interrupt:
            while self.step_number < last and self.stopped is None:
                with self._held.led():
                    for call in between:
                        call(self)
                parts = self.step()
                self.seconds = before + time.perf_counter() - began
                self.after_step(parts, interrupt)
        self.seconds = before + time.perf_counter() - began
        for module, mode in modes:
            module.training = mode
        self._tell()
        return self.solution()

    def after_step(self, parts: Tensor, interrupt: Interruption) -> None:
        """Look at a step that was made: does the run go on, and is it time for a check?

        Args:
            parts: (parts,), what `step` returned.
            interrupt: Whether Ctrl-C was pressed.
        """
        check = self._is_check()
        if self.ranks.any(interrupt.made):
            self.stopped = self._interrupted()
        bad = self._not_finite(parts, check)
        if bad:
            self._give_up(bad)
        elif check:
            self._watch(parts)
            if self.ranks.any(interrupt.made) and self.stopped is None:
                self.stopped = self._interrupted()

    def _called(self) -> list[Callback]:
        """The callbacks of this process: one process alone writes and prints."""
        if self.ranks.first:
            return self.callbacks
        return []

    def _random_points(self) -> Tensor:
        """Points for the regularizers; none are drawn where there is no regularizer."""
        if not self.objective.parts:
            return torch.zeros(0)
        return self.problem.box.random_points(self.points, dtype=self._dtype, device=self._device)

    def _is_check(self) -> bool:
        return self.step_number % self.stopping.every == 0 or self.step_number == self.steps

    def _interrupted(self) -> Ended:
        return Ended("interrupted", f"interrupted at step {self.step_number}")

    # --- checks -----------------------------------------------------------------------------------

    def _watch(self, parts: Tensor) -> None:
        """Ask the stopping rule, remember the best state, write history, call the callbacks."""
        value = self.ranks.from_first(self._value())
        record = {"step": self.step_number, "seconds": self.seconds, "loss": float(parts.sum())}
        record |= dict(zip(self.objective.names, parts.tolist(), strict=True))
        if not math.isnan(value):
            record[self.stopping.label] = value
        # a rule that gives NaN does not say which state is best: then the last one is
        if math.isnan(value) or value < self.best["value"]:
            self.best = {"value": value, "step": self.step_number, "state": self._held.kept()}
        checks = (self.step_number - self.best["step"]) // self.stopping.every
        if self.stopping.satisfied(value, checks):
            text = f"{self.stopping.label} satisfied at step {self.step_number}"
            self.stopped = Ended("satisfied", text)
        self.history.append(record)
        self._told = self.finished
        self._call_back(record)

    def _value(self) -> float:
        if self._twin is not None:
            return self._against_twin(self._twin)
        with torch.no_grad(), evaluating(self.objective), self._held.together():
            return self.stopping.value(
                self.objective.terms,
                self.fit_rows,
                self.watched_rows,
                self.ranks.field(self.prior, self.objective.chunk),
                self.objective.chunk,
            )

    def _against_twin(self, twin: Reconstruction) -> float:
        assert isinstance(self.stopping, ComparesTwins)
        with torch.no_grad(), evaluating(self.objective, twin.objective):
            return self.stopping.compared(
                self.objective.terms,
                twin.objective.terms,
                self.watched_rows,
                self.ranks.field(self.prior, self.objective.chunk),
                self.ranks.field(twin.prior, self.objective.chunk),
                self.objective.chunk,
            )

    def _tell(self) -> None:
        """Let callbacks close, if the run is over and they have not seen that yet."""
        if self.finished and not self._told:
            self._call_back({"step": self.step_number})

    def _call_back(self, record: dict[str, Any]) -> None:
        with self._held.led():
            for callback in self._called():
                callback(self, record)

    def _not_finite(self, parts: Tensor, check: bool) -> list[str]:
        """Names of parts of the loss that are NaN or Inf; at checks also of parameters."""
        if not check and parts.device.type != "cpu":
            return []  # reading a number off a GPU waits for it, so that is done at checks only
        named = zip(self.objective.names, parts.tolist(), strict=True)
        bad = [name for name, value in named if not math.isfinite(value)]
        if check and not bad:
            bad = [f"parameter {name}" for name in self._held.not_finite()][:3]
        return bad

    def _give_up(self, bad: list[str]) -> None:
        """Go back to the last good state, and say what became NaN or Inf, and when."""
        where = f"{' and '.join(bad)} became NaN or Inf at step {self.step_number}"
        if self.best["state"] is None:
            raise FloatingPointError(
                f"{where}, before any good state. A smaller lr? Measurements in huge units?"
            )
        warnings.warn(
            f"{where}; returning the state of step {self.best['step']}.",
            RuntimeWarning,
            stacklevel=4,
        )
        self.stopped = Ended("non-finite", f"non-finite: {where}")
        state = self._held.full(self.best["state"])
        assert state is not None
        self._held.load(state)
