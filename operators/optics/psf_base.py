"""The base class of point-spread functions, and their sizes, which may be learnt."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Nodes = tuple[Tensor, Tensor]
"""Offsets (*b, q, d) and weights (q,) or (*b, q) that sum to one."""


class PSF(nn.Module, ABC):
    """A point-spread function h(u) in `ndim` dimensions, whose integral is one."""

    ndim: int
    """Number of dimensions d of the offsets."""
    uniforms: int
    """Number of uniform numbers that `draw` takes per node."""

    @abstractmethod
    def nodes(self, order: int) -> Nodes:
        """Deterministic quadrature nodes.

        The rule is exact, or nearly so, for fields that are polynomials of degree about 2 `order`
        on the support.

        Args:
            order: Order of the rule, usually the number of nodes per axis.

        Returns:
            Offsets (*b, q, d) in physical units, and weights (q,) or (*b, q) that sum to one.
        """

    @abstractmethod
    def draw(self, u: Tensor) -> Nodes:
        """Map uniform numbers to offsets that are distributed as h.

        Args:
            u: (*b, q, uniforms) in [0, 1), random or from a Sobol sequence.

        Returns:
            Offsets (*b, q, d) in physical units, and weights, 1 / q where h is positive.
        """

    @abstractmethod
    def transfer(self, frequency: Tensor) -> Tensor:
        """The transfer function ∫ h(u) exp(-2πi k·u) du.

        Args:
            frequency: (*s, d) in cycles per unit.

        Returns:
            (*s,) complex.
        """

    @abstractmethod
    def half_widths(self) -> Tensor:
        """Half-extent of the support along each axis, (d,), in physical units.

        A Gaussian's is 5 deviations (a mass of 6e-7 lies outside).
        """


def size_of(
    name: str, value: float | Tensor, ndim: int | None = None, *, signed: bool = False
) -> Tensor:
    """Check a size and make it part of a PSF: what is learnt stays as it is, the rest is a buffer.

    Args:
        name: What error messages call it.
        value: A number, a tensor, or a parameter.
        ndim: If given, the last axis of a tensor must have 1 or `ndim` values.
        signed: Allow zero and negative values.

    Returns:
        `value` itself if it has a gradient, else a float64 buffer.

    Raises:
        ValueError: If it is not finite, not positive, or has another number of axes.
    """
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or Inf.")
    if not signed and not bool((tensor > 0).all()):
        raise ValueError(f"{name} must be positive, got {value}.")
    if ndim is not None and tensor.ndim and tensor.shape[-1] not in (1, ndim):
        raise ValueError(
            f"{name} has {tensor.shape[-1]} values for {ndim} axes; give one, or one an axis."
        )
    # a parameter that is frozen is still a parameter, and a learnt size may be computed from one
    if isinstance(value, nn.Parameter) or tensor.requires_grad:
        return tensor
    return nn.Buffer(tensor.detach().clone().double())


def per_axis(size: Tensor, ndim: int) -> Tensor:
    """A size for each axis.

    Args:
        size: One number, or (*b, 1) or (*b, ndim).
        ndim: Number of axes.

    Returns:
        (*b, ndim).
    """
    size = torch.atleast_1d(size)
    return size.expand(*size.shape[:-1], ndim)


def beside(values: Tensor, psf: nn.Module) -> Tensor:
    """Constants moved to the device of the PSF's sizes; their dtype (float64) stays."""
    for tensor in (*psf.parameters(), *psf.buffers()):
        return values.to(tensor.device)
    return values


def as_complex(values: Tensor) -> Tensor:
    """Real values as complex numbers without imaginary part."""
    return torch.complex(values, torch.zeros_like(values))
