"""A sample that moves while it is scanned: simulated scans, and what finds the motion."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, SampledField, Solution, Suggestion, Term, noise, priors
from inverse_inr.memory import require
from inverse_inr.operators import ParallelBeam, fbp
from inverse_inr.operators.ct.motion.shifts import (
    ShiftedViews,
    relative_shift,
    shifted,
    shifts_from_mass,
    shifts_from_neighbours,
    without_gauge,
)
from inverse_inr.problems.ct.limits import NoiseLevel, require_image
from inverse_inr.problems.ct.physics.hardening import FINE_SUBRAYS, HALF_SIDE, REFERENCE
from inverse_inr.problems.ct.physics.materials_phantom import MaterialPhantom, material_phantom
from inverse_inr.ranges import Count, NonNegative, WholeNumber, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Candidate, Ended, Solver

FINER = 2
"""Nodes of the fit's lattice per pixel and axis."""
WEIGHT = 10.0
"""Weight of the total variation, chosen on the seeds 101 to 103."""
ROUNDS = 40
"""How often image and shifts are found in turn."""
FARTHEST = 0.25
"""Part of the detector that a sample may move by."""
KNOTS = 9
"""Places between which smooth motion is interpolated."""
JUMPS = 6
"""Moments at which a jumping sample moves."""

Motion = Literal["smooth", "jumps", "none"]
"""How a sample moves from view to view."""


@checked
def ct_motion(
    motion: Motion = "smooth",
    *,
    amplitude: NonNegative = 2.0,
    size: Count = 128,
    views: Count = 180,
    noise_level: NoiseLevel = 0.01,
    known: bool = False,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a parallel scan of a body that moves along the detector from view to view.

    The shift of each view is learnt with the image (`ShiftedViews`); fits begin where
    reprojections of an FBP put the views.

    Args:
        motion: "smooth" for a path through random places, "jumps" for one that jumps six times,
            "none" for rest.
        amplitude: Largest shift, in detector bins.
        size: Pixels along each axis, and detector bins.
        views: Number of views over half a turn.
        noise_level: Standard deviation of Gaussian noise as a fraction of the largest line
            integral.
        known: Whether the motion is given instead of learnt, for comparison.
        seed: Of the phantom, the motion and the noise.

    Raises:
        ValueError: The motion takes the body off the detector.
        OutOfMemoryError: Image or measurements do not fit the memory at hand.
    """
    if amplitude > FARTHEST * size:
        raise ValueError(
            f"ct_motion: amplitude={amplitude:g} bins takes the body off a detector of size={size} "
            "bins."
        )
    require_image("ct_motion: size", FINER * size)
    require(
        f"ct_motion: {views} views of {size} detector bins",
        16.0 * FINE_SUBRAYS * views * size,
        "Fewer views or a smaller size would fit.",
    )
    box = Box((-HALF_SIDE,) * 2, (HALF_SIDE,) * 2, units=("cm", "cm"))
    angles = torch.arange(views, dtype=torch.float64) * math.pi / views
    pitch = 2 * HALF_SIDE / size
    path = pitch * amplitude * motion_path(motion, views, seed)
    body = material_phantom("metal", seed)
    truth = MaterialPhantom(body.materials[:2], body.amounts[:2]).attenuation(REFERENCE)
    seen = ParallelBeam(box, angles, size, center=path)
    parts = torch.arange(len(seen)).split(4096)
    mean = torch.cat([truth.line_integral(*seen.rays(p, FINE_SUBRAYS)).mean(1) for p in parts])
    model = noise.Gaussian(noise_level * float(mean.max()))
    y = model.sample(mean.float(), torch.Generator().manual_seed(seed))
    shift: Tensor = path.float()
    if not known:
        shift = nn.Parameter(torch.zeros(views))
    still = ParallelBeam(box, angles.float(), size)
    operator = ShiftedViews(still, shift, pitch)
    grid = Grid(box, (size, size))
    penalty = WEIGHT * TotalVariation(grid=grid.refined(FINER), epsilon=1e-3)
    suggested = Suggestion(
        prior="grid",
        options={"cells": float(FINER * size)},
        regularizers=(penalty,),
        steps=30,
        optimizer="lbfgs",
        baselines={"motion ignored": motion_ignored, "consistency": by_mass},
        candidates=_candidates,
    )
    notes = {"motion": path}
    return Problem([Term(operator, y, model)], box, grid, 1, truth, suggested, notes)


def motion_path(motion: Motion, views: int, seed: int) -> Tensor:
    """Draw how a sample moves from view to view.

    Args:
        motion: The kind of motion.
        views: Number of views.
        seed: Of the path.

    Returns:
        (views,) float64, at most 1 in modulus, and 1 at one place unless there is no motion.
    """
    generator = torch.Generator().manual_seed(5000 + seed)
    time_ = torch.linspace(0, 1, views, dtype=torch.float64)
    if motion == "none":
        return torch.zeros(views, dtype=torch.float64)
    if motion == "jumps":
        levels = torch.randn(JUMPS + 1, generator=generator, dtype=torch.float64)
        moments = torch.rand(JUMPS, generator=generator, dtype=torch.float64).sort().values
        path = levels[torch.searchsorted(moments, time_)]
    else:
        from scipy.interpolate import CubicSpline

        places = torch.randn(KNOTS, generator=generator, dtype=torch.float64)
        spline = CubicSpline(torch.linspace(0, 1, KNOTS).double().numpy(), places.numpy())
        path = torch.from_numpy(spline(time_.numpy()))
    path = path - path.mean()
    return path / path.abs().max()


def learnt_shifts(solution: Solution) -> Tensor:
    """The shifts of a solution's views, without their gauge.

    Args:
        solution: A solution of a problem of `ct_motion`.

    Returns:
        (views,) in the unit of the box.
    """
    operator: Any = solution.problem.terms[0].operator
    angles = _scan(solution.problem).angles
    return without_gauge(operator.shift.detach().reshape(-1), angles)


@checked
def motion_fit(problem: Problem, weight: NonNegative | None = None) -> Solution:
    """Fit image and shifts together on a lattice, from where reprojections put the views.

    Args:
        problem: A problem of `ct_motion`.
        weight: Of the total variation; the problem's own by default.
    """
    term = problem.terms[0]
    operator: Any = term.operator
    suggested = problem.suggested
    regularizers = suggested.regularizers
    if weight is not None:
        regularizers = (weight * TotalVariation(grid=problem.grid.refined(FINER), epsilon=1e-3),)
    shift = operator.shift
    if isinstance(shift, nn.Parameter):
        start = shifts_by_reprojection(problem)
        shift = nn.Parameter(start.to(shift).reshape(shift.shape))
    moved = ShiftedViews(operator.operator, shift, operator.pitch, stiffness=operator.stiffness)
    begun = replace(problem, terms=[replace(term, operator=moved)])
    lattice = problem.grid.refined(FINER)
    first = _image(begun, shift.detach().reshape(-1), lattice)
    prior = priors.create("grid", problem.box, cells=float(max(lattice.shape)))
    with torch.no_grad():
        table = next(iter(prior.parameters()))
        table.copy_(first.clamp(min=0).reshape(table.shape))
    return Solver(
        begun.on_lattice(FINER),
        prior,
        regularizers=regularizers,
        steps=suggested.steps,
        optimizer=suggested.optimizer,
        stopping=suggested.stopping,
    ).run()


def shifts_by_reprojection(problem: Problem, rounds: int = ROUNDS) -> Tensor:
    """Find shifts by turns: an FBP of the views in their places, and views matched to its own.

    Args:
        problem: A problem of `ct_motion`.
        rounds: How often.

    Returns:
        (views,) shifts without their gauge, in the unit of the box.

    Source:
        Dengler, Ultramicroscopy 30 (1989); Gürsoy et al., Sci. Rep. 7 (2017).
    """
    scan = _scan(problem)
    views = scan.unflatten(problem.terms[0].y)
    on = scan.on(problem.grid)
    shift = without_gauge(torch.zeros(len(views)), scan.angles)
    every = torch.arange(len(on))
    for _ in range(rounds):
        image = _image(problem, shift, problem.grid).clamp(min=0)
        with torch.no_grad():
            own = scan.unflatten(on(every).measure(image))
        shift = without_gauge(
            scan.pitch * relative_shift(views.double(), own.double()), scan.angles
        )
    return shift


@checked
def motion_ignored(problem: Problem) -> Solution:
    """Solve by FBP as if nothing moved.

    Args:
        problem: A problem of `ct_motion`.
    """
    return _filtered(problem, torch.zeros(len(_scan(problem).angles)), "motion ignored")


@checked
def by_mass(problem: Problem) -> Solution:
    """Solve by FBP with shifts from the centres of mass of the views.

    Args:
        problem: A problem of `ct_motion`.
    """
    scan = _scan(problem)
    views = scan.unflatten(problem.terms[0].y)
    return _filtered(problem, shifts_from_mass(views, scan.angles, scan.pitch), "consistency")


@checked
def by_neighbours(problem: Problem) -> Solution:
    """Solve by FBP with shifts from cross-correlation of neighbouring views.

    Args:
        problem: A problem of `ct_motion`.
    """
    scan = _scan(problem)
    views = scan.unflatten(problem.terms[0].y)
    found = shifts_from_neighbours(views, scan.angles, scan.pitch)
    return _filtered(problem, found, "cross-correlation")


def _scan(problem: Problem) -> ParallelBeam:
    """The beam without motion of a problem, also of one that is seen on a lattice."""
    operator: Any = (problem.origin or problem).terms[0].operator
    scan = operator.operator
    assert isinstance(scan, ParallelBeam)
    return scan


def _image(problem: Problem, shift: Tensor, grid: Grid) -> Tensor:
    """FBP (*shape, 1) of the views, shifted back."""
    scan = _scan(problem)
    views = scan.unflatten(problem.terms[0].y).double()
    back = shifted(views, -(shift.to(views) / scan.pitch)[:, None])
    return fbp(scan, back.to(problem.terms[0].y.dtype), grid, "hann")


def _filtered(problem: Problem, shift: Tensor, method: str) -> Solution:
    began = time.perf_counter()
    image = _image(problem, shift, problem.grid).float()
    return Solution(
        SampledField(image, problem.grid),
        problem,
        method,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", method),
        details={"shift": shift},
    )


def _candidates(problem: Problem) -> Iterator[Candidate]:
    yield Candidate(motion_fit(problem))
