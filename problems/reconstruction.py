"""Arrays in, arrays out: what a call for people in a hurry returns, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from inverse_inr import Problem, Solution, solve


@dataclass(frozen=True)
class Reconstruction:
    """An image, with the solution that it is sampled from.

    Args:
        image: (*pixels) or (*pixels, channels) float32, in the unit of the input.
        solution: The solution: its field can be asked anywhere.
    """

    image: np.ndarray
    solution: Solution

    @property
    def problem(self) -> Problem:
        """The problem that was solved; `problem.notes` says what was inferred."""
        return self.solution.problem

    def __str__(self) -> str:
        return self.solution.report()


def reconstructed(problem: Problem, scale: float = 1.0, **solving: Any) -> Reconstruction:
    """Solve a problem and sample its image.

    Args:
        problem: The problem.
        scale: Factor from the problem's values to those of the input.
        **solving: Keywords of `solve`. Without any, `solve` decides between priors and classical
            methods by held-out measurements.

    Returns:
        The image and the solution.
    """
    solution = solve(problem, **solving)
    image = solution.image()
    if image.shape[-1] == 1:
        image = image[..., 0]
    return Reconstruction((scale * image).detach().cpu().numpy(), solution)


def as_tensor(name: str, values: ArrayLike | Tensor) -> Tensor:
    """Take whatever numpy takes as a tensor of its own precision.

    Args:
        name: The argument, for messages.
        values: Numbers: an array, a tensor, lists, an xarray, a PIL image.

    Returns:
        The tensor, on the CPU.

    Raises:
        TypeError: These are no numbers.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        return torch.from_numpy(np.ascontiguousarray(values))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: {type(values).__name__} is no array of numbers: {error}"
        ) from None
