"""minimise over θ: D(A(f_θ), y) + Σ λ R(f_θ), by one flat loop that can be stopped and resumed at any step."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import optimizers
from inverse_inr.evaluation import Field, placement
from inverse_inr.hooks import BeforeStep, Begins
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.registry import nearest
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver.callbacks import Callback, Progress
from inverse_inr.solver.interrupt import interruptible
from inverse_inr.solver.objective import Objective, RowSchedule, automatic_batch, learns, seeded
from inverse_inr.solver.solution import Ended, Solution
from inverse_inr.solver.starting import make_prior
from inverse_inr.stopping import HeldOut, Stopping

Regularizer = Callable[[Field, Tensor], Tensor]


class Solver:
    """The state of one reconstruction: `step()`, `run(n)`, `state_dict()`, `solution()`.

    prior         a name of the catalogue, a `Prior`, or any nn.Module that is a field; default: the problem's
    regularizers  weighted regularizers, e.g. [1e-3 * TotalVariation()]; default: the problem's
    batch         rows a step for each term; default: the problem's, or about 32 000 field points, or all rows for
                  whole-grid operators
    points        random points of the box a step that regularizers see
    optimizer     "adam", "muon", "lbfgs" or a value from `optimizers`; default: the problem's. `lr` replaces the
                  prior's suggestion, or the problem's for its own prior
    operator_lr   learning rate of what operators and fidelities learn (motion, centre of rotation, gains, noise);
                  default: the problem's
    stopping      `HeldOut()`, `Discrepancy()`, `Never()` or a rule of your own (`stopping.Stopping`); default: the
                  problem's, or HeldOut()
    chunk         field points in flight at a time (memory bound)
    """

    def __init__(
        self,
        problem: Problem,
        prior: str | nn.Module | None = None,
        *,
        regularizers: Sequence[Regularizer] | None = None,
        steps: int | None = None,
        batch: int | None = None,
        points: int = 1024,
        optimizer: str | optimizers.Optimizer | None = None,
        lr: float | None = None,
        operator_lr: float | None = None,
        stopping: Stopping | None = None,
        seed: int = 0,
        chunk: int | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.problem, self.seed, self.points = problem, seed, points
        self.steps = problem.suggested.steps if steps is None else steps
        if self.steps < 1:
            raise ValueError(f"Solver: steps must be at least 1, got {self.steps}.")
        self.prior = make_prior(problem, prior, seed)
        self.label = getattr(self.prior, "name", type(self.prior).__name__)
        chosen = problem.suggested.regularizers if regularizers is None else regularizers
        self.objective = Objective(
            self.prior, problem.terms, [as_weighted(r) for r in chosen], chunk
        )
        self.stopping = stopping or problem.suggested.stopping or HeldOut()
        self.fit_rows, self.watched_rows = self.stopping.split(problem.terms, seed)
        parts = self.objective.who_takes_part()
        for part in parts:
            if isinstance(part, Begins):
                part.begin(problem, self.fit_rows)
        self._before_step = [part.before_step for part in parts if isinstance(part, BeforeStep)]
        if prior is None and optimizer is None and lr is None:
            lr = problem.suggested.lr
        value = _optimizer(optimizer or problem.suggested.optimizer, lr)
        nuisance = [m for m in (*self.objective.operators, *self.objective.fidelities) if learns(m)]
        rate = problem.suggested.operator_lr if operator_lr is None else operator_lr
        self.optimizer = value.build(optimizers.parameter_groups(self.prior, nuisance, rate))
        batch = batch or problem.suggested.batch
        self.schedules = [
            RowSchedule(
                rows, None if value.full_batch else batch or automatic_batch(term), seed + k
            )
            for k, (term, rows) in enumerate(zip(self.objective.terms, self.fit_rows, strict=True))
        ]
        self.callbacks = list(callbacks)
        self._modules, self._parameters = (
            list(self.objective.modules()),
            list(self.objective.parameters()),
        )
        self._placement = placement(self.prior)
        self.step_number, self.seconds = 0, 0.0
        self.history: list[dict[str, Any]] = []
        self.stopped: Ended | None = None
        self._told = False
        self.best: dict[str, Any] = {"value": float("inf"), "step": 0, "state": None}

    # --- the loop -----------------------------------------------------------------------------------------------

    def step(self) -> Tensor:
        """One optimiser step, a pure function of the state and the step's number; returns the objective's parts."""
        rows = [schedule.at(self.step_number) for schedule in self.schedules]
        box, empty, (dtype, device) = self.problem.box, torch.zeros(0), self._placement
        parts = empty

        def closure() -> Tensor:
            nonlocal parts
            with seeded(self.seed, self.step_number, device):
                random = (
                    box.random_points(self.points, dtype=dtype, device=device)
                    if self.objective.parts
                    else empty
                )
                for parameter in self._parameters:
                    parameter.grad = None
                parts = self.objective(rows, random)
                loss = parts.sum()
                loss.backward()
            return loss

        if not all(m.training for m in self._modules):
            self.objective.train()
        for before_step in self._before_step:
            before_step(self.step_number, self.step_number / self.steps)
        self.optimizer.step(closure, self.step_number / self.steps)
        self.step_number += 1
        return parts.detach()

    def run(self, steps: int | None = None) -> Solution:
        """Run to the end (or `steps` more) and return the best state so far. Ctrl-C ends the run, losing nothing."""
        last = self.steps if steps is None else min(self.steps, self.step_number + steps)
        began, before = time.perf_counter(), self.seconds
        self.stopped = self._ended_for_good()
        self._told = False
        modes = [(m, m.training) for m in self.objective.modules()]
        with interruptible() as interrupt:
            while self.step_number < last and self.stopped is None:
                parts = self.step()
                check = (
                    self.step_number % self.stopping.every == 0 or self.step_number == self.steps
                )
                if interrupt.made:
                    self.stopped = self._interrupted()
                bad = self._not_finite(parts) if check or parts.device.type == "cpu" else []
                bad += self._parameters_not_finite() if check and not bad else []
                if bad:
                    self._give_up(bad)
                elif check:
                    self.seconds = before + time.perf_counter() - began
                    self._watch(parts)
                if interrupt.made:
                    self.stopped = self.stopped or self._interrupted()
        self.seconds = before + time.perf_counter() - began
        for module, mode in modes:
            module.training = mode
        self._tell()
        return self.solution()

    @property
    def finished(self) -> bool:
        return self.stopped is not None or self.step_number >= self.steps

    def _interrupted(self) -> Ended:
        return Ended("interrupted", f"interrupted at step {self.step_number}")

    def _ended_for_good(self) -> Ended | None:
        """What ended the run, unless it may go on from there."""
        if self.stopped is not None and self.stopped.kind == "interrupted":
            return None
        return self.stopped

    def _watch(self, parts: Tensor) -> None:
        """Ask the stopping rule, remember the best state, write history."""
        with torch.no_grad(), evaluating(self.objective):
            value = self.stopping.value(
                self.objective.terms,
                self.fit_rows,
                self.watched_rows,
                self.prior,
                self.objective.chunk,
            )
        record = {"step": self.step_number, "seconds": self.seconds, "loss": float(parts.sum())}
        record |= dict(zip(self.objective.names, parts.tolist(), strict=True))
        if not math.isnan(value):
            record[self.stopping.label] = value
        if value < self.best["value"] or math.isnan(
            value
        ):  # no measure of which state is best: the last one is
            state = {k: v.detach().clone() for k, v in self.objective.state_dict().items()}
            self.best = {"value": value, "step": self.step_number, "state": state}
        checks = (self.step_number - self.best["step"]) // self.stopping.every
        if self.stopping.satisfied(value, checks):
            self.stopped = Ended(
                "satisfied", f"{self.stopping.label} satisfied at step {self.step_number}"
            )
        self.history.append(record)
        self._told = self.finished
        for callback in self.callbacks:
            callback(self, record)

    def _tell(self) -> None:
        """Let callbacks close: the run is over, and they have not seen that yet."""
        if self.finished and not self._told:
            for callback in self.callbacks:
                callback(self, {"step": self.step_number})

    def _not_finite(self, parts: Tensor) -> list[str]:
        return [
            n
            for n, v in zip(self.objective.names, parts.tolist(), strict=True)
            if not math.isfinite(v)
        ]

    def _parameters_not_finite(self) -> list[str]:
        named = self.objective.named_parameters()
        return [f"parameter {name}" for name, p in named if not bool(torch.isfinite(p).all())][:3]

    def _give_up(self, bad: list[str]) -> None:
        """Something non-finite: back to the last good state, and say where."""
        where = f"{' and '.join(bad)} became NaN or Inf at step {self.step_number}"
        if self.best["state"] is None:
            raise FloatingPointError(
                f"{where}, before any good state. A smaller lr? Measurements in huge units?"
            )
        warnings.warn(
            f"{where}; returning the state of step {self.best['step']}.",
            RuntimeWarning,
            stacklevel=3,
        )
        self.stopped = Ended("non-finite", f"non-finite: {where}")
        self.objective.load_state_dict(self.best["state"])

    # --- results and resuming -----------------------------------------------------------------------------------

    def solution(self) -> Solution:
        """The best state by the stopping rule, as a Solution with a prior of its own."""
        field = copy.deepcopy(self.prior).requires_grad_(False).eval()
        state = self.best["state"]
        if state is not None:
            prefix = "prior."
            field.load_state_dict(
                {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
            )
        running = (
            Ended("done", "all steps done")
            if self.finished
            else Ended("paused", f"paused at step {self.step_number}")
        )
        return Solution(
            field,
            self._measured_problem(),
            self.label,
            history=list(self.history),
            seconds=self.seconds,
            steps=self.step_number,
            stopped=self.stopped or running,
            best_step=self.best["step"] or self.step_number,
            watched=self.watched_rows,
            learnt=self._learnt(),
        )

    def _measured_problem(self) -> Problem:
        """The problem, with what its operators and fidelities learnt in the best state."""
        if not (learns(self.objective.operators) or learns(self.objective.fidelities)):
            return self.problem
        terms = copy.deepcopy(self.objective.terms)
        state = self.best["state"] or self.objective.state_dict()
        for kind in ("operator", "fidelity"):
            modules = nn.ModuleList(
                m for t in terms if isinstance(m := getattr(t, kind), nn.Module)
            )
            prefix = {"operator": "operators.", "fidelity": "fidelities."}[kind]
            modules.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
        return replace(self.problem, terms=terms)

    def _learnt(self) -> dict[str, Tensor]:
        """What the operators and fidelities learnt, by name, in the best state."""
        state = self.best["state"] or self.objective.state_dict()
        names = [f"operators.{n}" for n, _ in self.objective.operators.named_parameters()]
        noise = [f"fidelities.{n}" for n, _ in self.objective.fidelities.named_parameters()]
        return {
            name.removeprefix("operators."): state[name].detach().clone() for name in names + noise
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to give the identical result. Tensors are live: save or copy them."""
        ended = self._ended_for_good()
        return {
            "step": self.step_number,
            "steps": self.steps,
            "seed": self.seed,
            "seconds": self.seconds,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
            "stopped": None if ended is None else (ended.kind, ended.text),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken. Raises ValueError for another seed, number of steps or architecture."""
        for key, mine in (("seed", self.seed), ("steps", self.steps)):
            if state[key] != mine:
                raise ValueError(
                    f"This checkpoint has {key}={state[key]}, the solver {mine}: not the same run."
                )
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_number, self.seconds = state["step"], state["seconds"]
        self.best, self.history = state["best"], list(state["history"])
        self.stopped = None if state["stopped"] is None else Ended(*state["stopped"])


def solve(
    problem: Problem,
    prior: str | nn.Module | None = None,
    *,
    regularizers: Sequence[Regularizer] | None = None,
    steps: int | None = None,
    batch: int | None = None,
    points: int = 1024,
    optimizer: str | optimizers.Optimizer | None = None,
    lr: float | None = None,
    operator_lr: float | None = None,
    stopping: Stopping | None = None,
    seed: int = 0,
    chunk: int | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Solution:
    """Reconstruct: `solve(problem, prior="hash")`. Keywords are those of `Solver`; a progress bar is the default."""
    shown = (Progress(),) if callbacks is None else callbacks
    return Solver(
        problem,
        prior,
        regularizers=regularizers,
        steps=steps,
        batch=batch,
        points=points,
        optimizer=optimizer,
        lr=lr,
        operator_lr=operator_lr,
        stopping=stopping,
        seed=seed,
        chunk=chunk,
        callbacks=shown,
    ).run()


def _optimizer(optimizer: str | optimizers.Optimizer, lr: float | None) -> optimizers.Optimizer:
    if not isinstance(optimizer, str):
        if lr is not None:
            raise ValueError("Give the learning rate once: lr=... or inside the optimizer value.")
        return optimizer
    if optimizer not in optimizers.NAMES:
        raise ValueError(f"Unknown optimizer {optimizer!r}. {nearest(optimizer, optimizers.NAMES)}")
    return optimizers.NAMES[optimizer](**({} if lr is None else {"lr": lr}))
