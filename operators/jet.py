"""A field together with its derivatives, which autograd computes when they are asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Field, require_smooth


class Jet:
    """A field and its derivatives at given points, each computed once, when asked for.

    Complex fields have complex derivatives. All derivatives raise TypeError for a field that is not
    smooth enough for what is asked.

    Args:
        field: The field, differentiable by autograd.
        points: (b, d) places in the unit of the field's box.

    Attributes:
        field: The field.
        points: The places, which require gradients.
        complex: True if the field's values are complex.
    """

    def __init__(self, field: Field, points: Tensor) -> None:
        self.field = field
        self.points = points.detach().requires_grad_()
        with torch.enable_grad():
            values = field(self.points)
            self.complex = values.is_complex()
            self._real = values[..., None]  # (b, c, 1 or 2)
            if self.complex:
                self._real = torch.view_as_real(values)
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
            with torch.enable_grad():
                parts = self._parts(axes)
                slopes = [self._slope_of(part) for part in parts.flatten(1).unbind(1)]
                self._slopes[axes] = torch.stack(slopes, 1).unflatten(1, parts.shape[1:])
        return self._slopes[axes]

    def _slope_of(self, part: Tensor) -> Tensor:
        """The first derivatives (b, d) of one real number per place, (b,)."""
        if not part.requires_grad:  # constant in the coordinates
            return torch.zeros_like(self.points)
        return torch.autograd.grad(
            part.sum(), self.points, create_graph=True, materialize_grads=True
        )[0]

    def _parts(self, axes: tuple[int, ...]) -> Tensor:
        if not axes:
            return self._real
        axes = tuple(sorted(axes))
        return self._slope(axes[:-1])[..., axes[-1]]

    def d(self, *axes: int) -> Tensor:
        """The partial derivative along some axes, of any order.

        Args:
            axes: One axis per differentiation: d(0) is ∂f/∂x_0, d(0, 1) is ∂²f/∂x_0∂x_1.

        Returns:
            (b, c) values.

        Raises:
            IndexError: The field has no such axis.
        """
        if any(not 0 <= k < self.points.shape[-1] for k in axes):
            raise IndexError(
                f"d{axes}: the field has {self.points.shape[-1]} axes, numbered from 0."
            )
        return self._number(self._parts(axes))

    @property
    def value(self) -> Tensor:
        """The field's values, (b, c)."""
        return self._number(self._real)

    @property
    def gradient(self) -> Tensor:
        """The first derivatives, (b, c, d)."""
        return self._number(self._slope(()))

    @property
    def laplacian(self) -> Tensor:
        """The sum of the second derivatives along each axis, (b, c)."""
        parts = [self._slope((k,))[..., k] for k in range(self.points.shape[-1])]
        return self._number(torch.stack(parts).sum(0))

    @property
    def hessian(self) -> Tensor:
        """All second derivatives, (b, c, d, d)."""
        rows = [self._slope((k,)) for k in range(self.points.shape[-1])]
        return self._number(torch.stack(rows, -2))

    def divergence(self) -> Tensor:
        """The divergence Σ_k ∂_k f_k.

        Returns:
            (b,) values.

        Raises:
            ValueError: The field does not have one channel per axis.
        """
        d = self.points.shape[-1]
        c = self._real.shape[1]
        if c != d:
            raise ValueError(
                f"A divergence needs one channel an axis; the field has {c} channels and {d} axes."
            )
        return self.gradient.diagonal(dim1=-2, dim2=-1).sum(-1)

    def curl(self) -> Tensor:
        """The curl of a vector field in 2-D or 3-D.

        Returns:
            (b, 3) in 3-D; in 2-D the one component ∂_0 f_1 - ∂_1 f_0, (b,).

        Raises:
            ValueError: The field does not have 2 channels in 2-D or 3 channels in 3-D.
        """
        d = self.points.shape[-1]
        c = self._real.shape[1]
        if (c, d) not in ((2, 2), (3, 3)):
            raise ValueError(
                "A curl needs 2 channels in 2-D or 3 in 3-D; "
                f"the field has {c} channels and {d} axes."
            )
        j = self.gradient
        if d == 2:
            return j[:, 1, 0] - j[:, 0, 1]
        return torch.stack(
            [j[:, (k + 2) % 3, (k + 1) % 3] - j[:, (k + 1) % 3, (k + 2) % 3] for k in range(3)], -1
        )
