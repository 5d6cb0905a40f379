"""What measured scans and sinograms share: trusted line integrals, the axis, the box, the term."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inverse_inr import Operator, Problem, Solution, Term, noise
from inverse_inr.operators import FanBeam, ParallelBeam
from inverse_inr.operators.ct.center_of_gravity import contradiction
from inverse_inr.operators.ct.center_of_rotation import center_of_rotation
from inverse_inr.problems.ct.air import (
    check_line_integrals,
    check_transmissions,
    remark_on_air,
)
from inverse_inr.problems.ct.counts import Counts, corrected, noise_of, quanta_of_air
from inverse_inr.problems.ct.drift_removal import tv_drift_removed
from inverse_inr.problems.ct.limits import Fidelity
from inverse_inr.problems.ct.masking import Masks, masks_of_integrals
from inverse_inr.problems.ct.simulated import filled, filtered_backprojection, measured_by

NO_NOISE = 1e6
"""Quanta of air that stand for a scan in which no noise is to be seen."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One detector row, ready to be fitted.

    Args:
        line: (views, bins) line integrals; anything where not trusted.
        sigma: (views, bins) their standard deviations.
        good: (views, bins) bool: the values to fit.
        masks: The values that were masked, on the detector's own pixels.
        counts: The counts that they come from; None if the file has line integrals.
    """

    line: Tensor
    sigma: Tensor
    good: Tensor
    masks: Masks
    counts: Counts | None = None

    @property
    def whole(self) -> Tensor:
        """Line integrals (views, bins), interpolated along the detector where not trusted."""
        return filled(self.line, self.good)

    def notes(self) -> dict[str, str]:
        """Say how many values are masked, and why."""
        bad = self.masks.bad
        notes = {"masked values": f"{int(bad.sum())} of {bad.numel()}"}
        if self.masks.kinds:
            notes["masked, by kind"] = str(self.masks)
        if self.counts is not None:
            seen = (self.counts.signal / self.counts.flat).where(self.good, torch.nan)
            notes |= remark_on_air(seen)
        return notes


def of_counts(counts: Counts, masks: Masks) -> Measured:
    """Make measurements of corrected counts."""
    return Measured(counts.line, counts.sigma, counts.good, masks, counts)


def of_transmissions(
    values: Tensor,
    angles: Tensor,
    bin: int,
    air: int,
    fidelity: Fidelity,
    notes: dict[str, str],
) -> Measured:
    """Make measurements of transmissions, whose photons are counted by their own noise.

    Args:
        values: (views, detectors).
        angles: (views,) in radians.
        bin: Detector pixels that are taken together.
        air: Detector pixels at both ends that never see the object.
        fidelity: "poisson" keeps values without light.
        notes: What is inferred is written here.

    Raises:
        ValueError: As `corrected`, or the values are no transmissions, as most are above 1.
    """
    middle = float(values.nanmedian())
    if not 0 < middle < 2:
        raise ValueError(
            f"transmissions lie between 0 and 1; half of these are above {middle:.4g}. "
            "Counts, or line integrals? Say so: values='counts' or 'line integrals'."
        )
    check_transmissions(values)
    quanta = quanta_of_air(values)
    notes["quanta of air"] = f"{quanta:.4g}, from the noise of the transmissions"
    if math.isinf(quanta):
        quanta = NO_NOISE
        notes["quanta of air"] = f"taken as {quanta:.0e}: the transmissions show no noise"
    white = torch.full_like(values[:1], quanta)
    nothing = torch.zeros_like(white)
    return of_counts(
        *corrected(
            values * quanta,
            white,
            nothing,
            1.0,
            math.inf,
            angles,
            bin,
            air,
            keep_zeros=fidelity == "poisson",
        )
    )


def of_line_integrals(
    values: Tensor,
    angles: Tensor,
    bin: int,
    air: int,
    noise_level: float | None,
    notes: dict[str, str],
) -> Measured:
    """Make measurements of line integrals, with one standard deviation for all.

    Args:
        values: (views, detectors).
        angles: (views,) in radians.
        bin: Detector pixels that are averaged.
        air: Must be 0: there is nothing to scale.
        noise_level: Standard deviation of a line integral as read; None to estimate it.
        notes: What is inferred is written here.

    Raises:
        ValueError: No value is finite, or `air` is not 0.
    """
    if not torch.isfinite(values).any():
        raise ValueError("no line integral is finite.")
    if air:
        raise ValueError(f"air={air} scales counts or transmissions; these are line integrals.")
    largest = float(values.nan_to_num(0.0, 0.0, 0.0).abs().max())
    if largest == 0:
        raise ValueError("all line integrals are 0.")
    check_line_integrals(values, notes)
    sigma = noise_level
    if sigma is None:
        sigma = max(noise_of(values), 1e-4 * largest, 1e-12)
        if math.isnan(sigma):
            sigma = 1e-2 * max(largest, 1e-12)
        notes["noise of a line integral"] = f"{sigma:.3g}, from second differences"
    masks = masks_of_integrals(values, sigma, angles)
    good = ~masks.bad
    number = good.unflatten(1, (-1, 1)).to(values)[..., 0]
    fit = values.shape[1] // bin * bin
    number = number[:, :fit].unflatten(1, (-1, bin)).sum(-1)
    total = values.where(good, 0.0)[:, :fit].unflatten(1, (-1, bin)).sum(-1)
    spread = sigma / number.clamp(min=1).sqrt()
    return Measured(total / number.clamp(min=1), spread, 2 * number >= bin, masks)


def find_center(measured: Measured, angles: Tensor) -> float:
    """Find the axis of rotation from opposite views, in bins from the detector's middle.

    Raises:
        ValueError: No two views lie half a turn apart, or they match best at the search's edge.
    """
    some = measured.good.any(1)
    return center_of_rotation(measured.whole[some], angles[some])


def remark_on_angles(measured: Measured, angles: Tensor) -> dict[str, str]:
    """Say what speaks against the angles of a parallel beam, where the axis is given.

    Args:
        measured: The measurements.
        angles: (views,) in radians.
    """
    some = measured.good.any(1)
    against = contradiction(measured.whole[some], angles[some])
    if against is None:
        return {}
    return {"angles, doubtful": against}


def remark_on_span(measured: Measured, span: float | None) -> dict[str, str]:
    """Compare the first and the last view of a span of a turn, which should be alike.

    The ends of half a turn tell nothing: the centre found from them takes up the difference.

    Args:
        measured: The measurements.
        span: Degrees from the first to the last view; None if angles were given.

    Returns:
        A note if the last view lies rather one step before the first.
    """
    if span is None or abs(span) != 360 or len(measured.line) < 8:
        return {}
    line = measured.whole
    # one more step after the last view, to first order
    beyond = 2 * line[-1] - line[-2]
    ended = float((line[-1] - line[0]).square().mean())
    going_on = float((beyond - line[0]).square().mean())
    if not going_on < 0.5 * ended:
        return {}
    views = len(line)
    return {
        "span": "the last view is one step before the first, not a repetition of it: then "
        f"span={span * (views - 1) / views:.6g}"
    }


def term_of(operator: Operator, measured: Measured, fidelity: Fidelity) -> Term:
    """Make the term of measurements under a noise model.

    Args:
        operator: An operator with a row for each measurement.
        measured: The measurements.
        fidelity: "gaussian" for line integrals, "poisson" for counts.

    Raises:
        ValueError: The fidelity is unknown, or "poisson" without counts.
    """
    rows = measured.good.flatten().nonzero()[:, 0]
    if fidelity == "poisson":
        counts = measured.counts
        if counts is None:
            raise ValueError("fidelity='poisson' needs counts; the values are line integrals.")
        model = noise.Poisson(counts.flat.clamp(min=1e-3).flatten(), counts.dark.flatten())
        y = (counts.signal + counts.dark).clamp(min=0).flatten()
        return Term(operator, y, model, rows=rows)
    if fidelity == "gaussian":
        return Term(
            operator,
            measured.line.flatten(),
            noise.Gaussian(measured.sigma.flatten()),
            rows=rows,
        )
    raise ValueError(f"fidelity must be 'gaussian' or 'poisson', got {fidelity!r}.")


def with_classical_methods(
    problem: Problem, beam: ParallelBeam | FanBeam, drift: int | None, raster: bool
) -> Problem:
    """Return the problem with the classical methods that its operator asks for.

    Args:
        problem: A measured problem.
        beam: Its beam, behind any drift or map on images.
        drift: The degree of the drift that is learnt; None for none.
        raster: Whether the operator is a map on the sampled image.
    """
    more: dict[str, Callable[[Problem], Solution]] = {}
    if drift is not None:
        more["TV, drift removed"] = tv_drift_removed
    if raster:
        more["FBP"] = lambda p: filtered_backprojection(measured_by(beam, p))
    suggested = problem.suggested
    return replace(problem, suggested=replace(suggested, baselines=suggested.baselines | more))
