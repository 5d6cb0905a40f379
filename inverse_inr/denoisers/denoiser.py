"""`Denoiser`: a function that takes noise of a known size out of an image.

    D(x, sigma) ≈ x₀     for x = x₀ + sigma n, n white and of unit variance

The image is (*shape, channels), as everywhere in this library, and sigma is in the unit of x. Of a
complex image sigma is the standard deviation of its real part, and of its imaginary part.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from inverse_inr.ranges import NonNegative, checked


@runtime_checkable
class Denoiser(Protocol):
    """Any callable `denoiser(x, sigma)`; nothing is inherited."""

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor:
        """Take the noise out.

        Args:
            x: (*shape, channels), real or complex.
            sigma: Standard deviation of the noise, in the unit of x.

        Returns:
            (*shape, channels).
        """
        ...


class CheckedDenoiser(ABC):
    """A denoiser that checks what goes in and out, and leaves x as it is where sigma is 0."""

    @property
    def name(self) -> str:
        """The name for tables and messages."""
        return type(self).__name__

    @torch.no_grad()
    @checked
    def __call__(self, x: Tensor, sigma: NonNegative) -> Tensor:
        """Take the noise out.

        Args:
            x: (*shape, channels), real or complex.
            sigma: Standard deviation of the noise, in the unit of x.

        Returns:
            (*shape, channels), of the dtype and on the device of x.

        Raises:
            ValueError: The image has no channel axis or holds NaN or Inf, or the denoiser returns
                another shape, or NaN or Inf.
            TypeError: The image holds whole numbers, or the denoiser returns no tensor.
        """
        if not (x.is_floating_point() or x.is_complex()):
            raise TypeError(f"{self.name}: x is of {x.dtype}; a denoiser needs floating numbers.")
        if x.ndim < 2 or not x.numel():
            raise ValueError(
                f"{self.name}: x has shape {tuple(x.shape)}, expected (*shape, channels). "
                "A missing channel axis? Pass x[..., None]."
            )
        if not torch.isfinite(x).all():
            raise ValueError(f"{self.name}: x holds NaN or Inf.")
        if sigma == 0:
            return x
        clean = self.denoised(x, float(sigma))
        if not isinstance(clean, Tensor):
            raise TypeError(
                f"{self.name} returned {type(clean).__name__}; a denoiser returns a tensor."
            )
        if clean.shape != x.shape:
            raise ValueError(
                f"{self.name} returned shape {tuple(clean.shape)} for x of {tuple(x.shape)}; "
                "a denoiser keeps the shape (*shape, channels)."
            )
        if clean.is_complex() and not x.is_complex():
            raise ValueError(f"{self.name} returned complex values for a real image.")
        if not torch.isfinite(clean).all():
            raise ValueError(f"{self.name} returned NaN or Inf at sigma={sigma:.4g}.")
        return clean.to(x)

    @abstractmethod
    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        """Take the noise out; x is finite and sigma above 0.

        Args:
            x: (*shape, channels), real or complex.
            sigma: Standard deviation of the noise, in the unit of x.

        Returns:
            (*shape, channels).
        """
        ...


@dataclass(frozen=True)
class OwnDenoiser(CheckedDenoiser):
    """A user's function as a denoiser, with the checks of the built-in ones.

    Args:
        function: Function of x, (*shape, channels), and sigma.

    Raises:
        TypeError: The function takes other arguments than these two.
    """

    function: Callable[[Tensor, float], Tensor]

    def __post_init__(self) -> None:
        try:
            called = inspect.signature(self.function)
        except ValueError:  # of some compiled functions nobody knows it
            return
        try:
            called.bind(torch.zeros(1, 1), 0.0)
        except TypeError as error:
            raise TypeError(
                f"{self.name} cannot be called as denoiser(x, sigma): {error}. One that knows its "
                "own noise level: lambda x, sigma: denoiser(x)."
            ) from None

    @property
    def name(self) -> str:
        """The function's own name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        return self.function(x, sigma)
