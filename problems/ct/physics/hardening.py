"""A beam of many energies through water, bone and metal, with scatter: simulated scans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Field,
    Grid,
    Operator,
    Problem,
    Solution,
    Suggestion,
    Term,
    noise,
    priors,
    sample,
)
from inverse_inr.memory import require
from inverse_inr.operators import ParallelBeam
from inverse_inr.operators.ct.beam.materials import Tables
from inverse_inr.operators.ct.beam.polychromatic import Polychromatic
from inverse_inr.operators.ct.beam.scatter import Scatter
from inverse_inr.operators.ct.beam.spectrum import Voltage, kramers
from inverse_inr.problems.ct.limits import Photons, require_image
from inverse_inr.problems.ct.physics.artefact_reduction import (
    bone_correction,
    linear_interpolation,
    normalised_interpolation,
    uncorrected,
    water_correction,
)
from inverse_inr.problems.ct.physics.materials_phantom import Kind, material_phantom
from inverse_inr.problems.ct.physics.scatter_levels import LEVELS, begun_at, without_scatter
from inverse_inr.ranges import Count, Range, WholeNumber, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Candidate, Solver

HALF_SIDE = 10.0
"""Half the side of the box, in cm."""
REFERENCE = 70.0
"""Energy in keV at which images are shown."""
GATHER = 2
"""Rays of the model in each detector bin, whose intensities are averaged."""
FINER = 2
"""Nodes of the fit's lattice per pixel and axis."""
FINE_SUBRAYS = 16
"""Rays a bin by which a phantom is measured."""
WEIGHT = 30.0
"""Weight of the total variation, chosen on the seeds 101 to 103."""

ScatterLevel = Annotated[float, Range(least=0, most=0.5)]
"""Scattered light as a part of the unattenuated intensity."""


@checked
def ct_hardening(
    phantom: Kind = "metal",
    *,
    size: Count = 128,
    views: Count = 180,
    detectors: Count | None = None,
    voltage: Voltage = 120.0,
    photons: Photons = 2e5,
    scatter: ScatterLevel = 0.0,
    tables: Tables = "analytic",
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a scan with a polychromatic beam: beam hardening and metal artefacts.

    The field is the attenuation at 70 keV in 1/cm, behind `Polychromatic`. The data are Poisson
    counts of exact line integrals, 16 rays a bin, whose intensities are averaged.

    Args:
        phantom: "water" (a cylinder), "bone" (with four bone inserts) or "metal" (a body with bones
            and two titanium rods), in a square of 20 cm.
        size: Pixels along each axis.
        views: Number of views over half a turn.
        detectors: Detector bins; by default `size`.
        voltage: Of the tube in kV; its filter is 2.5 mm of aluminium.
        photons: Photons per detector bin.
        scatter: Level of a smooth scattered background, as a part of the unattenuated intensity,
            which is learnt as `Scatter`; 0 for none.
        tables: Where attenuation comes from: "analytic" or "xraydb".
        seed: Of the phantom's places and of the noise.

    Raises:
        OutOfMemoryError: Image or measurements do not fit the memory at hand.
    """
    bins = detectors or size
    require_image("ct_hardening: size", FINER * size)
    require(
        f"ct_hardening: {views} views of {bins} detector bins",
        16.0 * FINE_SUBRAYS * views * bins,
        "Fewer views or detectors would fit.",
    )
    box = Box((-HALF_SIDE,) * 2, (HALF_SIDE,) * 2, units=("cm", "cm"))
    grid = Grid(box, (size, size))
    angles = torch.arange(views, dtype=torch.float64) * math.pi / views
    truth = material_phantom(phantom, seed)
    spectrum = kramers(voltage, tables=tables)
    beam = ParallelBeam(box, angles, bins)
    exact = Polychromatic(beam, spectrum, truth.materials, tables=tables).double()
    parts = torch.arange(len(beam)).split(2048)
    lines = [exact.logged(_bin(truth.lines(*beam.rays(p, FINE_SUBRAYS)))) for p in parts]
    mean = -torch.cat([torch.exp(-p).mean(1) for p in lines]).squeeze(-1).log()
    if scatter > 0:
        mean = -torch.logaddexp(-mean, _background(beam.shape, scatter).log().flatten())
    model = noise.Poisson(photons)
    y = model.sample(mean.float(), torch.Generator().manual_seed(seed))
    fine = ParallelBeam(box, angles.float(), GATHER * bins)
    operator: Operator = Polychromatic(
        fine, spectrum, truth.materials, reference=REFERENCE, gather=GATHER, tables=tables
    )
    if scatter > 0:
        operator = Scatter(operator)
    return Problem(
        [Term(operator, y, model)],
        box,
        grid,
        reference=truth.attenuation(REFERENCE, tables),
        suggested=_suggestion(grid, phantom, scatter > 0),
        notes={"reference energy": f"{REFERENCE:g} keV"},
    )


def corrected_fit(
    problem: Problem, weight: float | None = None, steps: int | None = None
) -> Solution:
    """Fit the attenuation on a lattice through the polychromatic beam, beginning water-corrected.

    With an unknown scattered background there is a fit for each of `scatter_levels.LEVELS`, which
    begins at a bone-corrected image without it; held-out rays choose.

    Args:
        problem: A problem of `ct_hardening`.
        weight: Of the total variation; the problem's own by default.
        steps: Steps of L-BFGS; the problem's own by default.

    Returns:
        The solution.
    """
    suggested = problem.suggested
    if weight is not None:
        penalty = weight * TotalVariation(grid=problem.grid.refined(FINER), epsilon=1e-3)
        suggested = replace(suggested, regularizers=(penalty,))
    suggested = replace(suggested, steps=steps or suggested.steps)
    problem = replace(problem, suggested=suggested)
    if not isinstance(problem.terms[0].operator, Scatter):
        return _fit(problem, water_correction(problem, window="hann").field)
    fits = {}
    for level in LEVELS:
        start = bone_correction(without_scatter(problem, level), window="hann").field
        fits[level] = _fit(begun_at(problem, level), start)
    misfits = {level: fit.misfit(fit.watched) for level, fit in fits.items()}
    best = min(misfits, key=lambda level: misfits[level])
    fits[best].details["held-out by first level of scatter"] = misfits
    return replace(fits[best], seconds=sum(fit.seconds for fit in fits.values()))


def _fit(problem: Problem, start: Field) -> Solution:
    """Fit a lattice from an image on, as the problem suggests."""
    lattice = problem.grid.refined(FINER)
    prior = priors.create("grid", problem.box, cells=float(max(lattice.shape)))
    with torch.no_grad():
        table = next(iter(prior.parameters()))
        table.copy_(sample(start, lattice).clamp(min=0).reshape(table.shape))
    return Solver(problem.on_lattice(FINER), prior).run()


def _bin(lines: Tensor) -> Tensor:
    """(b, rays, materials) -> (b, rays, 1, materials), one ray at a time."""
    return lines[:, :, None]


def _background(shape: tuple[int, ...], level: float) -> Tensor:
    """Scatter (views, bins): broad along the detector, and changing with the angle."""
    t = torch.linspace(0, 1, shape[0], dtype=torch.float64)[:, None]
    s = torch.linspace(-1, 1, shape[1], dtype=torch.float64)[None]
    return level * (1 + 0.2 * (2 * math.pi * t).cos()) * torch.exp(-((s - 0.1) ** 2))


def _suggestion(grid: Grid, phantom: Kind, scattered: bool) -> Suggestion:
    classical: dict[str, Any] = {"FBP": uncorrected, "water correction": water_correction}
    if phantom != "water" and not scattered:
        classical["bone correction"] = bone_correction
    if phantom == "metal":
        classical["LI-MAR"] = linear_interpolation
        classical["NMAR"] = normalised_interpolation
    penalty = WEIGHT * TotalVariation(grid=grid.refined(FINER), epsilon=1e-3)
    return Suggestion(
        prior="grid",
        options={"cells": float(FINER * max(grid.shape))},
        regularizers=(penalty,),
        steps=30,
        optimizer="lbfgs",
        baselines=classical,
        candidates=_candidates,
    )


def _candidates(problem: Problem) -> Iterator[Candidate]:
    yield Candidate(corrected_fit(problem))
