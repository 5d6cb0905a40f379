"""Aᴴ W A of a NUFFT as a convolution (Wajer & Pruessmann, ISMRM 2001): two FFTs of twice the size, no gridding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Gridding, sample
from inverse_inr.operators.kspace.samples import NonCartesianKSpace


class ToeplitzNormal(nn.Module):
    """image (*grid.shape) -> Aᴴ W A image, for conjugate gradients and full-batch gradients.

    weights (samples,) real, e.g. density compensation or inverse noise variances; default: ones.
    Raises ValueError for an operator with a basis or dephasing, whose normal operator is no single convolution.
    """

    def __init__(self, operator: NonCartesianKSpace, weights: Tensor | None = None) -> None:
        super().__init__()
        encoding = operator.map
        if encoding.basis is not None or encoding.dephasing is not None:
            raise ValueError(
                "ToeplitzNormal: the operator has a basis or dephasing: not one convolution."
            )
        grid, k = operator.grid, operator.frequencies.double().cpu()
        self.coils, self.grid = encoding.coils, grid
        self.padded = tuple(2 * n for n in grid.shape)
        lags = tuple(2 * n - 1 for n in grid.shape)
        gridding = Gridding(
            lags, (k * torch.tensor(grid.spacing, dtype=k.dtype)).numpy(), dtype=torch.float64
        )
        w = torch.ones(len(k)) if weights is None else weights.detach().cpu().flatten()
        zero = torch.zeros(lags, dtype=torch.complex128, requires_grad=True)
        with torch.enable_grad():
            back = torch.autograd.grad(gridding(zero), zero, w.to(torch.complex128))[0]
        kernel = back * math.prod(grid.spacing) ** 2
        wide = kernel.new_zeros(self.padded)
        wide[tuple(slice(0, n) for n in lags)] = kernel
        wide = wide.roll(tuple(1 - n for n in grid.shape), tuple(range(grid.ndim)))
        spectrum = torch.fft.fftn(wide).real  # κ(-j) is the conjugate of κ(j)
        self.spectrum = nn.Buffer(spectrum.to(torch.get_default_dtype()), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        d = self.grid.ndim
        maps = None if self.coils is None else self._maps()
        seen = image[None] if maps is None else image * maps
        axes = tuple(range(-d, 0))
        spectrum = torch.fft.fftn(seen, s=self.padded, dim=axes) * self.spectrum.to(
            seen.dtype.to_real()
        )
        out = torch.fft.ifftn(spectrum, dim=axes)[(..., *(slice(0, n) for n in self.grid.shape))]
        return out[0] if maps is None else (maps.conj() * out).sum(0)

    def _maps(self) -> Tensor:
        assert self.coils is not None
        return sample(self.coils, self.grid).movedim(-1, 0)
