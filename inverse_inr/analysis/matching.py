"""FreSh: choose the field whose spatial spectrum, before training, is nearest to that of the data.

    argmin over candidates of  mean over seeds  W₁( spectrum(f_θ0), spectrum(target) )

Source: Kania et al., FreSh: Frequency Shifting for Accelerated Neural Representation Learning,
2024, and its code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from inverse_inr.analysis.figures import label, panels
from inverse_inr.analysis.spectrum import Bins, Variant, distance
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.ranges import Count, Range, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Seeds = Annotated[int, Range(least=1, most=1000)]
"""Untrained fields of each candidate; a dozen have the mean of all."""

LARGEST = 2**20
"""The most lattice points on which spectra are taken: the published cap of 1024 x 1024."""


@dataclass(frozen=True)
class Choice:
    """The choice of FreSh among candidates, with its reasons. Spectra are shares of amplitude.

    Attributes:
        value: The chosen candidate.
        candidates: All n of them.
        distances: (n,) from the target's spectrum in bins, means over seeds.
        errors: (n,) standard errors of the distances.
        frequencies: (bins,) in cycles per unit of the box's first axis.
        target: (bins,), the target's spectrum.
        spectra: (n, bins), the candidates' spectra, means over seeds.
    """

    value: Any
    candidates: tuple[Any, ...]
    distances: Tensor
    errors: Tensor
    frequencies: Tensor
    target: Tensor
    spectra: Tensor

    @property
    def index(self) -> int:
        """The number of the chosen candidate, from 0."""
        return int(self.distances.argmin())

    @property
    def spectrum(self) -> Tensor:
        """(bins,), the spectrum of the chosen candidate."""
        return self.spectra[self.index]

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the target's spectrum together with the candidates', and their distances.

        Args:
            axes: Two axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(2)
        left, right = axes
        self._plot_spectra(left)
        self._plot_distances(right)
        return left, right

    def _plot_spectra(self, axes: Axes) -> None:
        for k, other in enumerate(self.spectra):
            if k != self.index:
                axes.plot(self.frequencies, other, color="0.8", zorder=2)
        axes.plot(self.frequencies, self.spectrum, color="C1", zorder=3)
        axes.plot(self.frequencies, self.target, "k", label="data", zorder=4)
        axes.plot([], [], color="C1", label=f"untrained field, {label(self.value)}")
        axes.set(xlabel="frequency (cycles per unit)", ylabel="share of amplitude")
        axes.legend(frameon=False)

    def _plot_distances(self, axes: Axes) -> None:
        numeric = all(isinstance(c, int | float) for c in self.candidates)
        places = list(range(len(self.candidates)))
        name = ""
        if numeric:
            places = list(self.candidates)
            name = "bandwidth (cycles per unit)"
        axes.errorbar(places, self.distances, self.errors, fmt="o-", color="0.3")
        axes.plot(places[self.index], self.distances[self.index], "o", color="C1", zorder=3)
        axes.set(xlabel=name, ylabel="Wasserstein distance (bins)")
        if not numeric:
            axes.set_xticks(places, [label(c) for c in self.candidates], rotation=60, ha="right")
        elif min(places) > 0:
            axes.set_xscale("log")


@checked
def fresh(
    target: Tensor | Field,
    grid: Grid,
    make: Callable[[Any, int], Field],
    candidates: Sequence[Any],
    *,
    seeds: Seeds = 10,
    bins: Count | None = None,
    variant: Variant = "published",
    refine: Count = 1,
    band: Tensor | None = None,
) -> Choice:
    """Choose the candidate whose untrained fields have the spectrum nearest to the target's.

    Lattices of more than 1024 x 1024 points are coarsened first.

    Args:
        target: An image (*grid.shape, c), or a field to be sampled on `grid`.
        grid: The lattice of the target.
        make: make(candidate, seed) is an untrained field, e.g.
            lambda b, seed: priors.siren(box, bandwidth=b, seed=seed).
        candidates: Values that `make` takes, e.g. bandwidths.
        seeds: The number of fields of each candidate, over which distances are averaged.
        bins: The number of bins, as in `Bins`.
        variant: "published" or "windowed", as in `Bins`.
        refine: 1 as published: fields are sampled on the target's lattice, where what they hold
            above its Nyquist frequency folds back and looks like detail. 2: twice as finely, over
            all bins up to the target's Nyquist frequency and as many above it, where the target has
            nothing (leave `bins` out).
        band: (bins,) boolean, the bins to compare, where the others hold nothing that was measured;
            default: all.

    Raises:
        ValueError: There is nothing to compare, a candidate's field has no spectrum, or `bins` or
            `band` do not fit.
    """
    if not candidates:
        raise ValueError("fresh: candidates is empty: nothing to compare.")
    image = target
    if not isinstance(image, Tensor):
        image = sample(image, grid)
    image, grid = coarsened(image, grid)
    count = target_bins(grid, bins, variant, refine)
    finer = Bins(grid.refined(refine), refine * count.count, variant)
    beyond = torch.zeros(finer.count - count.count, dtype=torch.float64)
    if band is not None:
        band = torch.cat([band, beyond == 0])
    goal = _within(torch.cat([count(image), beyond]), band)
    spectra = []
    distances = []
    for value in candidates:
        with torch.no_grad():
            fields = (make(value, seed) for seed in range(seeds))
            starts = [_within(_spectrum_of(field, finer, value), band) for field in fields]
        spectra.append(torch.stack(starts).mean(0))
        distances.append(torch.tensor([distance(s, goal) for s in starts], dtype=torch.float64))
    table = torch.stack(distances)
    means = table.mean(1)
    return Choice(
        value=candidates[int(means.argmin())],
        candidates=tuple(candidates),
        distances=means,
        errors=_standard_error(table),
        frequencies=finer.frequencies,
        target=goal,
        spectra=torch.stack(spectra),
    )


def _standard_error(table: Tensor) -> Tensor:
    """Standard errors of a (candidates, seeds) table's means; zero for a single seed."""
    seeds = table.shape[1]
    if seeds == 1:
        return torch.zeros(len(table))
    return table.std(1, correction=1) / math.sqrt(seeds)


def target_bins(grid: Grid, bins: int | None, variant: Variant, refine: int) -> Bins:
    """The bins in which a target is counted.

    Args:
        grid: The target's lattice.
        bins: The number of bins, only where `refine` is 1.
        variant: "published" or "windowed", as in `Bins`.
        refine: How many times finer than the target fields are sampled.

    Raises:
        ValueError: A number of bins is given where refine > 1.
    """
    if refine == 1:
        return Bins(grid, bins, variant)
    if bins is not None:
        raise ValueError(
            f"fresh: refine={refine} compares all bins of the grid and beyond; "
            f"leave out bins={bins}."
        )
    return Bins(grid, Bins.held(grid), variant)


def _spectrum_of(field: Field, bins: Bins, value: object) -> Tensor:
    try:
        return bins(sample(field, bins.grid))
    except ValueError as error:
        name = getattr(field, "name", type(field).__name__)
        raise ValueError(f"fresh: candidate {label(value)} ({name}), untrained: {error}") from None


def _within(weights: Tensor, band: Tensor | None) -> Tensor:
    """The shares inside the band, of sum 1."""
    if band is None:
        return weights
    if band.shape != weights.shape or not weights[band].sum() > 0:
        raise ValueError(
            f"fresh: band of shape {tuple(band.shape)} must mark some of the {len(weights)} bins."
        )
    kept = weights * band
    return kept / kept.sum()


def coarsened(image: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    """Coarsen an image to at most `LARGEST` points by averaging pixels.

    Args:
        image: (*grid.shape, c), real or complex.
        grid: Its lattice.

    Returns:
        The image and its lattice, as they are where they are small enough.

    Raises:
        ValueError: The image is too large and has more than three axes.
    """
    if grid.numel <= LARGEST:
        return image, grid
    shrink = (LARGEST / grid.numel) ** (1 / grid.ndim)
    small = Grid(grid.box, tuple(max(1, math.floor(n * shrink)) for n in grid.shape))
    pools: list[Callable[..., Tensor]] = [
        torch.nn.functional.adaptive_avg_pool1d,
        torch.nn.functional.adaptive_avg_pool2d,
        torch.nn.functional.adaptive_avg_pool3d,
    ]
    if grid.ndim > len(pools):
        raise ValueError(
            f"fresh: a grid of {grid.numel} points in {grid.ndim} dimensions; coarsen it yourself."
        )
    pool = pools[grid.ndim - 1]

    def pooled(part: Tensor) -> Tensor:
        return pool(part.movedim(-1, 0)[None], small.shape)[0].movedim(0, -1)

    if image.is_complex():
        return torch.complex(pooled(image.real), pooled(image.imag)), small
    return pooled(image), small
