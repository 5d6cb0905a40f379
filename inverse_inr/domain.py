"""Space: `Box` is Ω in physical units, `Grid` a lattice of pixel centres in it.

Coordinates are in array-axis order: axis k of a sampled array is coordinate k, and pixel centres lie at
half-integer positions (pixel i of n covers [i, i + 1] / n of the axis).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in physical units, e.g. `Box((-1, -1), (1, 1), units=("cm", "cm"))`.

    Raises ValueError where lower and upper disagree in length, are not finite, or lower >= upper.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lower, upper = (tuple(float(v) for v in side) for side in (self.lower, self.upper))
        if isinstance(self.units, str):
            raise ValueError(
                f"Box: units={self.units!r} is one string; name one unit an axis, e.g. ('cm', 'cm')."
            )
        units = tuple(self.units) or ("",) * len(lower)
        if not lower or len(lower) != len(upper):
            raise ValueError(
                f"Box: lower has {len(lower)} coordinates and upper has {len(upper)}; they must agree."
            )
        if len(units) != len(lower):
            raise ValueError(
                f"Box: {len(lower)} axes but {len(units)} units {units}; name one unit an axis."
            )
        if not all(map(math.isfinite, lower + upper)):
            raise ValueError(f"Box: corners must be finite, got lower={lower}, upper={upper}.")
        if any(a >= b for a, b in zip(lower, upper, strict=True)):
            raise ValueError(
                f"Box: lower={lower} must be below upper={upper} on every axis. Swapped corners?"
            )
        for name, value in (("lower", lower), ("upper", upper), ("units", units)):
            object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        return len(self.lower)

    @property
    def lengths(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def center(self) -> tuple[float, ...]:
        return tuple((a + b) / 2 for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def diagonal(self) -> float:
        return math.hypot(*self.lengths)

    @property
    def scale(self) -> tuple[float, ...]:
        """Normalised units per physical unit: axes that share a unit share the scale of the longest of them."""
        longest = {
            u: max(n for n, v in zip(self.lengths, self.units, strict=True) if v == u)
            for u in self.units
        }
        return tuple(2 / longest[u] for u in self.units)

    def normalize(self, points: Tensor) -> Tensor:
        """Physical coordinates (*s, d) -> [-1, 1] along the longest axis of each unit."""
        if points.shape[-1] != self.ndim:
            raise ValueError(
                f"Box of {self.ndim} dimensions: points have shape {tuple(points.shape)}, "
                f"whose last axis must hold {self.ndim} coordinates."
            )
        points = points if points.is_floating_point() else points.to(torch.get_default_dtype())
        center, scale = _constants(self, points.dtype, points.device)
        return (points - center) * scale

    def denormalize(self, points: Tensor) -> Tensor:
        """The inverse of `normalize`."""
        center, scale = _constants(self, points.dtype, points.device)
        return points / scale + center

    def random_points(
        self,
        count: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Uniform points in the box, (count, d), from `generator` or torch's default one."""
        u = torch.rand(count, self.ndim, dtype=dtype, device=device, generator=generator)
        return u * u.new_tensor(self.lengths) + u.new_tensor(self.lower)

    def chord(self, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Where the lines origin + t direction enter and leave: (near, far), each (*s,); near = far for a miss.

        Slab method; differentiable in both arguments. A line parallel to a slab gets a harmless tiny slope.
        """
        tiny = torch.finfo(direction.dtype).tiny ** 0.5
        slope = torch.where(direction.abs() < tiny, tiny, direction)
        a = (origin.new_tensor(self.lower) - origin) / slope
        b = (origin.new_tensor(self.upper) - origin) / slope
        near, far = torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1)
        miss = far <= near
        return torch.where(miss, torch.zeros_like(near), near), torch.where(
            miss, torch.zeros_like(far), far
        )


@lru_cache(maxsize=64)
def _constants(box: Box, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # remembered: they must serve training too
        return torch.tensor(box.center, dtype=dtype, device=device), torch.tensor(
            box.scale, dtype=dtype, device=device
        )


@dataclass(frozen=True)
class Grid:
    """A lattice of `shape` pixels that fills `box`; an optional NIfTI `affine` (4x4, to world mm) travels with it.

    Raises ValueError where shape and box disagree in dimension or a size is not a positive integer.
    """

    box: Box
    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...] | None = dataclass_field(default=None, compare=False)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != self.box.ndim:
            raise ValueError(
                f"Grid: shape {shape} has {len(shape)} axes but the box has {self.box.ndim}."
            )
        if any(n < 1 for n in shape) or any(n != m for n, m in zip(shape, self.shape, strict=True)):
            raise ValueError(f"Grid: shape must be positive integers, got {tuple(self.shape)}.")
        object.__setattr__(self, "shape", shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Pixel size along each axis, in the box's units."""
        return tuple(n / m for n, m in zip(self.box.lengths, self.shape, strict=True))

    @property
    def nyquist(self) -> tuple[float, ...]:
        """Highest frequency each axis can hold, in cycles per unit of the box."""
        return tuple(0.5 / h for h in self.spacing)

    def axes(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> list[Tensor]:
        """Pixel centres along each axis: d tensors of shape (n_k,)."""
        return [
            a + h * (torch.arange(n, dtype=dtype or torch.get_default_dtype(), device=device) + 0.5)
            for a, h, n in zip(self.box.lower, self.spacing, self.shape, strict=True)
        ]

    def points(
        self, dtype: torch.dtype | None = None, device: torch.device | None = None
    ) -> Tensor:
        """Pixel centres in physical coordinates, (*shape, d)."""
        return torch.stack(torch.meshgrid(*self.axes(dtype, device), indexing="ij"), -1)

    def position(self, points: Tensor) -> Tensor:
        """Physical points (*s, d) in units of pixels, with pixel centres at whole numbers."""
        return (points - points.new_tensor(self.box.lower)) / points.new_tensor(self.spacing) - 0.5

    def refined(self, factor: int) -> Grid:
        """The same box with `factor` sub-pixels along each axis of each pixel."""
        return Grid(self.box, tuple(n * factor for n in self.shape))

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """The sub-lattice of `shape` pixels whose first pixel is `start`."""
        lower = tuple(
            a + h * i for a, h, i in zip(self.box.lower, self.spacing, start, strict=True)
        )
        upper = tuple(a + h * n for a, h, n in zip(lower, self.spacing, shape, strict=True))
        return Grid(Box(lower, upper, self.box.units), tuple(shape))

    def slabs(self, numel: int, axis: int = 0) -> Iterator[Grid]:
        """Crops along one axis of about `numel` pixels each (at least one layer), where axes before it have one."""
        step = max(1, numel // max(1, math.prod(self.shape[axis + 1 :])))
        for i in range(0, self.shape[axis], step):
            start, shape = [0] * self.ndim, list(self.shape)
            start[axis], shape[axis] = i, min(step, self.shape[axis] - i)
            yield self.crop(start, shape)

    def with_affine(self, affine: Sequence[Sequence[float]] | None) -> Grid:
        """This grid carrying a NIfTI affine."""
        return replace(
            self,
            affine=None if affine is None else tuple(tuple(float(v) for v in r) for r in affine),
        )


def pixel_grid(shape: tuple[int, ...]) -> Grid:
    """The lattice of an image of which nothing but its pixels is known: units "px", pixel i from i to i + 1."""
    return Grid(
        Box((0.0,) * len(shape), tuple(float(n) for n in shape), ("px",) * len(shape)), shape
    )
