"""Linear operators of sigpy, in both directions. sigpy itself is imported only by `to_sigpy`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch

from inverse_inr.compose import OnGrid, as_linear_map
from inverse_inr.domain import Grid
from inverse_inr.interoperation.arrays import natural_shape, require_adjoint, through_numpy
from inverse_inr.protocol import Operator
from inverse_inr.ranges import checked

COMPLEX = np.dtype(np.complex64)
"""Numbers that sigpy's operators take."""


@checked
def from_sigpy(linop: Any, grid: Grid) -> OnGrid:
    """Make an operator of a `sigpy.linop.Linop` that acts on images of one channel.

    Args:
        linop: The operator: its `ishape` is the grid's shape, with axes of length 1 where it
            likes.
        grid: The lattice of the image.

    Returns:
        The operator, whose natural shape is `oshape`. It computes in complex64; measurements are
        complex, also those of a real field.

    Raises:
        TypeError: `linop` is no such operator.
        ValueError: Its `ishape` is not that of the grid, or `linop.H` is not its adjoint.
    """
    name = type(linop).__name__
    if not all(hasattr(linop, word) for word in ("ishape", "oshape", "H")):
        raise TypeError(f"from_sigpy: {name} is no sigpy.linop.Linop: it has no ishape, oshape, H.")
    input_shape = tuple(int(n) for n in linop.ishape)
    output_shape = tuple(int(n) for n in linop.oshape)
    if [n for n in input_shape if n > 1] != [n for n in grid.shape if n > 1]:
        raise ValueError(
            f"from_sigpy: {name} takes images of shape {input_shape}, the grid has {grid.shape}."
        )
    back = linop.H
    require_adjoint(f"from_sigpy: {name}", linop, back, input_shape, output_shape, COMPLEX)
    seen = through_numpy(linop, back, input_shape, output_shape, COMPLEX)
    return OnGrid(seen, grid, output_shape)


@checked
def to_sigpy(operator: Operator, grid: Grid) -> Any:
    """Hand an operator to sigpy, as it sees a complex image of one channel.

    Of an affine operator this is the linear part.

    Args:
        operator: A linear or affine operator.
        grid: The lattice of the image.

    Returns:
        A `sigpy.linop.Linop` from `grid.shape` to the operator's natural shape.
    """
    linop = import_module("sigpy.linop")
    seen = as_linear_map(operator, grid, dtype=torch.complex64)
    flat = tuple(seen.offset.shape)
    shape = natural_shape(operator, seen.offset)

    class Ahead(linop.Linop):
        def __init__(self) -> None:
            super().__init__(shape, grid.shape, type(operator).__name__)

        def _apply(self, x: np.ndarray) -> np.ndarray:
            image = torch.from_numpy(np.ascontiguousarray(x)).to(seen.zeros())
            return seen(image[..., None]).reshape(shape).cpu().numpy()

        def _adjoint_linop(self) -> Any:
            return Back()

    class Back(linop.Linop):
        def __init__(self) -> None:
            super().__init__(grid.shape, shape, f"{type(operator).__name__}.H")

        def _apply(self, x: np.ndarray) -> np.ndarray:
            y = torch.from_numpy(np.ascontiguousarray(x)).to(seen.offset)
            return seen.adjoint(y.reshape(flat))[..., 0].cpu().numpy()

        def _adjoint_linop(self) -> Any:
            return Ahead()

    return Ahead()
