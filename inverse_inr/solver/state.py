"""The state of a reconstruction at each step: made, saved, resumed and read."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from inverse_inr import optimizers
from inverse_inr.distributed import Whole, current
from inverse_inr.distributed.whole import require_shardable
from inverse_inr.hooks import BeforeStep, Begins
from inverse_inr.kernels.compiling import compiled, require_compilable
from inverse_inr.precision import placement
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.registry import uncollected
from inverse_inr.regularizers import as_weighted
from inverse_inr.row_sets import ListedWhenAsked
from inverse_inr.solver.best import best_field, learnt_parameters, measured_problem
from inverse_inr.solver.callbacks import Callback
from inverse_inr.solver.ended import Ended, all_steps_done
from inverse_inr.solver.identity import check_same, measurements_digest, prior_recipe, settings_of
from inverse_inr.solver.objective import Objective, Regularizer, learns
from inverse_inr.solver.rehearsal import rehearse, require_field, require_objects
from inverse_inr.solver.schedule import RowSchedule, row_schedules
from inverse_inr.solver.seeds import require_deterministic
from inverse_inr.solver.solution import Solution
from inverse_inr.solver.starting import beside_prior, make_optimizer, make_prior, precisions
from inverse_inr.stopping import ComparesTwins, HeldOut, Never, Stopping


class Reconstruction:
    """One reconstruction at one step. `Solver` adds the loop that takes it from step to step.

    Its parameters are those of `solve`, which describes them; by default there are no callbacks.

    Attributes:
        prior: The field that is fitted; it changes with each step.
        objective: The loss as a module, with the operators and fidelities that learn.
        optimizer: Torch's optimizers with their learning rate's schedule.
        step_number: The number of steps done.
        seconds: The time spent in `run`, in seconds.
        history: One record per check: step, seconds, loss, its parts and the stopping rule's value.
        best: The best "state" so far, its "step" and its "value" by the stopping rule.
        stopped: How the run ended early; None while it may go on.
        fit_rows: For each term, the indices of the measurements that are fitted.
        watched_rows: For each term, the indices that the stopping rule looks at.
        ranks: The processes between which each step is divided.
        is_divided: Whether other processes hold a part of the parameters.
    """

    @checked
    def __init__(
        self,
        problem: Problem,
        prior: str | nn.Module | None = None,
        *,
        regularizers: Sequence[Regularizer] | None = None,
        steps: Count | None = None,
        batch: Count | None = None,
        points: Count = 1024,
        optimizer: str | optimizers.Optimizer | None = None,
        lr: Positive | None = None,
        operator_lr: Positive | None = None,
        stopping: Stopping | None = None,
        seed: Seed = 0,
        chunk: Count | None = None,
        lattice: Count | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        deterministic: bool = False,
        compile: bool = False,
        sharded: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        problem = beside_prior(problem, prior, device)
        precision, products = precisions(dtype)
        if lattice is not None:
            problem = problem.on_lattice(lattice)
        suggested = problem.suggested
        if steps is None:
            steps = suggested.steps
        if regularizers is None:
            regularizers = suggested.regularizers
        if operator_lr is None:
            operator_lr = suggested.operator_lr
        if prior is None and optimizer is None and lr is None:
            lr = suggested.lr
        require_objects("regularizers", regularizers, ("field", "points"))
        require_objects("callbacks", callbacks, ("solver", "record"))
        self.problem = problem
        self.steps = steps
        self.points = points
        self.seed = seed
        self.deterministic = deterministic
        require_deterministic(deterministic, problem.device)
        self.prior = make_prior(problem, prior, seed, dtype=precision)
        self.label = getattr(self.prior, "name", type(self.prior).__name__)
        require_field(problem, self.prior)
        weighted = [as_weighted(regularizer) for regularizer in regularizers]
        self.ranks = current()
        self.objective = Objective(self.prior, problem.terms, weighted, chunk, products, self.ranks)
        self.stopping = stopping or suggested.stopping or HeldOut()
        self.fit_rows, self.watched_rows = self.stopping.split(problem.terms, seed)
        made = make_optimizer(optimizer or suggested.optimizer, lr)
        self.made_of, self.operator_lr = made, operator_lr
        self._twin: Reconstruction | None = None
        if isinstance(self.stopping, ComparesTwins):
            self._twin = type(self)(
                replace(problem, terms=self.stopping.perturbed(problem.terms, seed)),
                copy.deepcopy(self.prior),
                regularizers=regularizers,
                steps=steps,
                batch=batch,
                points=points,
                optimizer=made,
                operator_lr=operator_lr,
                stopping=Never(every=steps),
                seed=seed,
                chunk=chunk,
                dtype=dtype,
                deterministic=deterministic,
                compile=compile,
            )
        self._call_begin()
        require_shardable(sharded, made, compile=compile, twins=self._twin is not None)
        self.optimizer = self._build(made, operator_lr)
        by_gradient = isinstance(self.optimizer, optimizers.Several)
        require_compilable(compile, made, by_gradient, self.ranks.world)
        self.schedules = self._batches(batch or suggested.batch, made.full_batch)
        self.callbacks = list(callbacks)
        self._start_at_zero()
        if self.ranks.world > 1:
            self.ranks.require_same("Solver: the run", self._identity())
        self._rehearse()
        self._held: Whole = self.ranks.held(self.objective, self.optimizer, sharded)
        self.is_divided = self._held.is_divided
        if compile:
            what = f"the step of the prior '{self.label}' with {', '.join(self.objective.names)}"
            self._held.evaluate = compiled(self.objective, self._device, what)

    def _call_begin(self) -> None:
        """Let what takes part prepare itself, and remember what wants to be told of each step."""
        parts = self.objective.who_takes_part()
        for part in parts:
            if isinstance(part, Begins):
                part.begin(self.problem, ListedWhenAsked(self.fit_rows))
        self._before_step = [part.before_step for part in parts if isinstance(part, BeforeStep)]

    def _build(self, optimizer: optimizers.Optimizer, operator_lr: float) -> optimizers.Stepper:
        instruments = [*self.objective.operators, *self.objective.fidelities]
        nuisance = [module for module in instruments if learns(module)]
        groups = optimizers.parameter_groups(
            self.prior, nuisance, operator_lr, split_linear=getattr(optimizer, "projects", False)
        )
        with uncollected():  # torch.optim imports torch's compiler at its first use
            return optimizer.build(groups)

    def _batches(self, batch: int | None, full_batch: bool) -> list[RowSchedule]:
        terms = self.objective.terms
        return row_schedules(terms, self.fit_rows, batch, full_batch=full_batch, seed=self.seed)

    def _rehearse(self) -> None:
        """Evaluate the first step's loss, so that what cannot run is refused before work starts."""
        points = self.problem.box.random_points(
            min(self.points, 4),
            dtype=self._dtype,
            generator=torch.Generator().manual_seed(self.seed),
        ).to(self._device)
        rehearse(self.objective, [s.at(0) for s in self.schedules], points, self.seed)

    def _start_at_zero(self) -> None:
        self._modules = list(self.objective.modules())
        self._dtype, self._device = placement(self.prior)
        self.step_number = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"value": float("inf"), "step": 0, "state": None}
        self.stopped: Ended | None = None
        self._told = False

    @property
    def field(self) -> nn.Module:
        """The field as it is now: the prior, or a copy where processes hold parts of it."""
        if self.is_divided:
            return best_field(self.prior, self._held.present())
        return self.prior

    @property
    def finished(self) -> bool:
        """The run is over: all steps are done, or something ended it."""
        return self.stopped is not None or self.step_number >= self.steps

    def _ended_for_good(self) -> Ended | None:
        """How the run ended; None if it may go on from there."""
        if self.stopped is not None and self.stopped.kind == "interrupted":
            return None
        return self.stopped

    def solution(self) -> Solution:
        """The best state by the stopping rule, with a copy of the prior of its own."""
        state = self._held.readable(self.best["state"])
        return Solution(
            best_field(self.prior, state),
            measured_problem(self.problem, self.objective, state),
            self.label,
            history=list(self.history),
            seconds=self.seconds,
            steps=self.step_number,
            stopped=self._how_it_stands(),
            best_step=self.best["step"] or self.step_number,
            watched=self.watched_rows,
            learnt=learnt_parameters(self.objective, state),
            settings=settings_of(self),
        )

    def _how_it_stands(self) -> Ended:
        if self.stopped is not None:
            return self.stopped
        if self.finished:
            return all_steps_done(self.history, self.stopping.label)
        return Ended("paused", f"paused at step {self.step_number}")

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to give the identical result.

        Returns:
            A dictionary for `torch.save`. Its tensors are live: save or copy them before the next
            step.
        """
        ended = self._ended_for_good()
        stopped = None
        if ended is not None:
            stopped = (ended.kind, ended.text)
        twin = {}
        if self._twin is not None:
            twin = {"twin": self._twin.state_dict()}
        return {
            **twin,
            **self._identity(),
            "step": self.step_number,
            "seconds": self.seconds,
            "objective": self._held.present(),
            "optimizer": self._held.optimizer_state(self.optimizer),
            "best": {**self.best, "state": self._held.full(self.best["state"])},
            "history": self.history,
            "stopped": stopped,
        }

    def _identity(self) -> dict[str, Any]:
        """By what a state is known to be one of this run."""
        return {
            "steps": self.steps,
            "seed": self.seed,
            "measurements": self._measurements,
            "prior": prior_recipe(self.prior),
            "parts": list(self.objective.names),
        }

    @cached_property
    def _measurements(self) -> str:
        return measurements_digest(self.problem)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken.

        Args:
            state: The result of `state_dict`, of a solver made with the same arguments.

        Raises:
            ValueError: The state is incomplete, or belongs to another seed, number of steps,
                measurements, prior or objective. The solver stays as it was.
        """
        check_same(state, self._identity())
        before = self._held.copied()
        try:
            self._held.load(state["objective"])
            self._held.load_optimizer(self.optimizer, state["optimizer"])
            if self._twin is not None:
                self._twin.load_state_dict(state["twin"])
            best = {**state["best"], "state": self._held.part(state["best"]["state"])}
            stopped = None
            if state["stopped"] is not None:
                stopped = Ended(*state["stopped"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._held.load(before)
            reason = " ".join(str(error).split())[:240]
            raise ValueError(f"This checkpoint does not fit the solver: {reason}") from None
        self.step_number = state["step"]
        self.seconds = state["seconds"]
        self.best = best
        self.history = list(state["history"])
        self.stopped = stopped
