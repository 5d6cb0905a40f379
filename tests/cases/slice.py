"""Shared by the tests of slices: slices anywhere in a box, slices of one stack, a Gaussian."""

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators import Slices
from inverse_inr.operators.rigid import rigid

F64 = torch.float64
BOX = Box((-12.0, -10.0, -9.0), (12.0, 10.0, 9.0), ("mm", "mm", "mm"))
SIZES = (1.0, 1.5, 3.0)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def slices(count: int = 4, shape: tuple[int, int] = (5, 4), seed: int = 0) -> Slices:
    poses = rigid(random(count, 3, seed=seed), 2 * random(count, 3, seed=seed + 1))
    return Slices.of_stack(poses, shape, SIZES[:2], SIZES[2])


def two_stacks() -> Slices:
    return Slices.join([slices(3), slices(2, (3, 6), seed=5)])


def parallel(count: int, normal: Tensor) -> Slices:
    """Slices every 3 mm along a normal."""
    turn = rigid(normal, torch.zeros(3, dtype=F64))
    places = 3.0 * (torch.arange(count, dtype=F64) - 0.5 * (count - 1))
    poses = turn.repeat(count, 1, 1)
    poses[:, :3, 3] = places[:, None] * turn[:3, 2]
    return Slices.of_stack(poses, (4, 3), SIZES[:2], SIZES[2])


def blob(covariance: Tensor, middle: Tensor):
    def field(x: Tensor) -> Tensor:
        d = x - middle
        return torch.exp(
            -0.5 * torch.einsum("...i,ij,...j->...", d, torch.linalg.inv(covariance), d)
        )[..., None]

    return field
