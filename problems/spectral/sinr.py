"""Cubes from snapshots by a family whose spectrum is continuous (SINR).

    Z = encoder(A'(A A')⁻¹ y)          features of a pixel, by spectral-wise attention
    f(x, λ) = decoder(x, λ, Z(x))

Unlike the priors of a single scene it is taught by cubes, once per camera: `train(problems)`. The
cubes are those of the problems' references: the user's own files (`cassi(scene=file)`), or
generated scenes. It is `families.Conditioned` on the problem that the least-norm cube is, pixel by
pixel. Chen et al. (2023), arXiv:2312.01061, whose decoder also sees the distance of the bands that
are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Problem, SampledField, Solution, Term, families, sample
from inverse_inr.fidelity import L2
from inverse_inr.operators import CassiOnGrid, PointSamples
from inverse_inr.problems.spectral.sinr_network import SpectralEncoder
from inverse_inr.problems.spectral.trained import (
    affine_map,
    crops,
    mean_spectrum_of,
    of_pixels,
)
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked
from inverse_inr.solver import Ended

CROPS = 300
"""Crops that a training draws from."""
BATCH = 4096
"""Values of a crop's cube that a step sees."""


@checked
def sinr(
    bands: Count, *, channels: Count = 32, width: Count = 64, seed: WholeNumber = 0
) -> families.Conditioned:
    """Make the family of the cubes of one camera, not trained.

    Args:
        bands: Bands of the camera.
        channels: Features of a pixel.
        width: Hidden width of the decoder.
        seed: Of the encoder's weights.
    """
    encoder = SpectralEncoder(bands, channels=channels, seed=seed)
    return families.Conditioned(encoder, "relu", {"width": width, "depth": 2, "head": "softplus"})


@checked
def train(
    problems: Sequence[Problem],
    family: families.Family | None = None,
    *,
    steps: Count = 400,
    crop: Count = 48,
    lr: Positive = 2e-3,
    seed: WholeNumber = 0,
) -> families.Family:
    """Learn from simulated snapshots with known cubes: random crops are the family's tasks.

    Args:
        problems: Simulations of one CASSI snapshot each, of one camera.
        family: The family to train further; None for `sinr(bands)`.
        steps: Steps of Adam.
        crop: The most pixels per axis of a crop.
        lr: Learning rate at the start.
        seed: Of the weights and the crops.

    Returns:
        The trained family, whose problems are least-norm cubes, pixel by pixel.

    Raises:
        ValueError: If a problem has no reference, or the cameras differ.
    """
    pairs = [_pair(problem) for problem in problems]
    counts = {initial.shape[-1] for initial, _ in pairs}
    if len(counts) != 1:
        raise ValueError(
            f"sinr.train: one camera for all problems; these have {sorted(counts)} bands."
        )

    points: dict[torch.Size, PointSamples] = {}

    def make(initial: Tensor, cube: Tensor) -> tuple[Problem, Problem]:
        task = of_pixels(initial, 3)
        if cube.shape not in points:
            points[cube.shape] = PointSamples(task.grid.points(torch.float32).reshape(-1, 3))
        return task, replace(task, terms=[Term(points[cube.shape], cube.reshape(-1), L2())])

    generator = torch.Generator().manual_seed(seed)
    tasks, targets = crops(pairs, make, min(steps, CROPS), crop, generator, flips=False)
    return families.train(
        family or sinr(counts.pop(), seed=seed),
        tasks,
        targets=targets,
        steps=steps,
        tasks=1,
        batch=BATCH,
        lr=lr,
        seed=seed,
        callbacks=[],
    )


class ScaledField(nn.Module):
    """A field of the unit box, laid on the box of a grid and given a unit.

    Args:
        field: On the box from -1 to 1 along each axis.
        level: The unit of the field's values.
        grid: The grid whose box it fills.
    """

    def __init__(self, field: Field, level: float, grid: Grid) -> None:
        super().__init__()
        self.field = field
        self.level = level
        self.grid = grid

    def forward(self, points: Tensor) -> Tensor:
        """Return values (*s, 1) at points (*s, 3)."""
        position = self.grid.position(points)
        shape = position.new_tensor(self.grid.shape)
        return self.level * self.field((2 * position + 1) / shape - 1)


@checked
def reconstruct(family: families.Family, problem: Problem) -> Solution:
    """Return the family's field of a snapshot: one forward pass, nothing is fitted.

    Args:
        family: A trained family.
        problem: One CASSI snapshot of the camera that it was trained for.

    Raises:
        TypeError: If the problem is not one CASSI snapshot of a cube.
    """
    began = time.perf_counter()
    initial, level = first_guess(problem)
    field = family.start(of_pixels(initial, 3)).eval()
    return Solution(
        ScaledField(field, level, problem.grid),
        problem,
        "SINR",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "one forward pass"),
    )


@checked
@torch.no_grad()
def first_guess(problem: Problem) -> tuple[Tensor, float]:
    """Return A'(A A')⁻¹ y, the least-norm cube that explains the snapshot.

    Args:
        problem: One CASSI snapshot of a cube.

    Returns:
        The cube (H, W, L) divided by its level, and the level: twice its mean.

    Raises:
        TypeError: If the problem is not one CASSI snapshot of a cube.
    """
    term = problem.terms[0]
    camera = term.operator
    if not isinstance(camera, CassiOnGrid) or len(problem.terms) > 1:
        raise TypeError("sinr: wants one CASSI snapshot of a cube, as `problems.cassi` makes it.")
    y = term.y.reshape(camera.shape)
    pullback = torch.func.vjp(camera.snapshot, torch.zeros(camera.grid.shape, dtype=y.dtype))[1]
    cube = pullback(camera.gram_solve(y))[0]
    level = float(cube.mean().clamp(min=1e-12)) * 2
    return cube / level, level


@checked
def linear_regression(
    problems: Sequence[Problem], problem: Problem, ridge: NonNegative = 1e-3
) -> Solution:
    """Find spectra by the best affine map from a pixel's first guess, which a network must beat.

    Args:
        problems: Simulations with references, from which the map is learnt.
        problem: The snapshot to solve.
        ridge: Damping, as a fraction of the mean diagonal of the normal matrix.
    """
    initial, level = first_guess(problem)
    cube = level * affine_map([_pair(p) for p in problems], initial, ridge)
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "linear regression",
        stopped=Ended("direct", "closed form"),
    )


@checked
def mean_spectrum(problems: Sequence[Problem], problem: Problem) -> Solution:
    """Put the mean spectrum of the training cubes in every pixel, at the snapshot's level.

    Args:
        problems: Simulations with references.
        problem: The snapshot to solve.
    """
    level = first_guess(problem)[1]
    cube = level * mean_spectrum_of([_pair(p) for p in problems], problem.grid.shape)
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "mean spectrum",
        stopped=Ended("direct", "closed form"),
    )


def _pair(problem: Problem) -> tuple[Tensor, Tensor]:
    """The first guess and the cube, both in units of the first guess's level."""
    if problem.reference is None:
        raise ValueError("sinr.train: a problem without a reference has no cube to learn from.")
    initial, level = first_guess(problem)
    return initial, sample(problem.reference, problem.grid)[..., 0] / level
