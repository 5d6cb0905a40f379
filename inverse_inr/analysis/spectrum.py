"""Spectra of images and untrained fields, and FreSh: choose the field whose spectrum is nearest to that of the data.

    FreSh:  argmin over candidates of  mean over seeds W₁( spectrum(f_θ0), spectrum(target) )

Kania et al., FreSh: Frequency Shifting for Accelerated Neural Representation Learning, 2024, and its code. Frequencies
are counted in *bins*: bin k holds what oscillates k times over the longest side of the box (its two normalised units).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field, sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Variant = Literal["published", "windowed"]
BINS = 64
"""Bins compared by default, as published for SIREN; fewer where the lattice holds fewer."""
LARGEST = 2**20
"""Lattice points on which spectra are taken: the published cap of 1024 x 1024."""


class Bins:
    """The bins of a lattice: `bins(image)` is the share of amplitude in bins 1 to `count`, (count,) in float64.

    "published"  |FFT| summed over channels, summed over anti-diagonals i + j of the non-redundant half, without the
                 constant, the first `count` bins, normalised to 1. In any dimension that is the L1 norm of the
                 frequency over the orthant of non-negative indices: other orthants enter the published sums beyond
                 the Nyquist index only, out of order, and are left out here. No image is periodic, so each edge puts a
                 tail of 1/k into every bin, whatever the image.
    "windowed"   the same under a Hann window, its mean taken off, over all orthants: no tails, no direction lost

    Where the box is no cube the published code squeezes the image into a square; here axis k counts its cycles per
    longest side instead, so that a frequency stays what it is: the prior's coordinates are not squeezed either.
    Raises ValueError for more bins than the Nyquist frequency of the coarsest axis leaves.
    """

    def __init__(
        self, grid: Grid, count: int | None = None, variant: Variant = "published"
    ) -> None:
        if variant not in ("published", "windowed"):
            raise ValueError(f"Bins: variant must be 'published' or 'windowed', got {variant!r}.")
        self.grid, self.variant = grid, variant
        step = [
            2 / (n * s) for n, s in zip(grid.box.lengths, grid.box.scale, strict=True)
        ]  # bins a cycle of each axis
        held = self.held(grid)
        self.count = min(BINS, held) if count is None else count
        if not 1 <= self.count <= held:
            raise ValueError(
                f"Bins: {self.count} bins, but a grid of shape {grid.shape} holds {held}. A finer grid?"
            )
        signed = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in grid.shape]
        norm = sum(
            _along(k, f.abs() * h, grid.ndim)
            for k, (f, h) in enumerate(zip(signed, step, strict=True))
        )
        assert isinstance(norm, Tensor)
        self._index = (norm + 0.5).floor().long().clamp(max=self.count + 1)
        for k, (f, n) in enumerate(zip(signed, grid.shape, strict=True)):
            if (
                variant == "published"
            ):  # index n/2 is its own mirror image: fftfreq calls it negative, we keep it
                outside = _along(k, (f < 0) & (f > -n / 2), grid.ndim)
                self._index = torch.where(outside, self.count + 1, self._index)

    @staticmethod
    def held(grid: Grid) -> int:
        """Bins up to the Nyquist frequency of the coarsest axis."""
        sides = [n * s / 2 for n, s in zip(grid.box.lengths, grid.box.scale, strict=True)]
        return math.floor(
            min((n // 2 / w for n, w in zip(grid.shape, sides, strict=True) if n > 1), default=0)
            + 1e-9
        )

    @property
    def frequencies(self) -> Tensor:
        """Cycles per unit of the box's first axis: the unit of `bandwidth`. (count,)"""
        return torch.arange(1, self.count + 1, dtype=torch.float64) * (self.grid.box.scale[0] / 2)

    def amplitudes(self, image: Tensor) -> Tensor:
        """Σ |FFT| in each bin, not normalised: (count,). `image`: (*grid.shape, c), real or complex."""
        if tuple(image.shape[:-1]) != self.grid.shape:
            raise ValueError(
                f"Bins of a grid {self.grid.shape}: the image has shape {tuple(image.shape)}; it must be "
                f"(*{self.grid.shape}, channels)."
            )
        values = image.detach().cpu().to(torch.complex128 if image.is_complex() else torch.float64)
        if self.variant == "windowed":
            values = self._windowed(values)
        amplitude = torch.fft.fftn(values, dim=tuple(range(self.grid.ndim))).abs().sum(-1)
        total = torch.zeros(self.count + 2, dtype=torch.float64)
        total.index_add_(0, self._index.flatten(), amplitude.flatten())
        return total[1:-1]

    def __call__(self, image: Tensor) -> Tensor:
        """The amplitudes as shares. Raises ValueError for a constant image, which has no spectrum, and for NaN."""
        inside = self.amplitudes(image)
        if not float(inside.sum()) > 1e-12 * float(image.detach().abs().sum()):
            raise ValueError("the image is constant (or holds NaN): it has no spectrum to compare.")
        return inside / inside.sum()

    def _windowed(self, values: Tensor) -> Tensor:
        """Times a Hann window along each axis, after taking off the mean under it (else the constant would leak)."""
        window = torch.ones((), dtype=torch.float64)
        for k, n in enumerate(self.grid.shape):
            rise = torch.sin(torch.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n).square()
            window = window * _along(k, rise, self.grid.ndim)[..., None]
        axes = tuple(range(self.grid.ndim))
        return window * (values - (window * values).sum(axes) / window.sum())


def _along(axis: int, values: Tensor, ndim: int) -> Tensor:
    """(n,) values laid along one axis of an array of `ndim`."""
    return values.reshape([-1 if k == axis else 1 for k in range(ndim)])


def spectrum(
    image: Tensor,
    bins: int | None = None,
    *,
    box: Box | None = None,
    variant: Variant = "published",
) -> Tensor:
    """The share of amplitude in each of the first `bins` bins (see `Bins`): (bins,), sum 1, the constant left out.

    `image`: (*shape, c) in one, two, three ... dimensions; without a `box` its pixels are cubes.
    """
    shape = tuple(image.shape[:-1])
    box = Box((0.0,) * len(shape), tuple(map(float, shape))) if box is None else box
    return Bins(Grid(box, shape), bins, variant)(image)


def distance(first: Tensor, second: Tensor) -> float:
    """Wasserstein-1 distance of two spectra, in bins: how far amplitude must move to make one the other."""
    from scipy.stats import wasserstein_distance

    support = torch.arange(len(first)).numpy()
    return float(wasserstein_distance(support, support, first.numpy(), second.numpy()))


@dataclass(frozen=True)
class Choice:
    """What FreSh chose among `candidates`, and why. Spectra are shares of amplitude at `frequencies`.

    `distances` (n,) in bins, means over seeds, with their standard errors `errors`; `spectra` (n, bins), means over
    seeds; `frequencies` (bins,) in cycles per unit of the box's first axis.
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
        return int(self.distances.argmin())

    @property
    def spectrum(self) -> Tensor:
        """That of the chosen candidate."""
        return self.spectra[self.index]

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Two axes: the target's spectrum beside the candidates', and their distances."""
        left, right = panels(2) if axes is None else axes
        for k, other in enumerate(self.spectra):
            left.plot(
                self.frequencies,
                other,
                color="0.8" if k != self.index else "C1",
                zorder=2 + (k == self.index),
            )
        left.plot(self.frequencies, self.target, "k", label="data", zorder=4)
        left.plot([], [], color="C1", label=f"untrained field, {label(self.value)}")
        left.set(xlabel="frequency (cycles per unit)", ylabel="share of amplitude")
        left.legend(frameon=False)
        numeric = all(isinstance(c, int | float) for c in self.candidates)
        places = list(self.candidates) if numeric else list(range(len(self.candidates)))
        right.errorbar(places, self.distances, self.errors, fmt="o-", color="0.3")
        right.plot(places[self.index], self.distances[self.index], "o", color="C1", zorder=3)
        right.set(
            xlabel="bandwidth (cycles per unit)" if numeric else "",
            ylabel="Wasserstein distance (bins)",
        )
        if numeric and min(places) > 0:
            right.set_xscale("log")
        elif not numeric:
            right.set_xticks(places, [label(c) for c in self.candidates], rotation=60, ha="right")
        return left, right


def fresh(
    target: Tensor | Field,
    grid: Grid,
    make: Callable[[Any, int], Field],
    candidates: Sequence[Any],
    *,
    seeds: int = 10,
    bins: int | None = None,
    variant: Variant = "published",
    refine: int = 1,
    band: Tensor | None = None,
) -> Choice:
    """The candidate whose untrained fields have the spectrum nearest to the target's (FreSh).

    target    an image (*grid.shape, c), or a field to be sampled on `grid`
    make      make(candidate, seed) is an untrained field, e.g. lambda b, seed: priors.siren(box, bandwidth=b,
              seed=seed); the distance is averaged over `seeds` of them
    bins      how many, and `variant` which: see `Bins`. Lattices of more than 1024 x 1024 points are coarsened first
    refine    1 as published: fields are sampled on the target's lattice, where what they hold above its Nyquist
              frequency folds back and looks like detail. 2: twice as finely, over all bins up to the target's Nyquist
              frequency and as many above it, where the target has nothing (leave `bins` out)
    band      (bins,) boolean: the bins to compare, where the others hold nothing that was measured
    """
    if not candidates or seeds < 1 or refine < 1:
        raise ValueError(
            f"fresh: {len(candidates)} candidates, seeds={seeds}, refine={refine}: nothing to compare."
        )
    image = target if isinstance(target, Tensor) else sample(target, grid)
    image, grid = coarsened(image, grid)
    count = target_bins(grid, bins, variant, refine)
    finer = Bins(grid.refined(refine), refine * count.count, variant)
    beyond = torch.zeros(finer.count - count.count, dtype=torch.float64)
    band = None if band is None else torch.cat([band, beyond == 0])
    goal = _within(torch.cat([count(image), beyond]), band)
    spectra, distances = [], []
    for value in candidates:
        with torch.no_grad():
            starts = [
                _within(_spectrum_of(make(value, seed), finer, value), band)
                for seed in range(seeds)
            ]
        spectra.append(torch.stack(starts).mean(0))
        distances.append(torch.tensor([distance(s, goal) for s in starts], dtype=torch.float64))
    table = torch.stack(distances)
    error = table.std(1, correction=1) / math.sqrt(seeds) if seeds > 1 else torch.zeros(len(table))
    chosen = candidates[int(table.mean(1).argmin())]
    return Choice(
        chosen,
        tuple(candidates),
        table.mean(1),
        error,
        finer.frequencies,
        goal,
        torch.stack(spectra),
    )


def target_bins(grid: Grid, bins: int | None, variant: Variant, refine: int) -> Bins:
    """The bins in which a target on `grid` is counted. Raises ValueError for a number of them where refine > 1."""
    if refine == 1:
        return Bins(grid, bins, variant)
    if bins is not None:
        raise ValueError(
            f"fresh: refine={refine} compares all bins of the grid and beyond; leave out bins={bins}."
        )
    return Bins(grid, Bins.held(grid), variant)


def _spectrum_of(field: Field, bins: Bins, value: object) -> Tensor:
    try:
        return bins(sample(field, bins.grid))
    except ValueError as error:
        name = getattr(field, "name", type(field).__name__)
        raise ValueError(f"fresh: candidate {label(value)} ({name}), untrained: {error}") from None


def _within(weights: Tensor, band: Tensor | None) -> Tensor:
    if band is None:
        return weights
    if band.shape != weights.shape or not weights[band].sum() > 0:
        raise ValueError(
            f"fresh: band of shape {tuple(band.shape)} must mark some of the {len(weights)} bins."
        )
    kept = weights * band
    return kept / kept.sum()


def coarsened(image: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
    """Image and grid with at most `LARGEST` points, by averaging pixels."""
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
    parts = [image.real, image.imag] if image.is_complex() else [image]
    pooled = [
        pools[grid.ndim - 1](p.movedim(-1, 0)[None], small.shape)[0].movedim(0, -1) for p in parts
    ]
    return torch.complex(*pooled) if image.is_complex() else pooled[0], small


def label(value: object) -> str:
    """A candidate in a few characters."""
    if isinstance(value, tuple):
        return " ".join(label(v) for v in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def panels(count: int) -> Sequence[Axes]:
    """`count` axes side by side in a figure of their own, without pyplot's state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(4.2 * count, 3.2), layout="constrained").subplots(
        1, count, squeeze=False
    )[0]
