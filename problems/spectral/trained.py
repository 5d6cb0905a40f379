"""Tools of networks trained on cubes: random crops, a falling rate, and baselines to beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from inverse_inr.optimizers import Several, descend

Pair = tuple[Tensor, Tensor]
"""An input image (H, W, inputs) and the cube behind it (H, W, bands)."""


def draw(count: int, generator: torch.Generator) -> int:
    """Return a random whole number from 0 to count - 1.

    Args:
        count: At least 1.
        generator: The source of randomness.
    """
    return int(torch.randint(count, (), generator=generator))


def crops(
    pairs: Sequence[Pair], steps: int, crop: int, generator: torch.Generator
) -> Iterator[Pair]:
    """Yield random crops, each from one random pair.

    Args:
        pairs: Images and cubes.
        steps: Number of crops.
        crop: The most pixels per axis.
        generator: The source of randomness.
    """
    for _ in range(steps):
        seen, cube = pairs[draw(len(pairs), generator)]
        side = [min(crop, n) for n in seen.shape[:2]]
        i, j = (draw(n - m + 1, generator) for n, m in zip(seen.shape[:2], side, strict=True))
        part = (slice(i, i + side[0]), slice(j, j + side[1]))
        yield seen[part], cube[part]


def learn_from(
    model: nn.Module,
    examples: Iterator[Pair],
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    lr: float,
) -> None:
    """Train by Adam on one example per step, and leave the model in eval mode.

    Args:
        model: The network.
        examples: At least `steps` pairs.
        loss: Maps an image and a cube to a scalar.
        steps: Number of steps.
        lr: Learning rate at the start. It falls to a hundredth along a cosine.
    """
    adam = Several(
        [torch.optim.Adam(model.parameters(), lr=lr)],
        lambda t: 0.5 * (1.02 + math.cos(math.pi * t)),
    )
    descend(adam, lambda: loss(*next(examples)), (step / steps for step in range(steps)))
    model.eval()


def root_mean_square(found: Tensor, cube: Tensor) -> Tensor:
    """Return the root mean squared difference, a scalar in the unit of the cube.

    Args:
        found: (H, W, bands).
        cube: (H, W, bands).
    """
    return (found - cube).square().mean().sqrt()


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
