"""The optional methods of a fidelity, asked for safely: its rows, and its least squares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr.kernels.linear import ArrayMap

Fidelity = Callable[[Tensor, Tensor], Tensor]
"""A callable (prediction, y) -> scalar, a mean over measurements."""


def at_rows(fidelity: Fidelity, rows: Tensor) -> Fidelity:
    """Restrict a fidelity to some rows.

    Args:
        fidelity: Any fidelity. One whose parameters differ from row to row picks them by its
            method `at` (hooks.PicksRows).
        rows: (b,) indices of the measurements.

    Returns:
        The fidelity of these rows' predictions and measurements.
    """
    pick = getattr(fidelity, "at", None)
    if pick is None:
        return fidelity
    return pick(rows)


def least_squares(fidelity: Fidelity, y: Tensor) -> tuple[Tensor, Tensor]:
    """Name the weighted least-squares problem that stands in for a fidelity.

    Args:
        fidelity: Any fidelity. One may answer by a method `least_squares` of its own
            (hooks.HasLeastSquares); every other is replaced by plain least squares.
        y: (rows, *m) measurements.

    Returns:
        The target and the precision, (rows, *m) each: ½ precision |A f - target|² stands in for D.
    """
    own = getattr(fidelity, "least_squares", None)
    if own is not None:
        return own(y)
    return y, torch.ones(y.shape, dtype=y.dtype.to_real(), device=y.device)


def decorrelated(fidelity: Fidelity, rows: Tensor) -> tuple[ArrayMap | None, Fidelity]:
    """Take a fidelity apart into a linear map of the measurements and one without correlations.

    Args:
        fidelity: Any fidelity. One whose noise is correlated within a row says so by a method
            `decorrelated` of its own (hooks.Decorrelates).
        rows: (b,) indices of the measurements.

    Returns:
        The map (b, *m) -> (b, *m), None where nothing is correlated, and the fidelity of what it
        gives.
    """
    here = at_rows(fidelity, rows)
    own = getattr(here, "decorrelated", None)
    if own is None:
        return None, here
    return own()
