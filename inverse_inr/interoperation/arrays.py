"""Tensors seen as numpy arrays by another library's map, and the test that it has an adjoint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from inverse_inr.hooks import Shaped
from inverse_inr.kernels.linear import ArrayMap, with_adjoint
from inverse_inr.protocol import Operator

NumpyMap = Callable[[np.ndarray], np.ndarray]
"""A map of one numpy array to another."""

TOLERANCE = 1e-4
"""Relative difference of ⟨A x, y⟩ and ⟨x, A* y⟩ above which a map in single precision has no
adjoint: rounding leaves less than 1e-5."""


def natural_shape(operator: Operator, measured: Tensor) -> tuple[int, ...]:
    """The natural shape of an operator's measurements, those within a row included.

    Args:
        operator: The operator; one without a shape has its rows in a line.
        measured: (rows, *m) measurements.
    """
    shape = (len(operator),)
    if isinstance(operator, Shaped):
        shape = tuple(operator.shape)
    return (*shape, *measured.shape[1:])


def through_numpy(
    forward: NumpyMap,
    backward: NumpyMap,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    dtype: np.dtype,
) -> ArrayMap:
    """Make a map of tensors, known to autograd, from a linear map of numpy arrays and its adjoint.

    Args:
        forward: The map from `input_shape` to `output_shape`.
        backward: Its conjugate transpose.
        input_shape: Shape that the map takes; tensors of as many numbers are laid out so.
        output_shape: Shape of the result.
        dtype: Numbers that the map takes.

    Returns:
        The map. Its result has the tensor's precision and device. Where a real image has complex
        measurements, the adjoint is that of real numbers: the real part.
    """

    def applied(x: Tensor, function: NumpyMap, into: tuple[int, ...], out: tuple[int, ...]):
        array = x.detach().cpu().numpy().reshape(into)
        if dtype.kind == "c" or not x.is_complex():
            array = array.astype(dtype, copy=False)
        found = torch.from_numpy(np.ascontiguousarray(function(array))).reshape(out)
        precision = x.dtype.to_real()
        if found.is_complex():
            precision = precision.to_complex()
        return found.to(x.device, precision)

    def measured(image: Tensor) -> Tensor:
        shape, real = image.shape, not image.is_complex()

        def adjoint(y: Tensor) -> Tensor:
            back = applied(y, backward, output_shape, tuple(shape))
            if real and back.is_complex():
                return back.real
            return back

        def ahead(x: Tensor) -> Tensor:
            return applied(x, forward, input_shape, output_shape)

        return with_adjoint(ahead, adjoint)(image)

    return measured


def require_adjoint(
    name: str,
    forward: NumpyMap,
    backward: NumpyMap,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    dtype: np.dtype,
) -> None:
    """Refuse a map whose adjoint is another map's: ⟨A x, y⟩ must be ⟨x, A* y⟩.

    Args:
        name: The map, for the message.
        forward: The map.
        backward: What is said to be its conjugate transpose.
        input_shape: Shape that the map takes.
        output_shape: Shape of its result.
        dtype: Numbers that the map takes.

    Raises:
        ValueError: A result has another shape, or the two products differ.
    """
    random = np.random.default_rng(0)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        values = random.standard_normal(shape)
        if dtype.kind == "c":
            values = values + 1j * random.standard_normal(shape)
        return values.astype(dtype)

    x = draw(input_shape)
    y = draw(output_shape)
    there = np.asarray(forward(x))
    back = np.asarray(backward(y))
    for said, found, wanted in (("result", there, output_shape), ("adjoint", back, input_shape)):
        if found.size != int(np.prod(wanted)):
            raise ValueError(f"{name}: its {said} has shape {found.shape}, not {wanted}.")
    left = complex(np.vdot(y.ravel(), there.ravel()))
    right = complex(np.vdot(back.ravel(), x.ravel()))
    size = np.linalg.norm(there) * np.linalg.norm(y) + np.linalg.norm(back) * np.linalg.norm(x)
    if not abs(left - right) <= TOLERANCE * size:
        raise ValueError(
            f"{name}: <A x, y> = {left:.6g} but <x, A* y> = {right:.6g} for random x and y: "
            "its adjoint is not that of its forward map. A transpose without conjugation?"
        )
