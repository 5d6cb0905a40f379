"""Derivatives of a field as measurements: gradient-domain images and boundary-value problems.

A `Residual(pde)` on the interior and `PointSamples` or `NormalDerivative` on the boundary are terms
of one problem, -Δf = s in Ω, f = g on ∂Ω:

    Term(Residual(lambda u: -u.laplacian, inside), s(inside), L2())
    Term(PointSamples(rim), g(rim), L2(), weight=100.0)

Derivatives are the field's own, by autograd, in physical units. They need the field and not its
values alone, so these operators predict for themselves (`protocol.Predicts`). A prior without the
derivatives is refused by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, Query, placed
from inverse_inr.memory import require
from inverse_inr.operators.jet import Jet
from inverse_inr.operators.rows import PlacedOperator, without_lone_channel
from inverse_inr.ranges import Count, WholeNumber, checked

CHUNK = 4096
"""Rows that are differentiated at a time while no gradients are recorded: it bounds the memory."""


class Differential(PlacedOperator, ABC):
    """Measurements made of a field's derivatives at the pixel centres of a grid, or at points.

    Args:
        where: A grid, or points (*shape, d).
    """

    @abstractmethod
    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        """Compute the measurements from the derivatives at the rows' places.

        Args:
            jet: The field and its derivatives at the b places.
            rows: (b,) numbers of the measurements.

        Returns:
            (b, *m) measurements.
        """

    def predict(self, field: Field, rows: Tensor) -> Tensor:
        """Predict some measurements of a field.

        Args:
            field: The field, smooth enough for the derivatives.
            rows: (b,) numbers of the measurements.

        Returns:
            (b, *m) measurements.
        """
        if torch.is_grad_enabled():
            return self._at(field, rows)
        return torch.cat([self._at(field, part).detach() for part in rows.split(CHUNK)])

    def _at(self, field: Field, rows: Tensor) -> Tensor:
        jet = Jet(field, placed(self.positions(rows), field))
        with torch.enable_grad():
            return self.of(jet, rows)

    def forward(self, rows: Tensor) -> Query:
        """The places of `rows`; their values alone cannot be measured and raise TypeError."""
        return Query(self.positions(rows), self._refuse)

    def _refuse(self, values: Tensor) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} needs the field itself, not its values: "
            "use predict(operator, field)."
        )


class Gradient(Differential):
    """The gradient ∇f: (b, d), or (b, c, d) for several channels.

    Args:
        where: A grid, or points (*shape, d).

    Source:
        Gradient-domain supervision: Sitzmann et al. 2020, section 4.1.
    """

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return _lone(jet.gradient)


class Laplacian(Differential):
    """The Laplacian Δf: (b,), or (b, c) for several channels.

    Args:
        where: A grid, or points (*shape, d).
    """

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return without_lone_channel(jet.laplacian)


class Hessian(Differential):
    """All second derivatives: (b, d, d), or (b, c, d, d) for several channels.

    Args:
        where: A grid, or points (*shape, d).
    """

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return _lone(jet.hessian)


class Divergence(Differential):
    """The divergence Σ_k ∂_k f_k, (b,), of a field with one channel per axis.

    Predicting raises ValueError for another field.

    Args:
        where: A grid, or points (*shape, d).
    """

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return jet.divergence()


class Curl(Differential):
    """The curl of a field: (b, 3) for 3 channels in 3-D, the one component (b,) for 2 in 2-D.

    Predicting raises ValueError for another field.

    Args:
        where: A grid, or points (*shape, d).
    """

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        return jet.curl()


class NormalDerivative(Differential):
    """The derivative along normals, n · ∇f, for Neumann conditions: (b,), or (b, c).

    Args:
        where: Points (*shape, d).
        normals: (*shape, d), of unit length or another.

    Raises:
        ValueError: The normals are not finite or not shaped as the points.
    """

    @checked
    def __init__(self, where: Tensor, normals: Tensor) -> None:
        super().__init__(where)
        if normals.shape != where.shape or not bool(torch.isfinite(normals).all()):
            raise ValueError(
                f"NormalDerivative: normals {tuple(normals.shape)} must be finite and "
                f"shaped as points {tuple(where.shape)}."
            )
        flat = normals.detach().clone().double().reshape(-1, normals.shape[-1])
        self.normals = torch.nn.Buffer(flat)

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        n = self.normals[rows.to(self.normals.device)].to(jet.gradient.dtype)
        return without_lone_channel(torch.einsum("bcd,bd->bc", jet.gradient, n))


class Residual(Differential):
    """A differential equation whose values are to be fitted to a right-hand side.

    Args:
        pde: A function of the field's `Jet` u that returns (b,) or (b, *m); a last axis of length 1
            is dropped. The heat equation with time as axis 1 is
            `lambda u: u.d(1) - 0.1 * u.d(0, 0)`; `u.points` are the places. An nn.Module learns its
            coefficients, with the solver's `operator_lr`.
        where: A grid, or points (*shape, d).
        jitter: Draw the places inside their pixels at each training step, so that the equation
            holds between the pixel centres too. It needs a grid, and a right-hand side inside `pde`
            (y = 0), because the places move.

    Raises:
        ValueError: `jitter` without a grid; when predicting, a result of another length.
    """

    @checked
    def __init__(
        self, pde: Callable[[Jet], Tensor], where: Grid | Tensor, *, jitter: bool = False
    ) -> None:
        super().__init__(where)
        if jitter and self.where is None:
            raise ValueError(
                "Residual: jitter draws places inside pixels, so it needs a grid, not points."
            )
        self.pde = pde
        self.jitter = jitter

    def positions(self, rows: Tensor | None = None) -> Tensor:
        points = super().positions(rows)
        if not (self.training and self.jitter):
            return points
        assert self.where is not None
        shift = torch.rand(points.shape).to(points) - 0.5
        return points + shift * points.new_tensor(self.where.spacing)

    def of(self, jet: Jet, rows: Tensor) -> Tensor:
        result = self.pde(jet)
        if result.ndim == 0 or len(result) != len(rows):
            raise ValueError(
                f"Residual: pde returned shape {tuple(result.shape)} for {len(rows)} places."
            )
        if result.ndim == 1:
            return result
        return without_lone_channel(result)


def _lone(values: Tensor) -> Tensor:
    """(b, 1, ...) -> (b, ...)."""
    if values.shape[1] == 1:
        return values[:, 0]
    return values


@checked
def box_boundary(
    box: Box, count: Count, *, faces: list[tuple[int, int]] | None = None, seed: WholeNumber = 0
) -> tuple[Tensor, Tensor]:
    """Draw random points on faces of a box, in proportion to their areas.

    Args:
        box: The box.
        count: The number of points.
        faces: Pairs (axis, side), side 0 the lower and 1 the upper; all faces by default.
            [(k, 0)] for a time axis k is the initial state.
        seed: The seed of the drawing.

    Returns:
        The points and their outward unit normals, (count, d) each, float64.

    Raises:
        ValueError: `count` is below 1, or a face does not exist.
    """
    if faces is None:
        faces = [(k, side) for k in range(box.ndim) for side in (0, 1)]
    if not faces or not all(0 <= k < box.ndim and side in (0, 1) for k, side in faces):
        raise ValueError(
            f"box_boundary: faces={faces} must be pairs (axis, 0 or 1) of a box with {box.ndim} "
            "axes."
        )
    require(f"box_boundary: count={count} points", 64.0 * count * box.ndim, "Draw fewer.")
    generator = torch.Generator().manual_seed(seed)
    # a face's area is the box's volume divided by its length across the face
    areas = torch.tensor([1 / box.lengths[k] for k, _ in faces], dtype=torch.float64)
    which = torch.multinomial(areas, count, replacement=True, generator=generator)
    axis, side = torch.tensor(faces)[which].unbind(1)
    points = box.random_points(count, dtype=torch.float64, generator=generator)
    walls = torch.tensor([box.lower, box.upper], dtype=torch.float64)
    points[torch.arange(count), axis] = walls[side, axis]
    normals = torch.zeros_like(points)
    normals[torch.arange(count), axis] = 2.0 * side.double() - 1.0
    return points, normals
