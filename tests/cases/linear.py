"""Shared by the tests of classical methods: a small dense operator, an image and problems of it."""

import torch
from torch import Tensor

from inverse_inr.compose import OnGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import Fidelity
from inverse_inr.noise import Gaussian
from inverse_inr.problem import Problem
from inverse_inr.solver import Solution
from inverse_inr.term import Term

F64 = torch.float64
GRID = Grid(Box((0, 0), (2, 3)), (5, 6))


def dense(matrix: Tensor, grid: Grid = GRID) -> OnGrid:
    def apply(v: Tensor) -> Tensor:
        kind = v.dtype
        if matrix.is_complex():
            kind = kind.to_complex()
        return matrix.to(kind) @ v.reshape(-1).to(matrix.dtype)

    return OnGrid(apply, grid, (len(matrix),))


def random(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def blocks(grid: Grid = GRID) -> Tensor:
    image = torch.zeros(*grid.shape, 1, dtype=F64)
    image[1:4, 2:5] = 1
    return image


def problem_of(
    rows: int = 60, sigma: float = 0.05, fidelity: Fidelity | None = None, **options
) -> Problem:
    matrix = random(rows, GRID.numel)
    y = matrix @ blocks().reshape(-1) + sigma * random(rows, seed=1)
    term = Term(dense(matrix), y, fidelity or Gaussian(sigma))
    return Problem([term], box=GRID.box, grid=GRID, **options)


def image_of(solution: Solution) -> Tensor:
    return solution.sample().reshape(-1)
