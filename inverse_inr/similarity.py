"""Similar patches: what one place of an image says about another, by a guide. Two regularizers:

`NonLocal`        R(f) = 1/n Σ_i Σ_j w_ij |f(x_i) − f(x_j)|²     over the `neighbours` most similar patches j of pixel i
`LocalGaussians`  R(f) = mean_i (P_i f − μ_i)ᵀ (C_i + ε² I)⁻¹ (P_i f − μ_i) / D    μ_i, C_i of patches like P_i

The guide may be a first reconstruction of the same measurements: `self_guided` and `refined` do that in rounds (Gilboa
& Osher 2008, Nonlocal operators with applications to image processing; Yu, Sapiro & Mallat 2012, Solving inverse
problems with piecewise linear estimators).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from inverse_inr.callbacks import Callback
from inverse_inr.domain import Field, Grid, sample
from inverse_inr.problem import Problem
from inverse_inr.regularizers import Regularizer
from inverse_inr.solution import Solution
from inverse_inr.solver import going_on_from, solve

BLOCK = 24
"""Offsets whose patch distances are held at a time."""


def similar_patches(image: Tensor, *, patch: int = 9, search: int = 10, neighbours: int = 8) -> tuple[Tensor, Tensor]:
    """The most similar patches within `search` pixels along each axis: flat indices (n, k) and weights (n, k).

    image  (*shape, c), real or complex
    patch  pixels along an axis, odd; a Gaussian of a third of it in standard deviation weighs its pixels
    w = exp(-|P_i - P_j|² / h_i²), with h_i² the median squared distance of the k patches of pixel i: no contrast and no
    noise level has to be told. Raises ValueError for NaN or Inf, or an even patch.
    """
    if patch < 1 or patch % 2 == 0 or search < 1 or neighbours < 1:
        raise ValueError(
            f"similar_patches: patch={patch} must be odd, search={search} and neighbours={neighbours} >= 1."
        )
    if not torch.isfinite(image).all():
        raise ValueError("similar_patches: the guide holds NaN or Inf.")
    image = torch.view_as_real(image).flatten(-2) if image.is_complex() else image
    shape = image.shape[:-1]
    index = torch.arange(shape.numel(), device=image.device).reshape(shape)
    offsets = [o for o in itertools.product(range(-search, search + 1), repeat=len(shape)) if any(o)]
    near = image.new_full((shape.numel(), neighbours), torch.inf)
    place = index.reshape(-1, 1).expand(-1, neighbours)  # itself, at weight 0, where fewer are inside
    for start in range(0, len(offsets), BLOCK):  # the best so far beside the next few: memory stays bounded
        some = offsets[start : start + BLOCK]
        distances = [_patch_distance(image, o, patch).flatten() for o in some]
        places = [index.roll([-v for v in o], list(range(len(shape)))).flatten() for o in some]
        near, chosen = torch.cat([near, torch.stack(distances, 1)], 1).topk(neighbours, 1, largest=False)
        place = torch.cat([place, torch.stack(places, 1)], 1).gather(1, chosen)
    scale = near[:, near.shape[1] // 2 : near.shape[1] // 2 + 1].clamp_min(torch.finfo(near.dtype).tiny)
    return place, torch.where(near.isinf(), 0.0, (-near / scale).exp())


def _patch_distance(image: Tensor, offset: tuple[int, ...], patch: int) -> Tensor:
    """Weighted |P(x) − P(x + offset)|² at every pixel; infinite where x + offset lies outside."""
    axes = list(range(image.ndim - 1))
    squared = (image.roll([-o for o in offset], axes) - image).square().sum(-1)
    outside = torch.zeros_like(squared, dtype=torch.bool)
    for axis, o in enumerate(offset):
        if o:
            width = min(abs(o), image.shape[axis])
            outside.narrow(axis, 0 if o < 0 else image.shape[axis] - width, width).fill_(True)
    return _blurred(squared.masked_fill(outside, 0.0), patch).masked_fill(outside, torch.inf)


def _blurred(values: Tensor, patch: int) -> Tensor:
    """Gaussian means over `patch` pixels along each axis; what lies outside counts as zero distance for all alike."""
    place = torch.arange(patch, device=values.device, dtype=values.dtype) - patch // 2
    taps = torch.exp(-0.5 * (3 * place / patch) ** 2)
    taps = taps / taps.sum()
    for axis in range(values.ndim):
        rows = values.movedim(axis, -1)
        out = functional.conv1d(rows.reshape(-1, 1, rows.shape[-1]), taps[None, None], padding=patch // 2)
        values = out.reshape(rows.shape).movedim(-1, axis)
    return values


class NonLocal(Regularizer):
    """mean over pixels i of Σ_j w_ij |f(x_i) - f(x_j)|² over similar patches of `guide` (Gilboa & Osher 2008).

    guide  a field: another modality, a classical or an earlier reconstruction; seen at the pixels of `grid`, once
    `options` are those of `similar_patches`.
    """

    def __init__(self, guide: Field, grid: Grid, **options: int) -> None:
        self.guide, self.grid, self.options = guide, grid, options
        self._graph: tuple[Tensor, Tensor] | None = None

    def graph(self) -> tuple[Tensor, Tensor]:
        """Neighbours and weights: a pure function of the guide, made when first asked for."""
        if self._graph is None:
            with torch.no_grad():
                self._graph = similar_patches(sample(self.guide, self.grid), **self.options)
        return self._graph

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        values = sample(field, self.grid).flatten(0, -2)
        neighbours, weights = (part.to(values.device) for part in self.graph())
        apart = (values[:, None] - values[neighbours]).abs().square().sum(-1)
        return (weights.to(apart.dtype) * apart).sum(1).mean()


def self_guided(problem: Problem, prior: str | nn.Module | None = None, *, weight: float, start: Solution | None = None,
                rounds: int = 3, regularizers: Sequence[Callable[[Field, Tensor], Tensor]] = (),
                callbacks: Sequence[Callback] = (), **solving: Any) -> Solution:  # fmt: skip
    """Solve, then `rounds` times again with `weight * NonLocal(guide=the solution before)` beside `regularizers`.

    start    the first guide; default: the problem solved as it suggests
    solving  keywords of `solve` for the rounds (`prior` a name, or a module that every round goes on with)
    """
    if rounds < 1:
        raise ValueError(f"self_guided: rounds must be at least 1, got {rounds}.")
    solution = solve(problem, callbacks=callbacks) if start is None else start
    seconds = 0.0
    for _ in range(rounds):
        seconds += solution.seconds
        penalties = [weight * NonLocal(solution.field, problem.grid), *regularizers]
        solution = solve(problem, prior, regularizers=penalties, callbacks=callbacks, **solving)
    return replace(solution, seconds=solution.seconds + seconds)


class PatchModels(NamedTuple):
    """Gaussians of n patches of D values: where they lie, their means (n, D), and factors (n, D, D), WᵀW = C⁻¹."""

    starts: list[Tensor]
    mean: Tensor
    factor: Tensor


class LocalGaussians(Regularizer):
    """Every patch is likely among those that are like it in the guide: mean (P f − μ)ᵀ (C + floor² I)⁻¹ (P f − μ) / D.

    μ and C are mean and covariance of a patch of `guide` and of the `neighbours` most similar ones: the second step of
    NL-Bayes (Lebrun, Buades & Morel 2013), whose place of noise removal any data term takes (piecewise linear
    estimators, Yu, Sapiro & Mallat 2012). About 1 where the field is as likely as the guide. Beside a negative
    log-likelihood that is a mean over m measured values of a field of n, `n / (2 m)` is the weight of a posterior's
    maximum, each value's D / c patches counted once: nothing to tune.

    guide       a field, seen at the pixels of `grid` once
    patch       pixels along an axis, odd; patches lie inside the grid, a `stride` apart
    search      as of `similar_patches`, whose Gaussian window is `patch` wide too
    floor       standard deviation, in units of the field, that the guide's patches do not show
    Memory: D² floats a patch, n D² / stride^d in all. Raises ValueError for a grid smaller than a patch, bad options.
    """

    def __init__(self, guide: Field, grid: Grid, *, patch: int = 5, search: int = 10, neighbours: int = 60,
                 stride: int = 2, floor: float = 0.02) -> None:  # fmt: skip
        if stride < 1 or not floor > 0:
            raise ValueError(f"LocalGaussians: stride={stride} must be at least 1 and floor={floor} positive.")
        if min(grid.shape) < patch:
            raise ValueError(f"LocalGaussians: patches of {patch} pixels do not fit in a grid of {grid.shape}.")
        self.guide, self.grid, self.patch, self.stride, self.floor = guide, grid, patch, stride, floor
        self.options = {"patch": patch, "search": search, "neighbours": neighbours}
        self._models: PatchModels | None = None

    def models(self) -> PatchModels:
        """A pure function of the guide, made when first asked for."""
        if self._models is None:
            with torch.no_grad():
                self._models = self._learned(sample(self.guide, self.grid))
        return self._models

    def _learned(self, guide: Tensor) -> PatchModels:
        shape, half = guide.shape[:-1], self.patch // 2
        patches = self._patches(guide)
        last = [n - 1 for n in patches.shape[:-1]]
        starts = [torch.tensor(sorted({*range(0, n, self.stride), n}), device=guide.device) for n in last]
        corners = torch.meshgrid(*starts, indexing="ij")
        centre = _flat([c + half for c in corners], shape).flatten()
        place = torch.cat([centre[:, None], similar_patches(guide, **self.options)[0][centre]], 1)
        parts = [self._gaussians(patches, part, shape) for part in place.split(1024)]
        return PatchModels(starts, torch.cat([m for m, _ in parts]), torch.cat([w for _, w in parts]))

    def _gaussians(self, patches: Tensor, place: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Of the groups of patches centred at flat indices (n, k): those that lie partly outside are moved inside."""
        inside = [
            (i - self.patch // 2).clamp(0, m - 1)
            for i, m in zip(torch.unravel_index(place, shape), patches.shape, strict=False)
        ]
        group = patches[tuple(inside)]
        mean = group.mean(1)
        off = group - mean[:, None]
        unit = torch.eye(off.shape[-1], dtype=off.dtype, device=off.device)
        lower = torch.linalg.cholesky(off.mT @ off / off.shape[1] + self.floor**2 * unit)
        return mean, torch.linalg.solve_triangular(lower, unit.expand_as(lower), upper=False)

    def _patches(self, values: Tensor) -> Tensor:
        """(*shape, c) -> (*inner, D): the patch that begins at each pixel, real and imaginary parts side by side."""
        values = torch.view_as_real(values).flatten(-2) if values.is_complex() else values
        ndim = values.ndim - 1
        for axis in range(ndim):
            values = values.unfold(axis, self.patch, 1)
        return values.flatten(ndim)

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        starts, mean, factor = self.models()
        patches = self._patches(sample(field, self.grid))
        for axis, start in enumerate(starts):
            patches = patches.index_select(axis, start.to(patches.device))
        off = patches.flatten(0, -2) - mean.to(patches)
        return (factor.to(patches) @ off[..., None]).square().mean()


def _flat(index: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Flat indices of entries of an array of `shape`."""
    total = torch.zeros_like(index[0])
    for i, n in zip(index, shape, strict=True):
        total = total * n + i
    return total


def refined(problem: Problem, rounds: int, weight: float, *, steps: int = 10, grid: Grid | None = None,
            then: dict[str, Any] | None = None, **options: Any) -> Problem:  # fmt: skip
    """The problem whose suggestion is its own, solved first, and then `rounds` fits from there with `LocalGaussians`.

    Each round goes on from the parameters of the fit before, its guide too; earlier fits run when the last one
    starts. They keep the suggested stopping rule, so rows are held out of all of them only by a rule that stands there.
    steps  of each round.   grid  of the patches; default: the problem's
    then   what the rounds suggest otherwise than the first fit: with another prior they begin afresh, guided by it
    """
    if rounds < 1:
        raise ValueError(f"refined: rounds must be at least 1, got {rounds}.")
    for _ in range(rounds):
        problem = _one_more(problem, weight, {**(then or {}), "steps": steps}, grid or problem.grid, options)
    return problem


def _one_more(problem: Problem, weight: float, changes: dict[str, Any], grid: Grid, options: dict[str, Any]
              ) -> Problem:  # fmt: skip
    @cache
    def before() -> Solution:
        with torch.enable_grad():  # the guide is looked at where no gradient is wanted
            return solve(problem, callbacks=[])

    penalty = weight * LocalGaussians(lambda points: before().field(points), grid, **options)
    first, new = problem.suggested, replace(problem.suggested, **changes, regularizers=(penalty,), start=None)
    same = (first.prior, first.options) == (new.prior, new.options)
    return replace(problem, suggested=replace(new, start=going_on_from(before) if same else None))
