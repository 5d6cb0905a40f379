"""The unitary FFT with zero frequency and origin at n // 2, as files store k-space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def centred_inverse(kspace: Tensor, d: int = 2) -> Tensor:
    """Inverse FFT over the last axes, unitary, with zero frequency and origin at n // 2.

    Args:
        kspace: (*b, *shape) complex.
        d: Number of axes of `shape`.

    Returns:
        The image, (*b, *shape) complex.
    """
    axes = tuple(range(-d, 0))
    image = torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho")
    return torch.fft.fftshift(image, axes)


def centred_fft(image: Tensor, d: int = 2) -> Tensor:
    """The inverse of `centred_inverse`.

    Args:
        image: (*b, *shape).
        d: Number of axes of `shape`.

    Returns:
        k-space, (*b, *shape) complex.
    """
    axes = tuple(range(-d, 0))
    kspace = torch.fft.fftn(torch.fft.ifftshift(image, axes), dim=axes, norm="ortho")
    return torch.fft.fftshift(kspace, axes)


def centred_padding(kspace: Tensor, shape: Sequence[int]) -> Tensor:
    """Central k-space among zeros.

    Args:
        kspace: (*b, *n), zero frequency at n // 2.
        shape: The larger shape.

    Returns:
        (*b, *shape), zero frequency at shape // 2.
    """
    d = len(shape)
    wide = kspace.new_zeros(*kspace.shape[: kspace.ndim - d], *shape)
    where = [
        slice(m // 2 - n // 2, m // 2 - n // 2 + n)
        for n, m in zip(kspace.shape[-d:], shape, strict=True)
    ]
    wide[(..., *where)] = kspace
    return wide
