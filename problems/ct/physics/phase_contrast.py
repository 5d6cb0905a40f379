"""Propagation-based phase contrast of a small specimen at three distances: simulated scans."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Field,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    noise,
)
from inverse_inr.memory import require
from inverse_inr.operators import ParallelBeam, fbp
from inverse_inr.operators.ct.beam.materials import ALUMINIUM
from inverse_inr.operators.ct.phase.propagation import PhaseContrast, wavelength
from inverse_inr.operators.ct.phase.retrieval import contrast_transfer, paganin
from inverse_inr.problems.ct.limits import Photons, require_image
from inverse_inr.problems.ct.physics.fibre import Channels, channel, fibre, refraction_ratio
from inverse_inr.problems.ct.physics.levels import Levels
from inverse_inr.ranges import Count, NonNegative, Positive, Range, WholeNumber, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Candidate, Ended, Solver

HALF_SIDE = 0.128
"""Half the side of the box, in mm."""
GATHER = 8
"""Rays of the model in each detector pixel; with 4, phases err by up to 1 % more (seed 101)."""
FINE_GATHER = 16
"""Rays a pixel by which the specimen is measured."""
FINER = 4
"""Nodes of the fit's lattice per pixel and axis: half pixels blur edges by more than the noise."""
WEIGHT = 0.03
"""Weight of the total variation, set by hand on the seeds 101 and 102."""
STEPS = 40
"""Steps of L-BFGS on the lattice, each of which sees all rows."""

Energy = Annotated[float, Range(least=5, most=150)]
"""A photon energy in keV, where there is phase contrast to speak of."""


@checked
def ct_phase(
    *,
    size: Count = 128,
    views: Count = 180,
    energy: Energy = 12.0,
    distances: tuple[NonNegative, ...] = (2.0, 15.0, 60.0),
    photons: Photons = 2e4,
    joined: bool = False,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a scan of a fibre of water with inserts of bone and aluminium, at some distances.

    The specimen does not change along the axis of rotation, so its views propagate as lines. The
    field has two channels, attenuation and phase, as `PhaseContrast` has them: both in 1/mm, and
    equal in aluminium.

    Args:
        size: Pixels along each axis, and detector pixels; 128 are 2 µm each.
        views: Number of views over half a turn.
        energy: Of the photons, in keV.
        distances: From specimen to detector, in mm.
        photons: Photons per pixel and distance.
        joined: Whether the fit has one channel and takes the ratio of aluminium for all.
        seed: Of the inserts' places and of the noise.

    Raises:
        ValueError: There is no distance.
        OutOfMemoryError: Image or measurements do not fit the memory at hand.
    """
    require_image("ct_phase: size", FINER * size)
    require(
        f"ct_phase: {views} views of {size} detector pixels",
        64.0 * FINE_GATHER * views * size * max(1, len(distances)),
        "Fewer views or a smaller size would fit.",
    )
    box = Box((-HALF_SIDE,) * 2, (HALF_SIDE,) * 2, units=("mm", "mm"))
    angles = torch.arange(views, dtype=torch.float64) * math.pi / views
    truth = fibre(seed)
    length = 1e-3 * wavelength(energy)
    at = torch.tensor(distances, dtype=torch.float64)
    ratio = refraction_ratio(ALUMINIUM, energy)
    fields = [channel(truth, energy, ratio, phase) for phase in (False, True)]

    def operator(gather: int, where: Tensor, both: bool) -> PhaseContrast:
        beam = ParallelBeam(box, where, gather * size)
        options: dict[str, Any] = {"ratio": ratio, "joined": both, "gather": gather}
        return PhaseContrast(beam, at, length, beam.pitch, **options)

    exact = operator(FINE_GATHER, angles, False).double()
    fine: Any = exact.operator
    lines = []
    for part in torch.arange(len(fine)).split(2**16):
        rays = fine.rays(part, 1)
        lines.append(torch.stack([f.line_integral(*rays)[:, 0] for f in fields], -1))
    lines = torch.cat(lines).reshape(views, 1, -1, 2)
    numbers = torch.arange(views)
    mean = torch.cat([exact.detect(lines[n], n) for n in numbers.split(16)]).flatten()
    model = noise.Poisson(photons)
    y = model.sample(mean.float(), torch.Generator().manual_seed(seed))
    grid = Grid(box, (size, size))
    reference: Field = Channels(fields[:1] if joined else fields)
    penalty = WEIGHT * TotalVariation(grid=grid.refined(FINER), epsilon=1e-3)
    suggested = Suggestion(
        prior="grid",
        options={"cells": float(FINER * size)},
        regularizers=(penalty,),
        baselines={"Paganin": paganin_filtered, "contrast transfer": transfer_inverted},
        candidates=_candidates,
    )
    notes = {"ratio": ratio, "phase": f"channel 1 times {0.5 * ratio:.4g} is radians per mm"}
    term = Term(operator(GATHER, angles.float(), joined), y, model)
    return Problem([term], box, grid, 2 - joined, reference, suggested, notes)


def phase_fit(problem: Problem, weight: NonNegative | None = None) -> Solution:
    """Fit attenuation and phase on a lattice, beginning with Paganin's filter for both.

    Args:
        problem: A problem of `ct_phase`.
        weight: Of the total variation; the problem's own by default.
    """
    suggested = problem.suggested
    regularizers = suggested.regularizers
    lattice = problem.grid.refined(FINER)
    if weight is not None:
        regularizers = (weight * TotalVariation(grid=lattice, epsilon=1e-3),)
    middle = len(_operator(problem).distances) // 2
    first = paganin_filtered(problem, middle, window="hann", grid=lattice).field
    assert isinstance(first, SampledField)
    prior = Levels(problem.box, max(lattice.shape), problem.channels)
    prior.begin_with(SampledField(first.values.clamp(min=0), lattice))
    return Solver(
        problem.on_lattice(FINER),
        prior,
        regularizers=regularizers,
        steps=STEPS,
        optimizer="lbfgs",
        stopping=suggested.stopping,
    ).run()


@checked
def paganin_filtered(
    problem: Problem,
    distance: WholeNumber | None = None,
    ratio: Positive | None = None,
    *,
    window: str = "ram-lak",
    grid: Grid | None = None,
) -> Solution:
    """Solve by Paganin's filter of the views at one distance, and FBP.

    Args:
        problem: A problem of `ct_phase`.
        distance: The number of the distance; by default the one in the middle.
        ratio: δ/β of the one material that it takes the specimen for; by default that of aluminium.
        window: The window of FBP.
        grid: The grid of the image; the problem's by default.
    """
    began = time.perf_counter()
    operator = _operator(problem)
    if distance is None:
        distance = len(operator.distances) // 2
    own = float(operator.ratio.detach())
    ratio = ratio or own
    light, beam = _views(problem)
    z = float(operator.distances[distance])
    m = paganin(light[:, distance], z, operator.wavelength, beam.pitch, ratio)
    image = fbp(beam, m, grid or problem.grid, window)
    # the phase is ratio/2 times as large, and channel 1 is the phase over own/2
    image = torch.cat([image, ratio / own * image], -1)[..., : problem.channels]
    return _solution(problem, image, grid or problem.grid, "Paganin", began)


@checked
def transfer_inverted(
    problem: Problem, weight: NonNegative = 1e-2, *, window: str = "ram-lak"
) -> Solution:
    """Solve by inverting the contrast transfer of all distances, and FBP.

    Args:
        problem: A problem of `ct_phase` with two channels.
        weight: Of the pull to the ratio of aluminium.
        window: The window of FBP.
    """
    began = time.perf_counter()
    operator = _operator(problem)
    light, beam = _views(problem)
    own = float(operator.ratio.detach())
    m, phase = contrast_transfer(
        light,
        operator.distances.to(light),
        operator.wavelength,
        beam.pitch,
        weight=weight,
        ratio=own,
    )
    images = [fbp(beam, part, problem.grid, window) for part in (m, 2 / own * phase)]
    image = torch.cat(images[: problem.channels], -1)
    return _solution(problem, image, problem.grid, "contrast transfer", began)


def _operator(problem: Problem) -> PhaseContrast:
    operator = (problem.origin or problem).terms[0].operator
    assert isinstance(operator, PhaseContrast)
    return operator


def _views(problem: Problem) -> tuple[Tensor, ParallelBeam]:
    """Intensities (views, z, pixels) and the beam of these pixels."""
    operator = _operator(problem)
    term = problem.terms[0]
    assert isinstance(term.fidelity, noise.Noise)
    y, _ = term.fidelity.least_squares(term.y)
    fine: Any = operator.operator
    beam = ParallelBeam(
        fine.box, fine.angles, operator.shape[-1], pitch=fine.pitch * operator.gather
    )
    return torch.exp(-operator.unflatten(y)), beam


def _solution(problem: Problem, image: Tensor, grid: Grid, method: str, began: float) -> Solution:
    return Solution(
        SampledField(image.float(), grid),
        problem,
        method,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", method),
    )


def _candidates(problem: Problem) -> Iterator[Candidate]:
    yield Candidate(phase_fit(problem))
