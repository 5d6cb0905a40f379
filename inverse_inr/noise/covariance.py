"""Noise that is correlated across the last axis of the measurements: its checks and its whitening.

With C = L Lᴴ (Cholesky), L⁻¹ n has uncorrelated entries of unit variance.
"""

from __future__ import annotations

import torch
from torch import Tensor


def checked_covariance(name: str, covariance: Tensor, *, is_complex: bool) -> None:
    """Refuse what is no covariance.

    Args:
        name: The model's name, for messages.
        covariance: (m, m), or (rows, m, m) with one matrix per row.
        is_complex: Whether the noise is complex, so that the matrix may be.

    Raises:
        TypeError: The covariance is no tensor, or complex for real noise.
        ValueError: It is not square, not finite, not Hermitian or not positive definite.
    """
    if not isinstance(covariance, Tensor):
        raise TypeError(
            f"{name}: covariance must be a tensor (m, m), got {type(covariance).__name__}."
        )
    if covariance.is_complex() and not is_complex:
        raise TypeError(f"{name}: covariance is complex, the noise real. ComplexGaussian?")
    shape = tuple(covariance.shape)
    if len(shape) not in (2, 3) or shape[-1] != shape[-2] or not shape[-1]:
        raise ValueError(
            f"{name}: covariance must be (m, m), or (rows, m, m) with one matrix per row, "
            f"got {shape}."
        )
    if not bool(torch.isfinite(covariance).all()):
        raise ValueError(f"{name}: covariance holds NaN or Inf.")
    skew = (covariance - covariance.mH).abs().max()
    if float(skew) > 1e-4 * float(covariance.abs().max()):
        raise ValueError(f"{name}: covariance is not Hermitian: C and Cᴴ differ by {skew:.3g}.")
    values = torch.linalg.eigvalsh(_precise(covariance))
    least, largest = float(values.min()), float(values.max())
    if not least > 1e-12 * abs(largest):
        raise ValueError(
            f"{name}: covariance is not positive definite: its eigenvalues reach from {least:.3g} "
            f"to {largest:.3g}. Fewer noise samples than channels, or two channels alike?"
        )


def cholesky_factor(covariance: Tensor) -> Tensor:
    """Compute L of C = L Lᴴ in double precision.

    Args:
        covariance: (m, m) or (rows, m, m).

    Returns:
        The lower triangular factors, in the shape of `covariance`.
    """
    return torch.linalg.cholesky(_precise(covariance))


def coloured(factor: Tensor, values: Tensor) -> Tensor:
    """Multiply the last axis by a matrix.

    Args:
        factor: (m, m), or (b, m, m) with one matrix per row.
        values: (b, *k, m).

    Returns:
        (b, *k, m), in the precision of `values`.

    Raises:
        ValueError: The last axis has another length.
    """
    if values.ndim == 0 or values.shape[-1] != factor.shape[-1]:
        raise ValueError(
            f"A covariance of {factor.shape[-1]} channels was given measurements of shape "
            f"{tuple(values.shape)}; their last axis must be the channels."
        )
    factor = factor.to(values.device, values.dtype)
    if factor.ndim == 3:
        factor = factor.reshape(len(factor), *(1,) * (values.ndim - 2), *factor.shape[1:])
    return (factor @ values[..., None])[..., 0]


def whitening_matrix(covariance: Tensor) -> Tensor:
    """Compute L⁻¹, which takes noise of this covariance to uncorrelated noise of unit variance.

    Args:
        covariance: (m, m) or (rows, m, m).

    Returns:
        Lower triangular matrices in double precision, in the shape of `covariance`.
    """
    factor = cholesky_factor(covariance)
    one = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, one.expand_as(factor), upper=False)


def _precise(covariance: Tensor) -> Tensor:
    if covariance.is_complex():
        return covariance.to(torch.complex128)
    return covariance.double()
