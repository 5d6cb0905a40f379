"""Radar scenes that no setting was chosen on: other seeds, bands, apertures and noise.

Scores are negated distances, for higher to be better: Chamfer distance between the scatterers and
the voxels above a threshold, at the best threshold for every method alike, in voxels. A variance
field and its amplitude are one answer: its posterior mean is scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

import inverse_inr as ii
from fresh_cases.case import Case, Method
from inverse_inr import baselines, noise
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.problems.radar import fmcw, sar, surfaces
from inverse_inr.problems.radar.fmcw import aligned, echoes, radar_problem
from inverse_inr.problems.radar.imaging import backprojection
from inverse_inr.problems.radar.sar import complex_problem
from inverse_inr.problems.radar.scenes import aeroplane, car
from inverse_inr.surfaces import best, volume_errors

F64 = torch.float64
Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]
"""Scatterers (n, 3) in metres and their amplitudes (n,), from a generator."""


def planes(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A tilted square and a smaller one in front of it, of random complex amplitudes."""
    u = torch.rand(900, 2, dtype=F64, generator=generator) - 0.5
    far, near = u[:600] * 0.08, u[600:] * 0.035
    points = torch.cat(
        [
            torch.stack([far[:, 0], far[:, 1], -0.02 + 0.25 * far[:, 1]], 1),
            torch.stack([near[:, 0] + 0.015, near[:, 1] - 0.01, 0.02 + 0 * near[:, 0]], 1),
        ]
    )
    return points, speckle(len(points), generator)


def cylinder(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The side of a lying cylinder that faces the array, of random complex amplitudes."""
    turn, along = torch.rand(2, 700, dtype=F64, generator=generator)
    turn = math.pi * turn
    points = torch.stack([0.028 * turn.cos(), 0.08 * (along - 0.5), 0.028 * turn.sin() - 0.01], 1)
    return points, speckle(len(points), generator)


def points(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ten scatterers of amplitude one."""
    size = torch.tensor([0.08, 0.08, 0.06], dtype=F64)
    return (torch.rand(10, 3, dtype=F64, generator=generator) - 0.5) * size, torch.ones(10).double()


def speckle(count: int, generator: torch.Generator) -> Tensor:
    """Circular complex Gaussian amplitudes, (count,)."""
    return torch.complex(*torch.randn(2, count, dtype=F64, generator=generator))


def before_an_array(
    draw: Draw, seed: int, *, snr: float, start: float, tones: int, antennas: int, real: bool
) -> ii.Problem:
    """A scene in front of a square array of 0.32 m at 0.33 m, a band of 6 GHz."""
    generator = torch.Generator().manual_seed(7000 + seed)
    places, amplitudes = draw(generator)
    grid = ii.Grid(
        ii.Box((-0.0525, -0.0525, -0.045), (0.0525, 0.0525, 0.045), ("m",) * 3), (14, 14, 12)
    )
    line = torch.linspace(-0.16, 0.16, antennas, dtype=F64)
    plane = torch.cartesian_prod(line, line)
    array = torch.cat([plane, torch.full((len(plane), 1), 0.33, dtype=F64)], 1)
    frequencies = torch.linspace(start, start + 6e9, tones, dtype=F64)
    operator = PhaseHistory(grid.box, RadarGeometry(array, sign=-1), frequencies, points=grid)
    mean = echoes(operator, places, amplitudes)
    sigma = 10 ** (-snr / 20) * float(mean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(mean, generator).to(torch.complex64)
    if real:
        options = aligned(grid)
        problem = radar_problem(
            operator, grid, y, sigma, steps=600, prior="hash", options=options, weight=10.0
        )
    else:
        problem = complex_problem(operator, grid, y, sigma, weight=60.0)
    return replace(problem, notes={**problem.notes, "scatterers": places})


def chamfer(answer: ii.Solution) -> float:
    """Minus the Chamfer distance in voxels."""
    problem = answer.problem
    volume = torch.linalg.vector_norm(answer.sample(problem.grid), dim=-1, keepdim=True)
    pitch = problem.grid.spacing[0]
    errors = best(volume_errors(volume, problem.grid, problem.notes["scatterers"], pitch))
    return -errors.chamfer / pitch


def near_the_body(answer: ii.Solution) -> float:
    """Percentage of the image's energy within one voxel of the body's surface."""
    problem = answer.problem
    power = answer.sample(problem.grid).abs().double().square().sum(-1)
    distance = problem.notes["shape"](problem.grid.points(F64))[..., 0].abs()
    return 100 * float(power[distance <= problem.grid.spacing[0]].sum() / power.sum())


def turntable(seed: int) -> ii.Problem:
    """The aeroplane at 7 to 10 GHz and 12 dB, drawn anew."""
    problem = fmcw(
        azimuths=20,
        heights=6,
        start_frequency=7e9,
        bandwidth=3e9,
        snr=12.0,
        seed=50 + seed,
        pitch=0.0095,
    )
    return replace(problem, notes={**problem.notes, "scatterers": aeroplane()})


def spotlight(seed: int) -> ii.Problem:
    """The car from three other elevations, 14 dB."""
    problem = sar(
        elevations=[41.0, 41.5, 42.3],
        azimuths=18,
        frequencies=30,
        snr=14.0,
        pitch=0.225,
        seed=60 + seed,
    )
    return replace(problem, notes={**problem.notes, "scatterers": car()})


def body(seed: int) -> ii.Problem:
    """A sphere that shadows itself, 15 dB."""
    return surfaces(
        "sphere", azimuths=32, heights=6, tones=10, pitch=0.0129, snr=15.0, seed=80 + seed
    )


COMPLEX: dict[str, Method] = {
    "backprojection": backprojection,
    "CGLS": baselines.cgls,
    "L1": baselines.l1,
}
REAL: dict[str, Method] = {
    **COMPLEX,
    "L1, x ≥ 0": lambda problem: baselines.l1(problem, nonnegative=True),
}


def cases() -> list[Case]:
    """The cases."""
    array = {"start": 11e9, "tones": 10, "antennas": 7}
    other = {"start": 15e9, "tones": 12, "antennas": 8}
    near = [
        ("near field, planes, 0 dB", planes, {"snr": 0.0, "real": False, **other}),
        ("near field, planes, 12 dB", planes, {"snr": 12.0, "real": False, **array}),
        ("near field, cylinder, 5 dB", cylinder, {"snr": 5.0, "real": False, **array}),
        ("near field, ten points, 8 dB", points, {"snr": 8.0, "real": True, **array}),
        ("near field, ten points, 0 dB", points, {"snr": 0.0, "real": True, **other}),
    ]
    found = [
        Case(
            name,
            lambda seed, draw=draw, options=options: before_an_array(draw, seed, **options),
            simple=REAL if options["real"] else COMPLEX,
            score=chamfer,
            unit="-Chamfer, voxels",
        )
        for name, draw, options in near
    ]
    turning = Case(
        "FMCW turntable, 7-10 GHz, 12 dB", turntable, REAL, score=chamfer, unit="-Chamfer, voxels"
    )
    flying = Case(
        "SAR, three elevations, 14 dB", spotlight, COMPLEX, score=chamfer, unit="-Chamfer, voxels"
    )
    solid = Case(
        "self-shadowing sphere, 15 dB", body, REAL, score=near_the_body, unit="% of energy near"
    )
    return [*found, turning, flying, solid]
