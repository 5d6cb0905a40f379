"""Cubes from snapshots by a trained network whose spectrum is continuous (SINR).

    Z = encoder(A'(A A')⁻¹ y)          features of a pixel, by spectral-wise attention
    f(x, λ) = decoder(Z(x), γ(λ), Δ)   γ: Fourier coordinates of the wavelength,
                                       Δ: the distance of the bands that are asked for

Unlike the priors of a single scene it is trained on cubes, once per camera: `train(problems)`. The
cubes are those of the problems' references: the user's own files (`cassi(scene=file)`), or
generated scenes. Chen et al. (2023), arXiv:2312.01061.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution, sample
from inverse_inr.operators import CassiOnGrid
from inverse_inr.problems.spectral.sinr_network import Sinr, SinrField
from inverse_inr.problems.spectral.trained import (
    affine_map,
    crops,
    draw,
    learn_from,
    mean_spectrum_of,
    root_mean_square,
)
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked
from inverse_inr.solver import Ended


@checked
def train(
    problems: Sequence[Problem],
    model: Sinr | None = None,
    *,
    steps: Count = 400,
    crop: Count = 48,
    lr: Positive = 2e-3,
    seed: WholeNumber = 0,
) -> Sinr:
    """Learn from simulated snapshots with known cubes: per step one random crop of one problem.

    A quarter of the steps ask for every other band only, so that the distance of bands (the scale
    factor) means something.

    Args:
        problems: Simulations of one CASSI snapshot each, of one camera.
        model: The network to train further; None for a new one.
        steps: Steps of Adam.
        crop: The most pixels per axis of a crop.
        lr: Learning rate at the start.
        seed: Of the weights and the crops.

    Returns:
        The trained network.

    Raises:
        ValueError: If a problem has no reference, or the cameras differ.
    """
    pairs = [_pair(problem) for problem in problems]
    counts = {initial.shape[-1] for initial, _ in pairs}
    if len(counts) != 1:
        raise ValueError(
            f"sinr.train: one camera for all problems; these have {sorted(counts)} bands."
        )
    if model is None:
        model = _model_for(problems[0], seed)
    bands = problems[0].grid.axes(torch.float64)[-1]
    generator = torch.Generator().manual_seed(seed)

    def loss(initial: Tensor, cube: Tensor) -> Tensor:
        stride = 1
        if draw(4, generator) == 0 and len(bands) > 3:
            stride = 2
        found = model.decode(model.encode(initial), bands[::stride])
        return root_mean_square(found, cube[..., ::stride])

    learn_from(model, crops(pairs, steps, crop, generator), loss, steps, lr)
    return model


@checked
@torch.no_grad()
def reconstruct(model: Sinr, problem: Problem) -> Solution:
    """Return the trained network's field of a snapshot: one forward pass, nothing is fitted.

    Args:
        model: A trained network.
        problem: One CASSI snapshot of the camera that it was trained for.

    Raises:
        TypeError: If the problem is not one CASSI snapshot of a cube.
    """
    began = time.perf_counter()
    initial, level = first_guess(problem)
    field = SinrField(model, model.encode(initial), level, problem.grid)
    return Solution(
        field,
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


def _model_for(problem: Problem, seed: int) -> Sinr:
    bands = problem.grid.axes(torch.float64)[-1].tolist()
    return Sinr(len(bands), (bands[0], bands[-1]), seed=seed)
