"""A projection as a problem."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Problem, Suggestion, Term, noise
from inverse_inr_abel.operator import AbelTransform
from inverse_inr_abel.regularizer import Rising


def abel(
    path: str | None = None,
    *,
    radius: float = 1.0,
    noise_level: float = 0.01,
    size: int = 100,
    seed: int = 0,
) -> Problem:
    """Find a density of the radius from one projection.

    Args:
        path: A text file of two columns, distance from the axis and projection; None for a
            simulated flame.
        radius: The radius outside which there is nothing, in the unit of the distances.
        noise_level: Standard deviation of the noise, relative to the largest projection.
        size: Samples of the radius in figures and files.
        seed: Seed of the simulated noise.

    Returns:
        The problem, with its reference if it is simulated.

    Raises:
        ValueError: The file does not hold two columns of finite numbers.
    """
    box = Box((0.0,), (radius,))
    reference: Field | None = None
    if path is None:
        distances = torch.linspace(0, 0.98 * radius, 50, dtype=torch.float64)

        def flame(points: Tensor) -> Tensor:
            return torch.exp(-((points / (0.4 * radius)) ** 2))

        reference = flame
        operator = AbelTransform(distances, radius)
        points, measure = operator(torch.arange(len(operator)))
        exact = measure(flame(points)).float()
        model = noise.Gaussian(noise_level * float(exact.max()))
        y = model.sample(exact, torch.Generator().manual_seed(seed))
    else:
        columns = np.loadtxt(path, ndmin=2)
        if columns.shape[1] != 2 or not np.isfinite(columns).all():
            raise ValueError(f"{path}: expected two columns of numbers, found {columns.shape}.")
        operator = AbelTransform(torch.from_numpy(columns[:, 0]), radius)
        y = torch.from_numpy(columns[:, 1]).float()
        model = noise.Gaussian(noise_level * float(y.abs().max()))
    suggested = Suggestion(
        prior="even_chebyshev", options={"degree": 5}, regularizers=(0.1 * Rising(),), steps=1000
    )
    return Problem(
        [Term(operator, y, model)],
        box,
        Grid(box, (size,)),
        reference=reference,
        suggested=suggested,
    )
