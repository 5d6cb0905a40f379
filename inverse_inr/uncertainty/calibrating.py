"""Whether stated deviations can be believed, and the one factor that makes them cover.

Deviations of any method are compared on what can be known: how often |error| <= z · deviation, how
wide the band is once its factor is chosen, and whether large deviations lie where large errors are.
A band of one width everywhere, which every method must beat, stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from inverse_inr.ranges import Range, checked

Level = Annotated[float, Range(above=0, below=1)]
"""A fraction of values that are to lie inside a band, between 0 and 1."""
LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)
"""The levels at which a report looks."""
STEPS = 50
"""Fractions of the pixels that are taken away for a sparsification curve."""


@checked
def conformal(
    errors: Sequence[Tensor],
    deviations: Sequence[Tensor] | None = None,
    *,
    level: Level = 0.95,
    exchangeable: Literal["values", "problems"] = "values",
) -> float:
    """Find the factor that makes bands cover, from problems whose truth is known.

    Half the width of the band of a new problem is the factor times its deviation. Where the new
    problem is drawn like those here, a value drawn from it lies in its band with at least this
    probability, whatever the deviations are.

    Args:
        errors: For each calibration problem its errors, any shape, real or complex.
        deviations: For each problem its stated deviations, in the same shape; None for a band of
            one width, whose half the factor then is.
        level: The probability that a value lies in its band.
        exchangeable: What is drawn alike. "values" takes all values as one sample of their number
            n, and the ⌈(n + 1) level⌉-th smallest score. Values of one problem resemble each
            other: "problems" averages each problem's own distribution and asks for the level
            (1 + 1 / problems) of that average, as large as it must be for a new problem.

    Returns:
        The factor; inf where there are too few values, or problems, for the level.

    Raises:
        ValueError: There are no problems, shapes differ, or values are NaN.

    Source:
        Split conformal prediction: Papadopoulos et al. 2002. Problems: the pooled distribution of
        Dunn, Wasserman & Ramdas, J. Am. Stat. Assoc. 118, 2023.
    """
    scores = _scores(errors, deviations)
    if exchangeable == "values":
        pooled = torch.cat(scores).sort().values
        place = math.ceil((len(pooled) + 1) * level)
        if place > len(pooled):
            return math.inf
        return float(pooled[place - 1])
    wanted = level * (1 + 1 / len(scores))
    if wanted > 1:
        return math.inf
    pooled, order = torch.cat(scores).sort()
    weights = torch.cat([torch.full_like(s, 1 / (len(s) * len(scores))) for s in scores])
    place = int((weights[order].cumsum(0) < wanted - 1e-9).sum())
    return float(pooled[min(place, len(pooled) - 1)])


def _scores(errors: Sequence[Tensor], deviations: Sequence[Tensor] | None) -> list[Tensor]:
    """|error| / deviation of each problem, flat, in float64; 0 / 0 is 0."""
    if not errors:
        raise ValueError("conformal: there are no calibration problems.")
    if deviations is None:
        deviations = [torch.ones_like(e.abs()) for e in errors]
    if len(deviations) != len(errors):
        raise ValueError(f"conformal: {len(errors)} errors and {len(deviations)} deviations.")
    scores = []
    for k, (error, deviation) in enumerate(zip(errors, deviations, strict=True)):
        score = _ratio(*flat(f"conformal: problem {k}", error, deviation))
        if not len(score):
            raise ValueError(f"conformal: problem {k} has no values.")
        scores.append(score)
    return scores


def _ratio(error: Tensor, deviation: Tensor) -> Tensor:
    return torch.where(error == 0, 0.0, error / deviation)


def flat(name: str, error: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Bring errors and deviations to |error| and deviation, flat, in float64.

    Args:
        name: What they are called in messages.
        error: Errors, any shape, real or complex.
        deviation: Deviations, in the same shape.

    Returns:
        (n,) magnitudes of the errors, and (n,) deviations.

    Raises:
        ValueError: Shapes differ, values are NaN, or a deviation is negative.
    """
    if error.shape != deviation.shape:
        raise ValueError(
            f"{name}: errors of shape {tuple(error.shape)}, deviations {tuple(deviation.shape)}."
        )
    error = error.detach().abs().double().flatten()
    deviation = deviation.detach().double().flatten()
    if bool(error.isnan().any() | deviation.isnan().any()) or bool((deviation < 0).any()):
        raise ValueError(f"{name}: errors or deviations are NaN, or a deviation is negative.")
    return error, deviation


@dataclass(frozen=True)
class Report:
    """How believable deviations are, beside a band of one width.

    Attributes:
        levels: Fractions that are to lie inside the band, for normal errors.
        coverage: The fraction that lies inside z(level) · deviation, for each level.
        calibration: The mean distance of coverage from level.
        factor: What the deviations must be multiplied by so that 95 % lie inside ±1.96 of them.
        width: Mean half-width of the band at that coverage, in the unit of the errors.
        constant_width: Half-width of the band of one width that covers as much.
        ause: Area between the error that is left where the least sure values are taken away, and
            where the most wrong ones are, relative to the mean error. 0 is a perfect ranking.
        random_ause: The same of a random ranking.
    """

    levels: tuple[float, ...]
    coverage: tuple[float, ...]
    calibration: float
    factor: float
    width: float
    constant_width: float
    ause: float
    random_ause: float

    def __str__(self) -> str:
        """Say it in a few lines."""
        curve = ", ".join(
            f"{100 * a:.0f} %: {100 * b:.1f} %"
            for a, b in zip(self.levels, self.coverage, strict=True)
        )
        return (
            f"coverage {curve}\n"
            f"mean distance from nominal {100 * self.calibration:.1f} %; deviations times "
            f"{self.factor:.3g} would cover 95 %\n"
            f"half-width at 95 %: {self.width:.4g}, of a band of one width "
            f"{self.constant_width:.4g}\n"
            f"AUSE {self.ause:.3g}, of a random ranking {self.random_ause:.3g}"
        )


@checked
def report(
    error: Tensor,
    deviation: Tensor,
    *,
    where: Tensor | None = None,
    levels: Sequence[Level] = LEVELS,
) -> Report:
    """Judge deviations by the errors that they state.

    Args:
        error: What was found minus the truth, any shape, real or complex.
        deviation: One standard deviation of each value, in the same shape.
        where: True where values count (the body, edges); None for all.
        levels: Where the coverage is looked at.

    Returns:
        Coverage, calibration, sharpness and ranking.

    Raises:
        ValueError: Shapes differ, values are NaN, or none count.

    Source:
        AUSE: Ilg et al. 2018. The level of |error| <= z deviation is erf(z / √2).
    """
    if where is not None:
        if where.shape != error.shape or deviation.shape != error.shape:
            raise ValueError(
                f"report: error {tuple(error.shape)}, deviation {tuple(deviation.shape)} and "
                f"where {tuple(where.shape)} differ in shape."
            )
        error, deviation = error[where], deviation[where]
    error, deviation = flat("report", error, deviation)
    if not len(error):
        raise ValueError("report: no value counts.")
    score = _ratio(error, deviation)
    z = math.sqrt(2) * torch.erfinv(torch.tensor(levels, dtype=torch.float64))
    coverage = [float((score <= limit).double().mean()) for limit in z]
    factor = float(_quantile(score, 0.95))
    least, ours = _left(error, error), _left(error, deviation)
    total = max(float(error.mean()), 1e-300)
    return Report(
        tuple(levels),
        tuple(coverage),
        sum(abs(a - b) for a, b in zip(coverage, levels, strict=True)) / len(coverage),
        factor / 1.959964,
        factor * float(deviation.mean()),
        float(_quantile(error, 0.95)),
        float((ours - least).mean()) / total,
        float((error.mean() - least).mean()) / total,
    )


def _quantile(values: Tensor, level: float) -> Tensor:
    """The least value that a fraction `level` of all does not exceed."""
    place = max(1, math.ceil(level * len(values)))
    return values.kthvalue(place).values


def _left(error: Tensor, ranking: Tensor) -> Tensor:
    """The mean error of what is left once the largest of a ranking are taken away: (STEPS,)."""
    kept = error[ranking.argsort(stable=True)].cumsum(0)
    count = [max(1, round(len(error) * (1 - k / STEPS))) for k in range(STEPS)]
    return torch.stack([kept[n - 1] / n for n in count])
