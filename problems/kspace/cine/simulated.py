"""Simulated cine: a heart that beats, or a chest that breathes, in golden-angle spokes or lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Field,
    Grid,
    Problem,
    Solution,
    Suggestion,
    Term,
    noise,
    sample,
)
from inverse_inr.memory import require
from inverse_inr.operators import FourierMaps, NonCartesianKSpace, birdcage_maps, radial_trajectory
from inverse_inr.operators.kspace.moving import MovingKSpace
from inverse_inr.problems.kspace.cine.classical import grasp, low_rank_plus_sparse, readouts_of
from inverse_inr.problems.kspace.cine.film import FilmField, SpaceTimeVariation
from inverse_inr.problems.kspace.cine.phantom import Motion, MovingEllipses, chest, retimed
from inverse_inr.problems.kspace.cine.signals import breathing, heart_phases, ranks, self_gating
from inverse_inr.problems.kspace.coil_maps import ImageSize, start_maps
from inverse_inr.ranges import Count, NoiseLevel, Positive, WholeNumber, checked
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Never

Sampling = Literal["radial", "lines"]
"""Spokes at golden angles, or lines whose places follow the golden ratio, denser in the middle."""
Signal = Literal["given", "self-gated", "learnt"]
"""What tells how full the lungs are: the truth, the centre of k-space, or the fit from there on."""

HALF_SIDE = 1.0
"""Half the side of the box."""
FINER = 2
"""Values of the fit's film along each side of a pixel."""
SPEED = 0.125
"""Speed of `SpaceTimeVariation`, in half sides per period; set on the seeds 101 and 102."""
WEIGHT = 9.4e-4
"""Weight of it over the noise level; set on the seeds 101 and 102."""
START = 0.25
"""Weight of GRASP's film, with which a fit begins."""
STEPS = 32
"""Steps of L-BFGS, of five updates each.

On the seed 102 the film gains 1.3 dB from 10 steps to 24, where four more still gain 0.2 dB.
"""
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
"""Step from line to line, as a fraction of all."""
DENSER = 1.7
"""Lines are spread like this power of an even spread from -1 to 1: denser in the middle."""
ROUNDS = 3
"""How often a fit with a learnt signal looks between which frames its readouts lie."""
STIFFNESS = 0.05
"""Standard deviation of the second differences of a learnt signal."""


@checked
def kspace_cine(
    motion: Motion = "cardiac",
    *,
    size: ImageSize = 64,
    frames: Count = 16,
    per_frame: Count = 10,
    sampling: Sampling = "radial",
    coils: Count = 8,
    signal: Signal = "given",
    noise_level: NoiseLevel = 0.02,
    seed: WholeNumber = 0,
) -> Problem:
    """Reconstruct a film of a moving chest from few readouts a frame, each with its own time.

    Time is the phase of the heart, which an electrocardiogram tells and which is periodic; or how
    full the lungs are, as a rank among all readouts. Ellipses are measured in closed form, coils
    and all, each readout at its own time. Maps are ESPIRiT's of all readouts together, and hold
    the phase: the film is real.

    Args:
        motion: "cardiac", a beating heart while the breath is held; "breathing", the other way
            round.
        size: Pixels along both axes.
        frames: Frames that are shown, and in which the classical methods collect readouts.
        per_frame: Readouts for each frame, on average.
        sampling: "radial" or "lines".
        coils: Number of coils.
        signal: For breathing and spokes: who tells the signal.
        noise_level: Noise standard deviation of each fully sampled coil image, as a fraction of the
            brightest pixel.
        seed: Of the phantom, of the times and of the noise.

    Returns:
        The problem, on a box of x, y and time; its reference is the magnitude in the gauge where
        maps have unit length.

    Raises:
        ValueError: A signal is asked for that the readouts do not tell.
        OutOfMemoryError: Film or measurements do not fit the memory at hand.
    """
    gated = signal != "given"
    if gated and (motion != "breathing" or sampling != "radial"):
        raise ValueError(
            f"kspace_cine: signal={signal!r} is found in the centre of k-space, which spokes pass "
            f"and where breathing shows; not with motion={motion!r} and sampling={sampling!r}."
        )
    readouts = frames * per_frame
    require(
        f"kspace_cine: {readouts} readouts of size={size} and coils={coils}",
        64.0 * readouts * size * coils + 64.0 * FINER**2 * frames * size**2 * coils,
        "A smaller size, fewer frames or fewer coils would fit.",
    )
    generator = torch.Generator().manual_seed(seed)
    plane = Box((-HALF_SIDE,) * 2, (HALF_SIDE,) * 2)
    image = Grid(plane, (size, size))
    k = _trajectory(image, sampling, readouts)
    true_maps = birdcage_maps(plane, coils, modes=1).double()
    body = chest(motion, seed)
    if motion == "cardiac":
        times = heart_phases(readouts, generator)
    else:
        fullness = breathing(readouts, generator)
        times = ranks(fullness)
        body = retimed(body, fullness)
    truth = Seen(body, true_maps)
    mean = measure(body, times, true_maps, k)
    grid = Grid(Box((-HALF_SIDE,) * 2 + (0.0,), (HALF_SIDE,) * 2 + (1.0,)), (size, size, frames))
    brightest = float(sample(truth, Grid(grid.box, (size, size, 2))).max())
    model = noise.ComplexGaussian(noise_level * brightest * math.prod(image.spacing) * size)
    y = model.sample(mean.to(torch.complex64), generator)
    still = NonCartesianKSpace(image, k.float())
    maps = start_maps(still, y.reshape(-1, coils), "espirit", "coils")
    told: Tensor = times.float()
    if gated:
        told = ranks(self_gating(y)).float()
    if signal == "learnt":
        told = nn.Parameter(told)
    periodic = motion == "cardiac"
    operator = MovingKSpace(
        image,
        k.float(),
        told,
        maps,
        period=1.0 if periodic else None,
        stiffness=STIFFNESS if signal == "learnt" else None,
    )
    penalty = SpaceTimeVariation(fine(grid), SPEED, periodic)
    suggested = Suggestion(
        prior="grid",
        options={"cells": float(FINER * size)},
        regularizers=(WEIGHT / noise_level * penalty,),
        steps=STEPS,
        optimizer="lbfgs",
        stopping=Never(),
        baselines={"GRASP": grasp, "L+S": low_rank_plus_sparse},
        candidates=_candidates,
    )
    notes = {"times": times}
    return Problem([Term(operator, y, model)], grid.box, grid, 1, truth, suggested, notes)


class Seen:
    """A moving body as it is seen where coil maps have unit length.

    Args:
        body: The body.
        maps: The coil maps.

    Attributes:
        lattice_chunk: Points of a lattice to evaluate at once; few, and times come in turn.
    """

    lattice_chunk = 2**23

    def __init__(self, body: MovingEllipses, maps: FourierMaps) -> None:
        self.body = body
        self.maps = maps

    def __call__(self, points: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(self.maps(points[..., :2].double()), dim=-1, keepdim=True)
        return self.body(points) * size.to(points.dtype)

    def sample(self, grid: Grid) -> Tensor:
        """The film on a lattice of space and time (`Lattice`): (*shape, 1)."""
        places = grid.points()[:, :, 0, :2]
        size = torch.linalg.vector_norm(self.maps(places.double()), dim=-1).float()
        film = [
            self.body.at(t)(places)[..., 0] * size for t in grid.axes(torch.float64)[2].tolist()
        ]
        return torch.stack(film, -1)[..., None]


@torch.no_grad()
def measure(body: MovingEllipses, times: Tensor, maps: FourierMaps, trajectory: Tensor) -> Tensor:
    """Noise-free readouts in closed form, each of the body at its own time.

    Args:
        body: The moving body.
        times: (readouts,) its times.
        maps: The coil maps.
        trajectory: (readouts, samples, 2) in cycles per unit of the box.

    Returns:
        (readouts, samples, coils), complex128.
    """
    shape = trajectory.shape

    def transform(frequency: Tensor) -> Tensor:
        return body.fourier(frequency.reshape(shape), times).flatten()

    return maps.fourier(transform, trajectory.reshape(-1, 2)).reshape(*shape[:2], -1)


def fine(grid: Grid) -> Grid:
    """The lattice of the fit: finer pixels, and the frames as they are.

    Args:
        grid: The grid that is shown.
    """
    return Grid(grid.box, (FINER * grid.shape[0], FINER * grid.shape[1], grid.shape[2]))


def cine_fit(
    problem: Problem, weight: Positive | None = None, *, steps: Count | None = None
) -> Solution:
    """Fit a film of finer pixels with total variation of space and time, from GRASP's.

    Args:
        problem: A problem of `kspace_cine`.
        weight: Of the variation; the problem's own by default.
        steps: Steps of L-BFGS; the problem's own by default.

    Returns:
        The film; `learnt` has the signal where it was learnt.
    """
    suggested = problem.suggested
    regularizers = suggested.regularizers
    if weight is not None:
        period = readouts_of(problem).period
        regularizers = (weight * SpaceTimeVariation(fine(problem.grid), SPEED, period is not None),)
    begun = grasp(problem, START)
    operator = readouts_of(problem)
    rounds = 1
    if isinstance(operator.times, nn.Parameter):
        rounds = ROUNDS
    film: Field = begun.field
    seconds = begun.seconds
    fit = begun
    for _ in range(rounds):
        field = FilmField(fine(problem.grid), periodic=operator.period is not None)
        field.begin_with(film)
        term = replace(problem.terms[0], operator=operator.on(fine(problem.grid)))
        fit = Solver(
            replace(problem, terms=[term]),
            field,
            regularizers=regularizers,
            steps=steps or suggested.steps,
            optimizer=suggested.optimizer,
            stopping=suggested.stopping,
        ).run()
        seconds += fit.seconds
        film = fit.field
        seen: Any = fit.problem.terms[0].operator
        operator = seen.map.readouts
    return replace(fit, problem=problem, method="space-time film", seconds=seconds)


def _trajectory(image: Grid, sampling: Sampling, readouts: int) -> Tensor:
    """Spokes, or lines along axis 0, (readouts, samples, 2) in cycles per unit."""
    if sampling == "radial":
        return radial_trajectory(image, readouts, image.shape[0])
    n = image.shape[1]
    turn = torch.remainder(torch.arange(readouts, dtype=torch.float64) * GOLDEN_RATIO, 1)
    spread = (2 * turn - 1).sign() * (2 * turn - 1).abs() ** DENSER
    lines = (0.5 * n * spread).round().clamp(-(n // 2), (n - 1) // 2)
    along = torch.arange(image.shape[0], dtype=torch.float64) - image.shape[0] // 2
    lengths = lines.new_tensor(image.box.lengths)
    return torch.stack(torch.broadcast_tensors(along, lines[:, None]), -1) / lengths


def _candidates(problem: Problem) -> Iterator[Candidate]:
    yield Candidate(cine_fit(problem))
