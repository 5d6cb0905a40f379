"""Regularizers and weighted sums of them.

`1e-3 * TotalVariation() + 1e-4 * Sobolev()` is a regularizer too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.evaluation import Field
from inverse_inr.ranges import NonNegative, checked, require


class Regularizer(ABC):
    """R(field, points), a scalar that is small for plausible fields.

    It can be multiplied by a weight and added to others.
    """

    @abstractmethod
    def __call__(self, field: Field, points: Tensor) -> Tensor:
        """Evaluate the regularizer.

        Args:
            field: Takes coordinates (*s, d) and gives values (*s, c).
            points: (n, d) random points of the box.

        Returns:
            A scalar.
        """
        ...

    def __mul__(self, weight: float) -> Weighted:
        require(f"{type(self).__name__}: weight", weight, NonNegative)
        return Weighted(((float(weight), self),))

    __rmul__ = __mul__

    def __add__(self, other: Regularizer) -> Weighted:
        return Weighted((*as_weighted(self).parts, *as_weighted(other).parts))


@runtime_checkable
class HasResiduals(Protocol):
    """A regularizer that second-order optimizers may see as a weighted sum of squares."""

    def residuals(self, field: Field, points: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
        """Name the quadratic ½ Σ weight |residual|² that has the regularizer's slope here.

        Args:
            field: The field.
            points: (n, d) points of the box, those that the regularizer is evaluated on.

        Returns:
            Pairs of residuals, recorded by autograd, and of positive weights of the same shape.
        """
        ...


class Weighted(Regularizer):
    """A weighted sum of regularizers.

    Args:
        parts: (weight, regularizer) of each summand.

    Raises:
        ValueError: A weight is negative, infinite or NaN.

    Example:
        >>> from inverse_inr.regularizers import L1, TotalVariation
        >>> both = 1e-3 * TotalVariation() + 1e-2 * L1()
        >>> [(weight, type(part).__name__) for weight, part in both.parts]
        [(0.001, 'TotalVariation'), (0.01, 'L1')]
    """

    @checked
    def __init__(
        self, parts: tuple[tuple[NonNegative, Callable[[Field, Tensor], Tensor]], ...]
    ) -> None:
        if not parts:
            raise ValueError("Weighted: parts is empty; give (weight, regularizer) of each.")
        self.parts = parts

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return torch.stack([weight * part(field, points) for weight, part in self.parts]).sum()

    def __mul__(self, weight: float) -> Weighted:
        require("Weighted: weight", weight, NonNegative)
        return Weighted(tuple((float(weight) * w, part) for w, part in self.parts))

    __rmul__ = __mul__


def as_weighted(regularizer: Callable[[Field, Tensor], Tensor]) -> Weighted:
    """The regularizer as a weighted sum; one without a weight gets 1."""
    if isinstance(regularizer, Weighted):
        return regularizer
    return Weighted(((1.0, regularizer),))
