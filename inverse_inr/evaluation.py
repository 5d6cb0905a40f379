"""Fields asked: at points, on lattices, in pieces that bound memory, once for all who look at the same lattice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from inverse_inr.domain import Grid

Field = Callable[[Tensor], Tensor]
"""A callable on physical coordinates: (*s, d) -> (*s, c)."""

CHUNK = 2**16
"""Points in one field call: 3x256 SIREN activations and their gradients stay near half a gigabyte."""


@runtime_checkable
class Lattice(Protocol):
    """A field that has its own fast path on whole lattices."""

    def sample(self, grid: Grid) -> Tensor: ...


def placement(field: object) -> tuple[torch.dtype, torch.device]:
    """The real dtype and the device a field computes in: those of its first floating parameter or buffer."""
    if isinstance(field, torch.nn.Module):
        for tensor in chain(field.parameters(), field.buffers()):
            if tensor.is_floating_point() or tensor.is_complex():
                return tensor.dtype.to_real(), tensor.device
    return torch.get_default_dtype(), torch.device("cpu")


def evaluate(field: Field, points: Tensor, chunk: int | None = None) -> Tensor:
    """`field(points)` with at most `chunk` points in flight, forward and backward: (*s, d) -> (*s, c).

    Chunks are gradient-checkpointed, so memory is bounded where autograd records.
    """
    chunk = CHUNK if chunk is None else chunk
    if points[..., 0].numel() <= chunk:
        return field(points)
    parts = points.reshape(-1, points.shape[-1]).split(chunk)
    return torch.cat([_recompute(field, p) for p in parts]).unflatten(0, points.shape[:-1])


def _recompute(function: Callable[..., Tensor], argument: object) -> Tensor:
    """Call now, and again in the backward pass instead of storing what lies between."""
    if not torch.is_grad_enabled():
        return function(argument)
    try:
        result = checkpoint(function, argument, use_reentrant=False, preserve_rng_state=False)
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        return function(
            argument
        )  # inside torch.func.vjp, which cannot recompute: memory is not bounded there
    assert isinstance(result, Tensor)
    return result


def _sample_whole(field: Field, grid: Grid) -> Tensor:
    if isinstance(field, Lattice):
        return field.sample(grid)
    return field(grid.points(*placement(field)))


def sample(field: Field, grid: Grid, *, average: int = 1, chunk: int | None = None) -> Tensor:
    """The field on a lattice, (*shape, c): values at pixel centres, or means of `average`^d sub-samples a pixel.

    Uses the field's own lattice path where it has one; at most `chunk` points are in flight.
    """
    if average < 1:
        raise ValueError(f"sample: average={average} sub-samples an axis; it must be at least 1.")
    if isinstance(
        field, Memo
    ):  # asked here or not at all: inside a recomputation it would answer from memory
        if average == 1:
            return field.sample(grid)
        field = field.field
    chunk = getattr(field, "lattice_chunk", CHUNK) if chunk is None else chunk
    pixels = max(1, chunk // average**grid.ndim)

    def one(slab: Grid) -> Tensor:
        return _pool(_sample_whole(field, slab.refined(average)), average, grid.ndim)

    def split(part: Grid, axis: int) -> Tensor:
        if part.numel <= pixels or axis == grid.ndim:
            return one(grid) if part is grid else _recompute(one, part)
        return torch.cat([split(piece, axis + 1) for piece in part.slabs(pixels, axis)], axis)

    return split(grid, 0)


def _pool(values: Tensor, factor: int, ndim: int) -> Tensor:
    for axis in range(ndim if factor > 1 else 0):
        values = values.unflatten(axis, (-1, factor)).mean(axis + 1)
    return values


class Memo:
    """A field that evaluates each lattice once: what a data term sampled costs a regularizer nothing.

    `looks` are the (points, values) that operators asked for so far, for regularizers of those.
    """

    def __init__(self, field: Field, chunk: int | None = None) -> None:
        self.field = field
        self.chunk = chunk
        self.looks: list[tuple[Tensor, Tensor]] = []
        self._seen: dict[Grid, Tensor] = {}

    def __call__(self, points: Tensor) -> Tensor:
        return self.field(points)

    def sample(self, grid: Grid) -> Tensor:
        if grid not in self._seen:
            self._seen[grid] = sample(self.field, grid, chunk=self.chunk)
        return self._seen[grid]

    @property
    def module(self) -> torch.nn.Module:
        """The prior behind the memo (for regularizers of its parameters)."""
        field = self.field
        if not isinstance(field, torch.nn.Module):
            raise TypeError(f"{type(field).__name__} has no parameters.")
        return field
