"""A low-rank tensor of lattices as a network: `TensorDecomposition`."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.lattices.factors import Factor


class TensorDecomposition(nn.Module):
    """f_c(x) = Σ_r basis[r, c] Π_k A_k(x)[r], linear in each factor A_k.

    "cp" takes one line per axis. "vm" takes, for every way to halve the axes, the product of the
    two halves: lines times planes in 3-D, planes times planes in 4-D (HexPlane). In 2-D both are a
    sum of products of two lines, in 1-D a line.

    Args:
        box: The box of the field.
        outputs: Numbers per point.
        kind: "cp" or "vm".
        cells: Cells along the longest side of the box.
        rank: Products per term.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
        generator: Source of the random starting numbers.

    Source:
        Chen et al. 2022, TensoRF, eqs. 3 and 4. In 4-D: Cao & Johnson 2023, HexPlane.
    """

    fills_the_box = True

    def __init__(
        self,
        box: Box,
        outputs: int,
        *,
        kind: str,
        cells: float,
        rank: int,
        interpolation: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        terms = [[(k,) for k in range(box.ndim)]]
        if kind == "vm":
            terms = _halves(box.ndim)
        self.terms = nn.ModuleList(
            nn.ModuleList(Factor(box, axes, [cells], rank, interpolation) for axes in term)
            for term in terms
        )
        self.basis = nn.Parameter(torch.randn(len(terms), rank, outputs, generator=generator))
        # products of m numbers, summed: this start gives the field a deviation near 0.1
        deviation = (0.1 / math.sqrt(rank * len(terms))) ** (1 / len(terms[0]))
        self.smoothness: float = 0
        for factor in self.modules():
            if isinstance(factor, Factor):
                factor.fill(-deviation * 3**0.5, deviation * 3**0.5, generator)
                self.smoothness = factor.lattice.smoothness

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        products = [_product([factor(x) for factor in term]) for term in self._terms()]
        return torch.cat(products, -1) @ self.basis.flatten(0, 1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice by one matrix product per term: the sum over r never leaves it.

        Args:
            axes: For each of d axes the normalised coordinates along it, (n_k,).

        Returns:
            (*shape, outputs).
        """
        shape = [len(a) for a in axes]
        total = None
        for term, basis in zip(self._terms(), self.basis, strict=True):
            *most, last = [factor.on_axes(axes) for factor in term]
            first = basis.new_ones(*[1] * len(axes), len(basis))
            if most:
                first = _product(most)
            value = _contract(first, last, basis).expand(*shape, -1)
            total = value if total is None else total + value
        assert total is not None
        return total

    def _terms(self) -> list[list[Factor]]:
        return [
            [f for f in term if isinstance(f, Factor)]
            for term in self.terms
            if isinstance(term, nn.ModuleList)
        ]


def _product(parts: Sequence[Tensor]) -> Tensor:
    return functools.reduce(torch.mul, parts)


def _halves(ndim: int) -> list[list[tuple[int, ...]]]:
    """All ways to split the axes into two groups of half of them each."""
    axes = range(ndim)
    if ndim == 1:
        return [[(0,)]]
    splits = [
        (g, tuple(k for k in axes if k not in g)) for g in itertools.combinations(axes, ndim // 2)
    ]
    return [list(pair) for pair in splits if len(pair[0]) < len(pair[1]) or pair[0] < pair[1]]


def _contract(left: Tensor, right: Tensor, basis: Tensor) -> Tensor:
    """Σ_r left[.., r] right[.., r] basis[r, c]: (*shape, c).

    left and right share no axis longer than 1.
    """
    outputs = basis.shape[-1]
    # (points of right · outputs, r)
    matrix = (right.flatten(0, -2)[:, None] * basis.mT).flatten(0, 1)
    value = left.flatten(0, -2) @ matrix.mT
    ndim = left.ndim - 1
    value = value.reshape(*left.shape[:-1], *right.shape[:-1], outputs)
    order = [k if left.shape[k] > 1 else ndim + k for k in range(ndim)]
    rest = [k for k in range(2 * ndim) if k not in order]
    return value.permute(*order, *rest, 2 * ndim).flatten(ndim)
