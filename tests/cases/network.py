"""Shared by the tests of networks: points in a square, and every prior with a low bandwidth."""

import torch
from torch import Tensor, nn

from inverse_inr import priors
from inverse_inr.domain import Box
from inverse_inr.priors import Prior

F64 = torch.float64
BOX = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
SMALL = {
    "cosmo": {"width": 24, "depth": 2, "omega0": 0.05},
    "deformed": {"at_rest": "siren", "width": 16},
    "finer_plus": {"omega0": 6.0, "scale0": 1.0},
    "grid": {"cells": 9.0},
}


def make(name: str, **options) -> Prior:
    """A prior of low bandwidth whose tables are filled.

    Finite differences can then check its derivatives.
    """
    prior = priors.create(name, BOX, **{"bandwidth": 3.0, **SMALL.get(name, {}), **options})
    if name == "grid":
        nn.init.normal_(next(prior.parameters()), generator=torch.Generator().manual_seed(1))
    return prior


def points(count: int = 40, dtype: torch.dtype = torch.float32) -> Tensor:
    return 0.9 * BOX.random_points(count, dtype=dtype, generator=torch.Generator().manual_seed(3))
