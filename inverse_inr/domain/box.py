"""`Box`: the region Ω that a field lives on, in physical units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.devices import constant
from inverse_inr.ranges import Finite, WholeNumber, checked, require


@checked
@dataclass(frozen=True)
class Box:
    """An axis-aligned box in physical units, e.g. `Box((-1, -1), (1, 1), units=("cm", "cm"))`.

    Args:
        lower: (d,) least coordinate along each axis.
        upper: (d,) greatest coordinate along each axis.
        units: (d,) name of each axis's unit; empty names by default.

    Raises:
        ValueError: `lower`, `upper` and `units` disagree in length, a corner is not finite, or
            `lower` is not below `upper`.

    Example:
        >>> box = Box((0, 0), (20, 10), units=("mm", "mm"))
        >>> box.center
        (10.0, 5.0)
        >>> box.normalize(torch.tensor([20.0, 10.0]))  # one scale for axes of one unit
        tensor([1.0000, 0.5000])
    """

    lower: tuple[Finite, ...]
    upper: tuple[Finite, ...]
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lower = tuple(float(v) for v in self.lower)
        upper = tuple(float(v) for v in self.upper)
        units = tuple(self.units) or ("",) * len(lower)
        _check_corners(lower, upper, units)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "units", units)

    @property
    def ndim(self) -> int:
        """Number of axes, d."""
        return len(self.lower)

    @property
    def lengths(self) -> tuple[float, ...]:
        """(d,) length along each axis, in its unit."""
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def center(self) -> tuple[float, ...]:
        """(d,) coordinates of the middle of the box."""
        return tuple((a + b) / 2 for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def diagonal(self) -> float:
        """Distance between opposite corners; meaningful where all axes share one unit."""
        return math.hypot(*self.lengths)

    @property
    def scale(self) -> tuple[float, ...]:
        """(d,) normalised units per physical unit.

        Axes that share a unit share the scale of the longest of them, so that shapes keep their
        proportions.
        """
        longest = {}
        for length, unit in zip(self.lengths, self.units, strict=True):
            longest[unit] = max(length, longest.get(unit, 0.0))
        return tuple(2 / longest[unit] for unit in self.units)

    def normalize(self, points: Tensor) -> Tensor:
        """Map physical coordinates to [-1, 1] along the longest axis of each unit.

        Args:
            points: (*s, d) physical coordinates.

        Returns:
            (*s, d) normalised coordinates.

        Raises:
            TypeError: `points` is no tensor.
            ValueError: The last axis of `points` does not hold d coordinates.
        """
        if not isinstance(points, Tensor):
            raise TypeError(
                f"Box.normalize: points must be a tensor, got {type(points).__name__}. "
                "Pass torch.as_tensor(points)."
            )
        if points.shape[-1:] != (self.ndim,):
            raise ValueError(
                f"Box of {self.ndim} dimensions: points have shape {tuple(points.shape)}, "
                f"whose last axis must hold {self.ndim} coordinates."
            )
        if not points.is_floating_point():
            points = points.to(torch.get_default_dtype())
        center = constant(self.center, points.dtype, points.device)
        return (points - center) * constant(self.scale, points.dtype, points.device)

    def denormalize(self, points: Tensor) -> Tensor:
        """Map normalised coordinates back to physical ones: the inverse of `normalize`.

        Args:
            points: (*s, d) normalised coordinates.

        Returns:
            (*s, d) physical coordinates.
        """
        center = constant(self.center, points.dtype, points.device)
        return points / constant(self.scale, points.dtype, points.device) + center

    def random_points(
        self,
        count: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw points uniformly from the box.

        Args:
            count: Number of points.
            dtype: Precision of the points; torch's default if None.
            device: Device of the points; torch's default if None.
            generator: Source of random numbers; torch's default one if None.

        Returns:
            (count, d) physical coordinates.

        Raises:
            OutOfMemoryError: The points do not fit the memory at hand.
        """
        require("Box.random_points: count", count, WholeNumber)
        size = self.ndim * (dtype or torch.get_default_dtype()).itemsize
        memory.require(
            f"Box.random_points: count={count}",
            count * size,
            lambda there: f"Draw at most {there // size} at once.",
            device,
        )
        u = torch.rand(count, self.ndim, dtype=dtype, device=device, generator=generator)
        lengths = constant(self.lengths, u.dtype, u.device)
        return u * lengths + constant(self.lower, u.dtype, u.device)

    def chord(self, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Find where the lines origin + t direction enter and leave the box.

        The slab method, differentiable in both arguments. A line parallel to a slab gets a
        harmless tiny slope.

        Args:
            origin: (*s, d) one point of each line.
            direction: (*s, d) direction of each line.

        Returns:
            The values of t at entry and at exit, (*s,) each; both are 0 for a line that misses.
        """
        tiny = torch.finfo(direction.dtype).tiny ** 0.5
        slope = torch.where(direction.abs() < tiny, tiny, direction)
        a = (constant(self.lower, origin.dtype, origin.device) - origin) / slope
        b = (constant(self.upper, origin.dtype, origin.device) - origin) / slope
        near = torch.minimum(a, b).amax(-1)
        far = torch.maximum(a, b).amin(-1)
        miss = far <= near
        entry = torch.where(miss, torch.zeros_like(near), near)
        leave = torch.where(miss, torch.zeros_like(far), far)
        return entry, leave


def _check_corners(
    lower: tuple[float, ...], upper: tuple[float, ...], units: tuple[str, ...]
) -> None:
    if not lower or len(lower) != len(upper):
        raise ValueError(
            f"Box: lower has {len(lower)} coordinates and upper has {len(upper)}; they must agree."
        )
    if len(units) != len(lower):
        raise ValueError(
            f"Box: {len(lower)} axes but {len(units)} units {units}; name one unit an axis."
        )
    if any(a >= b for a, b in zip(lower, upper, strict=True)):
        raise ValueError(
            f"Box: lower={lower} must be below upper={upper} on every axis. Swapped corners?"
        )
