"""Point-spread functions that were measured: arrays of samples."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from inverse_inr.operators.optics.psf_base import PSF, Nodes, size_of
from inverse_inr.ranges import checked


class Measured(PSF):
    """A measured kernel: the samples of an array, as point masses.

    Warns if the kernel does not sum to one within 1e-3 (flux would be lost or made), and leaves it
    as it is.

    Args:
        kernel: The samples, one axis per dimension.
        spacing: Distance of the samples, one number or one per axis, in the unit of the field's
            box.
        center: Index of the sample at u = 0; default n // 2, the right one of the two middles of an
            even axis.

    Raises:
        ValueError: For NaN or Inf, a kernel of zeros, a spacing that is not positive, or a centre
            outside the kernel.
    """

    uniforms = 1

    @checked
    def __init__(
        self,
        kernel: Tensor,
        spacing: float | tuple[float, ...],
        center: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.kernel = size_of("Measured: kernel", kernel, signed=True)
        self.ndim = kernel.ndim
        shape = tuple(kernel.shape)
        if isinstance(spacing, tuple):
            self.spacing = spacing
        else:
            self.spacing = (float(spacing),) * kernel.ndim
        positive = all(h > 0 and math.isfinite(h) for h in self.spacing)
        if len(self.spacing) != kernel.ndim or not positive:
            raise ValueError(
                f"Measured: spacing={spacing} must be positive, one number an axis of {shape}."
            )
        if center is None:
            center = tuple(n // 2 for n in shape)
        self.center = tuple(center)
        if len(self.center) != len(shape) or not all(
            0 <= c < n for c, n in zip(self.center, shape, strict=True)
        ):
            raise ValueError(f"Measured: center={center} is no index of a kernel of shape {shape}.")
        total = float(self.kernel.detach().sum())
        if not bool(self.kernel.detach().any()):
            raise ValueError(f"Measured: the kernel of shape {shape} holds only zeros.")
        if abs(total - 1) > 1e-3:
            warnings.warn(
                f"Measured: the kernel sums to {total:.6g}, not 1, so blurring scales the field. "
                "Pass kernel / kernel.sum() unless it should.",
                stacklevel=2,
            )

    def _offsets(self) -> Tensor:
        """Offsets of all samples, (q, d), in array order."""
        axes = [
            (torch.arange(n, dtype=torch.float64, device=self.kernel.device) - c) * h
            for n, c, h in zip(self.kernel.shape, self.center, self.spacing, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, self.ndim)

    def nodes(self, order: int) -> Nodes:
        """All samples and their values, whatever the order."""
        return self._offsets(), self.kernel.flatten()

    def draw(self, u: Tensor) -> Nodes:
        """Draw samples by their magnitude; their signs and their sum stay in the weights.

        Args:
            u: (*b, q, 1) in [0, 1).

        Returns:
            Offsets (*b, q, d) and weights (*b, q).
        """
        mass = self.kernel.detach().flatten().double()
        share = mass.abs().cumsum(0) / mass.abs().sum()
        k = torch.searchsorted(share, u[..., 0].contiguous(), right=True).clamp(max=len(share) - 1)
        weight = self.kernel.flatten()[k] / (mass.abs() / mass.abs().sum())[k]
        return self._offsets()[k], weight / u.shape[-2]

    def transfer(self, frequency: Tensor) -> Tensor:
        phase = frequency @ self._offsets().to(frequency).mT
        return (self.kernel.flatten().to(frequency) * torch.exp(-2j * math.pi * phase)).sum(-1)

    def half_widths(self) -> Tensor:
        return self._offsets().abs().amax(0)
