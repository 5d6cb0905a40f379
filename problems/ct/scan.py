"""A measured parallel-beam scan (DXchange HDF5): counts to line integrals or to Poisson, rings learnt or removed."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Grid,
    Operator,
    Problem,
    Solution,
    Term,
    as_linear_map,
    baselines,
    noise,
)
from inverse_inr.hooks import Shaped
from inverse_inr.io import read_dxchange, read_hdf5
from inverse_inr.operators import DetectorDrift, ParallelBeam
from inverse_inr.operators.ct.center_of_rotation import center_of_rotation
from inverse_inr.problems.ct.simulated import filtered_backprojection, measured_by, suggestion
from inverse_inr.stopping import HeldOut, hold_out


@dataclass(frozen=True)
class Reading:
    """The part of a scan that is read, and its corrections.

    row    detector row
    bin    so many neighbouring detector pixels are averaged
    every  n: only each n-th view is used
    air    pixels at both ends that never see the object: each view is scaled to the flat field
           there
    span   degrees from the first to the last view, where the file's angles are known to be wrong;
           None: the file's
    Raises ValueError for a row or a number of pixels below 0, a bin or a step of views below 1, a
    span of 0 or less.
    """

    row: int = 0
    bin: int = 1
    every: int = 1
    air: int = 0
    span: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("row", 0), ("bin", 1), ("every", 1), ("air", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"Reading: {name}={getattr(self, name)} must be {least} or more.")
        if self.span is not None and not 0 < self.span < math.inf:
            raise ValueError(
                f"Reading: span={self.span} must be positive (degrees), or None for the file's angles."
            )


@dataclass(frozen=True)
class RotationAxis:
    """The place of the axis of rotation.

    center        distance from the detector's middle, in pixels of the file; found from opposite
                  views where None
    learn_center  refine it together with the image (rays only)
    """

    center: float | None = None
    learn_center: bool = True


def ct_scan(
    path: str,
    *,
    reading: Reading = Reading(),
    axis: RotationAxis = RotationAxis(),
    fidelity: Literal["gaussian", "poisson"] = "gaussian",
    size: int | None = None,
    width: float | None = None,
    hold_out_views: int | None = None,
    drift: int | None = None,
    raster: bool = False,
) -> Problem:
    """One detector row of a parallel-beam DXchange scan (HDF5), in units of (binned) detector pixels.

    reading, axis   what is read of the file, and where the axis of rotation is
    fidelity        "gaussian": -log of corrected counts, each with its own precision; "poisson":
                    the counts
    size, width     pixels a side of the image; detector pixels that its box spans (default: the
                    detector)
    hold_out_views  keep each n-th view out of the fit, to judge and to stop by
    drift           learn a polynomial in time of this degree for each detector element
                    (`DetectorDrift`): rings
    raster          measure the sampled image (`.on(grid)`, TV and prior on the same pixels) instead
                    of points on rays

    Values that no attenuation explains (dead pixels, no flat field, NaN) are masked and counted in
    `notes`.
    """
    scan, bin = read_dxchange(path, rows=reading.row), reading.bin
    gain = _gain(path, reading.row)
    counts, flat, dark = (
        _binned(v.reshape(-1, v.shape[-1]) / gain, bin)
        for v in (scan.counts, scan.white, scan.dark)
    )
    angles = scan.angles if reading.span is None else _even(len(scan.angles), reading.span)
    counts, angles = counts[:: reading.every], angles[:: reading.every]
    signal, flat = counts - dark, (flat - dark).expand_as(counts)
    good = (
        torch.isfinite(signal)
        & (signal > 0)
        & torch.isfinite(flat)
        & (flat > 0.01 * flat.nanmedian())
    )
    if not good.any():
        raise ValueError(
            f"{path}: no value of row {reading.row} is above its dark field. Are white and dark swapped?"
        )
    flat = _as_bright_as_air(signal, flat, good, reading.air // bin)
    signal, flat, dark = (
        signal.where(good, 1.0),
        flat.where(good, 1.0),
        dark.nan_to_num(0.0).clamp(min=0),
    )
    line = (flat / signal).log()
    dropped = 0.5 * (
        scan.counts.shape[-1] % bin
    )  # pixels that binning drops at one end move the middle
    how = "found" if axis.center is None else "given"
    center = (
        center_of_rotation(line, angles) if axis.center is None else (axis.center + dropped) / bin
    )
    half = 0.5 * (line.shape[1] if width is None else width / bin)
    box = Box((-half, -half), (half, half), units=("px", "px"))
    grid = Grid(box, (size or math.ceil(2 * half),) * 2)
    place = nn.Parameter(torch.tensor(center)) if axis.learn_center and not raster else center
    beam = ParallelBeam(box, angles.float(), line.shape[1], pitch=1.0, center=place, subrays=2)
    rays = beam if drift is None else DetectorDrift(beam, drift, times=torch.arange(len(angles)))
    term = _scan_term(
        rays.on(grid) if raster else rays,
        line,
        signal,
        flat,
        dark.expand_as(counts),
        good,
        fidelity,
    )
    suggested = suggestion(beam, _views_held_out(term, hold_out_views))
    classical = suggested.baselines
    if drift is not None:
        classical = classical | {"TV, drift removed": tv_drift_removed}
    if raster:
        classical = classical | {"FBP": lambda p: filtered_backprojection(measured_by(beam, p))}
    notes = {
        "masked values": f"{int((~good).sum())} of {good.numel()}",
        f"centre of rotation {how} (px)": center * bin - dropped,
        "counts a quantum": gain,
    }
    return Problem(
        [term], box, grid, suggested=replace(suggested, baselines=classical), notes=notes
    )


def drift_removed(
    problem: Problem, solve: Callable[[Problem], Solution], rounds: int = 3
) -> Problem:
    """The problem with each element's drift taken off y: what a classical method needs, which cannot learn it.

    In turn, `solve` finds the image and least squares fit the drift to its residuals, on the rows that are not held
    out. Raises TypeError where the operator is no `DetectorDrift`.
    """
    term = problem.terms[0]
    operator = term.operator
    if not isinstance(operator, DetectorDrift):
        raise TypeError(
            f"drift_removed: {type(operator).__name__} is no DetectorDrift. Use ct_scan(drift=1)."
        )
    assert isinstance(term.fidelity, noise.Noise)
    fit = hold_out(problem.suggested.stopping, problem.terms).fit[0]
    y, precision = term.fidelity.least_squares(term.y)
    detector = copy.deepcopy(operator).requires_grad_(False)
    clean = replace(problem, terms=[replace(term, operator=operator.operator)])
    for _ in range(rounds):
        mapped = as_linear_map(operator.operator, problem.grid, rows=fit)
        detector.fit(y[fit] - mapped(solve(clean).sample()), precision[fit], fit)
        offset = detector.offset(torch.arange(len(detector)))
        clean = replace(problem, terms=[_without(term, operator.operator, offset)])
    return clean


def tv_drift_removed(problem: Problem) -> Solution:
    """TV that first chooses its weight with the drift in the data, then finds both in turn, then chooses again."""
    began = time.perf_counter()
    rough = baselines.tv(problem, iterations=200).details["weight"]
    clean = drift_removed(problem, lambda p: baselines.tv(p, rough, iterations=200))
    around = [rough * 2.0**k for k in range(-1, 3)]
    solution = baselines.tv(clean, weights=around, iterations=300)
    return replace(solution, method="TV, drift removed", seconds=time.perf_counter() - began)


def _gain(path: str, row: int) -> float:
    """Counts a quantum, from the variance of repeated flat fields (photon transfer); 1 where there is only one."""
    flats = read_hdf5(path, "exchange/data_white")[:, row].float()
    if len(flats) < 3:
        return 1.0
    gain = float((flats.var(0) / flats.mean(0)).nanmedian())
    return gain if math.isfinite(gain) and gain > 0 else 1.0


def _even(views: int, span: float) -> Tensor:
    return torch.arange(views, dtype=torch.float64) * math.radians(span) / max(views - 1, 1)


def _as_bright_as_air(signal: Tensor, flat: Tensor, good: Tensor, width: int) -> Tensor:
    """The flat field of each view, scaled to what its `width` outermost bins at both ends saw."""
    if width == 0:
        return flat
    if not 0 < 2 * width <= signal.shape[1]:
        raise ValueError(
            f"air: {width} bins at both ends do not fit on a detector of {signal.shape[1]}."
        )
    ends = torch.cat([good[:, :width], good[:, -width:]], 1)
    seen, full = (
        torch.cat([v[:, :width], v[:, -width:]], 1).where(ends, 0.0).sum(1) for v in (signal, flat)
    )
    return flat * torch.where(full > 0, seen / full, 1.0)[:, None]


def _binned(values: Tensor, bin: int) -> Tensor:
    """Sums of `bin` neighbours along the detector; a rest at the end is dropped."""
    if bin < 1 or bin > values.shape[-1]:
        raise ValueError(f"bin={bin}: the detector has {values.shape[-1]} pixels.")
    return values[..., : values.shape[-1] // bin * bin].unflatten(-1, (-1, bin)).sum(-1)


def _scan_term(
    operator: Operator,
    line: Tensor,
    signal: Tensor,
    flat: Tensor,
    dark: Tensor,
    good: Tensor,
    fidelity: str,
) -> Term:
    rows = good.flatten().nonzero()[:, 0]
    if fidelity == "poisson":
        model = noise.Poisson(flat.clamp(min=1e-3).flatten(), dark.clamp(min=0).flatten())
        return Term(operator, (signal + dark).clamp(min=0).flatten(), model, rows=rows)
    if fidelity == "gaussian":
        sigma = (signal + dark).clamp(min=1).sqrt() / signal.clamp(min=1)  # of -log, to first order
        return Term(operator, line.flatten(), noise.Gaussian(sigma.flatten()), rows=rows)
    raise ValueError(f"fidelity must be 'gaussian' or 'poisson', got {fidelity!r}.")


def _without(term: Term, operator: Operator, offset: Tensor) -> Term:
    """The term as it were measured without `offset` of its line integrals, by the operator behind the detector."""
    if isinstance(term.fidelity, noise.Poisson):
        model = replace(term.fidelity, photons=term.fidelity.photons * torch.exp(-offset))
        return replace(term, operator=operator, fidelity=model)
    return replace(term, operator=operator, y=term.y - offset)


def _views_held_out(term: Term, nth: int | None) -> HeldOut | None:
    if nth is None:
        return None
    assert isinstance(term.operator, Shaped)
    view = term.trusted // term.operator.shape[1]
    return HeldOut(rows=[term.trusted[view % nth == nth // 2]])
