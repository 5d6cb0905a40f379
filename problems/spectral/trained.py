"""Tools of families taught by cubes: crops as problems of their own, and baselines to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr import Box, Grid, OnGrid, Problem, Term
from inverse_inr.fidelity import L2

Pair = tuple[Tensor, Tensor]
"""An input image (H, W, inputs) and the cube behind it (H, W, bands)."""

Make = Callable[[Tensor, Tensor], tuple[Problem, Problem]]
"""Makes a task and its target of an image and the cube behind it."""


def of_pixels(values: Tensor, ndim: int) -> Problem:
    """Make the problem whose measurements are the values of an image's pixels.

    Args:
        values: (*shape) of `ndim` axes, or (*shape, c) with channels.
        ndim: Number of axes of the field.

    Returns:
        A problem on the box from -1 to 1 along each axis, which images of every size share.
    """
    shape = tuple(values.shape[:ndim])
    channels = values.shape[ndim:].numel()
    grid = unit_grid(shape)
    y = values.reshape(-1, *values.shape[ndim:])
    return Problem(
        [Term(OnGrid(_same, grid, shape), y, L2())], grid.box, grid, channels=channels, average=1
    )


def unit_grid(shape: Sequence[int]) -> Grid:
    """Pixels that fill the box from -1 to 1 along each axis.

    Args:
        shape: Pixels along each axis.
    """
    ndim = len(shape)
    return Grid(Box((-1.0,) * ndim, (1.0,) * ndim), tuple(shape))


def _same(image: Tensor) -> Tensor:
    return image


def crops(
    pairs: Sequence[Pair],
    make: Make,
    count: int,
    crop: int,
    generator: torch.Generator,
    *,
    flips: bool,
) -> tuple[list[Problem], list[Problem]]:
    """Make problems of random crops, each of one random pair.

    Args:
        pairs: Images and cubes.
        make: Makes a task and its target of a crop of both.
        count: Number of crops.
        crop: The most pixels per axis.
        generator: The source of randomness.
        flips: Whether a crop is flipped along either axis, by chance.

    Returns:
        The tasks and their targets.
    """
    tasks, targets = [], []
    for _ in range(count):
        seen, cube = pairs[_draw(len(pairs), generator)]
        side = [min(crop, n) for n in seen.shape[:2]]
        i, j = (_draw(n - m + 1, generator) for n, m in zip(seen.shape[:2], side, strict=True))
        part = (slice(i, i + side[0]), slice(j, j + side[1]))
        turned = [axis for axis in (0, 1) if flips and _draw(2, generator)]
        task, target = make(seen[part].flip(turned), cube[part].flip(turned))
        tasks.append(task)
        targets.append(target)
    return tasks, targets


def _draw(count: int, generator: torch.Generator) -> int:
    """A random whole number from 0 to count - 1."""
    return int(torch.randint(count, (), generator=generator))


def affine_map(pairs: Sequence[Pair], seen: Tensor, ridge: float = 0.0) -> Tensor:
    """Apply the least-squares affine map from a pixel's inputs to its spectrum.

    Args:
        pairs: Images and cubes from which the map is learnt.
        seen: (H, W, inputs), the image to map.
        ridge: Damping, as a fraction of the mean diagonal of the normal matrix.

    Returns:
        (H, W, bands).
    """
    x, y = (torch.cat([p[k].reshape(-1, p[k].shape[-1]) for p in pairs]).double() for k in (0, 1))
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], -1)
    normal = x.T @ x
    normal = normal + ridge * normal.diagonal().mean() * torch.eye(len(normal), dtype=x.dtype)
    weights = torch.linalg.lstsq(normal, x.T @ y).solution
    return (seen.double() @ weights[:-1] + weights[-1]).to(seen)


def mean_spectrum_of(pairs: Sequence[Pair], shape: Sequence[int]) -> Tensor:
    """Return an image with the mean spectrum of the cubes in every pixel.

    Args:
        pairs: Images and cubes.
        shape: (H, W, ...) of the result.

    Returns:
        (H, W, bands).
    """
    spectrum = torch.stack([cube.mean((0, 1)) for _, cube in pairs]).mean(0)
    return spectrum.expand(*shape[:2], len(spectrum)).clone()
