"""What networks trained on cubes share: random crops, a falling rate, and the linear map that they must beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from inverse_inr.optimizers import Several, descend

Pair = tuple[Tensor, Tensor]
"""What is seen (H, W, inputs) and the cube behind it (H, W, bands)."""


def draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def crops(
    pairs: Sequence[Pair], steps: int, crop: int, generator: torch.Generator
) -> Iterator[Pair]:
    """`steps` random crops of at most `crop` pixels a side, each of one pair."""
    for _ in range(steps):
        seen, cube = pairs[draw(len(pairs), generator)]
        side = [min(crop, n) for n in seen.shape[:2]]
        i, j = (draw(n - m + 1, generator) for n, m in zip(seen.shape[:2], side, strict=True))
        part = slice(i, i + side[0]), slice(j, j + side[1])
        yield seen[part], cube[part]


def learn_from(
    model: nn.Module,
    examples: Iterator[Pair],
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    lr: float,
) -> None:
    """Adam on one example a step, with a cosine schedule down to a hundredth of `lr`; leaves the model in eval mode."""
    adam = Several(
        [torch.optim.Adam(model.parameters(), lr=lr)],
        lambda t: 0.5 * (1.02 + math.cos(math.pi * t)),
    )
    descend(adam, lambda: loss(*next(examples)), (step / steps for step in range(steps)))
    model.eval()


def root_mean_square(found: Tensor, cube: Tensor) -> Tensor:
    return (found - cube).square().mean().sqrt()


def affine_map(pairs: Sequence[Pair], seen: Tensor, ridge: float = 0.0) -> Tensor:
    """The least-squares affine map from a pixel's inputs to its spectrum, applied to `seen`: (H, W, bands)."""
    x, y = (torch.cat([p[k].reshape(-1, p[k].shape[-1]) for p in pairs]).double() for k in (0, 1))
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], -1)
    normal = x.T @ x
    normal = normal + ridge * normal.diagonal().mean() * torch.eye(len(normal), dtype=x.dtype)
    weights = torch.linalg.lstsq(normal, x.T @ y).solution
    return (seen.double() @ weights[:-1] + weights[-1]).to(seen)


def mean_spectrum_of(pairs: Sequence[Pair], shape: Sequence[int]) -> Tensor:
    """The mean spectrum of the cubes in every pixel of `shape`: (H, W, bands)."""
    spectrum = torch.stack([cube.mean((0, 1)) for _, cube in pairs]).mean(0)
    return spectrum.expand(*shape[:2], len(spectrum)).clone()
