"""Deformable registration: the field is a displacement u, seen through the image that it moves.

    y(x) = M(x + u(x))        (Wolterink et al. 2022, IDIR)

M is the moving image; u has one channel per axis, in the box's units. The operator is nonlinear in
u. Fidelities for it are `fidelity.NCC`, `fidelity.LocalNCC` or any noise model. The regularizers
here act on the deformation φ(x) = x + u(x), by the field's own derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr import Field, Grid, Query, SampledField, placement
from inverse_inr.operators.jet import Jet
from inverse_inr.operators.rows import PlacedOperator, without_lone_channel
from inverse_inr.ranges import NonNegative, ProperFraction, checked
from inverse_inr.regularizers import Regularizer


class WarpedImage(PlacedOperator):
    """The moving image at x + u(x), for places x of the fixed image.

    If both grids carry a NIfTI affine, x + u is taken to the moving image through world
    coordinates.

    Args:
        moving: Any field: a `SampledField(values, grid)` is multilinear between its pixels and zero
            outside.
        where: The grid of the fixed image, whose pixel centres are the places, or points
            (*shape, d).

    Raises:
        ValueError: The moving image has another dimension, or only one of two grids has an affine;
            when predicting, the displacement has another number of channels.
    """

    values: Tensor | None
    matrix: Tensor | None
    offset: Tensor | None

    @checked
    def __init__(self, moving: Field, where: Grid | Tensor) -> None:
        super().__init__(where)
        for name in ("values", "matrix", "offset"):
            self.register_buffer(name, None)
        if isinstance(moving, SampledField):
            if moving.grid.ndim != self.ndim:
                raise ValueError(
                    f"WarpedImage: the moving image has {moving.grid.ndim} axes, "
                    f"the places {self.ndim}."
                )
            self.moving_grid = moving.grid
            self.values = moving.values.detach().clone()
            if self.where is not None:
                self._align(self.where, moving.grid)
        elif isinstance(moving, nn.Module):
            self.moving = moving.requires_grad_(False)
        else:
            self.moving = moving

    def _align(self, fixed: Grid, moving: Grid) -> None:
        if (fixed.affine is None) != (moving.affine is None):
            raise ValueError(
                "WarpedImage: only one of the two images has an affine, so nothing says how they "
                "lie to each other. Give both, or neither: grid.with_affine(...)."
            )
        if fixed.affine is None or moving.affine is None:
            return
        if fixed.ndim != 3:
            raise ValueError(
                f"WarpedImage: affines are of 3-D images; these have {fixed.ndim} axes."
            )
        across = torch.linalg.solve(_to_world(moving), _to_world(fixed))
        if not torch.allclose(across, torch.eye(4, dtype=across.dtype), atol=1e-9):
            self.matrix = across[:3, :3].clone()
            self.offset = across[:3, 3].clone()

    def forward(self, rows: Tensor) -> Query:
        """Look at the displacement at the places of `rows`; measure the moving image there."""
        x = self.positions(rows)

        def measure(displacement: Tensor) -> Tensor:
            if displacement.shape[-1] != self.ndim:
                raise ValueError(
                    f"WarpedImage: a displacement in {self.ndim} dimensions has as many channels; "
                    f"the field has {displacement.shape[-1]}. "
                    f"Problem(..., channels={self.ndim})."
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
    """The matrix (4, 4) that takes homogeneous coordinates of the box to world mm.

    The affine counts from the first pixel's centre.
    """
    index = torch.eye(4, dtype=torch.float64)
    for k, (a, h) in enumerate(zip(grid.box.lower, grid.spacing, strict=True)):
        index[k, k] = 1 / h
        index[k, 3] = -a / h - 0.5
    return torch.tensor(grid.affine, dtype=torch.float64) @ index


@checked
def deform_jacobian(displacement: Field, points: Tensor) -> Tensor:
    """The Jacobian of the deformation, ∇φ = I + ∇u.

    Args:
        displacement: The field u, with one channel per axis.
        points: (n, d) places.

    Returns:
        (n, d, d) matrices.
    """
    return _deformation(Jet(displacement, points))


@checked
def folded_fraction(displacement: Field, grid: Grid) -> float:
    """The share of pixels in which the deformation folds, that is det ∇φ <= 0.

    Args:
        displacement: The field u, with one channel per axis.
        grid: The grid whose pixel centres are looked at.

    Returns:
        A fraction from 0 to 1.
    """
    points = grid.points(*placement(displacement)).reshape(-1, grid.ndim)
    parts = [
        torch.linalg.det(deform_jacobian(displacement, p)).detach() for p in points.split(4096)
    ]
    return float((torch.cat(parts) <= 0).double().mean())


def _deformation(jet: Jet) -> Tensor:
    slope = jet.gradient
    if slope.shape[1] != slope.shape[2]:
        raise ValueError(
            f"A displacement has one channel an axis; the field has {slope.shape[1]}, "
            f"{slope.shape[2]} axes."
        )
    return slope + torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)


@dataclass(frozen=True)
class JacobianDeterminant(Regularizer):
    """The mean of |det ∇φ - 1|, which keeps volumes as they are.

    Source:
        Wolterink et al. 2022, eq. 5.
    """

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        """The mean over `points` (n, d) for the displacement `field`."""
        return (torch.linalg.det(_deformation(Jet(field, points))) - 1).abs().mean()


@dataclass(frozen=True)
class BendingEnergy(Regularizer):
    """The mean of Σ_c Σ_ij (∂²u_c / ∂x_i ∂x_j)², in which mixed derivatives count twice.

    Source:
        Rueckert et al. 1999, eq. 5.
    """

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        """The mean over `points` (n, d) for the displacement `field`."""
        return Jet(field, points).hessian.square().flatten(1).sum(1).mean()


@checked
@dataclass(frozen=True)
class HyperElastic(Regularizer):
    """The mean change of lengths, areas and volumes.

    It is the mean of

        length |∇u|² / 2 + area Σ_k max(|cof_k|² - 1, 0)² + volume (v - 1)⁴ / v²,    v = det ∇φ

    with cof_k the columns of ∇φ's cofactor matrix; the area term exists in 3-D only. Below
    v = `floor` the last term continues as its tangent: that pushes folded points back, whereas the
    formula has a pole that a step jumps over.

    Args:
        length: Weight of the changes of length.
        area: Weight of the changes of area.
        volume: Weight of the changes of volume.
        floor: The determinant below which the volume term is its tangent, in (0, 1).

    Raises:
        ValueError: A weight is negative, or `floor` lies outside (0, 1).

    Source:
        Burger, Modersitzki & Ruthotto 2013, eq. 5.
    """

    length: NonNegative = 1.0
    area: NonNegative = 1.0
    volume: NonNegative = 1.0
    floor: ProperFraction = 0.1

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        """The mean over `points` (n, d) for the displacement `field`."""
        jet = Jet(field, points)
        jacobian = _deformation(jet)
        energy = 0.5 * self.length * jet.gradient.square().sum((1, 2))
        if jacobian.shape[-1] == 3:
            a, b, c = jacobian.unbind(-1)
            cofactor = torch.stack(
                [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -1
            )
            excess = (cofactor.square().sum(1) - 1).clamp(min=0)
            energy = energy + self.area * excess.square().sum(1)
        return (energy + self.volume * self._volume(torch.linalg.det(jacobian))).mean()

    def _volume(self, v: Tensor) -> Tensor:
        least = v.clamp(min=self.floor)
        above = (least - 1) ** 4 / least.square()
        slope = (self.floor - 1) ** 3 * (4 / self.floor**2 - 2 * (self.floor - 1) / self.floor**3)
        return above + slope * (v - least)
