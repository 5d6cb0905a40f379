"""Closed surfaces by the published two stages: images of sub-apertures, then a signed distance.

Complex L1 images of sub-apertures are made, their summed moduli are thresholded to points with
normals, and a signed distance is fitted to the points. The distance never sees a phase.

Source: Sugavanam & Ertin 2026.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Box, Problem, Solution, Term
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators import PhaseHistory
from inverse_inr.optimizers import Several, descend
from inverse_inr.problems.radar.aspects import looks, sub_apertures
from inverse_inr.problems.radar.carving import outside
from inverse_inr.ranges import (
    Count,
    FiniteTensor,
    Fraction,
    NonNegative,
    Positive,
    WholeNumber,
    checked,
)
from inverse_inr.regularizers import Regularizer
from inverse_inr.solver import Ended
from inverse_inr.surfaces import (
    Eikonal,
    IsoPoints,
    OffSurface,
    OnSurface,
    SignedDistance,
    cloud_normals,
    start_radius,
)


@checked
def two_stages(
    problem: Problem,
    apertures: Count = 4,
    threshold: Fraction = 0.2,
    steps: Count = 300,
    seed: WholeNumber = 0,
    carve: bool = False,
) -> Solution:
    """The closed surface as a `SignedDistance`, from points and normals only.

    Args:
        problem: A problem of one `PhaseHistory` term, with a grid.
        apertures: Number of sectors of azimuth that are imaged by themselves.
        threshold: Least modulus of the points, relative to the largest summed modulus.
        steps: Steps of Adam for the distance.
        seed: Seed of the distance and its fit.
        carve: True to keep the body out of places that are free (`outside`), for concave bodies.

    Returns:
        The distance as a solution; `details` hold the points, their normals and the free places.
    """
    began = time.perf_counter()
    total, strongest = aggregate(problem, apertures)
    points, normals = cloud(total, strongest, problem, threshold)
    free = points[:0]
    if carve:
        free = outside(problem, points)
    distance = fit_distance(
        points,
        normals,
        problem.grid.box,
        scale=problem.grid.spacing[0],
        free=free,
        steps=steps,
        seed=seed,
    )
    return Solution(
        distance,
        problem,
        "two stages",
        seconds=time.perf_counter() - began,
        steps=steps,
        stopped=Ended("direct", f"{len(points)} points"),
        details={"points": points, "normals": normals, "free": free},
    )


@checked
def aggregate(problem: Problem, apertures: Count) -> tuple[Tensor, Tensor]:
    """Image sub-apertures of neighbouring azimuths and sum their moduli, Σ_m |S_m|.

    Args:
        problem: A problem of one `PhaseHistory` term, with a grid.
        apertures: Number of sectors of azimuth.

    Returns:
        The sum, and the number of the strongest sub-aperture, both (*grid.shape,).
    """
    stack = torch.stack(
        [sub_image(problem, rows).abs()[..., 0] for rows in sub_apertures(problem, apertures)]
    )
    return stack.sum(0), stack.argmax(0)


@checked
def sub_image(problem: Problem, rows: Tensor, explained: NonNegative = 5.0) -> Tensor:
    """Complex L1 image of some pulses: min ‖S‖₁ with a residual well below the data.

    Weights fall, each solved by FISTA, until the residual is low enough.

    Args:
        problem: A problem of one `PhaseHistory` term, with a grid.
        rows: (b,) numbers of pulses.
        explained: How far the residual lies below the data, in dB; 5 dB is the constant of the
            authors' published software.

    Returns:
        (*grid.shape, 1) complex.
    """
    term = problem.terms[0]
    assert isinstance(term.operator, PhaseHistory)
    fewer = Term(term.operator.pulses(rows).stored(), term.y[rows], term.fidelity)
    system = LeastSquares.of(
        replace(problem, terms=[fewer], is_complex=True), [torch.arange(len(rows))]
    )
    image = system.maps[0].zeros()
    step = 0.97 / system.norm(20) ** 2
    largest = float(system.adjoint(system.data()).abs().max())
    total = system.value(image)
    for weight in (0.6 * 0.75**k for k in range(16)):
        image = fista(system, weight * largest, image, 15, step, shrink)
        if system.value(image) <= 10 ** (-explained / 10) * total:
            break
    return image


@checked
def cloud(
    total: Tensor, strongest: Tensor, problem: Problem, threshold: Fraction
) -> tuple[Tensor, Tensor]:
    """Threshold an image to points with normals.

    Normals are found by PCA of neighbouring points; where there are too few, they point to the
    strongest sub-aperture.

    Args:
        total: (*grid.shape,) summed moduli.
        strongest: (*grid.shape,) number of the strongest sub-aperture.
        problem: A problem of one `PhaseHistory` term, with a grid.
        threshold: Least modulus of the points, relative to the largest summed modulus.

    Returns:
        Points (n, 3) in metres and normals (n, 3), float32.
    """
    grid = problem.grid
    keep = (total >= threshold * total.max()) & (total > 0)
    points = grid.points(torch.float32)[keep]
    look = looks(problem).float()
    count = int(strongest.max()) + 1
    towards = torch.stack([look[g].mean(0) for g in sub_apertures(problem, count)])[strongest[keep]]
    normals = cloud_normals(points, 2.5 * max(grid.spacing))
    missing = normals.square().sum(1) == 0
    normals[missing] = torch.nn.functional.normalize(towards[missing], dim=1)
    return points, normals


@checked
def fit_distance(
    points: Tensor,
    normals: Tensor,
    box: Box,
    *,
    scale: Positive,
    free: FiniteTensor | None = None,
    steps: Count = 300,
    seed: WholeNumber = 0,
) -> SignedDistance:
    """Fit a signed distance to points with unsigned normals.

    Args:
        points: (n, 3) in metres.
        normals: (n, 3) unit vectors.
        box: The distance's box in metres.
        scale: Spread of the points in metres.
        free: (m, 3) places in metres where nothing is; None for none known.
        steps: Steps of Adam.
        seed: Seed of the network and of the random points at which it is regularized.

    Returns:
        The distance, no longer learnt.
    """
    distance = SignedDistance(box, radius=start_radius(points, box), seed=seed)
    terms: Sequence[Regularizer] = [
        OnSurface(points, normals, scale),
        IsoPoints(points, normals, scale),
        Eikonal(),
        0.1 * OffSurface(0.25 * scale),
    ]

    def loss() -> Tensor:
        where = box.random_points(512)
        total = torch.stack([term(distance, where) for term in terms]).sum()
        if free is None or not len(free):
            return total
        empty = free[torch.randint(len(free), (512,))]
        return total + (-distance(empty) / scale).clamp(min=0).mean()

    adam = torch.optim.Adam(distance.parameters(), lr=1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        descend(
            Several([adam], lambda t: 0.5 * (1 + math.cos(math.pi * t))),
            loss,
            (k / steps for k in range(steps)),
        )
    return distance.requires_grad_(False)
