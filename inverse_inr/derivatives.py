"""Derivatives of fields at points, exact by autograd, and of sampled values by differences; in physical units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.evaluation import Field, Memo


def gradient(field: Field, points: Tensor) -> Tensor:
    """∇f at (n, d) points: (n, c, d), complex where the field is; differentiable in the field's parameters."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        values = field(points)
        slope = _jacobian(_real(values), points)
    return torch.complex(slope[:, ::2], slope[:, 1::2]) if values.is_complex() else slope


def laplacian(field: Field, points: Tensor) -> Tensor:
    """Δf at (n, d) points: (n, c). Raises TypeError for a field without second derivatives."""
    require_smooth(field)
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        slope = _jacobian(_real(field(points)), points)
        curved = [_jacobian(slope[..., k], points)[..., k] for k in range(points.shape[-1])]
    return torch.stack(curved).sum(0)


def _jacobian(values: Tensor, points: Tensor) -> Tensor:
    columns = [
        torch.autograd.grad(v.sum(), points, create_graph=True, materialize_grads=True)[0]
        if v.requires_grad
        else torch.zeros_like(points)  # constant in the coordinates, as indicator functions are
        for v in values.unbind(-1)
    ]
    return torch.stack(columns, -2)


def _real(values: Tensor) -> Tensor:
    return torch.view_as_real(values).flatten(-2) if values.is_complex() else values


def require_smooth(field: Field, order: int = 2) -> None:
    """Raises TypeError for a prior whose derivatives of `order` do not exist, or vanish almost everywhere."""
    prior = field.field if isinstance(field, Memo) else field
    smoothness = getattr(prior, "smoothness", order)
    if smoothness < order - 1:
        name = getattr(prior, "name", type(prior).__name__)
        has = (
            f"has {smoothness} continuous derivatives"
            if smoothness >= 0
            else "jumps, and has no derivatives"
        )
        raise TypeError(
            f"The field '{name}' {has}; those of order {order} (a Laplacian's is 2) "
            "are zero inside cells or do not exist. Use 'siren', 'grid' with order=3 or 'hash' with "
            "interpolation='smoothstep'."
        )


def grid_gradient(values: Tensor, spacing: Sequence[float]) -> Tensor:
    """Forward differences of (*shape, c) values over `spacing`, zero past the last pixel: (*shape, c, d)."""
    axes = []
    for k, h in enumerate(spacing):
        last = values.narrow(k, values.shape[k] - 1, 1)
        axes.append(torch.diff(values, dim=k, append=last) / h)
    return torch.stack(axes, -1)


def gradient_adjoint(flow: Tensor, spacing: Sequence[float]) -> Tensor:
    """The transpose of `grid_gradient` (minus the divergence): (*shape, c, d) -> (*shape, c)."""
    total = torch.zeros_like(flow[..., 0])
    for k, h in enumerate(spacing):
        p = flow[..., k].narrow(k, 0, flow.shape[k] - 1) / h
        total = total + _pad(p, k, 1, 0) - _pad(p, k, 0, 1)
    return total


def _pad(p: Tensor, axis: int, before: int, after: int) -> Tensor:
    shape = list(p.shape)
    shape[axis] = 1
    zero = p.new_zeros(shape)
    return torch.cat([zero] * before + [p] + [zero] * after, axis)


def grid_laplacian(values: Tensor, spacing: Sequence[float]) -> Tensor:
    """Second differences of (*shape, c) values, summed over axes; no slope across the border: (*shape, c)."""
    total = torch.zeros_like(values)
    for k, h in enumerate(spacing):
        first, last = values.narrow(k, 0, 1), values.narrow(k, values.shape[k] - 1, 1)
        slope = torch.diff(values, dim=k, prepend=first, append=last) / h
        total = total + torch.diff(slope, dim=k) / h
    return total
