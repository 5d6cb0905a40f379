"""Maps from a sampled field to k-space.

Their steps are coils, an FFT or a NUFFT of the pixels, and a basis in time or of dephasing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Grid, Gridding, sample, with_adjoint
from inverse_inr.operators.kspace.dephasing import Dephasing


class Encoding(nn.Module, ABC):
    """The map that `KSpace` applies to the sampled field.

    It takes images (*grid.shape[, L]) to values (samples[, coils]).

    Args:
        grid: The grid of the images.
        coils: A field of coil sensitivities, or None.
        basis: (samples, L) real or complex, the weights of L images; None for one image.
        dephasing: Off-resonance and relaxation, or None.
    """

    def __init__(
        self, grid: Grid, coils: nn.Module | None, basis: Tensor | None, dephasing: Dephasing | None
    ) -> None:
        super().__init__()
        self.grid = grid
        self.coils = coils
        self.dephasing = dephasing
        self.basis = None if basis is None else nn.Buffer(_as_pairs(basis))

    @abstractmethod
    def transform(self, images: Tensor) -> Tensor:
        """The Fourier integral, as a sum over pixels.

        Args:
            images: (*b, *grid.shape) complex.

        Returns:
            (*b, samples) complex.
        """

    def forward(self, image: Tensor) -> Tensor:
        """Encode an image.

        Args:
            image: (*grid.shape), or (*grid.shape, L) with a basis.

        Returns:
            (samples, coils), or (samples,) without coils.

        Raises:
            ValueError: If L is not the number of columns of the basis.
        """
        if image.ndim == self.grid.ndim:
            image = image[..., None]
        parts = image.movedim(-1, 0)  # (L, *shape)
        weights = self._basis(parts)
        if self.dephasing is not None:
            parts, weights = self.dephasing(parts, weights)
        parts = parts[:, None]
        if self.coils is not None:
            parts = parts * self._maps().to(parts.device)  # (L, coils, *shape)
        values = self.transform(_as_complex(parts))
        if weights is None:
            values = values[0]
        else:
            values = torch.einsum("lcs,sl->cs", values, weights.to(values.dtype))
        if self.coils is None:
            return values[0]
        return values.T

    def _basis(self, parts: Tensor) -> Tensor | None:
        """The basis of images (L, *shape), (samples, L) complex; None for a single image."""
        if self.basis is None:
            expected = 1
            named = "1"
        else:
            expected = self.basis.shape[1]
            named = f"as many as the basis has columns ({expected})"
        if len(parts) != expected:
            raise ValueError(f"k-space of a field of {len(parts)} channels: expected {named}.")
        if self.basis is None:
            return None
        return torch.view_as_complex(self.basis.to(parts.dtype.to_real()))

    def _maps(self) -> Tensor:
        """The coils at the pixels, (coils, *grid.shape)."""
        assert self.coils is not None
        return sample(self.coils, self.grid).movedim(-1, 0)


class Lattice(Encoding):
    """Encoding by an FFT, of which the wanted entries are kept.

    The transform goes axis by axis, and wavenumbers that no sample has are left out before the next
    axis: half of them on half pixels, most of them where lines are measured.

    Args:
        grid: As in `Encoding`.
        index: (samples, d) whole wavenumbers, in periods per length of the box.
        frequencies: (samples, d), the same in cycles per unit of the box.
        coils: As in `Encoding`.
        basis: As in `Encoding`.
        dephasing: As in `Encoding`.
    """

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
        there = [index[:, k].unique(return_inverse=True) for k in range(grid.ndim)]
        shares = [len(wanted) / n for (wanted, _), n in zip(there, grid.shape, strict=True)]
        flat = index.new_zeros(len(index))
        for wanted, place in there:
            flat = flat * len(wanted) + place
        self.order = sorted(range(grid.ndim), key=lambda k: shares[k])
        for k, (wanted, _) in enumerate(there):
            wrapped = torch.remainder(wanted, grid.shape[k])
            self.register_buffer(f"wanted{k}", wrapped, persistent=False)
        self.flat = nn.Buffer(flat, persistent=False)
        count = math.prod(len(wanted) for wanted, _ in there)
        self.all_wanted = len(flat) == count and torch.equal(flat.cpu(), torch.arange(count))
        axes = grid.axes(torch.float64)
        first = frequencies.new_tensor([float(axis[0]) for axis in axes])
        middle = frequencies.new_tensor([float(axis[len(axis) // 2]) for axis in axes])
        area = math.prod(grid.spacing)
        phase = _waves(area, -2 * math.pi * (frequencies @ first))
        back = _waves(1 / (area * grid.numel**0.5), 2 * math.pi * (frequencies @ middle))
        self.phase = nn.Buffer(phase, persistent=False)
        self.back = nn.Buffer(back, persistent=False)

    def origin(self, like: Tensor) -> Tensor:
        """Factors that take measurements to the convention of files, (samples,) complex.

        There the origin is pixel n // 2, and the FFT is unitary.

        Args:
            like: Measurements, whose device and precision the factors get.
        """
        return torch.view_as_complex(self.back.to(like.device, like.dtype.to_real()))

    def transform(self, images: Tensor) -> Tensor:
        d = self.grid.ndim
        entries = images
        for axis in self.order:
            entries = torch.fft.fft(entries, dim=axis - d)
            entries = _pick(entries, getattr(self, f"wanted{axis}"), axis - d)
        values = entries.flatten(-d)
        if not self.all_wanted:
            values = _pick(values, self.flat, -1)
        return values * torch.view_as_complex(self.phase.to(values.dtype.to_real()))


def _pick(entries: Tensor, index: Tensor, axis: int) -> Tensor:
    """Entries along an axis, counted from the last; repeated ones add up in the adjoint."""
    size = entries.shape[axis]

    def forward(x: Tensor) -> Tensor:
        return x.index_select(axis, index)

    def backward(y: Tensor) -> Tensor:
        shape = list(y.shape)
        shape[axis] = size
        return y.new_zeros(shape).index_add_(axis, index, y)

    return with_adjoint(forward, backward)(entries)


class Nonuniform(Encoding):
    """Encoding by a NUFFT.

    Args:
        grid: As in `Encoding`.
        k: (samples, d) in cycles per unit of the box.
        coils: As in `Encoding`.
        basis: As in `Encoding`.
        dephasing: As in `Encoding`.
        backend: "torch" or "finufft".
        oversampling: Size of the padded FFT of "torch" relative to the image.
        width: Width of the gridding kernel of "torch", in samples of that FFT.
        dtype: Real precision of "torch".

    Raises:
        ValueError: For an unknown backend.
    """

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
        middle = np.array(grid.box.center)
        spacing = np.array(grid.spacing)
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


def _as_complex(values: Tensor) -> Tensor:
    if values.is_complex():
        return values
    return torch.complex(values, torch.zeros_like(values))


def _as_pairs(values: Tensor) -> Tensor:
    """Pairs of real numbers: `.to(float32)` would rob complex ones of their imaginary parts."""
    return torch.view_as_real(_as_complex(values))


def _waves(size: float, angle: Tensor) -> Tensor:
    """The waves size · exp(i angle), as pairs of real numbers."""
    return _as_pairs(torch.polar(torch.full_like(angle, size), angle))
