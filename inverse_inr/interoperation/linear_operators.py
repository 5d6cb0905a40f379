"""Linear operators of scipy, PyLops and ODL's scipy face, in both directions."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.compose import OnGrid, as_linear_map
from inverse_inr.domain import Grid
from inverse_inr.interoperation.arrays import require_adjoint, through_numpy
from inverse_inr.protocol import Operator
from inverse_inr.ranges import Count, checked

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

SCIPY = "scipy.sparse.linalg"


def _laid_out(vector: np.ndarray, like: Tensor) -> Tensor:
    """A vector as a tensor with the shape, precision and device of another."""
    return torch.from_numpy(np.ascontiguousarray(vector)).to(like).reshape(like.shape)


@checked
def from_linear_operator(
    linear: Any, grid: Grid, *, shape: tuple[Count, ...] | None = None, channels: Count = 1
) -> OnGrid:
    """Make an operator of a matrix or of a linear operator that acts on a flattened image.

    The image is flattened as numpy does it: (*grid.shape, channels), the last axis fastest.

    Args:
        linear: A `scipy.sparse.linalg.LinearOperator`, a sparse or dense matrix, or whatever has
            `shape`, `dtype`, `matvec` and `rmatvec`: PyLops, `odl.as_scipy_operator`.
        grid: The lattice of the image.
        shape: Natural shape of the measurements; default: PyLops's `dimsd`, else (rows,).
        channels: Number of channels of the image.

    Returns:
        The operator, which computes in the precision of `linear`.

    Raises:
        TypeError: `linear` is no such thing.
        ValueError: Its shape does not fit the grid or `shape`, or its `rmatvec` is not the
            conjugate transpose of its `matvec`.

    Example:
        >>> from scipy.sparse import identity
        >>> from inverse_inr import Box, predict
        >>> grid = Grid(Box((0.0, 0.0), (2.0, 3.0)), (2, 3))
        >>> operator = from_linear_operator(2.0 * identity(6, format="csr"), grid, shape=(2, 3))
        >>> predict(operator, lambda points: points[..., :1])
        tensor([1., 1., 1., 3., 3., 3.])
    """
    name = type(linear).__name__
    matvec, rmatvec, dtype = _maps(linear)
    rows, columns = (int(n) for n in linear.shape)
    pixels = grid.numel * channels
    if columns != pixels:
        raise ValueError(
            f"from_linear_operator: {name} of shape {(rows, columns)} takes {columns} numbers, "
            f"but an image on {grid.shape} pixels with channels={channels} has {pixels}. "
            "Another grid, or several channels?"
        )
    if shape is None:
        shape = tuple(int(n) for n in getattr(linear, "dimsd", (rows,)))
    if math.prod(shape) != rows:
        raise ValueError(
            f"from_linear_operator: {name} gives {rows} measurements, shape={shape} has "
            f"{math.prod(shape)}."
        )
    require_adjoint(f"from_linear_operator: {name}", matvec, rmatvec, (columns,), (rows,), dtype)
    flat = through_numpy(matvec, rmatvec, (columns,), (rows,), dtype)
    return OnGrid(lambda image: flat(image).reshape(shape), grid, shape)


def _maps(linear: Any) -> tuple[Any, Any, np.dtype]:
    """The map, its adjoint, and the numbers that they take."""
    if not hasattr(linear, "matvec"):
        try:
            linear = import_module(SCIPY).aslinearoperator(linear)
        except TypeError:
            raise TypeError(
                f"from_linear_operator: {type(linear).__name__} is neither a matrix nor a linear "
                "operator with shape, matvec and rmatvec."
            ) from None
    dtype = np.dtype(linear.dtype or np.float64)
    if dtype.kind not in "fc":
        dtype = np.dtype(np.float64)
    return linear.matvec, linear.rmatvec, dtype


@checked
def to_linear_operator(
    operator: Operator,
    grid: Grid,
    *,
    channels: Count = 1,
    dtype: torch.dtype = torch.float64,
) -> LinearOperator:
    """Hand an operator to scipy or PyLops, as it sees an image sampled on a grid.

    Of an affine operator this is the linear part.

    Args:
        operator: A linear or affine operator.
        grid: The lattice of the image.
        channels: Number of channels of the image.
        dtype: Precision of the images, real or complex.

    Returns:
        An operator on flattened images, (rows · m, pixels · channels); PyLops takes it by
        `pylops.aslinearoperator`.

    Raises:
        ValueError: The measurements are complex and the images real.
    """
    seen = as_linear_map(operator, grid, channels=channels, dtype=dtype)
    if seen.offset.is_complex() and not dtype.is_complex:
        raise ValueError(
            f"to_linear_operator: {type(operator).__name__} measures complex numbers; "
            f"a linear map of real images to them is none of complex numbers. "
            f"Pass dtype=torch.{str(dtype.to_complex()).removeprefix('torch.')}."
        )
    image = seen.zeros()

    def matvec(x: np.ndarray) -> np.ndarray:
        return seen(_laid_out(x, image)).flatten().cpu().numpy()

    def rmatvec(y: np.ndarray) -> np.ndarray:
        return seen.adjoint(_laid_out(y, seen.offset)).flatten().cpu().numpy()

    return import_module(SCIPY).LinearOperator(
        shape=(seen.offset.numel(), image.numel()),
        matvec=matvec,
        rmatvec=rmatvec,
        dtype=image.flatten()[:0].cpu().numpy().dtype,
    )
