"""Closed surfaces from a sparse radar aperture: the published two stages, and the surface coupled to the echoes.

1. Two stages (Sugavanam & Ertin 2026): complex L1 images of sub-apertures, their summed moduli thresholded to points
   with normals, then a signed distance fitted to the points. The distance never sees a phase.
2. Direct: a reflectivity and a signed distance coupled by a penalty (`Surface`, `NearSurface`), fitted to the phase
   history itself, from where the two stages end.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, Term, noise, priors, solve
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.io import write_ply
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.optimizers import Several, descend
from inverse_inr.problems.radar.fmcw import cylinder, radar_problem
from inverse_inr.problems.radar.surface_scenes import Shape, shape
from inverse_inr.regularizers import Regularizer
from inverse_inr.solver import Ended
from inverse_inr.stopping import Never
from inverse_inr.surfaces import (
    Eikonal,
    IsoPoints,
    NearSurface,
    OffSurface,
    OnSurface,
    SignedDistance,
    Surface,
    cloud_normals,
    level_set,
)


def surfaces(
    scene: str = "sphere",
    *,
    azimuths: int = 36,
    heights: int = 8,
    start_frequency: float = 6e9,
    bandwidth: float = 4e9,
    tones: int = 12,
    radius: float = 0.5,
    reach: float = 0.4,
    snr: float = 20.0,
    pitch: float = 9e-3,
    scatterers: int = 1500,
    seed: int = 0,
) -> Problem:
    """Stepped-frequency phase history of a "sphere" or a "box" of about 0.1 m, on a sparse cylindrical aperture.

    Scatterers lie on the surface, on no lattice, with exponential amplitudes times the cosine at which an antenna sees
    them (none from behind: exact self-shadowing of a convex body). `pitch` of the voxels in m, a quarter of the middle
    wavelength by default; `snr` in dB. `notes["shape"]` is the exact signed distance, for reporting only.
    """
    body = shape(scene)
    cells = round(0.18 / pitch)
    grid = Grid(
        Box((-0.5 * cells * pitch,) * 3, (0.5 * cells * pitch,) * 3, ("m",) * 3), (cells,) * 3
    )
    around = cylinder(azimuths, heights, radius, reach)
    geometry = RadarGeometry(around.transmitters, sign=-1, reference_path=2 * radius)
    frequencies = torch.linspace(
        start_frequency, start_frequency + bandwidth, tones, dtype=torch.float64
    )
    operator = PhaseHistory(grid.box, geometry, frequencies, points=grid)
    generator = torch.Generator().manual_seed(seed)
    mean = facing_echoes(operator, body, scatterers, generator)
    sigma = 10 ** (-snr / 20) * float(mean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(mean, generator)
    options: dict[str, object] = {"head": "sparse", "levels": 3, "coarsest": 8, "finest": 24}
    problem = radar_problem(
        operator, grid, y, sigma, steps=600, prior="hash", options=options, weight=10.0
    )
    suggested = replace(problem.suggested, write=write_surface)
    return replace(problem, suggested=suggested, notes=problem.notes | {"shape": body})


def write_surface(solution: Solution, folder: Path) -> list[Path]:
    """surface.ply: the closed surface of `two_stages`, from the same echoes."""
    grid = Grid(solution.problem.box, (48,) * 3)
    mesh = level_set(two_stages(solution.problem).field, grid)
    write_ply(folder / "surface.ply", mesh.vertices, mesh.faces, normals=mesh.vertex_normals)
    return [folder / "surface.ply"]


def facing_echoes(
    operator: PhaseHistory, body: Shape, count: int, generator: torch.Generator
) -> Tensor:
    """Echoes of scatterers on a convex body, each seen at the cosine of its normal: (P, K), complex128."""
    points, normals = body.scatterers(count, generator)
    strength = -torch.rand(count, dtype=torch.float64, generator=generator).clamp(min=1e-12).log()
    rows = torch.arange(len(operator))
    away = torch.nn.functional.normalize(operator.geometry.transmitters[:, None] - points, dim=-1)
    seen = strength * (away * normals).sum(-1).clamp(min=0)
    with torch.no_grad():
        return operator.respond(points, seen, rows)


# --- the published two stages ---------------------------------------------------------------------------------------


def two_stages(
    problem: Problem, apertures: int = 4, threshold: float = 0.2, steps: int = 300, seed: int = 0
) -> Solution:
    """The closed surface as a `SignedDistance`, from points and normals only."""
    began = time.perf_counter()
    total, strongest = aggregate(problem, apertures)
    points, normals = cloud(total, strongest, problem, threshold)
    distance = fit_distance(
        points, normals, problem.grid.box, scale=problem.grid.spacing[0], steps=steps, seed=seed
    )
    return Solution(
        distance,
        problem,
        "two stages",
        seconds=time.perf_counter() - began,
        steps=steps,
        stopped=Ended("direct", f"{len(points)} points"),
        details={"points": points, "normals": normals},
    )


def aggregate(problem: Problem, apertures: int) -> tuple[Tensor, Tensor]:
    """Σ_m |S_m| over sub-apertures of neighbouring azimuths, and which of them is strongest: both (*grid.shape)."""
    stack = torch.stack(
        [sub_image(problem, rows).abs()[..., 0] for rows in sub_apertures(problem, apertures)]
    )
    return stack.sum(0), stack.argmax(0)


def sub_image(problem: Problem, rows: Tensor, explained: float = 5.0) -> Tensor:
    """Complex L1 of some pulses, (*grid.shape, 1): min ‖S‖₁ so that the residual is `explained` dB below the data.

    5 dB is the constant of the authors' published software; weights fall by FISTA until it is reached.
    """
    term = problem.terms[0]
    assert isinstance(term.operator, PhaseHistory)
    fewer = Term(term.operator.pulses(rows).stored(), term.y[rows], term.fidelity)
    system = LeastSquares.of(
        replace(problem, terms=[fewer], is_complex=True), [torch.arange(len(rows))]
    )
    image, step = system.maps[0].zeros(), 0.97 / system.norm(20) ** 2
    largest, total = float(system.adjoint(system.data()).abs().max()), system.value(image)
    for weight in (0.6 * 0.75**k for k in range(16)):
        image = fista(system, weight * largest, image, 15, step, shrink)
        if system.value(image) <= 10 ** (-explained / 10) * total:
            break
    return image


def sub_apertures(problem: Problem, count: int) -> list[Tensor]:
    """Pulses by azimuth about the grid's centre, in `count` sectors; empty sectors are left out."""
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    look = operator.geometry.look(problem.grid.box.center)
    sector = (
        (torch.atan2(look[:, 1], look[:, 0]) / (2 * torch.pi) % 1 * count + 1e-9)
        .long()
        .clamp(max=count - 1)
    )
    groups = [(sector == k).nonzero()[:, 0] for k in range(count)]
    return [g for g in groups if len(g)]


def cloud(
    total: Tensor, strongest: Tensor, problem: Problem, threshold: float
) -> tuple[Tensor, Tensor]:
    """Voxels of at least `threshold` of the largest modulus, and normals: PCA, else to the strongest aperture."""
    grid = problem.grid
    keep = (total >= threshold * total.max()) & (total > 0)
    points = grid.points(torch.float32)[keep]
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    look = operator.geometry.look(grid.box.center).float()
    count = int(strongest.max()) + 1
    towards = torch.stack([look[g].mean(0) for g in sub_apertures(problem, count)])[strongest[keep]]
    normals = cloud_normals(points, 2.5 * max(grid.spacing))
    missing = normals.square().sum(1) == 0
    normals[missing] = torch.nn.functional.normalize(towards[missing], dim=1)
    return points, normals


def fit_distance(
    points: Tensor, normals: Tensor, box: Box, *, scale: float, steps: int = 300, seed: int = 0
) -> SignedDistance:
    """A signed distance through points with unsigned normals; `scale` is the spread of the points, in m."""
    distance = SignedDistance(box, radius=start_radius(points, box), seed=seed)
    terms: Sequence[Regularizer] = [
        OnSurface(points, normals, scale),
        IsoPoints(points, normals, scale),
        Eikonal(),
        0.1 * OffSurface(0.25 * scale),
    ]

    def loss() -> Tensor:
        where = box.random_points(512)
        return torch.stack([term(distance, where) for term in terms]).sum()

    adam = torch.optim.Adam(distance.parameters(), lr=1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        descend(
            Several([adam], lambda t: 0.5 * (1 + math.cos(math.pi * t))),
            loss,
            (k / steps for k in range(steps)),
        )
    return distance.requires_grad_(False)


def start_radius(points: Tensor, box: Box) -> float:
    """Median distance of the points from the box's centre: a sphere through the middle of them."""
    return float(torch.linalg.vector_norm(points - points.new_tensor(box.center), dim=1).median())


# --- direct ---------------------------------------------------------------------------------------------------------


def direct(
    problem: Problem,
    start: SignedDistance,
    *,
    steps: int = 200,
    weight: float = 100.0,
    batch: int | None = None,
    seed: int = 0,
) -> Solution:
    """The surface and its scatterers from the echoes, from a start that is near: a two-stage surface.

    minimise D(A(sigma), y) + weight · (NearSurface + 0.3 Eikonal), `steps` after as many of sigma alone: a sigma that
    is still the same everywhere would pull the surface outwards, where most of the box is.
    """
    grid, distance = problem.grid, copy.deepcopy(start).requires_grad_(True)
    amplitude = priors.create(
        problem.suggested.prior, grid.box, seed=seed, **problem.suggested.options
    )
    fit = partial(
        solve, problem, steps=steps, batch=batch, stopping=Never(), seed=seed, callbacks=[]
    )
    scattering = fit(amplitude).field
    assert isinstance(scattering, priors.Prior)
    penalties = [0.3 * weight * Eikonal(), weight * NearSurface(grid, max(grid.spacing))]
    solution = fit(Surface(distance, scattering.requires_grad_(True)), regularizers=penalties)
    return replace(solution, method="direct")
