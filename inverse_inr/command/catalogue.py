"""The names that a config may use, for each kind of component."""

from __future__ import annotations

from typing import Any

from inverse_inr import optimizers
from inverse_inr.registry import Registry
from inverse_inr.regularizers import (
    L1,
    EdgePreserving,
    PairDifference,
    PriorPenalty,
    Smoothness,
    Sobolev,
    TotalVariation,
    WeightDecay,
)
from inverse_inr.stopping import Discrepancy, HeldOut, Never


def _problems() -> dict[str, Any]:
    from inverse_inr.problems.catalogue import problems

    return dict(problems())


def _problem(name: str) -> Any:
    from inverse_inr.problems.catalogue import problem

    return problem(name)


def _operators() -> dict[str, Any]:
    from inverse_inr.operators.catalogue import operators

    return dict(operators())


def _regularizers() -> dict[str, Any]:
    from inverse_inr.operators.catalogue import regularizers

    return {
        "total_variation": TotalVariation,
        "edge_preserving": EdgePreserving,
        "sobolev": Sobolev,
        "l1": L1,
        "pair_difference": PairDifference,
        "prior_penalty": PriorPenalty,
        "smoothness": Smoothness,
        "weight_decay": WeightDecay,
        **regularizers(),
    }


problems = Registry("problem", "inverse_inr.problems", _problems, _problem)
operators = Registry("operator", "inverse_inr.operators", _operators)
regularizers = Registry("regularizer", "inverse_inr.regularizers", _regularizers)
stoppings = Registry(
    "stopping rule",
    "inverse_inr.stopping",
    {"held_out": HeldOut, "discrepancy": Discrepancy, "never": Never},
)
optimizer_names = Registry("optimizer", "inverse_inr.optimizers", dict(optimizers.NAMES))
