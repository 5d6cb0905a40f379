"""Evaluating fields: at points, on lattices, in chunks that bound memory, and once per lattice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from inverse_inr import memory
from inverse_inr.domain import Grid
from inverse_inr.precision import placement
from inverse_inr.ranges import Count, require, shown

Field = Callable[[Tensor], Tensor]
"""A callable on physical coordinates: (*s, d) -> (*s, c)."""

CHUNK = 2**16
"""Most points in one call of a field.

The activations of a 3x256 SIREN and their gradients then stay near half a gigabyte.
"""


@runtime_checkable
class Lattice(Protocol):
    """A field that has its own fast path on whole lattices."""

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate the field at all pixel centres of a grid.

        Args:
            grid: The lattice.

        Returns:
            (*grid.shape, c) values.
        """
        ...


def evaluate(field: Field, points: Tensor, chunk: int | None = None) -> Tensor:
    """Compute `field(points)` in chunks that bound memory, forward and backward.

    Chunks are computed again in the backward pass instead of being stored, where autograd records.

    Args:
        field: The field.
        points: (*s, d) physical coordinates.
        chunk: Most points per call of the field; `CHUNK` if None.

    Returns:
        (*s, c) values.

    Raises:
        TypeError: The field cannot be called, `points` is no tensor or `chunk` no whole number.
        ValueError: `points` holds no coordinates, or `chunk` is below 1.
    """
    if chunk is None:
        chunk = CHUNK
    _require_count("evaluate: chunk", chunk)
    if not callable(field):
        raise TypeError(f"evaluate: field={shown(field)} cannot be called on points.")
    if not isinstance(points, Tensor) or not points.shape[-1:].numel() or points.ndim == 0:
        require("evaluate: points", points, Tensor)
        raise ValueError(f"evaluate: points have shape {tuple(points.shape)}, not (*s, d).")
    if points[..., 0].numel() <= chunk:
        return field(points)
    parts = points.reshape(-1, points.shape[-1]).split(chunk)
    return torch.cat([_recompute(field, p) for p in parts]).unflatten(0, points.shape[:-1])


def _require_count(what: str, value: int) -> None:
    """What `ranges.require` asks of a count, at once where it is one: each step comes here."""
    if type(value) is not int or value < 1:
        require(what, value, Count)


def _recompute(function: Callable[..., Tensor], argument: object) -> Tensor:
    """Call now, and again in the backward pass instead of storing what lies between."""
    if not torch.is_grad_enabled():
        return function(argument)
    try:
        result = checkpoint(function, argument, use_reentrant=False, preserve_rng_state=False)
    except RuntimeError as error:
        if "saved tensor hooks" not in str(error):
            raise
        # inside torch.func.vjp, which cannot recompute: memory is not bounded there
        return function(argument)
    assert isinstance(result, Tensor)
    return result


def _sample_whole(field: Field, grid: Grid) -> Tensor:
    if isinstance(field, Lattice):
        return field.sample(grid)
    return field(grid.points(*placement(field)))


def sample(
    field: Field,
    grid: Grid,
    *,
    average: int = 1,
    chunk: int | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Evaluate a field on a lattice, by the field's own lattice path where it has one.

    Args:
        field: The field.
        grid: The lattice.
        average: Sub-samples per axis of a pixel whose mean is the pixel's value; 1 takes the value
            at the pixel's centre.
        chunk: Most points per call of the field; the field's `lattice_chunk` or `CHUNK` if None.
        out: (*grid.shape, c) tensor that takes the values, without gradients; None for a new one.

    Returns:
        (*grid.shape, c) values; `out` where it is given.

    Raises:
        TypeError: The field cannot be called, `grid` is none, or a number is not whole.
        ValueError: `average` or `chunk` is below 1, or `out` has another shape.
        OutOfMemoryError: The image, of one channel, does not fit the memory at hand.
    """
    _require_count("sample: average", average)
    if chunk is not None:
        _require_count("sample: chunk", chunk)
    if not isinstance(grid, Grid) or not (callable(field) or isinstance(field, Lattice)):
        require("sample: grid", grid, Grid)
        raise TypeError(f"sample: field={shown(field)} cannot be called on points.")
    memory.require(
        f"sample: average={average} sub-samples an axis of one pixel",
        4.0 * grid.ndim * average**grid.ndim,
        lambda there: f"Take {int((there / 4 / grid.ndim) ** (1 / grid.ndim))} at most.",
    )
    dtype, device = placement(field)
    if out is None:
        grid.require_memory("an image", grid.numel * dtype.itemsize, device)
    if isinstance(field, Memo):
        # asked here or not at all: inside a recomputation it would answer from memory
        if average == 1 and out is None:
            return field.sample(grid)
        field = field.field
    if chunk is None:
        chunk = getattr(field, "lattice_chunk", CHUNK)
    pixels = max(1, chunk // average**grid.ndim)

    def one(slab: Grid) -> Tensor:
        if average == 1:
            return _sample_whole(field, slab)
        return pool(_sample_whole(field, slab.refined(average)), average, grid.ndim)

    if out is not None or (grid.numel > pixels and not torch.is_grad_enabled()):
        return _filled(one, grid, pixels, out)

    def split(part: Grid, axis: int) -> Tensor:
        if part.numel > pixels and axis < grid.ndim:
            return torch.cat([split(piece, axis + 1) for piece in part.slabs(pixels, axis)], axis)
        if part is grid:
            return one(grid)
        return _recompute(one, part)

    return split(grid, 0)


@torch.no_grad()
def _filled(one: Callable[[Grid], Tensor], grid: Grid, pixels: int, out: Tensor | None) -> Tensor:
    """The values of all parts of a grid in one tensor: kept apart, they would fragment the heap."""
    for place, part in _parts(grid, pixels):
        values = one(part)
        shape = (*grid.shape, values.shape[-1])
        if out is None:
            out = values.new_empty(shape)
        if tuple(out.shape) != shape or values.is_complex() > out.is_complex():
            has = f"{out.dtype} of shape {tuple(out.shape)}"
            raise ValueError(f"sample: out holds {has}; the field gives {values.dtype}, {shape}.")
        out[place] = values
    assert out is not None
    return out


def _parts(
    part: Grid, pixels: int, axis: int = 0, place: tuple[slice, ...] = ()
) -> Iterator[tuple[tuple[slice, ...], Grid]]:
    """Parts of at most so many pixels, and where each lies."""
    if part.numel <= pixels or axis == part.ndim:
        yield place, part
        return
    stop = 0
    for piece in part.slabs(pixels, axis):
        start, stop = stop, stop + piece.shape[axis]
        yield from _parts(piece, pixels, axis + 1, (*place, slice(start, stop)))


def pool(values: Tensor, factor: int, ndim: int) -> Tensor:
    """Average sub-pixels.

    Args:
        values: (*shape, c) values on a lattice that divides each pixel.
        factor: Number of sub-pixels per axis of a pixel.
        ndim: Number of axes of the lattice.

    Returns:
        (*shape / factor, c) means over the sub-pixels of each pixel.
    """
    if factor == 1:
        return values
    for axis in range(ndim):
        values = values.unflatten(axis, (-1, factor)).mean(axis + 1)
    return values


def _in_full(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in full precision again, complex where they are."""
    if values.is_complex():
        dtype = dtype.to_complex()
    return values.to(dtype)


class Memo:
    """A field that evaluates each lattice once.

    A lattice that a term has sampled then costs a regularizer nothing.

    Args:
        field: The field that is asked.
        chunk: Most points per call of the field; None as in `sample`.
        products: Half precision of the field's matrix products, by `torch.autocast`; None for the
            field's own.

    Attributes:
        looks: The (points, values) that operators asked for so far, for regularizers of those.
        keeps_looks: Whether each look must be there, so that no operator is answered by sums along
            lines, whose points nobody sees.
    """

    def __init__(
        self, field: Field, chunk: int | None = None, products: torch.dtype | None = None
    ) -> None:
        self.field = field
        self.chunk = chunk
        self.products = products
        self.looks: list[tuple[Tensor, Tensor]] = []
        self.keeps_looks = True
        self._seen: dict[Grid, Tensor] = {}

    def __call__(self, points: Tensor) -> Tensor:
        if self.products is None:
            return self.field(points)
        with torch.autocast(points.device.type, self.products):
            return _in_full(self.field(points), points.dtype)

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate the field on a lattice, or return what an earlier call found there.

        Args:
            grid: The lattice.

        Returns:
            (*grid.shape, c) values.
        """
        if grid not in self._seen:
            self._seen[grid] = self._sampled(grid)
        return self._seen[grid]

    @property
    def sums_lines(self) -> bool:
        """Whether sums along lines may be asked, and the field makes them better than by points."""
        if self.keeps_looks or self.products is not None:
            return False
        return getattr(self.field, "sums_lines", False)

    def line_sums(self, first: Tensor, step: Tensor, samples: int) -> Tensor:
        """Sum the field along lines, as `hooks.SumsLines` says."""
        field: Any = self.field
        return field.line_sums(first, step, samples)

    def _sampled(self, grid: Grid) -> Tensor:
        if self.products is None:
            return sample(self.field, grid, chunk=self.chunk)
        dtype, device = placement(self.field)
        with torch.autocast(device.type, self.products):
            return _in_full(sample(self.field, grid, chunk=self.chunk), dtype)

    @property
    def module(self) -> torch.nn.Module:
        """The prior behind the memo, for regularizers of its parameters.

        Raises:
            TypeError: The field is no module and has no parameters.
        """
        field = self.field
        if not isinstance(field, torch.nn.Module):
            raise TypeError(f"{type(field).__name__} has no parameters.")
        return field
