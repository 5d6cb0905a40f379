"""Derivatives of a field as measurements: gradient-domain images and boundary-value problems.

A `Residual(pde)` on the interior and `PointSamples` or `NormalDerivative` on the boundary are terms of one problem:

    -Δf = s in Ω, f = g on ∂Ω:     Term(Residual(lambda u: -u.laplacian, inside), s(inside), L2())
                                   Term(PointSamples(rim), g(rim), L2(), weight=100.0)

Derivatives are the field's own, by autograd, in physical units; they need the field and not its values alone, so these
operators predict for themselves (`protocol.Predicts`). A prior without the derivatives is refused by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Query, placed, require_smooth
from inverse_inr.operators.rows import PlacedOperator, without_lone_channel

CHUNK = 4096
"""Rows differentiated at a time where nothing is recorded: memory bound of evaluation."""


class Jet:
    """A field and its derivatives at (b, d) points, each computed when asked for and once.

    `points`; `value` (b, c); `d(0)` = ∂f/∂x_0, `d(0, 1)` = ∂²f/∂x_0∂x_1, any order, each (b, c); `gradient` (b, c, d);
    `hessian` (b, c, d, d); `laplacian` (b, c). Complex fields have complex derivatives.
    Raises TypeError for a field that is not smooth enough for what is asked.
    """

    def __init__(self, field: Field, points: Tensor) -> None:
        self.field = field
        self.points = points.detach().requires_grad_()
        with torch.enable_grad():
            values = field(self.points)
            self.complex = values.is_complex()
            self._real = (
                torch.view_as_real(values) if self.complex else values[..., None]
            )  # (b, c, 1 or 2)
        self._slopes: dict[tuple[int, ...], Tensor] = {}

    def _number(self, parts: Tensor) -> Tensor:
        """(b, c, 1 or 2, ...) -> (b, c, ...), complex again where the field is."""
        if not self.complex:
            return parts[:, :, 0]
        return torch.complex(parts[:, :, 0], parts[:, :, 1])

    def _slope(self, axes: tuple[int, ...]) -> Tensor:
        """All first derivatives of the derivative along `axes`: (b, c, 1 or 2, d)."""
        axes = tuple(sorted(axes))  # the order of differentiation does not matter
        if axes not in self._slopes:
            require_smooth(self.field, len(axes) + 1)
            rows = []
            with torch.enable_grad():
                parts = self._parts(axes)
                for part in parts.flatten(1).unbind(1):
                    if part.requires_grad:
                        slope = torch.autograd.grad(
                            part.sum(), self.points, create_graph=True, materialize_grads=True
                        )[0]
                    else:  # constant in the coordinates
                        slope = torch.zeros_like(self.points)
                    rows.append(slope)
                self._slopes[axes] = torch.stack(rows, 1).unflatten(1, parts.shape[1:])
        return self._slopes[axes]

    def _parts(self, axes: tuple[int, ...]) -> Tensor:
        if not axes:
            return self._real
        axes = tuple(sorted(axes))
        return self._slope(axes[:-1])[..., axes[-1]]

    def d(self, *axes: int) -> Tensor:
        """The partial derivative along `axes`, (b, c)."""
        if any(not 0 <= k < self.points.shape[-1] for k in axes):
            raise IndexError(
                f"d{axes}: the field has {self.points.shape[-1]} axes, numbered from 0."
            )
        return self._number(self._parts(axes))

    @property
    def value(self) -> Tensor:
        return self._number(self._real)

    @property
    def gradient(self) -> Tensor:
        return self._number(self._slope(()))

    @property
    def laplacian(self) -> Tensor:
        parts = [self._slope((k,))[..., k] for k in range(self.points.shape[-1])]
        return self._number(torch.stack(parts).sum(0))

    @property
    def hessian(self) -> Tensor:
        return self._number(
            torch.stack([self._slope((k,)) for k in range(self.points.shape[-1])], -2)
        )

    def divergence(self) -> Tensor:
        """Σ_k ∂_k f_k of a field with one channel an axis: (b,)."""
        d, c = self.points.shape[-1], self._real.shape[1]
        if c != d:
            raise ValueError(
                f"A divergence needs one channel an axis; the field has {c} channels and {d} axes."
            )
        return self.gradient.diagonal(dim1=-2, dim2=-1).sum(-1)

    def curl(self) -> Tensor:
        """(b, 3) of a field with 3 channels in 3-D; ∂_0 f_1 - ∂_1 f_0, (b,), of 2 channels in 2-D."""
        d, c = self.points.shape[-1], self._real.shape[1]
        if (c, d) not in ((2, 2), (3, 3)):
            raise ValueError(
                f"A curl needs 2 channels in 2-D or 3 in 3-D; the field has {c} channels and {d} axes."
            )
        j = self.gradient
        if d == 2:
            return j[:, 1, 0] - j[:, 0, 1]
        return torch.stack(
            [j[:, (k + 2) % 3, (k + 1) % 3] - j[:, (k + 1) % 3, (k + 2) % 3] for k in range(3)], -1
        )


class Differential(PlacedOperator, ABC):
    """Measurements made of a field's derivatives at the pixel centres of a grid, or at points (*shape, d)."""

    @abstractmethod
    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        """(b, *m) from the derivatives at the rows' places."""

    def predict(self, field: Field, rows: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self._at(field, rows)
        return torch.cat([self._at(field, part).detach() for part in rows.split(CHUNK)])

    def _at(self, field: Field, rows: Tensor) -> Tensor:
        jet = Jet(field, placed(self.positions(rows), field))
        with torch.enable_grad():
            return self.of(jet, rows)

    def forward(self, rows: Tensor) -> Query:
        return Query(self.positions(rows), self._refuse)

    def _refuse(self, values: Tensor) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} needs the field itself, not its values: use predict(operator, field)."
        )


class Gradient(Differential):
    """∇f: (b, d), or (b, c, d) of several channels (gradient-domain supervision, Sitzmann et al. 2020, section 4.1)."""

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return _lone(jet.gradient)


class Laplacian(Differential):
    """Δf: (b,), or (b, c) of several channels."""

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return without_lone_channel(jet.laplacian)


class Hessian(Differential):
    """All second derivatives: (b, d, d), or (b, c, d, d) of several channels."""

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return _lone(jet.hessian)


class Divergence(Differential):
    """Σ_k ∂_k f_k, (b,), of a field with one channel an axis. Raises ValueError for another."""

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return jet.divergence()


class Curl(Differential):
    """Of 3 channels in 3-D (b, 3), of 2 in 2-D the one component (b,). Raises ValueError for another field."""

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return jet.curl()


class NormalDerivative(Differential):
    """n · ∇f at points, with unit or other `normals` (*shape, d): Neumann conditions. (b,), or (b, c)."""

    def __init__(self, where: Tensor, normals: Tensor) -> None:
        super().__init__(where)
        if normals.shape != where.shape or not bool(torch.isfinite(normals).all()):
            raise ValueError(
                f"NormalDerivative: normals {tuple(normals.shape)} must be finite and shaped as points "
                f"{tuple(where.shape)}."
            )
        self.normals = torch.nn.Buffer(
            normals.detach().clone().double().reshape(-1, normals.shape[-1])
        )

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        n = self.normals[rows.to(self.normals.device)].to(jet.gradient.dtype)
        return without_lone_channel(torch.einsum("bcd,bd->bc", jet.gradient, n))


class Residual(Differential):
    """A differential equation: `pde(u)` of the field's `Jet`, (b,) or (b, *m), to be fitted to a right-hand side.

    pde       e.g. lambda u: u.d(1) - 0.1 * u.d(0, 0), the heat equation with time as axis 1; u.points are the places.
              An nn.Module learns its coefficients, with the solver's `operator_lr`.
    jitter    in training, places are drawn inside their pixels at each step, so that the equation holds between them;
              needs a grid and a right-hand side inside `pde` (y = 0), for its places move.
    A last axis of length 1 is dropped. Raises ValueError for jitter without a grid, a result of another length.
    """

    def __init__(
        self, pde: Callable[[Jet], Tensor], where: Grid | Tensor, *, jitter: bool = False
    ) -> None:
        super().__init__(where)
        if jitter and self.where is None:
            raise ValueError(
                "Residual: jitter draws places inside pixels, so it needs a grid, not points."
            )
        self.pde, self.jitter = pde, jitter

    def positions(self, rows: Tensor | None = None) -> Tensor:
        points = super().positions(rows)
        if not (self.training and self.jitter):
            return points
        assert self.where is not None
        return points + (torch.rand(points.shape).to(points) - 0.5) * points.new_tensor(
            self.where.spacing
        )

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        result = self.pde(jet)
        if result.ndim == 0 or len(result) != len(rows):
            raise ValueError(
                f"Residual: pde returned shape {tuple(result.shape)} for {len(rows)} places."
            )
        return without_lone_channel(result) if result.ndim > 1 else result


def _lone(values: Tensor) -> Tensor:
    """(b, 1, ...) -> (b, ...)."""
    return values[:, 0] if values.shape[1] == 1 else values


def box_boundary(
    box: Box, count: int, *, faces: list[tuple[int, int]] | None = None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """`count` random points on faces of the box, by area, and their outward unit normals: both (count, d), float64.

    `faces` are (axis, side), side 0 the lower and 1 the upper; all by default. [(k, 0)] of a time axis k is the
    initial state. Raises ValueError for no points or a face that is none.
    """
    faces = [(k, side) for k in range(box.ndim) for side in (0, 1)] if faces is None else faces
    if count < 1 or not faces or not all(0 <= k < box.ndim and side in (0, 1) for k, side in faces):
        raise ValueError(
            f"box_boundary: count={count} points on faces {faces} of a box with {box.ndim} axes."
        )
    generator = torch.Generator().manual_seed(seed)
    areas = torch.tensor(
        [1 / box.lengths[k] for k, _ in faces], dtype=torch.float64
    )  # area times the box's volume
    which = torch.multinomial(areas, count, replacement=True, generator=generator)
    axis, side = torch.tensor(faces)[which].unbind(1)
    points = box.random_points(count, dtype=torch.float64, generator=generator)
    walls = torch.tensor([box.lower, box.upper], dtype=torch.float64)
    points[torch.arange(count), axis] = walls[side, axis]
    normals = torch.zeros_like(points)
    normals[torch.arange(count), axis] = 2.0 * side.double() - 1.0
    return points, normals
