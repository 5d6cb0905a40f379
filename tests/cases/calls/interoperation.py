"""Calls that work of operators from other libraries, by objects of their form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases.calls.components import GRID
from cases.calls.judge import Good
from scipy.sparse import identity

from inverse_inr import interoperation as other
from inverse_inr import predict


class Halved(torch.nn.Module):
    """A physics of deepinv's form."""

    def A(self, x):  # noqa: N802
        return 0.5 * x


class Tuple(torch.nn.Module):
    """An operator of mrpro's form."""

    def forward(self, x):
        return (2.0 * x,)


class Network(torch.nn.Module):
    """A network of tiny-cuda-nn's form."""

    n_input_dims = GRID.ndim
    n_output_dims = 1

    def forward(self, x):
        return x[:, :1]


class Image:
    """An image of TorchIO's form."""

    data = torch.ones(1, 4, 3, 2)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])


class Linop:
    """An operator of sigpy's form, the identity."""

    ishape = GRID.shape
    oshape = GRID.shape

    @property
    def H(self):  # noqa: N802
        return self

    def __call__(self, x):
        return np.asarray(x)


def _seen(operator) -> torch.Tensor:
    found = predict(operator, lambda points: points[..., :1])
    return torch.view_as_real(found) if found.is_complex() else found


def _interoperation() -> list[Good]:
    matrix = identity(GRID.numel, format="csr")
    mine = other.from_linear_operator(matrix, GRID)
    return [
        Good(
            "from_linear_operator",
            other.from_linear_operator,
            {"linear": matrix, "grid": GRID, "shape": GRID.shape, "channels": 1},
            _seen,
        ),
        Good(
            "to_linear_operator",
            other.to_linear_operator,
            {"operator": mine, "grid": GRID, "channels": 1, "dtype": torch.float64},
            lambda found: torch.from_numpy(found @ np.ones(GRID.numel)),
            names=("as_linear_map", "OnGrid", "Grid"),
        ),
        Good(
            "from_deepinv",
            other.from_deepinv,
            {"physics": Halved(), "grid": GRID, "channels": 1},
            _seen,
            names=("Grid",),
        ),
        Good("from_mrpro", other.from_mrpro, {"operator": Tuple(), "grid": GRID}, _seen),
        Good("from_sigpy", other.from_sigpy, {"linop": Linop(), "grid": GRID}, _seen),
        Good("from_torchio", other.from_torchio, {"image": Image()}, lambda found: found[0]),
        Good(
            "from_tinycudann",
            other.from_tinycudann,
            {"network": Network(), "box": GRID.box},
            lambda field: field(GRID.points()),
            names=("TinyCudaField",),
        ),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {"interoperation": _interoperation}
