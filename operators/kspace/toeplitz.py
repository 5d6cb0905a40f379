"""The normal operator Aᴴ W A of a NUFFT as a convolution.

It takes two FFTs of twice the size, and no gridding.

Source:
    Wajer & Pruessmann, ISMRM 2001.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Gridding, sample
from inverse_inr.operators.kspace.samples import NonCartesianKSpace
from inverse_inr.ranges import FiniteTensor, checked


class ToeplitzNormal(nn.Module):
    """The map of images x -> Aᴴ W A x, for conjugate gradients and full-batch gradients.

    Args:
        operator: The operator A.
        weights: (samples,) real, the diagonal of W, e.g. density compensation or inverse noise
            variances; default ones.

    Raises:
        ValueError: For an operator with a basis or dephasing, whose normal operator is no single
            convolution.
    """

    @checked
    def __init__(self, operator: NonCartesianKSpace, weights: FiniteTensor | None = None) -> None:
        super().__init__()
        encoding = operator.map
        if encoding.basis is not None or encoding.dephasing is not None:
            raise ValueError(
                "ToeplitzNormal: the operator has a basis or dephasing: not one convolution."
            )
        grid = operator.grid
        self.coils = encoding.coils
        self.grid = grid
        self.padded = tuple(2 * n for n in grid.shape)
        k = operator.frequencies.double().cpu()
        if weights is None:
            weights = torch.ones(len(k))
        kernel = _point_response(k, weights.detach().cpu().flatten(), grid)
        wide = kernel.new_zeros(self.padded)
        wide[tuple(slice(0, n) for n in kernel.shape)] = kernel
        wide = wide.roll(tuple(1 - n for n in grid.shape), tuple(range(grid.ndim)))
        transform = torch.fft.fftn(wide).real  # κ(-j) is the conjugate of κ(j)
        self.spectrum = nn.Buffer(transform.to(torch.get_default_dtype()), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Apply Aᴴ W A to an image: (*grid.shape) -> (*grid.shape)."""
        if self.coils is None:
            return self._convolved(image[None])[0]
        maps = sample(self.coils, self.grid).movedim(-1, 0)
        return (maps.conj() * self._convolved(image * maps)).sum(0)

    def _convolved(self, seen: Tensor) -> Tensor:
        """(coils, *grid.shape) -> (coils, *grid.shape)."""
        axes = tuple(range(-self.grid.ndim, 0))
        transform = torch.fft.fftn(seen, s=self.padded, dim=axes)
        product = transform * self.spectrum.to(seen.dtype.to_real())
        out = torch.fft.ifftn(product, dim=axes)
        return out[(..., *(slice(0, n) for n in self.grid.shape))]


def _point_response(k: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    """The kernel κ of the convolution at all lags, (2 n - 1 along each axis), complex."""
    lags = tuple(2 * n - 1 for n in grid.shape)
    per_pixel = k * torch.tensor(grid.spacing, dtype=k.dtype)
    gridding = Gridding(lags, per_pixel.numpy(), dtype=torch.float64)
    zero = torch.zeros(lags, dtype=torch.complex128, requires_grad=True)
    with torch.enable_grad():
        back = torch.autograd.grad(gridding(zero), zero, weights.to(torch.complex128))[0]
    return back * math.prod(grid.spacing) ** 2
