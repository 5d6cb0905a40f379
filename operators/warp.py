"""Deformable registration: the field is a displacement u, and what is measured is the moving image through it.

    y(x) = M(x + u(x))        u has one channel an axis, in the box's units        (Wolterink et al. 2022, IDIR)

The operator is nonlinear in u. Fidelities for it are `fidelity.NCC`, `fidelity.LocalNCC` or any noise model; the
regularizers here are of the deformation φ(x) = x + u(x), by the field's own derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Query, SampledField, placement
from inverse_inr.operators.differential import Jet
from inverse_inr.operators.rows import PlacedOperator, without_lone_channel
from inverse_inr.regularizers import Regularizer


class WarpedImage(PlacedOperator):
    """The moving image at x + u(x), for the pixel centres x of the fixed image's grid, or points (*shape, d).

    `moving` is any field: a `SampledField(values, grid)` is multilinear between its pixels and zero outside. Where both
    grids carry a NIfTI affine, x + u is taken to the moving image through world coordinates.
    Raises ValueError for a moving image of another dimension, only one of two affines, displacements with another
    number of channels.
    """

    values: Tensor | None
    matrix: Tensor | None
    offset: Tensor | None

    def __init__(self, moving: Field, where: Grid | Tensor) -> None:
        super().__init__(where)
        for name in ("values", "matrix", "offset"):
            self.register_buffer(name, None)
        if isinstance(moving, SampledField):
            if moving.grid.ndim != self.ndim:
                raise ValueError(
                    f"WarpedImage: the moving image has {moving.grid.ndim} axes, the places {self.ndim}."
                )
            self.moving_grid, self.values = moving.grid, moving.values.detach().clone()
            if self.where is not None:
                self._align(self.where, moving.grid)
        elif isinstance(moving, nn.Module):
            self.moving = moving.requires_grad_(False)
        else:
            self.moving = moving

    def _align(self, fixed: Grid, moving: Grid) -> None:
        if (fixed.affine is None) != (moving.affine is None):
            raise ValueError(
                "WarpedImage: only one of the two images has an affine, so nothing says how they lie to each other. "
                "Give both, or neither: grid.with_affine(...)."
            )
        if fixed.affine is None or moving.affine is None:
            return
        if fixed.ndim != 3:
            raise ValueError(
                f"WarpedImage: affines are of 3-D images; these have {fixed.ndim} axes."
            )
        across = torch.linalg.solve(_to_world(moving), _to_world(fixed))
        if not torch.allclose(across, torch.eye(4, dtype=across.dtype), atol=1e-9):
            self.matrix, self.offset = across[:3, :3].clone(), across[:3, 3].clone()

    def forward(self, rows: Tensor) -> Query:
        x = self.positions(rows)

        def measure(displacement: Tensor) -> Tensor:
            if displacement.shape[-1] != self.ndim:
                raise ValueError(
                    f"WarpedImage: a displacement in {self.ndim} dimensions has as many channels; the field has "
                    f"{displacement.shape[-1]}. Problem(..., channels={self.ndim})."
                )
            return without_lone_channel(self._look(x.to(displacement) + displacement))

        return Query(x, measure)

    def _look(self, points: Tensor) -> Tensor:
        if self.values is None:
            return self.moving(points)
        if self.matrix is not None and self.offset is not None:
            points = points @ self.matrix.to(points).mT + self.offset.to(points)
        # a fit that diverges is to end with the solver's message, not with an index out of bounds
        lost = ~points.isfinite().all(-1, keepdim=True)
        seen = SampledField(self.values.to(points), self.moving_grid)(points.masked_fill(lost, 0.0))
        return seen.masked_fill(lost, torch.nan)


def _to_world(grid: Grid) -> Tensor:
    """Physical coordinates of the box, homogeneous, to world mm: the affine counts from the first pixel's centre."""
    index = torch.eye(4, dtype=torch.float64)
    for k, (a, h) in enumerate(zip(grid.box.lower, grid.spacing, strict=True)):
        index[k, k], index[k, 3] = 1 / h, -a / h - 0.5
    return torch.tensor(grid.affine, dtype=torch.float64) @ index


def deform_jacobian(displacement: Field, points: Tensor) -> Tensor:
    """∇φ = I + ∇u at (n, d) points: (n, d, d)."""
    return _deformation(Jet(displacement, points))


def folded_fraction(displacement: Field, grid: Grid) -> float:
    """The part of the grid's pixels where det ∇φ <= 0: the deformation folds."""
    points = grid.points(*placement(displacement)).reshape(-1, grid.ndim)
    parts = [
        torch.linalg.det(deform_jacobian(displacement, p)).detach() for p in points.split(4096)
    ]
    return float((torch.cat(parts) <= 0).double().mean())


def _deformation(jet: Jet) -> Tensor:
    slope = jet.gradient
    if slope.shape[1] != slope.shape[2]:
        raise ValueError(
            f"A displacement has one channel an axis; the field has {slope.shape[1]}, {slope.shape[2]} axes."
        )
    return slope + torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)


@dataclass(frozen=True)
class JacobianDeterminant(Regularizer):
    """mean |det ∇φ - 1|: volumes stay (Wolterink et al. 2022, eq. 5)."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return (torch.linalg.det(_deformation(Jet(field, points))) - 1).abs().mean()


@dataclass(frozen=True)
class BendingEnergy(Regularizer):
    """mean over points of Σ_c Σ_ij (∂²u_c / ∂x_i ∂x_j)², mixed derivatives twice (Rueckert et al. 1999, eq. 5)."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        return Jet(field, points).hessian.square().flatten(1).sum(1).mean()


@dataclass(frozen=True)
class HyperElastic(Regularizer):
    """Lengths, areas and volumes (Burger, Modersitzki & Ruthotto 2013, eq. 5): mean of

        length |∇u|² / 2 + area Σ_k max(|cof_k|² - 1, 0)² + volume (v - 1)⁴ / v²,    v = det ∇φ

    with cof_k the columns of ∇φ's cofactor matrix; areas are of 3-D only. Below v = `floor` the last term goes on as
    its tangent: folded points are pushed back, where the formula has a pole that a step jumps over.
    """

    length: float = 1.0
    area: float = 1.0
    volume: float = 1.0
    floor: float = 0.1

    def __post_init__(self) -> None:
        if min(self.length, self.area, self.volume) < 0 or not 0 < self.floor < 1:
            raise ValueError(
                f"HyperElastic: weights must not be negative and floor lie in (0, 1), got {self}."
            )

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        jet = Jet(field, points)
        jacobian = _deformation(jet)
        energy = 0.5 * self.length * jet.gradient.square().sum((1, 2))
        if jacobian.shape[-1] == 3:
            a, b, c = jacobian.unbind(-1)
            cofactor = torch.stack(
                [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -1
            )
            energy = energy + self.area * (cofactor.square().sum(1) - 1).clamp(min=0).square().sum(
                1
            )
        return (energy + self.volume * self._volume(torch.linalg.det(jacobian))).mean()

    def _volume(self, v: Tensor) -> Tensor:
        least = v.clamp(min=self.floor)
        above = (least - 1) ** 4 / least.square()
        slope = (self.floor - 1) ** 3 * (4 / self.floor**2 - 2 * (self.floor - 1) / self.floor**3)
        return above + slope * (v - least)
