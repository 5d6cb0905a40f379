"""Simulated tissue maps: a head in echoes of a sequence, fully sampled by several noisy coils."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Problem, Suggestion, Term, noise, sample
from inverse_inr.memory import require
from inverse_inr.operators import (
    CartesianKSpace,
    GradientEchoes,
    InversionRecovery,
    SpinEcho,
    ThroughSequence,
    birdcage_maps,
)
from inverse_inr.operators.kspace.sequences import Sequence
from inverse_inr.problems.kspace.coil_maps import ImageSize, start_maps
from inverse_inr.problems.kspace.maps.fits import (
    HEADS,
    MapsVariation,
    maps_fit,
    pixelwise,
    values_per_side,
)
from inverse_inr.problems.kspace.maps.phantom import SequenceName, Tissues
from inverse_inr.ranges import Count, NoiseLevel, WholeNumber, checked
from inverse_inr.solver import Candidate
from inverse_inr.stopping import Never

HALF_SIDE = 1.0
"""Half the side of the box."""
MEASURED = 4
"""Points along each side of a pixel at which the head is measured."""
WEIGHT = {"spin_echo": 0.011, "inversion_recovery": 0.028, "gradient_echoes": 0.04}
"""Weights of the variation of maps, over noise level, images and coils; set on 101 to 103."""
CENTRE = 8
"""A third of the samples along each axis from which maps come: their smooth phase needs no more."""
STEPS = 20
"""Steps of L-BFGS, of five updates each."""


@checked
def kspace_maps(
    sequence: SequenceName = "spin_echo",
    *,
    size: ImageSize = 64,
    coils: Count = 4,
    noise_level: NoiseLevel = 0.03,
    seed: WholeNumber = 0,
) -> Problem:
    """Reconstruct tissue maps from the k-space of all echoes, through the signal equation.

    The field's channels are those of the sequence: an amplitude and a relaxation rate; for gradient
    echoes water, fat, R2* and the off-resonance. The head is measured on points four times finer
    than the pixels. Coil maps are ESPIRiT's of the image with most signal, and hold the phase; for
    gradient echoes they are given, as if of a scan of their own.

    Args:
        sequence: "spin_echo" (8 echoes up to 240 ms, for T2), "inversion_recovery" (7 times up to
            4 s, TR 8 s, for T1), or "gradient_echoes" (16 echoes up to 32 ms at 3 T, for T2*, B0
            and fat).
        size: Pixels along both axes.
        coils: Number of coils.
        noise_level: Noise standard deviation of each coil image, as a fraction of the brightest
            pixel of all echoes.
        seed: Of the head and of the noise.

    Returns:
        The problem; rows are the samples of all echoes.

    Raises:
        OutOfMemoryError: Maps or measurements do not fit the memory at hand.
    """
    equation = sequence_of(sequence)
    images = len(equation.times)
    require(
        f"kspace_maps: {images} images of size={size} and coils={coils}",
        64.0 * images * coils * (MEASURED * size) ** 2,
        "A smaller size or fewer coils would fit.",
    )
    box = Box((-HALF_SIDE,) * 2, (HALF_SIDE,) * 2)
    grid = Grid(box, (size, size))
    truth = Tissues(sequence, seed)
    clean = _measured(truth, equation, grid, coils)
    brightest = float(equation(sample(truth, grid)).abs().max())
    model = noise.ComplexGaussian(noise_level * brightest * math.prod(grid.spacing) * size)
    y = model.sample(clean.to(torch.complex64), torch.Generator().manual_seed(seed))
    strongest = int(clean.abs().square().sum((1, 2)).argmax())
    full = torch.ones(grid.shape, dtype=torch.bool)
    maps = start_maps(CartesianKSpace(grid, full), y[strongest], "espirit", "coils", CENTRE)
    if sequence == "gradient_echoes":
        # the phase of these images is off-resonance and fat, which maps must not take
        own = birdcage_maps(box, coils)(grid.points(torch.float64))
        maps = (own / own.norm(dim=-1, keepdim=True)).movedim(-1, 0).to(maps.dtype)
    if sequence == "inversion_recovery" and strongest == 0:
        maps = -maps  # nothing has recovered yet there, and the signal is negative
    masks = full.expand(images, *grid.shape)
    inner = CartesianKSpace(grid, masks, maps, basis=torch.eye(images))
    term = Term(ThroughSequence(inner, equation), y.flatten(0, 1), model)
    weight = WEIGHT[sequence] / (noise_level * images * coils)
    finer = values_per_side(len(equation.names))
    suggested = Suggestion(
        prior="grid",
        options={"cells": float(finer * size), "head": list(HEADS[len(equation.names)])},
        regularizers=(weight * MapsVariation(grid.refined(finer)),),
        steps=STEPS,
        optimizer="lbfgs",
        stopping=Never(),
        baselines={"pixel-wise": pixelwise},
        candidates=_candidates,
    )
    reference: Field = truth
    notes = {"channels": equation.names}
    return Problem([term], box, grid, len(equation.names), reference, suggested, notes, average=1)


def sequence_of(name: SequenceName) -> Sequence:
    """The sequence of `kspace_maps` by its name.

    Args:
        name: The name.
    """
    if name == "spin_echo":
        return SpinEcho(torch.linspace(0.015, 0.24, 8))
    if name == "inversion_recovery":
        return InversionRecovery(torch.tensor([0.05, 0.15, 0.4, 0.8, 1.4, 2.4, 4.0]), 8.0)
    return GradientEchoes(0.0015 + 0.002 * torch.arange(16), 3.0)


@torch.no_grad()
def _measured(truth: Tissues, equation: Sequence, grid: Grid, coils: int) -> Tensor:
    """Noise-free k-space of all images, (images, samples, coils), by much finer pixels."""
    full = torch.ones(grid.shape, dtype=torch.bool)
    true_maps = birdcage_maps(grid.box, coils).double()
    fine = grid.refined(MEASURED)
    operator = CartesianKSpace(grid, full, true_maps).resampled(fine).double()
    signals = equation.double()(truth(fine.points(torch.float64)))
    equation.float()
    length = torch.linalg.vector_norm(true_maps(fine.points(torch.float64)), dim=-1)
    return torch.stack([operator.map(s / length) for s in signals.unbind(-1)])


def _candidates(problem: Problem) -> Iterator[Candidate]:
    yield Candidate(maps_fit(problem))
