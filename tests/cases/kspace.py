"""Shared by the tests of k-space: grids, fields without aliases, masks, spokes, learning coils."""

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, phantoms
from inverse_inr.operators import GivenCoils, LearnedCoils, PolynomialMaps, radial_trajectory

F64 = torch.float64
BOX = Box((-1.0, -0.7), (1.2, 0.9), ("cm", "cm"))  # off the origin, oblong
GRIDS = [Grid(BOX, (48, 40)), Grid(BOX, (49, 37))]
grids = pytest.mark.parametrize("grid", GRIDS, ids=lambda g: "x".join(map(str, g.shape)))


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def blobs(grid: Grid) -> phantoms.GaussianBlobs:
    """Blobs three pixels wide, so that no alias exceeds 1e-7."""
    offsets = torch.tensor([[-0.13, 0.1], [0.15, 0.05], [0.02, -0.16]], dtype=F64)
    place = offsets + torch.tensor(grid.box.center)
    widths = torch.full((3,), 1.5 * max(grid.spacing), dtype=F64)
    return phantoms.GaussianBlobs(place, widths, torch.tensor([1.0, 0.7, -0.4]))


def error(result: Tensor, truth: Tensor) -> float:
    return float(
        torch.linalg.vector_norm(result.detach() - truth) / torch.linalg.vector_norm(truth)
    )


def some(grid: Grid, seed: int = 0) -> Tensor:
    return torch.rand(grid.shape, generator=torch.Generator().manual_seed(seed)) > 0.5


def spokes(grid: Grid, count: int = 9) -> Tensor:
    return radial_trajectory(grid, count, 40)


def learned(grid: Grid, coils: int = 3) -> LearnedCoils:
    correction = PolynomialMaps(grid.box, coils, 2)
    maps = LearnedCoils(correction, GivenCoils(random(coils, *grid.shape, seed=5), grid))
    with torch.no_grad():
        correction.coefficients.copy_(
            torch.randn(coils, 6, 2, generator=torch.Generator().manual_seed(1))
        )
    return maps.double()
