"""The optimisers by name."""

from __future__ import annotations

from collections.abc import Callable

from inverse_inr.optimizers.first_order import LBFGS, Adam, Muon
from inverse_inr.optimizers.gauss_newton import GaussNewton

Optimizer = Adam | Muon | LBFGS | GaussNewton
"""Any of the optimisers here."""

NAMES: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "muon": Muon,
    "lbfgs": LBFGS,
    "gauss-newton": GaussNewton,
}
"""The optimisers by the names that configurations use."""
