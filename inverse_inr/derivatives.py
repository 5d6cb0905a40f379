"""Derivatives in physical units: of fields at points by autograd, of sampled values by differences.

Autograd gives the derivatives of a field exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.evaluation import Field, Memo


def gradient(field: Field, points: Tensor) -> Tensor:
    """Compute ∇f at points; the result is differentiable in the field's parameters.

    Args:
        field: The field f, real or complex.
        points: (n, d) physical coordinates.

    Returns:
        (n, c, d) slopes per unit of the box, complex where the field is complex.

    Raises:
        TypeError: The field says that it has no derivatives by place.
    """
    require_smooth(field, 0)
    if torch.compiler.is_compiling():
        slope, is_complex = _compiled_jacobian(field, points)
    else:
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            values = field(points)
            slope = _jacobian(_real(values), points)
        is_complex = values.is_complex()
    if is_complex:
        return torch.complex(slope[:, ::2], slope[:, 1::2])
    return slope


def laplacian(field: Field, points: Tensor) -> Tensor:
    """Compute Δf, the sum of the second derivatives, at points.

    Args:
        field: The field f, real or complex.
        points: (n, d) physical coordinates.

    Returns:
        (n, c) real values per squared unit of the box. A complex channel gives two: its real and
        its imaginary part.

    Raises:
        TypeError: The field says that it has no second derivatives.
    """
    require_smooth(field)
    if torch.compiler.is_compiling():
        return _compiled_laplacian(field, points)
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        slope = _jacobian(_real(field(points)), points)
        curved = [_jacobian(slope[..., k], points)[..., k] for k in range(points.shape[-1])]
    return torch.stack(curved).sum(0)


def _jacobian(values: Tensor, points: Tensor) -> Tensor:
    """Derivatives of real values (n, c) by their points: (n, c, d)."""
    return torch.stack([_slope(v, points) for v in values.unbind(-1)], -2)


def _slope(value: Tensor, points: Tensor) -> Tensor:
    if not value.requires_grad:
        # constant in the coordinates, as indicator functions are
        return torch.zeros_like(points)
    return torch.autograd.grad(value.sum(), points, create_graph=True, materialize_grads=True)[0]


def _compiled_jacobian(field: Field, points: Tensor) -> tuple[Tensor, bool]:
    """`_jacobian` where a compiler looks on, which knows no tape that is asked halfway."""
    is_complex = False

    def real(x: Tensor) -> Tensor:
        nonlocal is_complex
        values = field(x)
        is_complex = values.is_complex()
        return _real(values)

    values, pullback, *_ = torch.func.vjp(real, points.detach())
    slopes = []
    for channel in range(values.shape[-1]):
        one = torch.zeros_like(values)
        one[..., channel] = 1
        slopes.append(pullback(one)[0])
    return torch.stack(slopes, -2), is_complex


def _compiled_laplacian(field: Field, points: Tensor) -> Tensor:
    """`laplacian` where a compiler looks on."""

    def slopes(x: Tensor) -> Tensor:
        return _compiled_jacobian(field, x)[0].flatten(-2)

    curved = _compiled_jacobian(slopes, points)[0]
    d = points.shape[-1]
    return curved.unflatten(-2, (-1, d)).diagonal(dim1=-2, dim2=-1).sum(-1)


def _real(values: Tensor) -> Tensor:
    """Complex channels as real ones, each followed by its imaginary part."""
    if values.is_complex():
        return torch.view_as_real(values).flatten(-2)
    return values


class SmoothnessError(TypeError):
    """A field is to be differentiated more often than it can be."""


def require_smooth(field: Field, order: int = 2) -> None:
    """Refuse a field whose derivatives do not exist or vanish almost everywhere.

    A field that does not define `smoothness` is trusted.

    Args:
        field: The field to be differentiated, or a `Memo` of it.
        order: Order of the derivatives that are needed.

    Raises:
        SmoothnessError: The field has fewer than `order` - 1 continuous derivatives, or says that
            it has none at all (smoothness of minus infinity).
    """
    prior = field
    if isinstance(field, Memo):
        prior = field.field
    smoothness = getattr(prior, "smoothness", order)
    if smoothness >= order - 1:
        return
    name = getattr(prior, "name", type(prior).__name__)
    has = "jumps, and has no derivatives"
    if smoothness == -math.inf:
        raise SmoothnessError(
            f"The field '{name}' makes whole frames and has no derivatives by place. Give a "
            "regularizer of slopes a grid, or use 'siren' or 'hash'."
        )
    if smoothness >= 0:
        has = f"has {smoothness} continuous derivatives"
    raise SmoothnessError(
        f"The field '{name}' {has}; those of order {order} (a Laplacian's is 2) "
        "are zero inside cells or do not exist. Use 'siren', 'grid' with order=3 or 'hash' with "
        "interpolation='smoothstep'."
    )


def grid_gradient(values: Tensor, spacing: Sequence[float]) -> Tensor:
    """Compute forward differences of a sampled image; those past the last pixel are zero.

    Args:
        values: (*shape, c) values at pixel centres.
        spacing: (d,) pixel size along each axis.

    Returns:
        (*shape, c, d) slopes per unit of the spacing.
    """
    axes = []
    for k, h in enumerate(spacing):
        last = values.narrow(k, values.shape[k] - 1, 1)
        axes.append(torch.diff(values, dim=k, append=last) / h)
    return torch.stack(axes, -1)


def gradient_adjoint(flow: Tensor, spacing: Sequence[float]) -> Tensor:
    """Apply the transpose of `grid_gradient`, which is minus the divergence.

    Args:
        flow: (*shape, c, d) one value per pixel, channel and axis.
        spacing: (d,) pixel size along each axis.

    Returns:
        (*shape, c) values.
    """
    total = torch.zeros_like(flow[..., 0])
    for k, h in enumerate(spacing):
        p = flow[..., k].narrow(k, 0, flow.shape[k] - 1) / h
        zero = torch.zeros_like(flow[..., k].narrow(k, 0, 1))
        total = total + torch.cat([zero, p], k) - torch.cat([p, zero], k)
    return total


def lengths(vectors: Tensor) -> Tensor:
    """Compute the Euclidean length √Σ_k |v_k|² of vectors.

    Complex ones are seen as twice as many real numbers: torch's norm along an axis takes 20 times
    as long of complex numbers. The gradient is 0 where the length is.

    Args:
        vectors: (*s, k), real or complex.

    Returns:
        (*s, 1), real.
    """
    return torch.linalg.vector_norm(_real(vectors), dim=-1, keepdim=True)


def grid_laplacian(values: Tensor, spacing: Sequence[float]) -> Tensor:
    """Sum the second differences of a sampled image over its axes; the border has no slope.

    Args:
        values: (*shape, c) values at pixel centres.
        spacing: (d,) pixel size along each axis.

    Returns:
        (*shape, c) values per squared unit of the spacing.
    """
    total = torch.zeros_like(values)
    for k, h in enumerate(spacing):
        first = values.narrow(k, 0, 1)
        last = values.narrow(k, values.shape[k] - 1, 1)
        slope = torch.diff(values, dim=k, prepend=first, append=last) / h
        total = total + torch.diff(slope, dim=k) / h
    return total
