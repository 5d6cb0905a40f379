"""Receive coils: sensitivities as complex fields, given or learnt with the image.

A field of coils maps points (*s, d) to values (*s, coils). k-space fixes only the products s_c f,
so that s_c g and f / g fit as well for any g(x). The gauge here is Σ_c |s_c|² = 1, which makes |f|
the root sum of squares of the coil images, together with Σ_c r_c* s_c >= 0 for reference maps r
(those that learning starts from), which keeps their phase.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, lengths, sample
from inverse_inr.memory import require
from inverse_inr.operators.quadrature import legendre
from inverse_inr.ranges import Count, Finite, WholeNumber, checked


class GivenCoils(nn.Module):
    """Known maps: multilinear between the pixels of their grid, and zero outside its box.

    Args:
        maps: (coils, *grid.shape), real or complex.
        grid: The grid of the maps.

    Raises:
        ValueError: For maps of another shape, NaN or Inf.
    """

    @checked
    def __init__(self, maps: Tensor, grid: Grid) -> None:
        super().__init__()
        if tuple(maps.shape[1:]) != grid.shape:
            raise ValueError(
                f"Coil maps have shape {tuple(maps.shape)}, the grid {grid.shape}; "
                f"expected (coils, {', '.join(map(str, grid.shape))}). "
                "Is the coil axis in another place?"
            )
        if not torch.isfinite(torch.view_as_real(maps + 0j)).all():
            raise ValueError("Coil maps hold NaN or Inf.")
        self.grid = grid
        self.count = len(maps)
        pairs = torch.view_as_real((maps + 0j).movedim(0, -1).contiguous())
        self.pairs = nn.Buffer(pairs)  # real pairs: .to(float32) drops imaginary parts
        self._sampled: tuple[Grid, int, Tensor, Tensor] | None = None

    @property
    def maps(self) -> Tensor:
        """The maps with the coils last, (*grid.shape, coils), complex."""
        return torch.view_as_complex(self.pairs)

    def forward(self, points: Tensor) -> Tensor:
        """Sensitivities at points: (*s, d) -> (*s, coils)."""
        return SampledField(self.maps, self.grid)(points)

    def sample(self, grid: Grid) -> Tensor:
        """Sensitivities at the pixels of a grid, (*grid.shape, coils); exact on their own grid.

        Those of the last grid are kept, each coil in one piece of memory: an iterative method asks
        for them in every step.
        """
        pairs, kept = self.pairs, self._sampled
        if kept is not None and kept[:2] == (grid, pairs._version) and kept[2] is pairs:
            return kept[3]
        with torch.inference_mode(False):  # they are remembered, and must serve training too
            values = self.maps
            if grid != self.grid:
                values = self(grid.points(pairs.dtype, pairs.device))
            values = values.movedim(-1, 0).contiguous().movedim(0, -1)
        if not values.requires_grad:
            self._sampled = (grid, pairs._version, pairs, values)
        return values


class LearnedCoils(nn.Module):
    """Maps learnt with the image: start plus correction, in the gauge of this module.

    Args:
        correction: Any learnable complex field of `coils` channels: `PolynomialMaps`, a coarse
            cubic grid (`priors.grid(box, coils, cells=12, order=3, head="complex")`), or any
            network of the catalogue.
        start: Maps to start from and to take the phase of: those of the calibration region. None
            starts from the correction alone.
    """

    @checked
    def __init__(self, correction: nn.Module, start: GivenCoils | None = None) -> None:
        super().__init__()
        self.correction = correction
        self.start = start
        if start is not None:
            start.requires_grad_(False)

    def forward(self, points: Tensor) -> Tensor:
        """Sensitivities at points: (*s, d) -> (*s, coils)."""
        if self.start is None:
            return _unit(self.correction(points))
        return self._fixed(self.correction(points), self.start(points))

    def sample(self, grid: Grid) -> Tensor:
        """Sensitivities at the pixels of a grid, (*grid.shape, coils)."""
        if self.start is None:
            return _unit(sample(self.correction, grid))
        return self._fixed(sample(self.correction, grid), self.start.sample(grid))

    def _fixed(self, correction: Tensor, start: Tensor) -> Tensor:
        """The sum in the gauge: unit length, and the phase of `start`."""
        start = start.to(correction.dtype)
        maps = correction + start
        overlap = (start.conj() * maps).sum(-1, keepdim=True)
        size = lengths(maps) * overlap.abs()
        # the factor of one channel is divided, not the product of all coils
        return maps * (overlap.conj() / size.clamp(min=tiny(maps)))


class PolynomialMaps(nn.Module):
    """Smooth maps of low order: Σ c_ij.. P_i(x_0) P_j(x_1) ..

    P are Legendre polynomials on the box, and the complex coefficients c are learnt.

    Coil sensitivities are smooth, and a low-order polynomial is their usual model.

    Args:
        box: The box on which the polynomials are orthogonal.
        coils: Number of coils.
        degree: Largest total degree.
        constant: Start of the constant coefficients; all others start from zero.

    Raises:
        ValueError: For no coils or a negative degree.

    Source:
        Ying & Sheng, MRM 57, 2007 (JSENSE).
    """

    @checked
    def __init__(
        self, box: Box, coils: Count, degree: WholeNumber = 8, *, constant: Finite = 0.0
    ) -> None:
        super().__init__()
        if coils < 1 or degree < 0:
            raise ValueError(
                f"PolynomialMaps: coils={coils} must be at least 1, degree={degree} at least 0."
            )
        require(
            f"PolynomialMaps: coils={coils} of degree={degree} in {box.ndim} dimensions",
            # the candidate powers, and two numbers a coil
            (64.0 + 16.0 * coils) * (degree + 1.0) ** box.ndim,
            "Fewer coils, or a lower degree.",
        )
        self.box = box
        self.degree = degree
        powers = [p for p in product(range(degree + 1), repeat=box.ndim) if sum(p) <= degree]
        self.powers = nn.Buffer(torch.tensor(powers), persistent=False)
        start = torch.zeros(coils, len(powers), 2)
        start[:, 0, 0] = constant
        self.coefficients = nn.Parameter(start)

    def forward(self, points: Tensor) -> Tensor:
        """Sensitivities at points: (*s, d) -> (*s, coils)."""
        lower = points.new_tensor(self.box.lower)
        length = points.new_tensor(self.box.lengths)
        factors = legendre(2 * (points - lower) / length - 1, self.degree)  # (*s, d, degree + 1)
        basis = torch.ones(1, dtype=points.dtype, device=points.device)
        for axis in range(self.box.ndim):
            basis = basis * factors[..., axis, :][..., self.powers[:, axis]]
        return basis.to(self._complex().dtype) @ self._complex().T

    def sample(self, grid: Grid) -> Tensor:
        """Sensitivities at the pixels of a grid, (*grid.shape, coils).

        Computed axis by axis: the coefficients as a (coils, degree + 1, ...) array times 1-D
        polynomials.
        """
        values = self._complex()
        dense = values.new_zeros(len(values), *(self.degree + 1,) * grid.ndim)
        coil = torch.arange(len(values), device=values.device)[:, None]
        dense = dense.index_put((coil, *(p[None] for p in self.powers.T)), values)
        for axis, a in enumerate(grid.axes(self.coefficients.dtype, self.coefficients.device)):
            lower = self.box.lower[axis]
            length = self.box.lengths[axis]
            basis = legendre(2 * (a - lower) / length - 1, self.degree).to(values.dtype)
            # each turn eats the next axis of coefficients and leaves the pixels last
            dense = torch.einsum("cp...,np->c...n", dense, basis)
        return dense.movedim(0, -1)

    def _complex(self) -> Tensor:
        return torch.view_as_complex(self.coefficients)


def tiny(maps: Tensor) -> float:
    """Divisors are kept above this, the squared precision, so that zero maps stay zero."""
    return torch.finfo(maps.dtype).eps ** 2


def _unit(maps: Tensor) -> Tensor:
    return maps * lengths(maps).clamp(min=tiny(maps)).reciprocal()
