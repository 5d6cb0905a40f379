"""Bands that cover each kind of pixel: half-widths by strata of what can be seen of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Count, checked
from inverse_inr.uncertainty.calibrating import Level, conformal, flat


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
    *,
    level: Level = 0.95,
    ranges: Count = 4,
) -> Bands:
    """Find half-widths that make bands cover in each stratum, from problems whose truth is known.

    A stratum is one kind of value and one range of its stated deviation. The deviation only ranks
    values inside a kind: a method that states deviations of a wrong size, or 0 where it sees
    nothing, gets bands as well. One factor for all (`conformal`) covers all values on average, and
    edges less than the rest; kinds are covered each for themselves.

    Args:
        errors: For each calibration problem its errors, any shape, real or complex.
        deviations: For each problem its stated deviations, in the same shape.
        kinds: For each problem the kind of each value, integers in the same shape. They must be
            told from what a new problem has, too: from the image that was found, not from the
            truth. None for one kind.
        level: The probability that a value of a stratum lies in its band.
        ranges: Ranges of the deviation in each kind, of equally many values.

    Returns:
        The half-widths.

    Raises:
        ValueError: There are no problems, shapes differ, or values are NaN.

    Source:
        Mondrian conformal prediction: Vovk, Lindsay, Nouretdinov & Gammerman 2003.

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
    if not errors or not len(errors) == len(deviations) == len(kinds):
        raise ValueError(
            f"conformal_bands: {len(errors)} errors, {len(deviations)} deviations and {len(kinds)} "
            "kinds; there must be one of each for each problem."
        )
    error, deviation, kind = _pooled(errors, deviations, kinds)
    limits: dict[int, Tensor] = {}
    widths: dict[int, Tensor] = {}
    for each in kind.unique().tolist():
        own = kind == each
        sorted_own = deviation[own].sort().values
        ends = torch.arange(1, ranges, device=own.device) * len(sorted_own) // ranges
        limits[each] = sorted_own[ends]
        place = torch.bucketize(deviation[own], limits[each])
        found = [_width(error[own][place == k], level) for k in range(ranges)]
        widths[each] = torch.tensor(found, dtype=error.dtype)
    return Bands(limits, widths)


def _pooled(
    errors: Sequence[Tensor], deviations: Sequence[Tensor], kinds: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """|error|, deviation and kind of all values of all problems, flat."""
    pairs = []
    for k, (error, deviation, kind) in enumerate(zip(errors, deviations, kinds, strict=True)):
        if kind.shape != error.shape or kind.is_floating_point():
            raise ValueError(
                f"conformal_bands: problem {k} has errors of shape {tuple(error.shape)} and kinds "
                f"of shape {tuple(kind.shape)} in {kind.dtype}; pass one integer for each value."
            )
        pairs.append(flat(f"conformal_bands: problem {k}", error, deviation))
    pooled = [torch.cat(each) for each in zip(*pairs, strict=True)]
    return pooled[0], pooled[1], torch.cat([kind.flatten() for kind in kinds])


def _width(errors: Tensor, level: float) -> float:
    """The half-width of a stratum; inf where there are no values, or too few for the level."""
    if not len(errors):
        return math.inf
    return conformal([errors], level=level)
