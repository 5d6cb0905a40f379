"""Lattices over some of the axes, and features joined from them: `Factor`, `Planes`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Encoding
from inverse_inr.priors.lattices.axes import divided
from inverse_inr.priors.lattices.encoding import GridEncoding

JOINS = {"sum": torch.add, "product": torch.mul}
"""How the features of several planes are joined, by kind."""

START = {"sum": (-0.2, 0.2), "product": (0.1, 0.5)}
"""Bounds of the uniform starting numbers; factors of a product start away from zero."""


class Factor(nn.Module):
    """A `GridEncoding` over some axes of a box, constant along the others.

    Args:
        box: The box of the field.
        axes: The axes that the features depend on.
        cells: For each level the number of cells along the longest side of the box.
        features: Features per level.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
    """

    def __init__(
        self,
        box: Box,
        axes: Sequence[int],
        cells: Sequence[float],
        features: int,
        interpolation: str,
    ) -> None:
        super().__init__()
        sides = [box.lengths[k] * box.scale[k] / 2 for k in axes]
        self.axes = list(axes)
        self.reach = max(sides)
        # a box of its own, whose longest side normalises to [-1, 1]
        own = Box(tuple(-n for n in sides), tuple(sides))
        self.lattice = GridEncoding(
            own,
            [n * self.reach for n in cells],
            features,
            interpolation=interpolation,
            table=2**31 - 1,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, size)."""
        return self.lattice(x[..., self.axes] / self.reach)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice.

        Args:
            axes: For each of d axes the normalised coordinates along it, (n_k,).

        Returns:
            (*shape, size), of length 1 along the axes that the features do not depend on.
        """
        values = self.lattice.on_axes([divided(axes[k], self.reach) for k in self.axes])
        shape = [1] * len(axes)
        for k in self.axes:
            shape[k] = len(axes[k])
        return values.reshape(*shape, values.shape[-1])

    def fill(self, low: float, high: float, generator: torch.Generator) -> None:
        """Fill the table in place with uniform random numbers.

        Args:
            low: The smallest number.
            high: The largest number.
            generator: Source of the random numbers.
        """
        with torch.no_grad():
            self.lattice.table.uniform_(low, high, generator=generator)


class Planes(Encoding):
    """Features of all pairs of axes, added (tri-plane) or multiplied (K-planes).

    In 2-D the one plane would be a dense grid: there it is the two lines, joined likewise, together
    with the plane at all resolutions but the finest (GA-Planes). In 1-D it is a line.

    Args:
        box: The box of the field.
        cells: For each level the number of cells along the longest side of the box, rising.
        features: Features per level and plane.
        kind: "sum" or "product": how planes are joined.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
        generator: Source of the random starting numbers.

    Source:
        Sum: Chan et al. 2022, EG3D, section 4. Product: Fridovich-Keil et al. 2023, K-Planes, eq.
        1. In 2-D: Sivgin et al. 2024, GA-Planes.
    """

    fills_the_box = True

    def __init__(
        self,
        box: Box,
        cells: Sequence[float],
        features: int,
        *,
        kind: str,
        interpolation: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        axes_of_a_factor = 2 if box.ndim > 2 else 1
        groups = itertools.combinations(range(box.ndim), axes_of_a_factor)
        self.factors = nn.ModuleList(Factor(box, g, cells, features, interpolation) for g in groups)
        self.kind = kind
        self.size = features * len(cells)
        if box.ndim == 2:
            coarse = cells[: max(1, len(cells) - 1)]
            self.plane = Factor(box, (0, 1), coarse, features, interpolation)
            self.size += features * len(coarse)
        else:
            self.plane = None
        bounds = START[kind]
        for factor in self.modules():
            if isinstance(factor, Factor):
                factor.fill(*bounds, generator)
                self.smoothness = factor.lattice.smoothness

    def forward(self, x: Tensor) -> Tensor:
        joined = self._join([factor(x) for factor in self.factors])
        if self.plane is None:
            return joined
        return torch.cat([joined, self.plane(x)], -1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice: each plane once, then broadcasting."""
        joined = self._join(
            [factor.on_axes(axes) for factor in self.factors if isinstance(factor, Factor)]
        )
        if self.plane is None:
            return joined
        return torch.cat([joined, self.plane.on_axes(axes)], -1)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return functools.reduce(JOINS[self.kind], parts)
