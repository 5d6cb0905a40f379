"""The optimisers by name."""

from __future__ import annotations

from collections.abc import Callable

from inverse_inr.optimizers.first_order import LBFGS, Adam, Muon
from inverse_inr.optimizers.gauss_newton import GaussNewton, LevenbergMarquardt
from inverse_inr.optimizers.projection import Projection, VariableProjection
from inverse_inr.optimizers.several import Several

Optimizer = Adam | Muon | LBFGS | GaussNewton | VariableProjection
"""Any of the optimisers here."""

Stepper = Several | LevenbergMarquardt | Projection
"""What an optimiser builds: it takes the steps."""

NAMES: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "muon": Muon,
    "lbfgs": LBFGS,
    "gauss-newton": GaussNewton,
    "variable-projection": VariableProjection,
}
"""The optimisers by the names that configurations use."""
