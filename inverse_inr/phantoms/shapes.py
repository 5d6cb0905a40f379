"""`Shapes`: fields that are sums of analytic shapes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor


class Shapes(ABC):
    """A field that is a sum of n shapes; subclasses yield one term per shape.

    Shapes are visited one by one: memory is that of the points, not points times n.

    Attributes:
        centers: (n, d) centres, float64 on the CPU.
        values: (n,) factors of the shapes, float64 on the CPU.
    """

    centers: Tensor
    values: Tensor

    @property
    def ndim(self) -> int:
        """Number of axes, d: 2 or 3."""
        return self.centers.shape[-1]

    def __call__(self, points: Tensor) -> Tensor:
        """Compute the field's values.

        Args:
            points: (*s, d) physical coordinates.

        Returns:
            (*s, 1) values.
        """
        self._check(points)
        return sum(self._point_terms(points), points.new_zeros(points.shape[:-1]))[..., None]

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """Integrate along the whole lines origin + t direction, t in length units.

        The result is differentiable in both arguments.

        Args:
            origin: (*s, d) one point of each line.
            direction: (*s, d) unit vectors; any other vector is normalised.

        Returns:
            (*s,) integrals: values times the box's unit.
        """
        self._check(origin)
        self._check(direction)
        dtype = torch.promote_types(origin.dtype, direction.dtype)
        origin, direction = torch.broadcast_tensors(origin.to(dtype), direction.to(dtype))
        unit = direction / direction.norm(dim=-1, keepdim=True)
        return sum(self._line_terms(origin, unit), origin.new_zeros(origin.shape[:-1]))

    def fourier(self, frequency: Tensor) -> Tensor:
        """Compute the Fourier transform ∫ f(x) exp(-2πi k·x) dx.

        Args:
            frequency: (*s, d) k in cycles per unit of the box.

        Returns:
            (*s,) complex values: values times the box's unit to the power d.
        """
        self._check(frequency)
        total = torch.zeros(
            frequency.shape[:-1], dtype=frequency.dtype.to_complex(), device=frequency.device
        )
        centers = self.centers.to(frequency)
        for center, amplitude in zip(centers, self._amplitudes(frequency), strict=True):
            phase = -2 * math.pi * (frequency @ center)
            total = total + torch.complex(amplitude * phase.cos(), amplitude * phase.sin())
        return total

    @abstractmethod
    def _point_terms(self, points: Tensor) -> Iterator[Tensor]:
        """Each shape's values at the points, (*s,)."""

    @abstractmethod
    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]:
        """Each shape's integrals along the lines, (*s,)."""

    @abstractmethod
    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        """Transforms of the shapes moved to the origin: real, for each is symmetric."""

    def _check(self, points: Tensor) -> None:
        if points.shape[-1:] != (self.ndim,) or not points.is_floating_point():
            raise ValueError(
                f"{type(self).__name__} in {self.ndim}-D takes real floating (*s, {self.ndim}), "
                f"got {points.dtype} of shape {tuple(points.shape)}."
            )

    def _store(
        self, name: str, expected: tuple[int, ...] | None = None, positive: bool = False
    ) -> Tensor:
        """Check a parameter and keep it in float64 on the CPU; without `expected` it is (n, d)."""
        value = torch.as_tensor(getattr(self, name), dtype=torch.float64, device="cpu").detach()
        if expected is None:
            fits = value.ndim == 2 and value.shape[1] in (2, 3)
            wanted = "(n, 2) or (n, 3)"
        else:
            fits = value.shape == expected
            wanted = f"{expected} as centers require"
        if not fits:
            raise ValueError(
                f"{type(self).__name__}: {name} has shape {tuple(value.shape)}; "
                f"it must be {wanted}."
            )
        if not value.isfinite().all():
            raise ValueError(f"{type(self).__name__}: {name} must be finite.")
        if positive and (value <= 0).any():
            raise ValueError(
                f"{type(self).__name__}: {name} must be positive, got {value.min().item():.4g}."
            )
        object.__setattr__(self, name, value)
        return value


def off_line(offset: Tensor, unit: Tensor) -> Tensor:
    """Take the part of a vector that is perpendicular to a line.

    Taken before any other arithmetic, it loses no digits to a far origin.

    Args:
        offset: (*s, d) vectors from a point to the line's origin.
        unit: (*s, d) unit vectors along the line.

    Returns:
        (*s, d) vectors.
    """
    return offset - (offset * unit).sum(-1, keepdim=True) * unit
