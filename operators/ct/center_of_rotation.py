"""The centre of rotation of a parallel-beam scan, found from its measurements."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.operators.ct.angle_units import check_radians
from inverse_inr.operators.ct.center_of_gravity import contradiction
from inverse_inr.operators.ct.double_wedge import even_half_turn, wedge_energy
from inverse_inr.operators.ct.opposite_views import (
    Pairs,
    distinct_views,
    filled_elements,
    mirrored_correlation,
    opposite_pairs,
)
from inverse_inr.ranges import FiniteTensor, checked

COARSEST = math.radians(4.5)
"""Widest step between views whose in-between is trusted, in radians."""
MANY = 8
"""With so many pairs the axis is sought over the whole detector; with fewer, in its middle half."""
LEAST = 0.7
"""Least correlation of opposite views."""
LEAST_OF_FEW = 0.8
"""Least correlation of fewer than MANY pairs, which may look alike by chance."""
RIVAL = 0.98
"""Largest correlation elsewhere, relative to the best."""
SUMMIT = 0.02
"""How far below its top a hill is fitted by a parabola, as part of the top."""
UNSURE = 0.5
"""Largest standard error of the place, in bins."""
NEAR = 16
"""How far groups of views may differ from all of them, in half bins."""
CUT_OFF = 0.1
"""Part of the largest mean view at the detector's edge from which on an object is cut off."""
ADVICE = "Give center, or try center_by_symmetry."


class Peak(NamedTuple):
    """The place where a correlation is largest.

    Attributes:
        place: The axis, in bins from the detector's middle.
        value: The correlation there.
        rival: The largest correlation at any other hill.
        where: The place of that hill, in bins.
    """

    place: float
    value: float
    rival: float
    where: float


@checked
def center_of_rotation(views: Tensor, angles: FiniteTensor) -> float:
    """Find the axis of rotation from opposite views, to a fraction of a bin.

    A view and the one half a turn on are mirror images about the axis. All such pairs are
    correlated, over the bins that both have, for each place of the axis; the opposite view is
    interpolated between its two neighbours. In half a turn that lacks its last view, the places
    found one and more steps short of it are extrapolated. Views may come in any order and over any
    number of turns; views of one angle are averaged, dead detector elements are interpolated, and
    views with other NaN are left out.

    Args:
        views: (n, detectors) line integrals.
        angles: (n,) in radians.

    Returns:
        The position of the axis from the detector's middle, in bins.

    Raises:
        ValueError: No two views lie half a turn apart, the steps between views are too coarse, or
            the best place is at the edge of the search, poor, uncertain by more than half a bin, or
            not clearly better than another; all views are alike, or contradict the angles.
    """
    views, angles = _usable("center_of_rotation", views, angles)
    views, angles = distinct_views(views, angles)
    step = 0.0
    if len(angles) > 1:
        step = float(angles.diff().median())
    reach = 1.01 * step
    if step > COARSEST:
        reach = 0.0  # exact opposites alone
    pairs = opposite_pairs(views, angles, 0.0, reach)
    if len(pairs.views) >= MANY or (len(pairs.views) and step > COARSEST):
        return _from_groups(pairs)
    if 0 < step <= COARSEST:
        found = _near_half_a_turn(views, angles, step, 0 if len(pairs.views) else 1)
        if found is not None:
            return found
    raise ValueError(
        "center_of_rotation: no two views lie half a turn apart (to one angular step of "
        f"{math.degrees(step):.3g} degrees, and {math.degrees(COARSEST):.3g} at most); "
        f"{ADVICE[0].lower()}{ADVICE[1:]}"
    )


def _from_groups(pairs: Pairs) -> float:
    """The best place of all pairs, once four groups of them agree on it."""
    peak = _best(pairs)
    if len(pairs.views) >= MANY:
        groups = [Pairs(pairs.views[k::4], pairs.opposite[k::4]) for k in range(4)]
        places = [_best(group, around=peak.place).place for group in groups]
        _check_spread(float(torch.tensor(places).std()) / 2, peak.place)
    return peak.place


def _near_half_a_turn(views: Tensor, angles: Tensor, step: float, first: int) -> float | None:
    """The places found n steps short of half a turn, on a line to n = 0; None without pairs."""
    count = max(3, min(12, math.floor(COARSEST / step)))
    places = []
    for n in range(first, first + count):
        pairs = opposite_pairs(views, angles, -n * step, 0.51 * step)
        if not len(pairs.views):
            return None
        places.append(_best(pairs).place)
    place = torch.tensor(places, dtype=torch.float64)
    n = torch.arange(first, first + count, dtype=torch.float64)
    design = torch.stack([torch.ones_like(n), n], -1)
    weight = (n[:, None] + 1 - first).sqrt()  # so many pairs lie n steps short
    line = torch.linalg.lstsq(weight * design, weight * place[:, None]).solution[:, 0]
    scatter = float((place - design @ line).square().sum() / (count - 2)) ** 0.5
    inverse = torch.linalg.inv(design.T @ design)
    _check_spread(scatter * float(inverse[0, 0]) ** 0.5, float(line[0]))
    return float(line[0])


def _check_spread(error: float, place: float) -> None:
    if error > UNSURE:
        raise ValueError(
            f"center_of_rotation: the axis is near {place:.1f} bins, but different views disagree "
            f"(standard error {error:.2f} bins). {ADVICE}"
        )


@checked
def center_by_symmetry(views: Tensor, angles: FiniteTensor, candidates: FiniteTensor) -> float:
    """Choose the centre for which a half turn continues as its own mirror image.

    This method is independent of `center_of_rotation`. The two halves of the full turn are joined
    at each candidate. The Fourier transform of the result has the least energy, inside the double
    wedge where no object leaves any, at the right candidate. Of more than half a turn the first
    half is used, in the order of the angles.

    Args:
        views: (n, detectors) line integrals of half a turn or more, evenly spaced.
        angles: (n,) in radians, in any order.
        candidates: (k,) positions of the axis from the detector's middle, in bins.

    Returns:
        The best candidate, in bins.

    Raises:
        ValueError: The views are no half turn or unevenly spaced, the object goes on beyond the
            detector, there are no candidates, or the first or the last of them is the best.

    Source:
        Vo et al., Opt. Express 22, 2014.
    """
    name = "center_by_symmetry"
    candidates = torch.as_tensor(candidates)
    if candidates.ndim != 1 or not len(candidates) or not bool(candidates.isfinite().all()):
        raise ValueError(
            f"{name}: candidates must be (k,) finite numbers, got shape {tuple(candidates.shape)}."
        )
    half = even_half_turn(*distinct_views(*_usable(name, views, angles)), name)
    profile = half.abs().mean(0)
    edge = float(torch.stack([profile[:2].mean(), profile[-2:].mean()]).max() / profile.max())
    if edge > CUT_OFF:
        raise ValueError(
            f"{name}: at the detector's edge the mean view is {edge:.0%} of its largest value: the "
            "object is cut off, and a mirrored half turn does not continue it. Take off what air "
            "measures, or use center_of_rotation, or give center."
        )
    places = candidates.double().sort().values.tolist()
    energies = [wedge_energy(half, place) for place in places]
    k = min(range(len(energies)), key=energies.__getitem__)
    if len(places) > 2 and k in (0, len(places) - 1):
        raise ValueError(
            f"{name}: the best of the candidates is the last, {places[k]:.2f} bins: "
            "seek further, or give center."
        )
    return places[k]


def _best(pairs: Pairs, around: float | None = None) -> Peak:
    """The axis about which pairs match best, once it is clear; or just the best near a place."""
    first = pairs.views[0, 0]
    if bool((pairs.views == first).all()):
        raise ValueError(f"center_of_rotation: all measurements are {float(first):.4g}. {ADVICE}")
    count = pairs.views.shape[1]
    overlap = count // 2
    least = LEAST_OF_FEW
    if len(pairs.views) >= MANY or around is not None:
        overlap = max(8, count // 16)
        least = LEAST
    correlation = mirrored_correlation(pairs, min(overlap, count - 2))
    half = len(correlation) // 2
    if around is not None:
        low = max(0, round(2 * around) + half - NEAR)
        top = low + int(correlation[low : low + 2 * NEAR + 1].argmax())
        top = min(max(top, 1), len(correlation) - 2)
        return Peak(0.5 * (_summit(correlation, top) - half), float(correlation[top]), 0.0, 0.0)
    peak = _peak(correlation)
    if peak.value < least:
        raise ValueError(
            f"center_of_rotation: opposite views correlate by {peak.value:.2f} at best, at "
            f"{peak.place:.2f} bins. Are the angles those of these views? {ADVICE}"
        )
    if peak.rival > RIVAL * peak.value:
        raise ValueError(
            f"center_of_rotation: the axis may be at {peak.place:.2f} bins or at {peak.where:.2f}: "
            f"opposite views correlate by {peak.value:.3f} and {peak.rival:.3f}. {ADVICE}"
        )
    return peak


def _peak(correlation: Tensor) -> Peak:
    """The highest of a sequence's hills, and the next one beyond its foot."""
    k = int(correlation.argmax())
    half = len(correlation) // 2
    if k in (0, len(correlation) - 1):
        raise ValueError(
            "center_of_rotation: opposite views match best at the edge of the search, "
            f"{0.5 * (k - half):.1f} bins from the middle. {ADVICE}"
        )
    place = _summit(correlation, k)
    low, high = _flanks(correlation, k, 1 - RIVAL)
    rival = correlation.clone()
    rival[low : high + 1] = -1.0
    other = int(rival.argmax())
    return Peak(
        0.5 * (place - half), float(correlation[k]), float(rival[other]), 0.5 * (other - half)
    )


def _summit(correlation: Tensor, k: int) -> float:
    """The top of the hill at k, by a parabola through the samples near it."""
    low, high = _flanks(correlation, k, SUMMIT)
    reach = max(1, min(k - low, high - k, k, len(correlation) - 1 - k))
    x = torch.arange(-reach, reach + 1, dtype=torch.float64)
    design = torch.stack([torch.ones_like(x), x, x.square()], -1)
    values = correlation[k - reach : k + reach + 1].double().cpu()
    _, slope, bend = torch.linalg.lstsq(design, values[:, None]).solution[:, 0].tolist()
    if bend >= 0:
        return float(k)
    return k + max(-float(reach), min(float(reach), -0.5 * slope / bend))


def _flanks(correlation: Tensor, k: int, drop: float) -> tuple[int, int]:
    """The samples around k that lie above all but a part `drop` of it."""
    below = correlation < (1 - drop) * correlation[k]
    left = below[:k].nonzero()
    right = below[k:].nonzero()
    low = int(left[-1]) + 1 if len(left) else 0
    high = k + int(right[0]) - 1 if len(right) else len(correlation) - 1
    return low, high


def _usable(name: str, views: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Views without NaN and their angles in float64, if there are enough."""
    if views.ndim != 2 or angles.ndim != 1 or len(views) != len(angles):
        raise ValueError(
            f"{name}: views must be (n, detectors) and angles (n,), "
            f"got {tuple(views.shape)} and {tuple(angles.shape)}."
        )
    if len(views) < 2 or views.shape[1] < 8:
        raise ValueError(
            f"{name}: {len(views)} views of {views.shape[1]} detectors; "
            "it takes two views and eight detectors at least."
        )
    angles = angles.detach().double()
    if not bool(torch.isfinite(angles).all()):
        raise ValueError(f"{name}: angles hold NaN or Inf.")
    views = filled_elements(views.detach())
    whole = torch.isfinite(views).all(1)
    if 2 * int(whole.sum()) < len(views):
        raise ValueError(
            f"{name}: {int((~whole).sum())} of {len(views)} views hold NaN or Inf; "
            "interpolate them, or mend what made them."
        )
    views, angles = views[whole], angles[whole].to(views.device)
    against = contradiction(views, angles)
    if against is not None:
        raise ValueError(f"{name}: {against}")
    check_radians(angles, name)
    return views, angles
