"""Closed surfaces from a sparse radar aperture: a simulated problem, and the surface from echoes.

`two_stages` is the published method. `direct` couples a reflectivity and a signed distance by a
penalty (`Surface`, `NearSurface`) and fits them to the phase history itself, from where the two
stages end.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, noise, priors, solve
from inverse_inr.io import write_ply
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.kinds import Decibels, Hertz
from inverse_inr.problems.radar.aspects import without_aspects
from inverse_inr.problems.radar.fmcw import cylinder, radar_problem, require_echoes
from inverse_inr.problems.radar.imaging import radar_figure
from inverse_inr.problems.radar.surface_scenes import Body, shape
from inverse_inr.problems.radar.two_stages import two_stages
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked
from inverse_inr.stopping import Never
from inverse_inr.surfaces import Eikonal, Mesh, NearSurface, SignedDistance, Surface, level_set
from inverse_inr.surfaces import plotting as plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTORS = 9
"""Sectors of azimuth whose images share the variances of a body."""


@checked
def surfaces(
    scene: str = "sphere",
    *,
    azimuths: Count = 36,
    heights: Count = 8,
    start_frequency: Hertz = 6e9,
    bandwidth: Positive = 4e9,
    tones: Count = 12,
    radius: Positive = 0.5,
    reach: NonNegative = 0.4,
    snr: Decibels = 20.0,
    pitch: Positive = 9e-3,
    scatterers: Count = 1500,
    seed: WholeNumber = 0,
) -> Problem:
    """Stepped-frequency phase history of a small body, on a sparse cylindrical aperture.

    Scatterers lie on the surface, on no lattice, with exponential amplitudes times the cosine at
    which an antenna sees them, none from behind and none through the body: exact self-shadowing.
    `notes["shape"]` is the exact signed distance, for reporting only.

    Args:
        scene: "sphere", "box" or "cylinder on a plate", of about 0.1 m.
        azimuths: Pulses around the body at each height.
        heights: Number of heights between -reach and +reach.
        start_frequency: Lowest frequency in Hz.
        bandwidth: Span of the frequencies in Hz.
        tones: Number of frequencies.
        radius: Radius in metres of the cylinder on which the antenna moves.
        reach: Largest height in metres.
        snr: Mean |y|² over mean |n|² in dB.
        pitch: Side of a voxel in metres; the default is a quarter of the middle wavelength.
        scatterers: Number of scatterers.
        seed: Seed of the scatterers and the noise.

    Returns:
        The problem, with the classical methods as suggested baselines.

    Raises:
        ValueError: If the scene is unknown.
    """
    body = shape(scene)
    require_echoes("surfaces", azimuths * heights, tones)
    cells = round(0.18 / pitch)
    half = 0.5 * cells * pitch
    grid = Grid(Box((-half,) * 3, (half,) * 3, ("m",) * 3), (cells,) * 3)
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
        operator, grid, y, sigma, steps=600, prior="hash", options=options, weight=300.0
    )
    own = problem.suggested.baselines | {
        "variance field": partial(variance_field, apertures=SECTORS)
    }
    suggested = replace(
        problem.suggested, write=write_surface, figure=surface_figure, baselines=own
    )
    return replace(problem, suggested=suggested, notes=problem.notes | {"shape": body})


def write_surface(solution: Solution, folder: Path) -> list[Path]:
    """Write surface.ply: the closed surface of `two_stages`, from the same echoes.

    Args:
        solution: A solution of a `surfaces` problem.
        folder: The run's folder.

    Returns:
        The file's path.
    """
    mesh = _mesh(solution.problem)
    write_ply(folder / "surface.ply", mesh.vertices, mesh.faces, normals=mesh.vertex_normals)
    return [folder / "surface.ply"]


def surface_figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """The projections of `radar_figure`, and beside the range profiles the mesh of `two_stages`.

    Args:
        problem: A `surfaces` problem.
        solutions: One row of projections each.

    Returns:
        A Matplotlib figure.
    """
    figure = radar_figure(problem, solutions, beside=True)
    corner = figure.axes[0].get_gridspec()
    assert corner is not None
    axes = figure.add_subplot(corner[-1, -1], projection="3d")
    plotting.mesh(_mesh(problem), axes=axes, title="two stages")
    return figure


@lru_cache(maxsize=1)
def _mesh(problem: Problem) -> Mesh:
    """The closed surface of `two_stages`, kept: a run draws it after each method."""
    isotropic = without_aspects(problem)
    return level_set(two_stages(isotropic).field, Grid(problem.box, (48,) * 3))


@checked
def facing_echoes(
    operator: PhaseHistory, body: Body, count: Count, generator: torch.Generator
) -> Tensor:
    """Echoes of scatterers on a body, each seen at the cosine of its normal where nothing hides it.

    Args:
        operator: The radar with P pulses of K frequencies.
        body: The scatterers are drawn on its surface.
        count: Number of scatterers.
        generator: Source of the random places and amplitudes.

    Returns:
        (P, K), complex128.
    """
    points, normals = body.scatterers(count, generator)
    strength = -torch.rand(count, dtype=torch.float64, generator=generator).clamp(min=1e-12).log()
    rows = torch.arange(len(operator))
    away = torch.nn.functional.normalize(operator.geometry.transmitters[:, None] - points, dim=-1)
    seen = strength * (away * normals).sum(-1).clamp(min=0) * visible(body, points, away)
    with torch.no_grad():
        return operator.respond(points, seen, rows)


def visible(body: Body, points: Tensor, towards: Tensor, reach: float = 0.2) -> Tensor:
    """Tell whether the body itself leaves points on its surface in sight: 1, else 0.

    Args:
        body: Signed distance.
        points: (n, 3) on the surface, in metres.
        towards: (P, n, 3) unit vectors to the antennas.
        reach: Length in metres beyond which nothing of the body lies.

    Returns:
        (P, n), float64.
    """
    free = torch.ones(towards.shape[:2], dtype=torch.bool)
    for length in torch.arange(2e-3, reach, 2e-3).tolist():
        free &= body(points + length * towards)[..., 0] > -1e-4
    return free.double()


@checked
def direct(
    problem: Problem,
    start: SignedDistance,
    *,
    steps: Count = 200,
    weight: NonNegative = 100.0,
    batch: Count | None = None,
    seed: WholeNumber = 0,
) -> Solution:
    """The surface and its scatterers from the echoes, from a start that is near.

    Minimises D(A(sigma), y) + weight · (NearSurface + 0.3 Eikonal), after as many steps of sigma
    alone: a sigma that is still the same everywhere would pull the surface outwards, where most of
    the box is.

    Args:
        problem: A radar problem with a suggested prior.
        start: A surface that is near, e.g. of `two_stages`; it is not changed.
        steps: Steps of the solver, first for sigma alone and then for both.
        weight: Weight of the coupling.
        batch: Pulses per step; None for the solver's choice.
        seed: Seed of the prior and the solver.

    Returns:
        A solution whose field is a `Surface`.
    """
    grid = problem.grid
    distance = copy.deepcopy(start).requires_grad_(True)
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
