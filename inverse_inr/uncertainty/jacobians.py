"""Derivatives of predictions and of pixels in the parameters of a field, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.fidelity import decorrelated, least_squares
from inverse_inr.protocol import evaluating, predict
from inverse_inr.solver import Solution

NUMBERS = 2**24
"""Numbers of the derivatives that are computed at once."""


def measured(
    solution: Solution,
    field: nn.Module,
    parameters: Sequence[Tensor],
    rows: Sequence[Tensor],
    most: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Differentiate predictions of measurements.

    Args:
        solution: The fit, whose problem says what was measured.
        field: What the predictions are of.
        parameters: What they are differentiated in, p numbers.
        rows: For each term, the measurements.
        most: The most of them that are used.
        seed: Decides which, where there are more.

    Returns:
        Derivatives (m, p) and residuals (m,), in units of the noise.

    Raises:
        OutOfMemoryError: The derivatives do not fit the memory at hand.
    """
    generator = torch.Generator().manual_seed(seed)
    total = sum(len(some) for some in rows)
    share = min(1.0, most / max(total, 1))
    size = sum(p.numel() for p in parameters)
    memory.require(
        f"linearised: derivatives of {min(total, most)} measurements in {size} parameters",
        8.0 * min(total, most) * size,
        "Fewer rows, or parameters='last'.",
    )
    jacobians, residuals = [], []
    for k, some in enumerate(rows):
        if share < 1:
            count = max(1, round(share * len(some)))
            some = some[torch.randperm(len(some), generator=generator)[:count].to(some.device)]
        for predicted, residual in _whitened(solution, field, k, some, at_once(parameters)):
            jacobians.append(jacobian_rows(predicted, parameters))
            residuals.append(residual)
    # each row that was drawn counts for those that were not
    return torch.cat(jacobians) / math.sqrt(share), torch.cat(residuals).double()


def _whitened(
    solution: Solution, field: nn.Module, k: int, rows: Tensor, most_at_once: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Predictions, recorded, and residuals of rows of term k, flat, in units of the noise."""
    term = solution.problem.terms[k]
    for some in rows.split(most_at_once):
        whiten, fidelity = decorrelated(term.fidelity, some)
        with torch.enable_grad(), evaluating(term.operator):
            predicted = predict(term.operator, field, some)
            if whiten is None:
                target, precision = (v[some] for v in least_squares(fidelity, term.y))
            else:
                predicted = whiten(predicted)
                target, precision = least_squares(fidelity, whiten(term.y[some]))
            scale = precision.to(term.y.dtype.to_real()).sqrt()
            values = in_reals(scale * predicted).flatten()
        yield values, in_reals(scale * target).flatten() - values.detach()


def in_reals(values: Tensor) -> Tensor:
    """Give complex values as pairs on a further axis."""
    if values.is_complex():
        return torch.view_as_real(values)
    return values


def at_once(parameters: Sequence[Tensor]) -> int:
    """Count the values that are differentiated together."""
    return max(1, min(64, NUMBERS // max(1, sum(p.numel() for p in parameters))))


def jacobian_rows(values: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Compute the derivatives of recorded values (n,) in all parameters: (n, p)."""
    rows = []
    for k in range(len(values)):
        parts = torch.autograd.grad(
            values[k],
            parameters,
            retain_graph=k + 1 < len(values),
            allow_unused=True,
            materialize_grads=True,
        )
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)
