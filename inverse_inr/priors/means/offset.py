"""A mean plus a learnt correction: the preset `offset`.

    f(x) = head(mean(x) + correction(x)),     the correction starts at zero

The mean is any field: a problem's own simple method finds it when a fit begins, from the rows that
the fit may see. What it leaves is learnt, as coefficients of the mean's main vectors along the last
axis, so a fit that learns nothing gives the simple method's answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field
from inverse_inr.priors.activations import uniform
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.means.coefficients import OffsetCoefficients, on_grid
from inverse_inr.priors.preset import Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, Seed, WholeNumber
from inverse_inr.registry import nearest

DARKEST = 1e-3
"""Least value of a mean that is learnt by its logarithm, as a fraction of its largest."""


class OffsetPrior(Prior):
    """A prior with a mean, which `begin` or `set_mean` gives it."""

    mean_of: str | None = None
    """Name of the problem's baseline that is the mean."""
    rounds: int = 0
    """How often in a run the penalty's guide becomes the field as it is."""

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        super().begin(problem, rows)
        if self.mean_of is None:
            return
        known = problem.suggested.baselines
        if self.mean_of not in known:
            raise ValueError(
                f"offset: mean={self.mean_of!r} is no baseline of this problem. "
                f"{nearest(self.mean_of, known)}"
            )
        terms = [replace(term, rows=r) for term, r in zip(problem.terms, rows, strict=True)]
        found = known[self.mean_of](replace(problem, terms=terms))
        self.set_mean(found.field, problem.grid)

    def set_mean(self, field: Field, grid: Grid) -> None:
        """Take a field as the mean; the correction begins at zero again.

        Args:
            field: Any real field of as many channels.
            grid: The pixels at which it is seen.

        Raises:
            ValueError: The field or the grid has another number of channels or axes.
        """
        if grid.ndim != self.box.ndim:
            raise ValueError(f"offset: the grid has {grid.ndim} axes, the box {self.box.ndim}.")
        values = on_grid(field, grid)
        if values.shape[-1] != self.channels or values.is_complex():
            raise ValueError(
                f"offset: the mean has values of shape {tuple(values.shape)} and type "
                f"{values.dtype}; {self.channels} real channels are needed."
            )
        if self.head.names == ["exp"]:
            values = values.clamp(min=max(DARKEST * float(values.max()), 1e-30)).log()
        self.coefficients.set_mean(values.to(self.coefficients.centre), grid)

    @property
    def coefficients(self) -> OffsetCoefficients:
        """The network: coefficients of space times vectors of the last axis."""
        assert isinstance(self.network, OffsetCoefficients)
        return self.network

    def before_step(self, step: int, progress: float) -> None:
        super().before_step(step, progress)
        if step == 0 or progress <= 0:
            return
        steps = round(step / progress)
        parts = self.rounds + 1
        if parts * step // steps > parts * (step - 1) // steps:
            self.coefficients.look_again()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        start = "network."
        shapes = {k[len(start) :]: v.shape for k, v in state_dict.items() if k.startswith(start)}
        self.coefficients.adopt(shapes)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)


@preset
def offset(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    mean: str | None = None,
    rank: Count = 8,
    cells: Positive | None = None,
    patch: Count = 5,
    floor: Moderate = 0.02,
    rounds: WholeNumber = 1,
    head: Literal["linear", "exp"] = "linear",
    seed: Seed = 0,
) -> Prior:
    """A mean that a simple method of the problem finds, plus a correction that starts at zero.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        mean: Name of one of the problem's `suggested.baselines`; None for a mean of zero, or for
            one that `set_mean` gives.
        rank: The most vectors of the last axis that the correction is made of.
        cells: Cells of the lattice along the longest side of space; None for 4 b, one per pixel.
        patch: Pixels along each axis of the patches that the penalty compares
            (`regularizers.PriorPenalty`), an odd number.
        floor: Standard deviation that the guide's patches do not show, of coefficients whose own
            is 1.
        rounds: How often in a run the guide of the penalty becomes the field as it is; the first
            guide is the mean.
        head: "linear", or "exp": then mean and correction are those of the logarithm.
        seed: Seed of the correction's starting numbers, of size 0.01. A mean sets them to zero.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: If the patch is even.
    """
    if patch % 2 == 0:
        raise ValueError(f"offset: patch={patch} must be an odd number of pixels.")
    bandwidth, b = band(box, bandwidth)
    if cells is None:
        cells = max(2.0, 4 * b)

    def network(outputs: int) -> OffsetCoefficients:
        return OffsetCoefficients(box, outputs, cells=cells, rank=rank, patch=patch, floor=floor)

    prior = OffsetPrior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-2,
    )
    uniform(prior.coefficients.correction.table, 1e-2, seeded(seed))
    prior.mean_of = mean
    prior.rounds = rounds
    return prior
