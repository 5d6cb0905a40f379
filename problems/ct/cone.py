"""Simulated cone-beam scans of a 3-D phantom or a volume file, and FDK."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
    baselines,
    noise,
    phantoms,
    predict,
)
from inverse_inr.hooks import HasGridMap
from inverse_inr.io import read_image
from inverse_inr.memory import require
from inverse_inr.operators import ConeBeam, ConeVectors, fdk
from inverse_inr.problems.ct.limits import Coverage, HeldOutNth, NoiseLevel, Subrays
from inverse_inr.problems.ct.simulated import views_to_filter
from inverse_inr.problems.ct.volume_fits import volume_fits, voxels_from_cgls
from inverse_inr.problems.views import views_held_out
from inverse_inr.ranges import Count, Finite, Positive, WholeNumber, checked
from inverse_inr.registry import nearest
from inverse_inr.solver import Ended
from inverse_inr.solver.objective import learns
from inverse_inr.stopping import HeldOut, hold_out

PHANTOMS = {"shepp_logan": phantoms.shepp_logan_3d, "gaussian_blobs": phantoms.gaussian_blobs}
"""Analytic truths by name: functions of a box."""
FINE_SUBRAYS = 4
"""Rays an axis of a detector pixel by which a truth is measured."""
ROWS_AT_ONCE = 16384
"""Measurements that are simulated at a time, which bounds the memory."""
BYTES_A_RAY = 64
"""Memory that a ray of the reconstruction takes: its places, its measurement, its share of work."""


@checked
def cone(
    phantom: str = "shepp_logan",
    *,
    size: Count = 64,
    views: Count = 60,
    detectors: tuple[Count, Count] | None = None,
    coverage: Coverage = 360.0,
    magnification: Positive = 1.5,
    rise: Finite = 0.0,
    noise_level: NoiseLevel = 0.005,
    subrays: Subrays = 1,
    hold_out_views: HeldOutNth | None = 12,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a cone-beam scan of a 3-D phantom or of a volume file.

    Phantoms are measured by exact line integrals averaged over detector pixels, files by rays finer
    than the reconstruction's. The source stands two and a half half-widths of the box from its
    middle, as in a table-top scanner.

    Args:
        phantom: "shepp_logan" (3-D, modified contrast), "gaussian_blobs", or a file of a volume.
        size: Voxels of the longest axis of the grid on which results are shown.
        views: Number of views.
        detectors: Detector rows and columns; by default `size` of each.
        coverage: Degrees that the views span; 360 is a full turn.
        magnification: Of things on the axis of rotation by the detector.
        rise: How far the source moves along the axis of rotation during the scan (a helix), as a
            fraction of the box's height; 0 for a circle.
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest line
            integral.
        subrays: Rays of the reconstruction per axis of a detector pixel.
        hold_out_views: Keep each n-th view out of the fits that choose a weight or a step, one of
            fewer than n; None for single rays, which hardly tell noise from edges.
        seed: Of the noise.

    Raises:
        ValueError: The phantom is neither known nor a readable volume, or the magnification is
            below 1.
        OutOfMemoryError: Volume or measurements would not fit the memory at hand.
    """
    if magnification < 1:
        raise ValueError(f"cone: magnification={magnification} is below 1: source behind the axis?")
    rows, columns = detectors or (size, size)
    require(f"cone: size={size}: a volume of {size}^3 voxels", 16.0 * size**3, "A smaller size.")
    require(
        f"cone: {views} views of {rows} x {columns} pixels",
        float(BYTES_A_RAY) * views * rows * columns * subrays**2,
        "Fewer views, pixels or subrays.",
    )
    truth, box, radius = _truth(phantom)
    longest = max(box.lengths)
    grid = Grid(box, tuple(max(1, round(size * n / longest)) for n in box.lengths))
    turn = torch.arange(views, dtype=torch.float64) / views
    # a cone's edge rays pass the box's corners where they are widest
    source = 2.5 * math.hypot(*box.lengths[:2]) / math.sqrt(2)
    wide = max(2 * radius, box.lengths[2])
    operator = ConeBeam(
        box,
        turn * math.radians(coverage),
        (rows, columns),
        source,
        source * (magnification - 1),
        magnification * wide / math.sqrt(1 - (radius / source) ** 2) / max(rows, columns),
        subrays=subrays,
        height=(turn - 0.5) * rise * box.lengths[2],
    )
    mean = _measured(truth, operator).float()
    model = noise.Gaussian(noise_level * float(mean.max()))
    y = model.sample(mean, torch.Generator().manual_seed(seed))
    term = Term(operator.float(), y, model)
    if hold_out_views is not None:
        hold_out_views = min(hold_out_views, views)
    problem = Problem(
        [term],
        box,
        grid,
        reference=truth,
        suggested=cone_suggestion(spare_views_held_out(term, hold_out_views), rise == 0),
    )
    return by_voxels(problem)


def _truth(phantom: str) -> tuple[Field, Box, float]:
    """A phantom by name, or a volume of one channel from a file, whose largest value becomes 1.

    Its box, and the radius of the cylinder about the axis in which it lies, come with it.
    """
    if phantom in PHANTOMS:
        box = Box((-1.0,) * 3, (1.0,) * 3, units=("cm", "cm", "cm"))
        return PHANTOMS[phantom](box), box, 1.0
    if not Path(phantom).suffix:
        raise ValueError(
            f"Unknown phantom {phantom!r}. {nearest(phantom, PHANTOMS)} A file needs a suffix."
        )
    values, grid = read_image(phantom)
    if grid.ndim != 3:
        raise ValueError(f"{phantom}: expected a volume, found {grid.ndim} axes.")
    values = values.mean(-1, keepdim=True)
    largest = float(values.max())
    if not (math.isfinite(float(values.sum())) and largest > 0):
        raise ValueError(f"{phantom} holds NaN or Inf, or nothing positive.")
    radius = 0.5 * math.hypot(*grid.box.lengths[:2])
    return SampledField(values / largest, grid), grid.box, radius


def _measured(truth: Field, beam: ConeBeam) -> Tensor:
    """Line integrals averaged over pixels: exact for a phantom, by fine rays for a volume."""
    parts = torch.arange(len(beam)).split(ROWS_AT_ONCE)
    if isinstance(truth, phantoms.Ellipsoids | phantoms.GaussianBlobs):
        return torch.cat(
            [truth.line_integral(*beam.rays(rows, FINE_SUBRAYS)).mean(1) for rows in parts]
        )
    # not the reconstruction's own method: samples along rays, twice as dense, four rays a pixel
    parts = torch.arange(len(beam)).split(512)
    dense = 2 * beam.samples
    with torch.no_grad():
        return torch.cat(
            [predict(_finer(beam, dense), truth, rows) for rows in parts],
        )


def _finer(beam: ConeBeam, samples: int) -> ConeBeam:
    some = beam.of_views(torch.ones(len(beam.angles), dtype=torch.bool))
    some.samples = samples
    some.subrays = 2
    return some


def cone_suggestion(stopping: HeldOut | None = None, circular: bool = True) -> Suggestion:
    """Suggest what suits a cone-beam scan, and FDK, CGLS and TV as classical methods.

    Args:
        circular: Whether FDK can reconstruct the scan.
        stopping: The rule that ends a fit; None for all steps.
    """
    classical: dict[str, Callable[[Problem], Solution]] = {
        "CGLS": baselines.cgls,
        "TV": baselines.tv,
    }
    if circular:
        classical = {"FDK": feldkamp, **classical}
    return Suggestion(prior="hash", steps=800, stopping=stopping, baselines=classical)


def spare_views_held_out(term: Term, nth: int | None) -> HeldOut | None:
    """The rule that keeps each n-th view out; None where there is none to spare, or nobody asks.

    Raises:
        ValueError: There are fewer views than that.
    """
    assert isinstance(term.operator, ConeBeam | ConeVectors)
    if term.operator.shape[0] < 2:
        return None
    return views_held_out(term, nth)


def by_voxels(problem: Problem) -> Problem:
    """Suggest to fit voxels with total variation, where the beam has a map of a sampled volume.

    Args:
        problem: The problem with its own suggestion, of which the rest stays.
    """
    operator = problem.terms[0].operator
    if learns(operator) or not isinstance(operator, HasGridMap):
        return problem
    starts = {"grid": voxels_from_cgls(problem)}
    suggested = replace(problem.suggested, starts=starts, candidates=volume_fits)
    return replace(problem, suggested=suggested)


@checked
def feldkamp(problem: Problem, window: str = "hann") -> Solution:
    """Solve by FDK, from the rows that the other methods fit too: held-out views are left out.

    Args:
        problem: Its first operator is a circular cone beam.
        window: The filter's window, as `operators.fdk` names it.
    """
    began = time.perf_counter()
    beam = problem.terms[0].operator
    if not isinstance(beam, ConeBeam):
        raise TypeError(f"FDK needs a ConeBeam, not {type(beam).__name__}.")
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    used, views = views_to_filter(problem, fit[0])
    image = fdk(beam.of_views(used), views, problem.grid, window)
    return Solution(
        SampledField(image, problem.grid),
        problem,
        "FDK",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{window} window"),
        watched=watch,
        details=dict(note),
    )
