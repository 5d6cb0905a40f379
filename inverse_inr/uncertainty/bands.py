"""Bands that cover each kind of pixel: half-widths by strata of what can be seen of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Count, checked
from inverse_inr.uncertainty.calibrating import Level, flat

ROUNDS = 200
"""At most so often levels are raised or lowered."""
NEAR = 5e-4
"""A true kind whose coverage is so near its level is covered."""


@dataclass(frozen=True)
class Bands:
    """Half-widths of bands, by kinds of pixels and by ranges of their stated deviation.

    Args:
        limits: For each kind, the deviations at which its ranges end, all but the last range.
        widths: For each kind, the half-width in each of its ranges; inf where too few values of
            that stratum were known.
    """

    limits: dict[int, Tensor]
    widths: dict[int, Tensor]

    def half_width(self, deviation: Tensor, kinds: Tensor | None = None) -> Tensor:
        """Say how wide the bands of a new problem are.

        Args:
            deviation: Stated deviations, any shape.
            kinds: The kind of each value, integers in the same shape; None where there is one.

        Returns:
            Half the width of each value's band, in the shape of the deviations.

        Raises:
            ValueError: Shapes differ, or a kind was not there in the calibration.
        """
        if kinds is None:
            kinds = torch.zeros_like(deviation, dtype=torch.int64)
        if kinds.shape != deviation.shape:
            raise ValueError(
                f"Bands.half_width: deviations of shape {tuple(deviation.shape)}, kinds of shape "
                f"{tuple(kinds.shape)}."
            )
        width = torch.empty_like(deviation)
        for kind in kinds.unique().tolist():
            if kind not in self.widths:
                raise ValueError(
                    f"Bands.half_width: no value of kind {kind} was calibrated; there are "
                    f"{sorted(self.widths)}."
                )
            own = kinds == kind
            place = torch.bucketize(deviation[own], self.limits[kind].to(deviation))
            width[own] = self.widths[kind].to(deviation)[place]
        return width


@checked
def conformal_bands(
    errors: Sequence[Tensor],
    deviations: Sequence[Tensor],
    kinds: Sequence[Tensor] | None = None,
    true_kinds: Sequence[Tensor] | None = None,
    *,
    level: Level = 0.95,
    ranges: Count = 4,
) -> Bands:
    """Find half-widths that make bands cover in each stratum, from problems whose truth is known.

    A stratum is one kind of value and one range of its stated deviation. The deviation only ranks
    values inside a kind: a method that states deviations of a wrong size, or 0 where it sees
    nothing, gets bands as well. One factor for all (`conformal`) covers all values on average, and
    edges less than the rest; kinds are covered each for themselves.

    What is found to be of a kind need not be of it: an edge that the image does not show is found
    as flat, and its error is that of an edge. Values that truly are edges are then covered less
    than those that are found to be. With `true_kinds` the level inside each found kind is raised or
    lowered until the values that truly are of it are covered with `level`, or until all that are
    found to be of it are.

    Args:
        errors: For each calibration problem its errors, any shape, real or complex.
        deviations: For each problem its stated deviations, in the same shape.
        kinds: For each problem the kind of each value, integers in the same shape. They must be
            told from what a new problem has, too: from the image that was found, not from the
            truth. None for one kind.
        true_kinds: For each problem the kind that each value is in truth, by the same integers;
            only calibration needs it. None for bands that cover what is found to be of a kind.
        level: The probability that a value of a stratum, or of a true kind, lies in its band.
        ranges: Ranges of the deviation in each kind, of equally many values.

    Returns:
        The half-widths.

    Raises:
        ValueError: There are no problems, shapes differ, or values are NaN.

    Source:
        Mondrian conformal prediction: Vovk, Lindsay, Nouretdinov & Gammerman 2003. Its promise for
        finite samples is one for found kinds; that of true kinds holds on the calibration problems.

    Example:
        Kind 1 errs ten times as much, which its deviations do not say:

        >>> errors = [torch.linspace(-1, 1, 200) * torch.tensor([1.0, 10.0]).repeat(100)]
        >>> kinds = [torch.tensor([0, 1]).repeat(100)]
        >>> bands = conformal_bands(errors, [torch.ones(200)], kinds, ranges=1)
        >>> bands.half_width(torch.ones(2), torch.tensor([0, 1]))
        tensor([0.9598, 9.5980])
    """
    if kinds is None:
        kinds = [torch.zeros(e.shape, dtype=torch.int64) for e in errors]
    if true_kinds is None:
        true_kinds = kinds
    counts = {len(errors), len(deviations), len(kinds), len(true_kinds)}
    if not errors or len(counts) > 1:
        raise ValueError(
            f"conformal_bands: {len(errors)} errors, {len(deviations)} deviations, {len(kinds)} "
            f"kinds and {len(true_kinds)} true kinds; there must be one of each for each problem."
        )
    limits, strata = _strata(*_pooled(errors, deviations, kinds, true_kinds), ranges)
    levels = dict.fromkeys(strata, level)
    if true_kinds is not kinds:
        levels = _levels(strata, level)
    widths = {
        each: torch.tensor([s.width(level, levels[each]) for s in own], dtype=torch.float64)
        for each, own in strata.items()
    }
    return Bands(limits, widths)


class _Stratum:
    """|error| of the values of a stratum, and how many of each true kind lie within a width.

    Args:
        errors: (n,) |error|.
        truly: (n,) true kinds.
    """

    def __init__(self, errors: Tensor, truly: Tensor) -> None:
        self.errors = errors.sort().values
        self.of = {k: errors[truly == k].sort().values for k in truly.unique().tolist()}

    def width(self, promised: float, level: float) -> float:
        """The half-width at a level; inf where there are too few values for what is promised."""
        n = len(self.errors)
        if math.ceil((n + 1) * promised) > n:
            return math.inf
        return float(self.errors[min(math.ceil((n + 1) * level), n) - 1])

    def inside(self, kind: int, width: float) -> int:
        """How many values of a true kind lie within a width."""
        if kind not in self.of:
            return 0
        return int((self.of[kind] <= width).sum())


def _strata(
    error: Tensor, deviation: Tensor, kind: Tensor, truly: Tensor, ranges: int
) -> tuple[dict[int, Tensor], dict[int, list[_Stratum]]]:
    """For each kind the deviations at which its ranges end, and its ranges."""
    limits: dict[int, Tensor] = {}
    strata: dict[int, list[_Stratum]] = {}
    for each in kind.unique().tolist():
        own = kind == each
        sorted_own = deviation[own].sort().values
        ends = torch.arange(1, ranges, device=own.device) * len(sorted_own) // ranges
        limits[each] = sorted_own[ends]
        place = torch.bucketize(deviation[own], limits[each])
        parts = [place == k for k in range(ranges)]
        strata[each] = [_Stratum(error[own][part], truly[own][part]) for part in parts]
    return limits, strata


def _levels(strata: dict[int, list[_Stratum]], level: float) -> dict[int, float]:
    """The level inside each found kind at which the values truly of it are covered with `level`."""
    everywhere = [s for own in strata.values() for s in own]
    total = {k: sum(len(s.of.get(k, ())) for s in everywhere) for k in strata}
    levels = dict.fromkeys(strata, level)
    for _ in range(ROUNDS):
        widths = [s.width(level, levels[k]) for k, own in strata.items() for s in own]
        far = 0.0
        for k in strata:
            if total[k]:
                held = sum(s.inside(k, w) for s, w in zip(everywhere, widths, strict=True))
                missing = level - held / total[k]
                far = max(far, abs(missing))
                levels[k] = min(max(levels[k] + 0.5 * missing, 0.5 * level), 1.0)
        if far < NEAR:
            break
    return levels


def _pooled(
    errors: Sequence[Tensor],
    deviations: Sequence[Tensor],
    kinds: Sequence[Tensor],
    true_kinds: Sequence[Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """|error|, deviation, kind and true kind of all values of all problems, flat."""
    pairs = []
    each_problem = zip(errors, deviations, kinds, true_kinds, strict=True)
    for k, (error, deviation, kind, truly) in enumerate(each_problem):
        for given in (kind, truly):
            if given.shape != error.shape or given.is_floating_point():
                raise ValueError(
                    f"conformal_bands: problem {k} has errors of shape {tuple(error.shape)} and "
                    f"kinds of shape {tuple(given.shape)} in {given.dtype}; pass one integer for "
                    "each value."
                )
        pairs.append(flat(f"conformal_bands: problem {k}", error, deviation))
    error, deviation = (torch.cat(each) for each in zip(*pairs, strict=True))
    kind, truly = (torch.cat([k.flatten() for k in each]) for each in (kinds, true_kinds))
    return error, deviation, kind, truly
