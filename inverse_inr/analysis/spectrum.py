"""Spectra of images and untrained fields, and FreSh: choose the field whose spectrum is nearest to that of the data.

    FreSh:  argmin over candidates of  mean over seeds W₁( spectrum(f_θ0), spectrum(target) )

Kania et al., FreSh: Frequency Shifting for Accelerated Neural Representation Learning, ICLR 2025, section 4. Frequencies
are counted in *bins*: bin k holds what oscillates k times over the longest side of the box (its two normalised units).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from inverse_inr.domain import Box, Field, Grid, sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Directions = Literal["first", "all"]
BINS = 64
"""Bins compared by default, as published for SIREN; fewer where the lattice holds fewer."""
LARGEST = 2**20
"""Lattice points on which spectra are taken: the published cap of 1024 x 1024."""


class Bins:
    """The bins of a lattice: `bins(image)` is the share of amplitude in bins 1 to `count`, (count,) in float64.

    The published algorithm: |FFT| summed over channels, summed over anti-diagonals i + j of the non-redundant half,
    without the constant, the first `count` bins, normalised to 1. In any dimension that is the L1 norm of the frequency
    over the orthant of non-negative indices (the other orthants of the published code begin beyond the Nyquist index).
    Where the box is no cube the published code squeezes the image into a square; here axis k counts its cycles per
    longest side instead, so that a frequency stays what it is: the prior's coordinates are not squeezed either.

    directions  "first": that orthant, as published; "all": the signs of the indices do not matter
    norm        1: |i| + |j| as published; 2: the length of the frequency, rings instead of diamonds
    Raises ValueError for more bins than the Nyquist frequency of the coarsest axis leaves.
    """

    def __init__(self, grid: Grid, count: int | None = None, *, directions: Directions = "first",
                 norm: Literal[1, 2] = 1) -> None:  # fmt: skip
        if directions not in ("first", "all") or norm not in (1, 2):
            raise ValueError(f"Bins: directions={directions!r} is 'first' or 'all', norm={norm!r} is 1 or 2.")
        self.grid = grid
        step = [2 / (n * s) for n, s in zip(grid.box.lengths, grid.box.scale, strict=True)]  # bins a cycle of each axis
        held = math.floor(min((n // 2 * h for n, h in zip(grid.shape, step, strict=True) if n > 1), default=0) + 1e-9)
        self.count = min(BINS, held) if count is None else count
        if not 1 <= self.count <= held:
            raise ValueError(f"Bins: {self.count} bins, but a grid of shape {grid.shape} holds {held}. A finer grid?")
        signed = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in grid.shape]
        mesh = torch.meshgrid(*(f * h for f, h in zip(signed, step, strict=True)), indexing="ij")
        distance = torch.linalg.vector_norm(torch.stack(mesh), ord=norm, dim=0)
        self._index = (distance + 0.5).floor().long().clamp(max=self.count + 1)
        if directions == "first":
            # index n/2 is its own mirror image: fftfreq calls it negative, the published half keeps it
            outside = [(f < 0) & (f > -n / 2) for f, n in zip(signed, grid.shape, strict=True)]
            self._index[torch.stack(torch.meshgrid(*outside, indexing="ij")).any(0)] = self.count + 1
        self._index = self._index.flatten()

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
        amplitude = torch.fft.fftn(values, dim=tuple(range(self.grid.ndim))).abs().sum(-1).flatten()
        total = torch.zeros(self.count + 2, dtype=torch.float64).index_add_(0, self._index, amplitude)
        return total[1:-1]

    def __call__(self, image: Tensor) -> Tensor:
        """The amplitudes as shares. Raises ValueError for a constant image, which has no spectrum, and for NaN."""
        inside = self.amplitudes(image)
        if not float(inside.sum()) > 1e-12 * float(image.detach().abs().sum()):
            raise ValueError("the image is constant (or holds NaN): it has no spectrum to compare.")
        return inside / inside.sum()


def spectrum(image: Tensor, bins: int | None = None, *, box: Box | None = None, directions: Directions = "first",
             norm: Literal[1, 2] = 1) -> Tensor:  # fmt: skip
    """The share of amplitude in each of the first `bins` bins (see `Bins`): (bins,), sum 1, the constant left out.

    `image`: (*shape, c) in one, two, three ... dimensions; without a `box` its pixels are cubes.
    """
    shape = tuple(image.shape[:-1])
    box = Box((0.0,) * len(shape), tuple(map(float, shape))) if box is None else box
    return Bins(Grid(box, shape), bins, directions=directions, norm=norm)(image)


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
            left.plot(self.frequencies, other, color="0.8" if k != self.index else "C1", zorder=2 + (k == self.index))
        left.plot(self.frequencies, self.target, "k", label="data", zorder=4)
        left.plot([], [], color="C1", label=f"untrained field, {label(self.value)}")
        left.set(xlabel="frequency (cycles per unit)", ylabel="share of amplitude")
        left.legend(frameon=False)
        numeric = all(isinstance(c, int | float) for c in self.candidates)
        places = list(self.candidates) if numeric else list(range(len(self.candidates)))
        right.errorbar(places, self.distances, self.errors, fmt="o-", color="0.3")
        right.plot(places[self.index], self.distances[self.index], "o", color="C1", zorder=3)
        right.set(xlabel="bandwidth (cycles per unit)" if numeric else "", ylabel="Wasserstein distance (bins)")
        if numeric and min(places) > 0:
            right.set_xscale("log")
        elif not numeric:
            right.set_xticks(places, [label(c) for c in self.candidates], rotation=60, ha="right")
        return left, right


def fresh(target: Tensor | Field, grid: Grid, make: Callable[[Any, int], Field], candidates: Sequence[Any], *,
          seeds: int = 10, bins: int | None = None, directions: Directions = "first", norm: Literal[1, 2] = 1,
          band: Tensor | None = None) -> Choice:  # fmt: skip
    """The candidate whose untrained fields have the spectrum nearest to the target's (FreSh).

    target      an image (*grid.shape, c), or a field to be sampled on `grid`
    make        make(candidate, seed) is an untrained field, e.g. lambda b, seed: priors.siren(box, bandwidth=b,
                seed=seed); the distance is averaged over `seeds` of them
    bins ...    see `Bins`; lattices of more than 1024 x 1024 points are coarsened first
    band        (bins,) boolean: the bins to compare, where the others hold nothing that was measured
    """
    if not candidates or seeds < 1:
        raise ValueError(f"fresh: {len(candidates)} candidates and {seeds} seeds leave nothing to compare.")
    image = target if isinstance(target, Tensor) else sample(target, grid)
    image, grid = coarsened(image, grid)
    count = Bins(grid, bins, directions=directions, norm=norm)
    goal = _within(count(image), band)
    spectra, distances = [], []
    for value in candidates:
        with torch.no_grad():
            starts = [_within(_spectrum_of(make(value, seed), count, value), band) for seed in range(seeds)]
        spectra.append(torch.stack(starts).mean(0))
        distances.append(torch.tensor([distance(s, goal) for s in starts], dtype=torch.float64))
    table = torch.stack(distances)
    error = table.std(1, correction=1) / math.sqrt(seeds) if seeds > 1 else torch.zeros(len(table))
    chosen = candidates[int(table.mean(1).argmin())]
    return Choice(chosen, tuple(candidates), table.mean(1), error, count.frequencies, goal, torch.stack(spectra))


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
        raise ValueError(f"fresh: band of shape {tuple(band.shape)} must mark some of the {len(weights)} bins.")
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
        raise ValueError(f"fresh: a grid of {grid.numel} points in {grid.ndim} dimensions; coarsen it yourself.")
    parts = [image.real, image.imag] if image.is_complex() else [image]
    pooled = [pools[grid.ndim - 1](p.movedim(-1, 0)[None], small.shape)[0].movedim(0, -1) for p in parts]
    return torch.complex(*pooled) if image.is_complex() else pooled[0], small


def label(value: object) -> str:
    """A candidate in a few characters."""
    if isinstance(value, tuple):
        return " ".join(label(v) for v in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def panels(count: int) -> Sequence[Axes]:
    """`count` axes side by side in a figure of their own, without pyplot's state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(4.2 * count, 3.2), layout="constrained").subplots(1, count, squeeze=False)[0]
