"""Kaiser-Bessel gridding: the Fourier transform of an image at arbitrary frequencies (the NUFFT).

Pad and apodise, FFT, then interpolate by a kernel of J^d weights (Beatty, Nishimura & Pauly 2005),
held as one sparse matrix or, on a CUDA device, made on the fly. Real images may use half the
spectrum. Each step is a linear map with its transpose, so the adjoint is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.kernels.linear import with_adjoint
from inverse_inr.kernels.spectrum_interpolation import SpectrumInterpolation
from inverse_inr.precision import real_type
from inverse_inr.ranges import Count, Range, checked


class Gridding(nn.Module):
    """F(k) = scale(k) Σ_j x_j exp(-2πi k·(j - c)), where c is the image's middle.

    The relative error is near 1e-5 at the defaults. A sparse matrix with `width`^d entries per
    frequency is kept; in single precision on a CUDA device with triton, `width` d weights instead.

    Args:
        shape: The image's d axes, d = 1, 2 or 3.
        frequencies: (m, d) in cycles per pixel, |k| <= 1/2 up to `nyquist_tolerance`.
        oversampling: How many times finer than by the image's own FFT the spectrum is sampled.
        width: Samples of the spectrum along each axis that make one value.
        scale: (m,) factors of the values, which cost nothing; None for 1.
        real: Images are real, which takes half the time, by half the spectrum.
        dtype: The precision of the weights that are kept.

    Attributes:
        nyquist_tolerance: How far a frequency may lie beyond 1/2, relative to it. A trajectory in
            single precision, or printed with five digits, ends a little beyond. It is used as it
            is: the transform is defined there as elsewhere.

    Raises:
        ValueError: The frequencies have another dimension or lie beyond 1/2.
    """

    nyquist_tolerance: ClassVar[float] = 1e-4

    @checked
    def __init__(
        self,
        shape: Sequence[Count],
        frequencies: np.ndarray,
        *,
        oversampling: Annotated[float, Range(above=1, most=16)] = 1.5,
        width: Count = 6,
        scale: np.ndarray | None = None,
        real: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.width = width
        self.real = real
        k = _checked(np.asarray(frequencies, dtype=np.float64), len(self.shape))
        self.padded = tuple(_fast_even(math.ceil(oversampling * n) + width) for n in self.shape)
        ratio = [m / n for m, n in zip(self.padded, self.shape, strict=True)]
        beta = [math.pi * math.sqrt((width / r) ** 2 * (r - 0.5) ** 2 - 0.8) for r in ratio]
        flip = np.zeros(len(k), dtype=bool)
        if real:
            # the other half-space is the conjugate; the half spectrum ends at Nyquist
            k = np.clip(k, -0.5, 0.5)
            flip = k[:, -1] < 0
        position = np.where(flip[:, None], -k, k) * self.padded
        first, weights = nodes_and_weights(position, beta, width)
        self.interpolation = SpectrumInterpolation(first, weights, self.padded, real, dtype)
        self.sign = nn.Buffer(
            torch.from_numpy(np.where(flip, -1.0, 1.0)).to(dtype), persistent=False
        )
        window = np.ones(())
        for n, m, b in zip(self.shape, self.padded, beta, strict=True):
            window = window[..., None] * _apodisation(n, m, b, width)
        self.weight = nn.Buffer(torch.from_numpy(1 / window).to(dtype), persistent=False)
        # an even image's middle lies half a pixel off the pixel that the FFT takes as origin
        middle = [(n - 1) / 2 - n // 2 for n in self.shape]
        phase = np.exp(2j * np.pi * (k @ np.array(middle)))
        if scale is not None:
            phase = phase * scale
        self.phase = nn.Buffer(
            torch.view_as_real(torch.from_numpy(phase)).to(dtype), persistent=False
        )

    def forward(self, image: Tensor) -> Tensor:
        """Transform images.

        Args:
            image: (*batch, *shape).

        Returns:
            (*batch, m) complex.

        Raises:
            TypeError: The image is complex, but `real` was said.
            ValueError: The image has another shape.
        """
        d = len(self.shape)
        batch = image.shape[: image.ndim - d]
        if tuple(image.shape[len(batch) :]) != self.shape:
            raise ValueError(
                f"Gridding of images {self.shape}: got an array of shape {tuple(image.shape)}."
            )
        real = real_type(image.dtype)
        x = _around_origin(image * self.weight.to(real), self.padded)
        if self.real:
            if image.is_complex():
                raise TypeError("Gridding(real=True): the image is complex.")
            spectrum = _extended_spectrum(x, self.width // 2, d)
        else:
            spectrum = torch.fft.fftn(x, dim=tuple(range(-d, 0)))
        values = self.interpolation(spectrum.reshape(math.prod(batch), -1))
        if self.real:
            values = torch.complex(values.real, values.imag * self.sign.to(real))
        # kept as pairs of real numbers: .to(float32) would drop imaginary parts
        phase = torch.view_as_complex(self.phase.to(real))
        return (values * phase).reshape(*batch, -1)


def _checked(k: np.ndarray, d: int) -> np.ndarray:
    if k.ndim != 2 or k.shape[1] != d or not 1 <= d <= 3:
        raise ValueError(
            f"Gridding: frequencies must be (m, {d}) for images of {d} axes (1 to 3), "
            f"got {k.shape}."
        )
    if not np.abs(k).max(initial=0.0) <= 0.5 * (1 + Gridding.nyquist_tolerance):
        raise ValueError(
            f"Gridding: frequencies reach {np.abs(k).max():.4g} cycles per pixel; "
            "an image holds 1/2."
        )
    return k


def _around_origin(image: Tensor, padded: tuple[int, ...]) -> Tensor:
    """Pad the image by zeros as an FFT wants it: the middle at 0, what lies before at the end."""
    shape = image.shape[image.ndim - len(padded) :]
    halves = [
        ((slice(n // 2, n), slice(0, n - n // 2)), (slice(0, n // 2), slice(m - n // 2, m)))
        for n, m in zip(shape, padded, strict=True)
    ]
    corners = [
        tuple((..., *part) for part in zip(*choice, strict=True)) for choice in product(*halves)
    ]

    def forward(x: Tensor) -> Tensor:
        wide = x.new_zeros(*x.shape[: x.ndim - len(padded)], *padded)
        for small, large in corners:
            wide[large] = x[small]
        return wide

    def backward(wide: Tensor) -> Tensor:
        x = wide.new_empty(*wide.shape[: wide.ndim - len(padded)], *shape)
        for small, large in corners:
            x[small] = wide[large]
        return x

    return with_adjoint(forward, backward)(image)


def _extended_spectrum(image: Tensor, reach: int, d: int) -> Tensor:
    """Transform images of even width by rfftn, with `reach` more columns beyond both ends.

    Those columns are conjugates of inner ones. The adjoint is written out, because torch's own
    makes a complex FFT of twice the size and fills five arrays with zeros.
    """
    axes = tuple(range(-d, 0))
    shape = image.shape[-d:]

    def mirror(columns: Tensor) -> Tensor:
        turned = columns.flip(axes)  # row g of column k holds the conjugate of row -g
        if d > 1:
            turned = turned.roll((1,) * (d - 1), axes[:-1])
        return turned.conj()

    def forward(x: Tensor) -> Tensor:
        half = torch.fft.rfftn(x, dim=axes)
        return torch.cat(
            [mirror(half[..., 1 : reach + 1]), half, mirror(half[..., -reach - 1 : -1])], -1
        )

    def adjoint(extended: Tensor) -> Tensor:
        half = extended[..., reach:-reach].clone()
        half[..., 1 : reach + 1] += mirror(extended[..., :reach])
        half[..., -reach - 1 : -1] += mirror(extended[..., -reach:])
        # irfftn adds each inner column and its conjugate: Re(z) = (z + z*) / 2
        half[..., 1:-1] *= 0.5
        return torch.fft.irfftn(half, s=shape, dim=axes, norm="forward")

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


def nodes_and_weights(
    position: np.ndarray, beta: list[float], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the samples of the spectrum that make each value, and their weights along each axis.

    Args:
        position: (m, d) places in samples of the padded spectrum.
        beta: (d,) shapes of the kernel.
        width: Samples along each axis.

    Returns:
        The first sample (m, d), which may be negative, and weights (m, d, width).
    """
    first = np.ceil(position - width / 2).astype(np.int64)
    away = first[..., None] + np.arange(width) - position[..., None]
    weights = [_kernel(away[:, a], b, width) for a, b in enumerate(beta)]
    return first, np.stack(weights, 1)
