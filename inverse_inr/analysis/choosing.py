"""FreSh for inverse problems: choose a bandwidth, or an architecture, from the measurements.

Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from inverse_inr.analysis.matching import Choice, Seeds, coarsened, fresh, target_bins
from inverse_inr.analysis.spectrum import Bins, Variant
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.priors import bandwidth_of
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Fraction, Positive, Seed, checked
from inverse_inr.solver import make_prior

Pair = tuple[str, float]
"""A prior's name and a bandwidth."""


@checked
def default_bandwidths(grid: Grid, count: Count = 10) -> list[float]:
    """Bandwidths from an eighth of the grid's Nyquist frequency to four times it.

    Args:
        grid: The grid.
        count: The number of bandwidths.

    Returns:
        Cycles per unit of the box's first axis, a constant factor apart.
    """
    top = bandwidth_of(grid)
    return [top * 2.0 ** (5 * k / max(1, count - 1) - 3) for k in range(count)]


@checked
def choose_bandwidth(
    problem: Problem,
    prior: str | None = None,
    bandwidths: Sequence[Positive] | None = None,
    *,
    target: Tensor | Field | None = None,
    band: Tensor | None = None,
    seeds: Seeds = 5,
    bins: Count | None = None,
    variant: Variant = "published",
    refine: Count = 2,
    **native: Any,
) -> Choice:
    """Choose the bandwidth whose untrained priors have the spectrum nearest to the data's (FreSh).

    The data's spectrum is that of their pseudo-inverse. The truth is not looked at. `choice.value`
    is the bandwidth: `priors.create(name, box, bandwidth=choice.value)`.

    Args:
        problem: The problem.
        prior: A name of the catalogue; default: the problem's.
        bandwidths: Cycles per unit of the box's first axis; default: ten about the grid's Nyquist
            frequency.
        target: An image on `problem.grid` or a field whose spectrum is wanted, e.g. an FBP image;
            default: CGLS, stopped by held-out rows, compared only in the band that it returns
            (`measured_band`).
        band: (bins,) boolean, the bins to compare, as in `fresh`.
        seeds: The number of untrained fields per bandwidth; 10 as published.
        bins: The number of bins, as in `Bins`; only where `refine` is 1.
        variant: "published" or "windowed", as in `Bins`.
        refine: As in `fresh`: 2 does not mistake what folds back for detail; 1 as published.
        native: Other options of the prior.

    Raises:
        TypeError: The prior is a made one, not a name.
    """
    name, options = _named(problem, prior, native)
    if bandwidths is None:
        bandwidths = default_bandwidths(problem.grid)
    if not len(bandwidths):
        raise ValueError("bandwidths is empty: there is none to choose.")
    values = [float(b) for b in bandwidths]

    def make(bandwidth: float, seed: int) -> Field:
        return make_prior(problem, name, seed, **{**options, "bandwidth": bandwidth})

    image, band = _goal(problem, target, band, bins, variant, refine)
    return fresh(
        image,
        problem.grid,
        make,
        values,
        seeds=seeds,
        bins=bins,
        variant=variant,
        refine=refine,
        band=band,
    )


@checked
def choose_prior(
    problem: Problem,
    names: Sequence[str],
    bandwidths: Sequence[Positive] | None = None,
    *,
    target: Tensor | Field | None = None,
    band: Tensor | None = None,
    seeds: Seeds = 5,
    bins: Count | None = None,
    variant: Variant = "published",
    refine: Count = 2,
) -> Choice:
    """Choose the (name, bandwidth) whose untrained priors have the spectrum nearest to the data's.

    All names are tried at all bandwidths. A spectrum says nothing of what training does: of
    architectures with equal distances take the one you trust.

    Args:
        problem: The problem.
        names: Priors of the catalogue.
        bandwidths: As in `choose_bandwidth`.
        target: As in `choose_bandwidth`.
        band: (bins,) boolean, the bins to compare, as in `fresh`.
        seeds: The number of untrained fields per pair.
        bins: The number of bins, as in `Bins`; only where `refine` is 1.
        variant: "published" or "windowed", as in `Bins`.
        refine: As in `choose_bandwidth`.
    """
    if bandwidths is None:
        bandwidths = default_bandwidths(problem.grid)
    pairs: list[Pair] = [(name, float(b)) for name in names for b in bandwidths]

    def make(pair: Pair, seed: int) -> Field:
        return make_prior(problem, pair[0], seed, bandwidth=pair[1])

    image, band = _goal(problem, target, band, bins, variant, refine)
    return fresh(
        image,
        problem.grid,
        make,
        pairs,
        seeds=seeds,
        bins=bins,
        variant=variant,
        refine=refine,
        band=band,
    )


def _named(
    problem: Problem, prior: str | None, native: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The name and its options; without a name the problem's suggestion, its options included."""
    if prior is None:
        return problem.suggested.prior, {**problem.suggested.options, **native}
    return prior, native


def _goal(
    problem: Problem,
    target: Tensor | Field | None,
    band: Tensor | None,
    bins: int | None,
    variant: Variant,
    refine: int,
) -> tuple[Tensor | Field, Tensor | None]:
    """(target, band): the pseudo-inverse in the measured band, unless a target is given."""
    if target is not None:
        return target, band
    # imported late, because only the default target needs a classical method
    from inverse_inr.baselines import cgls

    solution = cgls(problem)
    if band is None:
        _, grid = coarsened(solution.sample(), problem.grid)
        counted = target_bins(grid, bins, variant, refine)
        band = measured_band(problem, int(solution.details["iterations"]), counted)
    return solution.sample(), band


@checked
def measured_band(
    problem: Problem, iterations: Count, bins: Bins, *, least: Fraction = 0.5, seed: Seed = 0
) -> Tensor:
    """Find the bins that the measurements and CGLS return, by sending white noise there and back.

    What the operators do not see, or what so few iterations do not return, is not evidence of a
    smooth truth. The best bin always counts.

    Args:
        problem: The problem.
        iterations: The number of CGLS iterations.
        bins: The bins.
        least: The fraction of a white image's amplitude that a bin must return.
        seed: The seed of the white noise.

    Returns:
        (bins,) boolean.
    """
    from inverse_inr.baselines import cgls_iterates
    from inverse_inr.least_squares import LeastSquares

    system = LeastSquares.of(problem, [t.trusted for t in problem.terms])
    zeros = system.maps[0].zeros()
    white = torch.randn(zeros.shape, generator=torch.Generator().manual_seed(seed)).to(zeros)
    seen = replace(system, targets=[a(white) for a in system.maps])
    back = list(cgls_iterates(seen, iterations))[-1]
    before, after = (bins.amplitudes(coarsened(v, problem.grid)[0]) for v in (white, back))
    gain = after / before
    return gain >= min(least, float(gain.max()))
