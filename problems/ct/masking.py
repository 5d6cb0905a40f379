"""The measured values that no attenuation explains, by kind, found before anything is averaged.

Bounds come from the photons' own statistics and from the spread that the scan itself shows, so that
a faint scan is not thinned out and a bright one keeps its drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SIGMAS = 6.0
"""Standard deviations beyond which a value is no fluctuation: once in 5e8 values of a Gaussian."""
DRIFT = 0.2
"""Fraction of the beam by which real flat fields are off: a drift of a tenth is common."""
HOT_FRACTION = 0.2
"""A pixel that is wrong in more views than this fraction is masked in all."""
DARK_FRACTION = 0.02
"""Fraction of the usual light below which a view has none."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Which values are masked, and why; a value counts under the first kind that holds.

    Args:
        bad: (views, detectors) bool.
        kinds: The number of values of each kind, those that occur.
    """

    bad: Tensor
    kinds: dict[str, int]

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())


def masks_of_counts(
    counts: Tensor,
    flat: Tensor,
    dark: Tensor,
    gain: float,
    ceiling: float,
    angles: Tensor,
    keep_zeros: bool = False,
) -> Masks:
    """Find the counts that cannot be explained.

    Args:
        counts: (views, detectors) as read.
        flat: (views or 1, detectors) frames without object, above the dark field.
        dark: (1, detectors) frames without beam.
        gain: Counts per quantum.
        ceiling: The largest number that the file's integers hold.
        angles: (views,) in radians.
        keep_zeros: Whether no light is a measurement, as it is for Poisson counts; a pixel that
            saw none in any view is masked even so.

    Returns:
        The masks.
    """
    signal = counts - dark
    flat = flat.expand_as(signal)
    finite = torch.isfinite(signal)
    lit = torch.isfinite(flat) & (flat > 0.01 * flat.nanmedian())
    transmission = (signal / flat).where(finite & lit, torch.nan)
    noise = _noise(transmission, flat, dark, gain)
    # a flat field at the ceiling is a mean of clipped frames
    clipped = finite & ((counts >= ceiling) | (flat + dark >= 0.9999 * ceiling))
    found: dict[str, Tensor] = {
        "not finite": ~finite,
        "without flat field": ~lit,
        "saturated": clipped,
        "in views without light": _dark_views(transmission),
        "at or below the dark field": finite & (signal <= 0),
    }
    if keep_zeros:
        nothing = found["at or below the dark field"]
        found["at or below the dark field"] = nothing & (nothing | ~finite).all(0)
    known = finite & lit
    for bad in found.values():
        known = known & ~bad
    found["in stuck pixels"] = _stuck_pixels(signal.where(finite, 0.0), gain) & known
    known = known & ~found["in stuck pixels"]
    bright = _brighter_than_the_beam(transmission, noise, known)
    # half a quantum stands for none
    least = 0.5 / (flat / gain).clamp(min=1.0)
    line = -torch.maximum(transmission, least).log().where(known, torch.nan)
    hot = _hot_pixels(line)
    line = line.where(~bright & ~hot, torch.nan)
    deviation = noise * (0.5 * line).exp()
    spikes = _unlike_neighbours(line, line, deviation, angles, DRIFT)
    # of three lit pixels the middle one is told first; the others then ask none of the three
    lit_too = functional.max_pool1d(spikes.float()[:, None], 5, 1, 2)[:, 0] > 0
    around = line.where(~lit_too, torch.nan)
    spikes |= lit_too & _unlike_neighbours(line, around, deviation, angles, DRIFT)
    found["brighter than the beam"] = bright
    found["unlike their neighbours"] = spikes
    wrong = hot | ((bright | spikes | clipped).sum(0) > HOT_FRACTION * len(counts))
    found["in hot pixels"] = wrong & known
    return _counted(found)


def masks_of_integrals(line: Tensor, sigma: float, angles: Tensor) -> Masks:
    """Find the line integrals that are not finite or unlike their neighbours.

    Args:
        line: (views, detectors).
        sigma: Standard deviation of their noise.
        angles: (views,) in radians.

    Returns:
        The masks.
    """
    finite = torch.isfinite(line)
    known = line.where(finite, torch.nan)
    # relative sizes mean nothing here: an integral may be 0, so the scan's own scale stands in
    scale = float(known.abs().nanquantile(0.9)) if finite.any() else 0.0
    spread = torch.full_like(line, max(sigma, 1e-6 * scale))
    spikes = _unlike_neighbours(known, known, spread, angles, max(DRIFT * scale, 1e-12))
    return _counted({"not finite": ~finite, "unlike their neighbours": spikes})


def _counted(found: dict[str, Tensor]) -> Masks:
    bad = torch.zeros_like(next(iter(found.values())))
    kinds: dict[str, int] = {}
    for kind, where in found.items():
        count = int((where & ~bad).sum())
        bad = bad | where
        if count:
            kinds[kind] = count
    return Masks(bad, kinds)


def _noise(transmission: Tensor, flat: Tensor, dark: Tensor, gain: float) -> Tensor:
    """Standard deviation of a transmission of 1, of photons in both frames and in the dark."""
    quanta = (flat / gain).clamp(min=1.0)
    return (
        (quanta + 2 * (dark / gain).nan_to_num(0.0).clamp(min=0) + 1).sqrt() / quanta
    ).expand_as(transmission)


def _dark_views(transmission: Tensor) -> Tensor:
    """Views that lost nearly all light within one step: a closed shutter, a beam that was lost."""
    level = transmission.nanquantile(0.9, dim=1).nan_to_num(0.0)
    usual = float(level.median())
    dim = (level < DARK_FRACTION * usual).tolist()
    dark = torch.zeros(len(level), dtype=torch.bool)
    start = 0
    while start < len(dim):
        if not dim[start]:
            start += 1
            continue
        end = start
        while end < len(dim) and dim[end]:
            end += 1
        # a slab that turns edge-on darkens step by step; what falls tenfold at once has no light
        beside = [float(level[k]) for k in (start - 1, end) if 0 <= k < len(dim)]
        edges = [float(level[k]) for k in (start, end - 1)]
        if beside and max(edges) < 0.1 * min(beside):
            dark[start:end] = True
        start = end
    return dark[:, None].expand_as(transmission)


def _stuck_pixels(signal: Tensor, gain: float) -> Tensor:
    """Pixels that show less noise than photons have, where the others show it: they see nothing."""
    if len(signal) < 8:
        return torch.zeros_like(signal, dtype=torch.bool)
    change = signal.diff(dim=0).abs().median(0).values * 1.4826 / math.sqrt(2)
    quanta = signal.median(0).values / gain
    ratio = change / gain / quanta.clamp(min=1).sqrt()
    bright = quanta > 25  # fewer photons may well give the same number twice
    stuck = bright & (ratio < 0.1)
    # a simulation without noise is all alike where it sees air
    if bright.any() and float(ratio[bright].quantile(0.25)) < 0.3:
        stuck = torch.zeros_like(stuck)
    return stuck.expand_as(signal)


def _brighter_than_the_beam(transmission: Tensor, noise: Tensor, known: Tensor) -> Tensor:
    """Values above the beam of their view by many standard deviations and by more than drifts."""
    values = transmission.where(known, torch.nan)
    level = values.nanquantile(0.9, dim=1, keepdim=True).nan_to_num(1.0).clamp(min=1.0)
    excess = (values - level) / noise
    # the spread of what lies above: photons, and flat fields that are off
    above = excess[excess > 0]
    spread = 1.0
    if len(above):
        spread = max(1.0, float(above.median()) / 0.6745)
    return (excess > SIGMAS * spread) & (values > (1 + DRIFT) * level)


def _hot_pixels(line: Tensor) -> Tensor:
    """Pixels that are brighter than the two on either side in nearly all views."""
    if len(line) < 8 or line.shape[1] < 16:
        return torch.zeros_like(line, dtype=torch.bool)
    beside = torch.stack([line.roll(k, 1) for k in (-2, -1, 1, 2)]).nan_to_num(math.inf)
    lowest = beside.amin(0)
    highest = beside.where(torch.isfinite(beside), -math.inf).amax(0)
    excess = lowest - line - DRIFT - 0.5 * (highest - lowest)
    excess = excess.where(torch.isfinite(beside).sum(0) > 2, -1.0)
    hot = (excess > 0).float().mean(0) > 1 - HOT_FRACTION
    hot[:2] = False
    hot[-2:] = False
    return hot.expand_as(line)


def _unlike_neighbours(
    line: Tensor, around: Tensor, deviation: Tensor, angles: Tensor, margin: float
) -> Tensor:
    """Values outside the range of the views before and after, and of their own view beside them.

    A detail of the object moves along the detector by no more than half its width times the step
    in angle, so it is found in the window of that width in both neighbouring views. Where these
    show much contrast, as many grains or a gap between metals do, a value may pass their range by
    half of it. Two details that cross in one view add up, so that a value may well be twice the
    largest; a smaller one than all others has no such excuse.

    Args:
        line: (views, detectors) line integrals, NaN where not known.
        around: The same, NaN also where a value is not to be asked as a neighbour.
        deviation: (views, detectors) standard deviations of the noise, at each value.
        angles: (views,) in radians.
        margin: The excess that is tolerated everywhere.
    """
    views, bins = line.shape
    unlike = torch.zeros_like(line, dtype=torch.bool)
    if views < 8 or bins < 16:
        return unlike
    turned = angles.remainder(2 * math.pi)
    order = torch.argsort(turned)
    steps = turned[order].diff()
    step = float(steps.quantile(0.9))
    half = math.ceil(0.5 * bins * step) + 1
    if half > bins // 8:  # too few views to know what a neighbour must show
        return unlike
    line = line[order]
    deviation = deviation[order]
    highest, noise_there = _largest_around(around[order], deviation, half)
    lowest, noise_here = _largest_around(-around[order], deviation, half)
    lowest = -lowest
    free = margin + 0.5 * (highest - lowest)
    below = lowest - line
    above = line - highest
    unlike = (below > SIGMAS * noise_here) & (below > free)
    unlike |= (above > SIGMAS * noise_there) & (above > free) & (line > 3 * highest)
    near = torch.zeros(views, dtype=torch.bool)
    # a view next to a gap has a neighbour that says too little
    near[1:-1] = (steps[:-1] <= 1.5 * step) & (steps[1:] <= 1.5 * step)
    unlike &= near[:, None] & torch.isfinite(highest + lowest)
    unlike[:, :4] = False
    unlike[:, -4:] = False
    result = torch.empty_like(unlike)
    result[order] = unlike
    return result


def _largest_around(values: Tensor, deviation: Tensor, half: int) -> tuple[Tensor, Tensor]:
    """The largest value near each one, itself and the pixels beside it left out; its deviation."""
    v = values.nan_to_num(-math.inf)
    window, where = functional.max_pool1d(v[:, None], 2 * half + 1, 1, half, return_indices=True)
    spread = deviation.gather(1, where[:, 0])
    # a zinger may light the pixels next to it too: those are not asked
    candidates = [(v.roll(k, 1), deviation.roll(k, 1)) for k in (-4, -3, -2, 2, 3, 4)]
    candidates += [(window[:, 0].roll(k, 0), spread.roll(k, 0)) for k in (-1, 1)]
    largest, which = torch.stack([c[0] for c in candidates]).max(0)
    return largest, torch.stack([c[1] for c in candidates]).gather(0, which[None])[0]
