"""`Noise`: the base class of noise models, and the helpers that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from inverse_inr.precision import real_type

Parameter = float | Tensor
"""A parameter of a noise model.

One number; a (rows,) tensor with one value per row; or a tensor that broadcasts against the
measurements (rows, *m), such as (1, channels) with one value per channel.
"""

MAY_BE_ZERO = ("background", "efficiency")
"""Parameters that may be 0; all others must be positive."""

COVARIANCE = "covariance"
"""The field of a covariance: None, (m, m), or (rows, m, m) with one matrix per row."""


@dataclass(frozen=True, eq=False)
class Noise(ABC):
    """A noise model: it simulates with `sample` and is a fidelity when called.

    Raises:
        ValueError: A parameter is not finite or not positive.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name == COVARIANCE:
                continue  # checked by the models that have one
            value = torch.as_tensor(getattr(self, item.name))
            allowed = value > 0
            if item.name in MAY_BE_ZERO:
                allowed = value >= 0
            if not bool((torch.isfinite(value) & allowed).all()):
                raise ValueError(
                    f"{type(self).__name__}: {item.name} must be positive and finite, got {value}."
                )

    @abstractmethod
    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute the mean over measurements of the negative log-likelihood, a scalar."""

    @abstractmethod
    def sample(self, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw noisy measurements.

        Args:
            mean: (b, *m) noise-free prediction A f.
            generator: Source of random numbers; torch's default one if None.

        Returns:
            (b, *m) measurements y.
        """

    @abstractmethod
    def standardized(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute residuals that have unit variance where the prediction is the truth.

        They are the unit of the discrepancy principle.

        Args:
            prediction: (b, *m) predicted measurements A f.
            y: (b, *m) measurements.

        Returns:
            (b, *m) residuals without unit.
        """

    @abstractmethod
    def least_squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Name the weighted least-squares problem that classical baselines solve instead.

        Args:
            y: (b, *m) measurements.

        Returns:
            The target and the precision, (b, *m) each: ½ precision |A f - target|² stands in for D.
        """

    def at(self, rows: Tensor) -> Self:
        """Select the parameters of some rows, where they have one value per row.

        Args:
            rows: (b,) indices of the measurements.

        Returns:
            The same model for these rows alone.

        Raises:
            IndexError: A parameter has fewer rows.
        """
        picked = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor) and _differs_by_row(item.name, value):
                picked[item.name] = _rows_of(f"{type(self).__name__}: {item.name}", value, rows)
        if not picked:
            return self
        # values that were checked once: to look at them again would wait for a device in each step
        made = object.__new__(type(self))
        vars(made).update({item.name: getattr(self, item.name) for item in fields(self)})
        vars(made).update(picked)
        return made


def _differs_by_row(name: str, value: Tensor) -> bool:
    if name == COVARIANCE:
        return value.ndim == 3
    # (1, channels) is one value per channel, alike in all rows
    return value.ndim > 0 and (value.ndim == 1 or len(value) > 1)


def _rows_of(name: str, value: Tensor, rows: Tensor) -> Tensor:
    try:
        return value[rows.to(value.device)]
    except IndexError:
        raise IndexError(
            f"{name} has {len(value)} values, one per row, but row {int(rows.max())} was asked for."
        ) from None


def like(value: Parameter, y: Tensor) -> Tensor:
    """Prepare a parameter for arithmetic with measurements.

    Args:
        value: One number, (b,) values, or values that broadcast against (b, *m).
        y: (b, *m) measurements or predictions.

    Returns:
        The parameter in the real dtype and on the device of `y`, with trailing axes that make it
        broadcast along rows.

    Raises:
        ValueError: The values do not fit the measurements.
    """
    if not isinstance(value, Tensor):
        # filled where it is: a number of the host would be copied there in each step
        return torch.full((), value, dtype=real_type(y.dtype), device=y.device)
    value = value.to(y.device, real_type(y.dtype))
    if value.ndim == 0:
        return value
    fitted = value
    if value.ndim < y.ndim:
        fitted = value.reshape(*value.shape, *(1,) * (y.ndim - value.ndim))
    if fitted.ndim > y.ndim or any(
        n not in (1, m) for n, m in zip(fitted.shape, y.shape, strict=False)
    ):
        raise ValueError(
            f"A parameter of noise has shape {tuple(value.shape)}, the measurements "
            f"{tuple(y.shape)}. One value per row is (rows,), one per channel (1, channels)."
        )
    return fitted


def is_zero(value: Parameter) -> bool:
    """Whether a parameter is the number 0; a tensor never is."""
    return not isinstance(value, Tensor) and value == 0.0


def poisson_counts(rate: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw counts of given rates, where the generator is: the same numbers on every device."""
    if generator is None:
        return torch.poisson(rate)
    return torch.poisson(rate.to(generator.device), generator).to(rate.device)


def standard_normal(mean: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw normal numbers of mean 0 and variance 1.

    Args:
        mean: Tensor whose shape, dtype and device the numbers get.
        generator: Source of random numbers; torch's default one if None.

    Returns:
        The numbers; complex ones have half of the variance in each part.
    """
    device = mean.device
    if generator is not None:
        device = generator.device  # the same numbers wherever the measurements are
    drawn = torch.randn(mean.shape, dtype=mean.dtype, device=device, generator=generator)
    return drawn.to(mean.device)
