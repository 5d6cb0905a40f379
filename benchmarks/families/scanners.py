"""Two instruments on a small grid, and the generated truths that they measure."""

from __future__ import annotations

import math

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import noise, operators, phantoms
from inverse_inr.fidelity import L2

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
NOISE = 0.005
"""Deviation of the noise, relative to the largest line integral or to a pixel of value 1."""


def head(generator: torch.Generator) -> phantoms.Ellipsoids:
    """A head of Shepp and Logan's ten ellipses, each moved, turned, stretched and changed a little.

    Args:
        generator: Source of the random numbers.
    """
    mean = phantoms.shepp_logan(BOX)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    count = len(mean.values)
    whole = 0.05 * normal(1, 2)  # the whole head moves, and its ellipses within it
    turn = 0.1 * normal(1) + 0.1 * normal(count)
    c, s = turn.cos(), turn.sin()
    rotation = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    stretch = (0.05 * normal(1, 2) + 0.1 * normal(count, 2)).exp()
    inner = torch.ones(count, 1, dtype=torch.float64)
    inner[:2] = 0.0  # skull and brain stay one in the other
    stretch[:2] = stretch[:1]
    rotation[:2] = rotation[:1]
    return phantoms.Ellipsoids(
        mean.centers + whole + 0.03 * inner * normal(count, 2),
        mean.semi_axes * stretch,
        rotation @ mean.rotations,
        mean.values * (0.2 * inner[:, 0] * normal(count)).exp(),
    )


def blobs(seed: int) -> phantoms.GaussianBlobs:
    """A phantom of another kind: twelve smooth blobs."""
    return phantoms.gaussian_blobs(BOX, count=12, width=0.08, seed=seed)


class Scanner:
    """An instrument on a grid, and the problems that it measures."""

    grid: ii.Grid
    operator: ii.OnGrid

    def mean(self, truth: phantoms.Ellipsoids | phantoms.GaussianBlobs) -> Tensor:
        """The measurements of a truth in closed form, without noise."""
        raise NotImplementedError

    def noise(self, mean: Tensor) -> noise.Noise:
        """The noise model for measurements of this size."""
        raise NotImplementedError

    def problem(
        self, truth: phantoms.Ellipsoids | phantoms.GaussianBlobs, generator: torch.Generator
    ) -> ii.Problem:
        """Measure a truth, with noise."""
        mean = self.mean(truth)
        model = self.noise(mean)
        term = ii.Term(self.operator, model.sample(mean, generator), model)
        return ii.Problem([term], BOX, self.grid, reference=truth, average=1)

    def image(self, problem: ii.Problem) -> Tensor:
        """The truth's pixel averages, (pixels,)."""
        assert problem.reference is not None
        return ii.sample(problem.reference, self.grid, average=4).reshape(-1)

    def target(self, problem: ii.Problem) -> ii.Problem:
        """The same field, measured pixel by pixel without noise."""
        identity = ii.OnGrid(_same, self.grid, self.grid.shape)
        return ii.Problem([ii.Term(identity, self.image(problem), L2())], BOX, self.grid)


class Beam(Scanner):
    """A parallel beam of a few views.

    Args:
        size: Pixels along each axis, and detector bins.
        views: Number of views over half a turn.
    """

    def __init__(self, size: int, views: int = 20) -> None:
        angles = torch.arange(views, dtype=torch.float64) * math.pi / views
        self.grid = ii.Grid(BOX, (size, size))
        self.beam = operators.ParallelBeam(BOX, angles, size)
        self.operator = operators.ParallelBeam(BOX, angles.float(), size).on(self.grid)

    def mean(self, truth: phantoms.Ellipsoids | phantoms.GaussianBlobs) -> Tensor:
        rows = torch.arange(len(self.beam))
        return truth.line_integral(*self.beam.rays(rows, 16)).mean(1).float()

    def noise(self, mean: Tensor) -> noise.Noise:
        return noise.Gaussian(NOISE * float(mean.max()))


class Lattice(Scanner):
    """k-space on a lattice, one point in eight, denser at the centre.

    Args:
        size: Pixels along each axis.
        acceleration: Points per measured point.
    """

    def __init__(self, size: int, acceleration: float = 8.0) -> None:
        self.grid = ii.Grid(BOX, (size, size))
        mask = operators.variable_density_mask((size, size), acceleration, calibration=4, seed=0)
        self.operator = operators.CartesianKSpace(self.grid, mask)
        self.frequencies = self.operator.frequencies

    def mean(self, truth: phantoms.Ellipsoids | phantoms.GaussianBlobs) -> Tensor:
        return truth.fourier(self.frequencies.double()).to(torch.complex64)

    def noise(self, mean: Tensor) -> noise.Noise:
        pixel = math.prod(self.grid.spacing) * self.grid.numel**0.5
        return noise.ComplexGaussian(NOISE * pixel)


def _same(image: Tensor) -> Tensor:
    return image
