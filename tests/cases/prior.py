"""Boxes, points and a small tomography problem that the tests of structured priors share."""

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, noise, phantoms, predict
from inverse_inr.operators import ParallelBeam

F64 = torch.float64
SQUARE = Box((-1, -1), (1, 1), ("cm", "cm"))
BOXES = [
    Box((-1.0,), (2.0,)),
    Box((0.0, -0.1), (1.0, 2.9), ("mm", "mm")),
    Box((0.0, 0.0, 400.0), (2.0, 1.0, 700.0), ("mm", "mm", "nm")),
]
FOUR = Box((0, 0, 0, 0), (2, 1, 3, 1), ("mm", "mm", "nm", "s"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(box: Box, count: int = 500, dtype: torch.dtype = torch.float32) -> Tensor:
    return box.random_points(count, dtype=dtype, generator=seeded(3))


def ct(views: int = 12, size: int = 24) -> Problem:
    grid = Grid(SQUARE, (size, size))
    truth = phantoms.shepp_logan(SQUARE)
    operator = ParallelBeam(SQUARE, angles=torch.arange(views) * torch.pi / views, detectors=size)
    y = noise.Gaussian(0.01).sample(predict(operator, truth), generator=seeded())
    return Problem(
        [Term(operator, y, noise.Gaussian(0.01))], box=SQUARE, grid=grid, reference=truth
    )
