"""What k-space does to a sampled field: coils, an FFT or a NUFFT of the pixels, a basis in time or of dephasing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Grid, Gridding, sample, with_adjoint
from inverse_inr.operators.kspace.dephasing import Dephasing


class Encoding(nn.Module, ABC):
    """(*grid.shape) or (*grid.shape, L) images -> (samples, coils): what `KSpace` does to the sampled field."""

    def __init__(
        self, grid: Grid, coils: nn.Module | None, basis: Tensor | None, dephasing: Dephasing | None
    ) -> None:
        super().__init__()
        self.grid, self.coils, self.dephasing = grid, coils, dephasing
        self.basis = None if basis is None else nn.Buffer(_as_pairs(basis))

    @abstractmethod
    def transform(self, images: Tensor) -> Tensor:
        """(*b, *grid.shape) complex -> (*b, samples): the Fourier integral, by pixels."""

    def forward(self, image: Tensor) -> Tensor:
        d, dynamic = self.grid.ndim, self.basis is not None
        parts = (image if image.ndim > d else image[..., None]).movedim(-1, 0)  # (L, *shape)
        if len(parts) != (self._basis(image).shape[-1] if dynamic else 1):
            expected = (
                f"as many as the basis has columns ({self.basis.shape[1]})"
                if self.basis is not None
                else "1"
            )
            raise ValueError(f"k-space of a field of {len(parts)} channels: expected {expected}.")
        weights = self._basis(image) if dynamic else None
        if self.dephasing is not None:
            parts, weights = self.dephasing(parts, weights)
        parts = (
            parts[:, None] if self.coils is None else parts[:, None] * self._maps().to(parts.device)
        )  # (L, C, ...)
        values = self.transform(
            parts if parts.is_complex() else torch.complex(parts, torch.zeros_like(parts))
        )
        values = (
            values[0]
            if weights is None
            else torch.einsum("lcs,sl->cs", values, weights.to(values.dtype))
        )
        return values[0] if self.coils is None else values.T

    def _basis(self, like: Tensor) -> Tensor:
        assert self.basis is not None
        return torch.view_as_complex(self.basis.to(like.dtype.to_real()))

    def _maps(self) -> Tensor:
        """(coils, *grid.shape)."""
        assert self.coils is not None
        return sample(self.coils, self.grid).movedim(-1, 0)


class Lattice(Encoding):
    """By FFT, then the wanted entries."""

    def __init__(
        self,
        grid: Grid,
        index: Tensor,
        frequencies: Tensor,
        coils: nn.Module | None,
        basis: Tensor | None,
        dephasing: Dephasing | None,
    ) -> None:
        super().__init__(grid, coils, basis, dephasing)
        wrapped = torch.remainder(index, torch.tensor(grid.shape))
        flat = torch.zeros(len(index), dtype=torch.int64)
        for axis, n in enumerate(grid.shape):
            flat = flat * n + wrapped[:, axis]
        self.flat = nn.Buffer(flat, persistent=False)
        first = torch.tensor([axis[0] for axis in grid.axes(torch.float64)], dtype=torch.float64)
        angle = -2 * math.pi * (frequencies @ first)
        middle = torch.tensor(
            [axis[len(axis) // 2] for axis in grid.axes(torch.float64)], dtype=torch.float64
        )
        area = math.prod(grid.spacing)
        self.phase = nn.Buffer(
            _as_pairs(torch.polar(torch.full_like(angle, area), angle)), persistent=False
        )
        # of a file's convention, whose origin is pixel n // 2 and whose FFT is unitary, relative to ours
        self.back = nn.Buffer(
            _as_pairs(
                torch.polar(
                    torch.full_like(angle, 1 / (area * grid.numel**0.5)),
                    2 * math.pi * (frequencies @ middle),
                )
            ),
            persistent=False,
        )

    def origin(self, like: Tensor) -> Tensor:
        return torch.view_as_complex(self.back.to(like.device, like.dtype.to_real()))

    def transform(self, images: Tensor) -> Tensor:
        d = self.grid.ndim
        spectrum = torch.fft.fftn(images, dim=tuple(range(-d, 0))).flatten(-d)
        values = _pick(spectrum, self.flat)
        return values * torch.view_as_complex(self.phase.to(values.dtype.to_real()))


def _pick(spectrum: Tensor, index: Tensor) -> Tensor:
    """Entries of the last axis; repeated ones add up in the adjoint."""
    size = spectrum.shape[-1]

    def forward(x: Tensor) -> Tensor:
        return x.index_select(-1, index)

    def backward(y: Tensor) -> Tensor:
        return y.new_zeros(*y.shape[:-1], size).index_add(-1, index, y)

    return with_adjoint(forward, backward)(spectrum)


class Nonuniform(Encoding):
    """By a NUFFT."""

    def __init__(
        self,
        grid: Grid,
        k: Tensor,
        coils: nn.Module | None,
        basis: Tensor | None,
        dephasing: Dephasing | None,
        backend: str,
        oversampling: float,
        width: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(grid, coils, basis, dephasing)
        frequencies = k.numpy()
        middle, spacing = np.array(grid.box.center), np.array(grid.spacing)
        scale = math.prod(grid.spacing) * np.exp(-2j * np.pi * (frequencies @ middle))
        if backend == "torch":
            self.gridding: nn.Module = Gridding(
                grid.shape,
                frequencies * spacing,
                oversampling=oversampling,
                width=width,
                scale=scale,
                dtype=dtype,
            )
        elif backend == "finufft":
            from inverse_inr.operators.kspace.finufft import Finufft

            self.gridding = Finufft(grid.shape, frequencies * spacing, scale=scale)
        else:
            raise ValueError(f"backend must be 'torch' or 'finufft', got {backend!r}.")

    def transform(self, images: Tensor) -> Tensor:
        return self.gridding(images)


def _as_pairs(values: Tensor) -> Tensor:
    """Complex numbers as pairs of real ones, which `.to(float32)` does not rob of their imaginary parts."""
    return torch.view_as_real(
        values if values.is_complex() else torch.complex(values, torch.zeros_like(values))
    )
