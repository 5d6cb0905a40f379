"""Simulated computed tomography: parallel and fan beams of a phantom or an image file, and FBP."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Field,
    Grid,
    Operator,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    baselines,
    noise,
    phantoms,
    predict,
)
from inverse_inr.candidates import lattice_fits
from inverse_inr.hooks import HasGridMap
from inverse_inr.memory import require
from inverse_inr.operators import DetectorDrift, FanBeam, ParallelBeam, fbp
from inverse_inr.operators.ct.ray_transform import RayTransform
from inverse_inr.problems.ct.limits import Coverage, NoiseLevel, Photons, Subrays, require_image
from inverse_inr.problems.images import PHANTOMS, load_truth
from inverse_inr.ranges import Count, WholeNumber, checked
from inverse_inr.solver import Ended
from inverse_inr.solver.objective import learns
from inverse_inr.stopping import HeldOut, hold_out

DENSEST_RAY = 4.0
"""Largest line integral of a phantom that is counted in photons: phantoms have no unit, so let the
densest ray lose 98 % of its photons."""

FULL_CIRCLE = {"parallel": 180.0, "fan": 360.0}
"""Degrees that the views of a beam must span to see everything."""


FINE_SUBRAYS = 16
"""Rays a bin by which a phantom is measured."""
ROWS_AT_ONCE = 8192
"""Measurements that are simulated at a time, which bounds the memory."""


@checked
def ct(
    phantom: str = "shepp_logan",
    *,
    size: Count = 128,
    views: Count = 60,
    detectors: Count | None = None,
    coverage: Coverage | None = None,
    beam: Literal["parallel", "fan"] = "parallel",
    noise_level: NoiseLevel = 0.005,
    photons: Photons | None = None,
    slice: WholeNumber | None = None,
    subrays: Subrays = 2,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a 2-D scan of a phantom or of an image file.

    Phantoms are measured by exact line integrals averaged over detector bins, files by rays four
    times finer than the reconstruction's. So the data never come from the discretisation that
    reconstructs them.

    Args:
        phantom: "shepp_logan", "gaussian_blobs", or a NIfTI, DICOM, npz or PNG file.
        size: Pixels of the longest axis of the grid on which results are shown.
        views: Number of views.
        detectors: Detector bins; by default `size`.
        coverage: Degrees that the views span. By default 180 for a parallel and 360 for a fan beam;
            less is a limited angle.
        beam: "parallel" or "fan".
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest line
            integral.
        photons: Photons per detector bin, instead of `noise_level`: Poisson counts, whose logarithm
            is never taken.
        slice: Of a volume, along its last axis.
        subrays: Rays per detector bin of the reconstruction.
        seed: Of the noise.

    Raises:
        ValueError: If the beam is unknown, or the phantom is neither known nor a readable file.
        OutOfMemoryError: If image or measurements would not fit the memory at hand.
    """
    if slice is not None and phantom in PHANTOMS:
        raise ValueError(f"ct: slice={slice} is of a volume; {phantom!r} is a picture.")
    bins = detectors or size
    require_image("ct: size", size)
    require(
        f"ct: {views} views of {bins} detector bins",
        16.0 * views * bins,
        lambda there: f"{there // (16 * views)} bins would fit.",
    )
    truth, box = load_truth(phantom, slice)
    longest = max(box.lengths)
    grid = Grid(box, tuple(max(1, round(size * n / longest)) for n in box.lengths))
    if coverage is None:
        coverage = FULL_CIRCLE.get(beam, 360.0)
    angles = torch.arange(views, dtype=torch.float64) * math.radians(coverage) / views
    operator = _beam(box, angles.float(), bins, beam, subrays=subrays)
    mean = _measure(truth, _beam(box, angles, bins, beam, subrays=subrays)).float()
    if photons is None:
        model: noise.Noise = noise.Gaussian(noise_level * float(mean.max()))
    else:
        scale = DENSEST_RAY / float(mean.max())
        truth = _scaled(truth, scale)
        mean = mean * scale
        model = noise.Poisson(photons)
    y = model.sample(mean, torch.Generator().manual_seed(seed))
    return Problem(
        [Term(operator, y, model)], box, grid, reference=truth, suggested=suggestion(operator)
    )


# --- simulated ------------------------------------------------------------------------------------


def _beam(
    box: Box, angles: Tensor, detectors: int, beam: str, **options: int
) -> ParallelBeam | FanBeam:
    if beam == "parallel":
        return ParallelBeam(box, angles, detectors, **options)
    if beam == "fan":
        return FanBeam(box, angles, detectors, 1.5 * box.diagonal, 1.5 * box.diagonal, **options)
    raise ValueError(f"beam must be 'parallel' or 'fan', got {beam!r}.")


def _measure(truth: Field, beam: ParallelBeam | FanBeam) -> Tensor:
    """Bin-averaged line integrals: exact for a phantom, by fine rays for anything else."""
    if isinstance(truth, phantoms.Ellipsoids | phantoms.GaussianBlobs):
        parts = torch.arange(len(beam)).split(ROWS_AT_ONCE)
        return torch.cat(
            [truth.line_integral(*beam.rays(rows, FINE_SUBRAYS)).mean(1) for rows in parts]
        )
    kind = "parallel"
    if isinstance(beam, FanBeam):
        kind = "fan"
    options = {"samples": 4 * beam.samples, "subrays": 4}
    fine = _beam(beam.box, beam.angles, beam.shape[1], kind, **options)
    with torch.no_grad():
        return torch.cat(
            [predict(fine, truth, rows) for rows in torch.arange(len(fine)).split(512)]
        )


def _scaled(field: Field, factor: float) -> Field:
    return lambda points: factor * field(points)


# --- what suits -----------------------------------------------------------------------------------


def suggestion(
    operator: ParallelBeam | FanBeam | DetectorDrift,
    stopping: HeldOut | None = None,
) -> Suggestion:
    """Suggest what suits a scan, and FBP, CGLS and TV as classical methods.

    `solve` decides between fits of a lattice twice as fine as the grid that is shown, where the
    beam has a map of sampled images. `Solver`, which does not decide, fits the hash prior by rays.

    Args:
        operator: The beam.
        stopping: The rule that ends a fit; None for all steps.
    """
    classical: dict[str, Callable[[Problem], Solution]] = {
        "FBP": filtered_backprojection,
        "CGLS": baselines.cgls,
        "TV": baselines.tv,
    }
    candidates = None
    if isinstance(operator, HasGridMap) and not learns(operator):
        candidates = lattice_fits
    return Suggestion(
        prior="hash", steps=800, stopping=stopping, baselines=classical, candidates=candidates
    )


@checked
def filtered_backprojection(problem: Problem, window: str = "hann") -> Solution:
    """Solve by FBP, from the rows that the other methods fit too: held-out views are left out.

    Args:
        problem: Its first operator is a beam, or a `DetectorDrift` of one. FBP knows no drift: it
            takes the measurements as those of the beam behind the detector.
        window: The filter's window, as `operators.fbp` names it.
    """
    began = time.perf_counter()
    term = problem.terms[0]
    if isinstance(term.operator, DetectorDrift):
        problem = measured_by(term.operator.operator, problem)
        term = problem.terms[0]
    beam = term.operator
    assert isinstance(beam, ParallelBeam | FanBeam)
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    used, views = views_to_filter(problem, fit[0])
    image = fbp(beam.of_views(used), views, problem.grid, window)
    return Solution(
        SampledField(image, problem.grid),
        problem,
        "FBP",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{window} window"),
        watched=watch,
        details=dict(note),
    )


def views_to_filter(problem: Problem, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Take the views that filtering needs whole, from those rows that may be fitted.

    Args:
        problem: A problem whose first operator is a beam.
        rows: (b,) numbers of the rows that may be fitted.

    Returns:
        (views,) of bool, the views of which any row may be fitted; and these views, (used,
        *detector), with missing values interpolated along the detector.
    """
    term = problem.terms[0]
    assert isinstance(term.operator, RayTransform)
    y = term.y
    if isinstance(term.fidelity, noise.Noise):
        y, _ = term.fidelity.least_squares(y)
    seen = torch.zeros(len(term.operator), dtype=torch.bool)
    seen[rows] = True
    known = term.operator.unflatten(seen)
    used = known.flatten(1).any(1)
    views = term.operator.unflatten(y)[used]
    lines = filled(views.flatten(0, -2), known[used].flatten(0, -2))
    return used, lines.reshape(views.shape)


def measured_by(operator: Operator, problem: Problem) -> Problem:
    """Return the problem with its first measurements taken as those of another operator.

    Args:
        operator: An operator with the same rows.
        problem: A problem of one term.
    """
    return replace(problem, terms=[replace(problem.terms[0], operator=operator)])


def filled(views: Tensor, seen: Tensor) -> Tensor:
    """Interpolate missing detector values along their view: filtering needs whole views.

    Args:
        views: (views, detectors).
        seen: (views, detectors) bool: the values that are known; a view without any stays as it is.

    Returns:
        (views, detectors).
    """
    import numpy as np

    whole = views.clone()
    for view, known in zip(whole, seen, strict=True):
        if known.any() and not known.all():
            where = known.nonzero()[:, 0].numpy()
            missing = (~known).nonzero()[:, 0].numpy()
            guess = np.interp(missing, where, view[known].numpy())
            view[~known] = torch.from_numpy(guess).to(view.dtype)
    return whole
