"""Kaiser-Bessel gridding: the Fourier transform of an image at arbitrary frequencies.

Pad and apodise, FFT, then interpolate with a J x J kernel held as one sparse matrix (Beatty, Nishimura & Pauly 2005).
Real images use half the spectrum. All steps are torch operations or a `SparseMatrix`, so the adjoint is exact.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.kernels.linear import with_adjoint
from inverse_inr.kernels.sparse import SparseMatrix


class RealGridding(nn.Module):
    """F(k) = Σ_j x_j exp(-2πi k·(j - c)) of a real image, c its middle: (n0, n1) -> (m,) complex.

    `frequencies`: (m, 2) in cycles per pixel, |k| <= 1/2; `scale`: (m,) factors of the values, which cost nothing.
    Relative error near 1e-5 at the defaults.
    """

    def __init__(self, shape: tuple[int, int], frequencies: np.ndarray, *, oversampling: float = 1.5, width: int = 6,
                 scale: np.ndarray | None = None, dtype: torch.dtype = torch.float32) -> None:  # fmt: skip
        super().__init__()
        self.shape, self.width = shape, width
        self.padded = tuple(_fast_even(math.ceil(oversampling * n) + width) for n in shape)
        ratio = [m / n for m, n in zip(self.padded, shape, strict=True)]
        beta = [math.pi * math.sqrt((width / r) ** 2 * (r - 0.5) ** 2 - 0.8) for r in ratio]
        flip = frequencies[:, 1] < 0  # the other half-plane is the conjugate
        k = np.where(flip[:, None], -frequencies, frequencies)
        self.matrix = _interpolator(k * self.padded, self.padded, beta, width, dtype)
        self.sign = nn.Buffer(torch.from_numpy(np.where(flip, -1.0, 1.0)).to(dtype), persistent=False)
        window = [_apodisation(n, m, b, width) for n, m, b in zip(shape, self.padded, beta, strict=True)]
        self.window = nn.Buffer(torch.from_numpy(np.outer(*window)).to(dtype), persistent=False)
        # an even image's middle lies half a pixel off the pixel that the FFT takes as origin
        middle = [(n - 1) / 2 - n // 2 for n in shape]
        phase = np.exp(2j * np.pi * (frequencies @ np.array(middle))) * (1.0 if scale is None else scale)
        self.phase = nn.Buffer(torch.view_as_real(torch.from_numpy(phase)).to(dtype), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        n0, n1 = self.shape
        m0, m1 = self.padded
        x = nn.functional.pad(image / self.window.to(image.dtype), (0, m1 - n1, 0, m0 - n0))
        spectrum = _extended_spectrum(x.roll((-(n0 // 2), -(n1 // 2)), (0, 1)), self.width // 2)
        values = self.matrix(torch.view_as_real(spectrum.reshape(-1)))
        values = torch.complex(values[:, 0], values[:, 1] * self.sign.to(image.dtype))
        return values * torch.view_as_complex(self.phase.to(image.dtype))  # real pairs: .to(float32) drops imaginaries


def _extended_spectrum(image: Tensor, reach: int) -> Tensor:
    """rfft2 of an image of even width, with `reach` columns beyond both ends: the conjugates of inner ones.

    The adjoint is written out: torch's own makes a complex FFT of twice the size and fills five arrays with zeros.
    """
    shape = image.shape

    def mirror(columns: Tensor) -> Tensor:
        return columns.flip((0, 1)).roll(1, 0).conj()  # row g of column k holds the conjugate of row -g

    def forward(x: Tensor) -> Tensor:
        half = torch.fft.rfft2(x)
        return torch.cat([mirror(half[:, 1 : reach + 1]), half, mirror(half[:, -reach - 1 : -1])], 1)

    def adjoint(extended: Tensor) -> Tensor:
        half = extended[:, reach:-reach].clone()
        half[:, 1 : reach + 1] += mirror(extended[:, :reach])
        half[:, -reach - 1 : -1] += mirror(extended[:, -reach:])
        half[:, 1:-1] *= 0.5  # irfft2 adds each inner column and its conjugate: Re(z) = (z + z*) / 2
        return torch.fft.irfft2(half, s=shape, norm="forward")

    return with_adjoint(forward, adjoint)(image)


def _fast_even(n: int) -> int:
    """The next even size with factors 2, 3, 5 only."""
    n += n % 2
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1:
            return n
        n += 2


def _kernel(u: np.ndarray, beta: float, width: int) -> np.ndarray:
    inside = np.clip(1 - (2 * u / width) ** 2, 0, None)
    return np.where(np.abs(u) <= width / 2, np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0.0)


def _apodisation(n: int, m: int, beta: float, width: int) -> np.ndarray:
    """The kernel's own Fourier transform, which the image is divided by."""
    x = (np.arange(n) - n // 2) / m
    root = np.sqrt((beta**2 - (math.pi * width * x) ** 2).astype(complex))
    return np.real(width * np.sinh(root) / root) / np.i0(beta)


def _interpolator(position: np.ndarray, padded: tuple[int, ...], beta: list[float], width: int,
                  dtype: torch.dtype) -> SparseMatrix:  # fmt: skip
    """(m, 2) positions on the padded spectrum -> matrix from the extended half spectrum to the m values."""
    columns = padded[1] // 2 + 1 + 2 * (width // 2)
    first = np.ceil(position - width / 2).astype(np.int64)
    g = first[:, None, :] + np.arange(width)[:, None]  # (m, J, 2)
    w0, w1 = (_kernel(g[..., a] - position[:, None, a], beta[a], width) for a in (0, 1))
    index = (g[..., 0] % padded[0])[:, :, None] * columns + np.clip(g[..., 1] + width // 2, 0, columns - 1)[:, None, :]
    value = w0[:, :, None] * w1[:, None, :]
    rows = np.repeat(np.arange(len(position)), width * width)
    return SparseMatrix(rows, index.ravel(), value.ravel(), (len(position), padded[0] * columns), dtype)
