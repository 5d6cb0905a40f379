"""Small problems of one family: smooth bumps at random places, seen on a grid."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from inverse_inr import Box, Grid, OnGrid, Problem, Term, sample
from inverse_inr.families import Family, MetaLearned
from inverse_inr.fidelity import L2

BOX = Box((-1.0, -1.0), (1.0, 1.0))
GRID = Grid(BOX, (10, 10))
SMALL = {"width": 16, "depth": 2, "omega0": 8.0}

Kind = TypeVar("Kind", bound=Family)


def same(image: Tensor) -> Tensor:
    """The identity, as a map of images."""
    return image


def bump_problem(seed: int, ndim: int = 2, box: Box | None = None) -> Problem:
    """A bump at a random place, measured pixel by pixel.

    Args:
        seed: Of the place.
        ndim: Number of axes.
        box: The box; (-1, 1) on each axis if None.
    """
    if box is None:
        box = Box((-1.0,) * ndim, (1.0,) * ndim)
    grid = Grid(box, (10,) * ndim)
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(ndim, generator=generator) - 0.5

    def bump(points: Tensor) -> Tensor:
        gap = box.normalize(points) - center.to(points)
        return torch.exp(-6 * gap.square().sum(-1, keepdim=True))

    y = sample(bump, grid).reshape(-1)
    term = Term(OnGrid(same, grid, grid.shape), y, L2())
    return Problem([term], box, grid, reference=bump, average=1)


def bump_problems(count: int) -> list[Problem]:
    """Several bumps."""
    return [bump_problem(seed) for seed in range(count)]


def small(kind: type[Kind], **options: object) -> Kind:
    """A family of a small SIREN."""
    return kind("siren", SMALL, **options)  # pyright: ignore[reportArgumentType]


def trained(steps: int = 2) -> MetaLearned:
    """A family that has seen a little."""
    from inverse_inr.families import train

    return train(small(MetaLearned), bump_problems(4), steps=steps, callbacks=[])
