"""Read the best state of a run: the field, the learnt operators and their parameters.

A state is the `state_dict` of the run's `Objective`, or None before the first check.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from inverse_inr.problem import Problem
from inverse_inr.solver.objective import Objective, learns

State = dict[str, Any]
"""Tensors by their names in the objective: "prior...", "operators...", "fidelities..."."""


def best_field(prior: nn.Module, state: State | None) -> nn.Module:
    """A copy of the prior with the parameters of `state`, ready to be evaluated.

    Args:
        prior: The prior as it is now.
        state: The best state; None keeps the present parameters.

    Returns:
        A module that no later step changes, in evaluation mode and without gradients.
    """
    field = copy.deepcopy(prior).requires_grad_(False).eval()
    if state is not None:
        field.load_state_dict(_below("prior.", state))
    return field


def measured_problem(problem: Problem, objective: Objective, state: State | None) -> Problem:
    """The problem with what its operators and fidelities had learnt in `state`.

    Args:
        problem: The problem as the user gave it.
        objective: The objective of the run, which holds the operators that learn.
        state: The best state; None for the present one.

    Returns:
        The user's own problem where nothing learns, else one with copies of the terms.
    """
    if not (learns(objective.operators) or learns(objective.fidelities)):
        return problem
    if state is None:
        state = objective.state_dict()
    terms = copy.deepcopy(objective.terms)
    _modules([term.operator for term in terms]).load_state_dict(_below("operators.", state))
    _modules([term.fidelity for term in terms]).load_state_dict(_below("fidelities.", state))
    return replace(problem, terms=terms)


def learnt_parameters(objective: Objective, state: State | None) -> dict[str, Tensor]:
    """The parameters that the operators and fidelities had learnt in `state`, fixed ones left out.

    Args:
        objective: The objective of the run.
        state: The best state; None for the present one.

    Returns:
        Copies of the parameters: an operator's as "0.shift", a fidelity's as "fidelities.0.level".
    """
    if state is None:
        state = objective.state_dict()
    parts = {"operators": objective.operators, "fidelities": objective.fidelities}
    names = [
        f"{part}.{name}"
        for part, modules in parts.items()
        for name, value in modules.named_parameters()
        if value.requires_grad
    ]
    return {name.removeprefix("operators."): state[name].detach().clone() for name in names}


def _modules(parts: Sequence[object]) -> nn.ModuleList:
    """The parts that are modules, numbered as in the `Objective`."""
    return nn.ModuleList(part for part in parts if isinstance(part, nn.Module))


def _below(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
