"""What a point-spread function is, and its sizes: numbers, tensors or learnt parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Nodes = tuple[Tensor, Tensor]
"""Offsets (*b, q, d) and weights (q,) or (*b, q) that sum to one."""


class PSF(nn.Module, ABC):
    """A point-spread function in `ndim` dimensions."""

    ndim: int
    uniforms: int
    """How many uniform numbers `draw` takes."""

    @abstractmethod
    def nodes(self, order: int) -> Nodes:
        """Quadrature exact, or nearly, for fields that are polynomials of degree about 2 order on the support."""

    @abstractmethod
    def draw(self, u: Tensor) -> Nodes:
        """Offsets distributed as h for uniform u in [0, 1): (*b, q, uniforms) -> (*b, q, d), and weights 1 / q."""

    @abstractmethod
    def transfer(self, frequency: Tensor) -> Tensor:
        """∫ h(u) exp(-2πi k·u) du, complex, at (*s, d) cycles per unit."""

    @abstractmethod
    def half_widths(self) -> Tensor:
        """(d,) half-extent of the support along each axis; a Gaussian's is 5 deviations (mass 6e-7 outside)."""


def size_of(
    name: str, value: float | Tensor, ndim: int | None = None, *, signed: bool = False
) -> Tensor:
    """A parameter stays one; anything else becomes a float64 buffer. Raises ValueError: not finite, not positive."""
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or Inf.")
    if not signed and not bool((tensor > 0).all()):
        raise ValueError(f"{name} must be positive, got {value}.")
    if ndim is not None and tensor.ndim and tensor.shape[-1] not in (1, ndim):
        raise ValueError(
            f"{name} has {tensor.shape[-1]} values for {ndim} axes; give one, or one an axis."
        )
    if (
        isinstance(value, nn.Parameter) or tensor.requires_grad
    ):  # learnt, itself or what it is computed from
        return tensor
    return nn.Buffer(tensor.detach().clone().double())


def per_axis(size: Tensor, ndim: int) -> Tensor:
    """A number, or one an axis, as (*b, ndim)."""
    size = torch.atleast_1d(size)
    return size.expand(*size.shape[:-1], ndim)


def beside(values: Tensor, psf: nn.Module) -> Tensor:
    """Constants in float64 where the PSF's sizes are."""
    for tensor in (*psf.parameters(), *psf.buffers()):
        return values.to(tensor.device)
    return values


def as_complex(values: Tensor) -> Tensor:
    return torch.complex(values, torch.zeros_like(values))
