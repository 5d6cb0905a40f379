"""Line integrals of a sampled image or volume without a stored matrix, by Joseph's method.

A ray steps through the planes of pixels that it crosses most steeply (in pixels per length) and
interpolates linearly within each (Joseph, IEEE Trans. Med. Imaging 1, 1982). From plane to plane it
moves by a constant vector, so four numbers describe all its places:

    place in plane k = start + k step        integral = length per plane · Σ_k value at that place

The interpolation is torch's own bilinear kernel, and the adjoint is that kernel's transpose. On a
CUDA device a kernel of ours walks along the rays instead (`projector`).
Nothing of the size planes x rays is ever stored: planes and rays are visited in blocks.
"""

# pyright: reportPrivateImportUsage=false
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from inverse_inr import Grid, projector, with_adjoint
from inverse_inr.memory import require

SAMPLES_AT_ONCE = {"cpu": 2**18, "cuda": 2**25}
"""Places that are visited together: on a CPU they stay in its second cache."""
LEAST_RAYS_AT_ONCE = 2**14
"""Rays that are visited together at least."""
ROWS_AT_ONCE = 2**17
"""Measurements whose rays are placed together when the map is made."""


class Rays(Protocol):
    """A ray transform that says where the rays of its measurements run."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the sub-rays of `rows`: both (b, subrays, d)."""
        ...


class _Group(NamedTuple):
    """The rays that step along one axis.

    Attributes:
        axis: The axis.
        start: (n, 2) places in the first plane, where its edges are at ±1 and the last axis of the
            plane comes first.
        step: (n, 2) from one plane to the next.
        length: (n,) of each ray between two planes, divided by the number of rays of its row.
        row: (n,) the measurement that each ray belongs to.
    """

    axis: int
    start: Tensor
    step: Tensor
    length: Tensor
    row: Tensor


class JosephPlanes(nn.Module):
    """The map of a sampled image to its line integrals, with its exact adjoint.

    What lies outside the grid is zero; the outermost pixels fade to zero over one pixel.

    Args:
        beam: The ray transform, in 2-D or 3-D.
        grid: The grid of the image.

    Attributes:
        shape: The natural shape of the measurements, that of the beam.
        axes: The axes along which some rays step.

    Raises:
        ValueError: Beam and grid differ in dimension.
        OutOfMemoryError: The rays do not fit the memory at hand.
    """

    def __init__(self, beam: Rays, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.shape = tuple(beam.shape)
        # an image is a volume of one layer, along which no ray steps
        self.volume_shape = (*grid.shape, *(1,) * (3 - grid.ndim))
        self.axes: list[int] = []
        for group in _sorted_rays(beam, grid):
            self.axes.append(group.axis)
            for name in ("start", "step", "length", "row"):
                buffer = nn.Buffer(getattr(group, name), persistent=False)
                setattr(self, f"{name}_{group.axis}", buffer)

    def forward(self, image: Tensor) -> Tensor:
        """Integrate along all rays.

        Args:
            image: (*grid.shape) or (*grid.shape, c) values, real or complex.

        Returns:
            (*shape) or (*shape, c) integrals.
        """
        sums = self._integrated(image, self._groups(), math.prod(self.shape))
        return sums.reshape(*self.shape, *sums.shape[1:])

    def of_rows(self, image: Tensor, rows: Tensor) -> Tensor:
        """Integrate along the rays of some measurements only, at the cost of these.

        On a GPU this waits for the device once an axis.

        Args:
            image: (*grid.shape) or (*grid.shape, c) values, real or complex.
            rows: (b,) numbers of the measurements, in any order.

        Returns:
            (b,) or (b, c) integrals.
        """
        chosen = [_chosen(group, rows) for group in self._groups()]
        return self._integrated(image, chosen, len(rows))

    def _integrated(self, image: Tensor, groups: list[_Group], count: int) -> Tensor:
        trailing = image.shape[self.grid.ndim :]
        if image.is_complex():
            pairs = torch.view_as_real(image).flatten(self.grid.ndim)
            sums = self._integrated(pairs, groups, count).unflatten(1, (-1, 2))
            return torch.view_as_complex(sums.contiguous()).reshape(count, *trailing)
        volume = image.reshape(*self.volume_shape, -1)
        integrate = with_adjoint(
            lambda x: _sums(x, groups, count), lambda y: _spread(y, groups, self.volume_shape)
        )
        return integrate(volume).reshape(count, *trailing)

    def _groups(self) -> list[_Group]:
        names = ("start", "step", "length", "row")
        return [
            _Group(axis, *(getattr(self, f"{name}_{axis}") for name in names)) for axis in self.axes
        ]


def _chosen(group: _Group, rows: Tensor) -> _Group:
    """The rays of some rows, whose numbers are then places in `rows`."""
    rows = rows.to(group.row.device)
    # rows lie in order
    first = torch.searchsorted(group.row, rows.to(torch.int32))
    after = torch.searchsorted(group.row, rows.to(torch.int32), right=True)
    many = after - first
    place = torch.arange(len(rows), device=rows.device).repeat_interleave(many)
    before = many.cumsum(0) - many
    ray = torch.arange(len(place), device=rows.device) + (first - before)[place]
    return _Group(
        group.axis, group.start[ray], group.step[ray], group.length[ray], place.to(torch.int32)
    )


def _sums(volume: Tensor, groups: list[_Group], count: int) -> Tensor:
    """(n0, n1, n2, c) -> (count, c)."""
    out = volume.new_zeros(count, volume.shape[-1])
    for group in groups:
        if projector.usable(volume):
            sums = projector.integrated(_planes(volume, group.axis), group.start, group.step)
            out.index_add_(0, group.row, (sums * group.length.to(sums)).T)
            continue
        # the kernel reads planes that are contiguous faster
        planes = _planes(volume, group.axis).contiguous()
        sums = volume.new_zeros(volume.shape[-1], len(group.row))
        for block, part in _blocks(planes, len(group.row)):
            places = _places(group, block, part, volume.dtype)
            seen = nn.functional.grid_sample(planes[block], places, align_corners=False)
            sums[:, part] += seen.sum((0, 2))
        out.index_add_(0, group.row, (sums * group.length.to(sums)).T)
    return out


def _spread(y: Tensor, groups: list[_Group], shape: tuple[int, ...]) -> Tensor:
    """(count, c) -> (n0, n1, n2, c), the transpose of `_sums`."""
    volume = y.new_zeros(*shape, y.shape[-1])
    for group in groups:
        planes = _planes(volume, group.axis)
        values = y.index_select(0, group.row).T * group.length.to(y)
        if projector.usable(volume):
            projector.spread(values, group.start, group.step, planes)
            continue
        for block, part in _blocks(planes, len(group.row)):
            seen = planes[block]
            # the kernel asks for the image as well, but looks at its shape alone
            added, _ = torch.ops.aten.grid_sampler_2d_backward(
                values[None, :, None, part].expand(len(seen), -1, -1, -1),
                seen,
                _places(group, block, part, y.dtype),
                0,  # bilinear
                0,  # zero outside
                False,
                [True, False],
            )
            seen += added
    return volume


def _planes(volume: Tensor, axis: int) -> Tensor:
    """The volume as (planes along the axis, c, height, width), a view."""
    return volume.movedim(axis, 0).movedim(-1, 1)


def _blocks(planes: Tensor, rays: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of planes, and of rays within each."""
    # the transpose adds a whole plane for each block of rays: that must not cost more than the rays
    most = max(LEAST_RAYS_AT_ONCE, planes[0, 0].numel())
    at_once = SAMPLES_AT_ONCE.get(planes.device.type, SAMPLES_AT_ONCE["cpu"])
    if planes.device.type != "cpu":
        most = max(most, at_once // len(planes))
    several = max(1, at_once // max(1, min(most, rays)))
    for plane in range(0, len(planes), several):
        for ray in range(0, rays, most):
            yield slice(plane, min(plane + several, len(planes))), slice(ray, ray + most)


def _places(group: _Group, planes: slice, rays: slice, dtype: torch.dtype) -> Tensor:
    """Where rays meet planes, (planes, 1, rays, 2)."""
    start = group.start[rays].to(dtype)
    step = group.step[rays].to(dtype)
    number = torch.arange(planes.start, planes.stop, dtype=dtype, device=start.device)
    return torch.addcmul(start, number[:, None, None], step)[:, None]


def _sorted_rays(beam: Rays, grid: Grid) -> Iterator[_Group]:
    """The rays of a beam, sorted by the axis along which they step."""
    found: dict[int, list[_Group]] = {}
    with torch.no_grad():
        for rows in torch.arange(len(beam)).split(ROWS_AT_ONCE):
            origin, direction = beam.rays(rows)
            if origin.shape[-1] != grid.ndim:
                raise ValueError(
                    f"{type(beam).__name__} is {origin.shape[-1]}-dimensional; "
                    f"the grid has {grid.ndim} axes."
                )
            if not found:
                count = len(beam) * origin[0, :, 0].numel()
                require(
                    f"{type(beam).__name__}: the places of {count} rays",
                    count * (5 * origin.element_size() + 4),
                    "Fewer views, pixels or subrays.",
                )
            row = rows.to(origin.device, torch.int32).repeat_interleave(origin.shape[1])
            for group in _by_axis(origin.flatten(0, 1), direction.flatten(0, 1), row, grid):
                length = group.length / origin.shape[1]
                found.setdefault(group.axis, []).append(group._replace(length=length))
    for axis, parts in sorted(found.items()):
        yield _Group(axis, *(torch.cat(same) for same in list(zip(*parts, strict=True))[1:]))


def _by_axis(origin: Tensor, direction: Tensor, row: Tensor, grid: Grid) -> Iterator[_Group]:
    """Some rays by axis, in the precision of their geometry."""
    dtype = origin.dtype
    spacing = origin.new_tensor(grid.spacing, dtype=torch.float64)
    position = grid.position(origin.double())
    slope = direction.double() / spacing  # pixels per length
    steepest = slope.abs().argmax(-1)
    for axis in range(grid.ndim):
        chosen = (steepest == axis).nonzero()[:, 0]
        if not len(chosen):
            continue
        place, along = position[chosen], slope[chosen]
        step = along / along[:, axis, None]
        start = place - place[:, axis, None] * step
        others = [k for k in reversed(range(grid.ndim)) if k != axis]
        scale = origin.new_tensor([2 / grid.shape[k] for k in others], dtype=torch.float64)
        start = (start[:, others] + 0.5) * scale - 1
        step = step[:, others] * scale
        if grid.ndim == 2:  # the only layer of the volume is its last axis, which comes first
            start = nn.functional.pad(start, (1, 0))
            step = nn.functional.pad(step, (1, 0))
        length = 1 / along[:, axis].abs()
        yield _Group(axis, start.to(dtype), step.to(dtype), length.to(dtype), row[chosen])
