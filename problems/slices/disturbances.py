"""Random motion and defects of simulated slices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.operators.slices.geometry import Slices


def walk(
    order: Tensor,
    degrees: float,
    distance: float,
    correlation: float,
    generator: torch.Generator,
) -> Tensor:
    """A smooth random walk of the subject over all slices, whose mean is taken off.

    Args:
        order: (n,), the numbers of the slices in the order of their acquisition.
        degrees: Largest angle in degrees.
        distance: Largest shift in mm.
        correlation: Standard deviation of the smoothing Gaussian, in slices.
        generator: The source of random numbers.

    Returns:
        (n, 6) float64: rotation vector in radians and translation in mm of each slice.
    """
    from scipy.ndimage import gaussian_filter1d

    steps = torch.randn(len(order), 6, generator=generator, dtype=torch.float64)
    smooth = gaussian_filter1d(steps.cumsum(0).numpy(), correlation, axis=0, mode="nearest")
    path = torch.from_numpy(smooth)
    path = path - path.mean(0)
    turn, shift = path[:, :3], path[:, 3:]
    scaled = [
        math.radians(degrees) * turn / _largest(turn),
        distance * shift / _largest(shift),
    ]
    return torch.empty_like(path).index_copy_(0, order, torch.cat(scaled, -1))


def _largest(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1).max().clamp(min=1e-12)


def jumps(count: int, generator: torch.Generator) -> Tensor:
    """Sudden motions of 15 to 30 degrees and 10 to 20 mm in random directions.

    Args:
        count: The number of slices.
        generator: The source of random numbers.

    Returns:
        (count, 6) float64: rotation vector in radians and translation in mm.
    """

    def directions() -> Tensor:
        return torch.nn.functional.normalize(
            torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1
        )

    size = torch.rand(2, count, 1, generator=generator, dtype=torch.float64)
    return torch.cat(
        [torch.deg2rad(15 + 15 * size[0]) * directions(), (10 + 10 * size[1]) * directions()], -1
    )


def choose(count: int, fraction: float, generator: torch.Generator) -> Tensor:
    """A random choice of slices.

    Args:
        count: The number of slices.
        fraction: The part of them that is chosen, rounded to whole slices.
        generator: The source of random numbers.

    Returns:
        (count,) boolean, True where chosen.
    """
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=generator)[: round(fraction * count)]] = True
    return chosen


def bias(box: Box, slices: Slices, size: float, generator: torch.Generator) -> Tensor:
    """A smooth factor for each stack: exp of a random cubic, whose mean over stacks is zero.

    Args:
        box: The box of the volume in mm.
        slices: The slices at their nominal poses.
        size: Standard deviation of the log of the factor; 0 for none.
        generator: The source of random numbers.

    Returns:
        (pixels,), the factor of each pixel.
    """
    stacks = int(slices.stack.max()) + 1
    if not size:
        return torch.ones(len(slices.index))
    probe = SliceAcquisition(box, slices, nodes=8, bias=3)
    coefficients = torch.randn(
        stacks, probe.basis.shape[1], generator=generator, dtype=torch.float64
    )
    coefficients = (coefficients - coefficients.mean(0))[slices.stack[slices.index]]
    field = (probe.basis * coefficients).sum(-1)
    return torch.exp(size * field / field.std()).float()


def voids(slices: Slices, which: Tensor, generator: torch.Generator) -> Tensor:
    """Signal voids: a factor 1 - a exp(-½ |ellipse|²) in the chosen slices.

    Args:
        slices: The slices.
        which: (slices,) boolean, the slices with a void.
        generator: The source of random numbers.

    Returns:
        (pixels,), the factor of each pixel.
    """
    n = len(slices.poses)
    reach = float(slices.positions.abs().max())
    middle = 0.5 * reach * (2 * torch.rand(n, 2, generator=generator) - 1)
    width = reach * (0.1 + 0.2 * torch.rand(n, 2, generator=generator))
    depth = 0.5 + 0.5 * torch.rand(n, generator=generator)
    scaled = (slices.positions - middle[slices.index]) / width[slices.index]
    return 1 - (depth * which)[slices.index] * torch.exp(-0.5 * scaled.square().sum(-1)).float()
