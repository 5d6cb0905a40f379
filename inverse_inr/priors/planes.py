"""Factorised grids: lattices over some of the axes, joined over all of them, and the presets `planes` and `tensor`.

n nodes an axis cost n² numbers a plane and n a line, where a dense grid costs n^d; on a lattice of points each factor
is interpolated along its own axes only, and the rest is broadcasting.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.grids import GridEncoding
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, choose, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP


class SiLU(Activation):
    """z sigmoid(z): close to ReLU and smooth, so that interpolation alone limits the smoothness of what it decodes."""

    def forward(self, *z: Tensor) -> Tensor:
        return nn.functional.silu(z[0])


class Factor(nn.Module):
    """A `GridEncoding` over some `axes` of the box, constant along the others."""

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
        self.axes, self.reach = (
            list(axes),
            max(sides),
        )  # a box of its own: its longest side normalises to [-1, 1]
        own = Box(tuple(-n for n in sides), tuple(sides))
        self.lattice = GridEncoding(
            own,
            [n * self.reach for n in cells],
            features,
            interpolation=interpolation,
            table=2**31 - 1,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.lattice(x[..., self.axes] / self.reach)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """(*shape, size), of length 1 along the axes that it does not depend on."""
        values = self.lattice.on_axes([axes[k] / self.reach for k in self.axes])
        return values.reshape(
            *(len(a) if k in self.axes else 1 for k, a in enumerate(axes)), values.shape[-1]
        )

    def fill(self, low: float, high: float, generator: torch.Generator) -> None:
        """Uniform numbers in the table."""
        with torch.no_grad():
            self.lattice.table.uniform_(low, high, generator=generator)


class Planes(Encoding):
    """Features of all pairs of axes, added (tri-plane) or multiplied (K-planes), at several resolutions.

    Chan et al. 2022 (EG3D, section 4), Fridovich-Keil et al. 2023 (K-Planes, eq. 1). In 2-D the one plane would be a
    dense grid: there it is the two lines, joined likewise, beside the plane at all resolutions but the finest
    (GA-Planes, Sivgin et al. 2024); in 1-D it is a line. `cells`: for each level, along the longest side of the box.
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
        groups = itertools.combinations(range(box.ndim), 2 if box.ndim > 2 else 1)
        self.factors = nn.ModuleList(Factor(box, g, cells, features, interpolation) for g in groups)
        coarse = cells[: max(1, len(cells) - 1)]
        self.plane = Factor(box, (0, 1), coarse, features, interpolation) if box.ndim == 2 else None
        self.kind, self.size = (
            kind,
            features * (len(cells) + (len(coarse) if self.plane is not None else 0)),
        )
        bounds = (0.1, 0.5) if kind == "product" else (-0.2, 0.2)
        for factor in self.modules():
            if isinstance(factor, Factor):
                factor.fill(*bounds, generator)
                self.smoothness = factor.lattice.smoothness

    def forward(self, x: Tensor) -> Tensor:
        joined = self._join([factor(x) for factor in self.factors])
        return joined if self.plane is None else torch.cat([joined, self.plane(x)], -1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Each plane once, then broadcasting."""
        joined = self._join(
            [factor.on_axes(axes) for factor in self.factors if isinstance(factor, Factor)]
        )
        return joined if self.plane is None else torch.cat([joined, self.plane.on_axes(axes)], -1)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        return functools.reduce(torch.add if self.kind == "sum" else torch.mul, parts)


class TensorDecomposition(nn.Module):
    """f_c(x) = Σ_r basis[r, c] Π_k A_k(x)[r], linear in each factor A_k (Chen et al. 2022, TensoRF, eqs. 3 and 4).

    "cp": one line an axis. "vm": for every way to halve the axes, the product of the two halves: lines times planes in
    3-D, planes times planes in 4-D (HexPlane, Cao & Johnson 2023). In 2-D both are a sum of products of two lines, in
    1-D a line.
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
        terms = _halves(box.ndim) if kind == "vm" else [[(k,) for k in range(box.ndim)]]
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
        products = [_product([factor(x) for factor in term]) for term in self._terms()]
        return torch.cat(products, -1) @ self.basis.flatten(0, 1)

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """A matrix product a term: the sum over r never leaves it."""
        shape, total = [len(a) for a in axes], None
        for term, basis in zip(self._terms(), self.basis, strict=True):
            *most, last = [factor.on_axes(axes) for factor in term]
            first = _product(most) if most else basis.new_ones(*[1] * len(axes), len(basis))
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
    """Σ_r left[.., r] right[.., r] basis[r, c] of two arrays that share no axis longer than 1: (*shape, c)."""
    outputs = basis.shape[-1]
    matrix = (right.flatten(0, -2)[:, None] * basis.mT).flatten(
        0, 1
    )  # (points of right · outputs, r)
    value = left.flatten(0, -2) @ matrix.mT
    ndim = left.ndim - 1
    value = value.reshape(*left.shape[:-1], *right.shape[:-1], outputs)
    order = [k if left.shape[k] > 1 else ndim + k for k in range(ndim)]
    rest = [k for k in range(2 * ndim) if k not in order]
    return value.permute(*order, *rest, 2 * ndim).flatten(ndim)


@preset
def planes(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    kind: Literal["sum", "product"] = "product",
    levels: int = 3,
    coarsest: float | None = None,
    finest: float | None = None,
    features: int = 16,
    width: int = 64,
    depth: int = 1,
    interpolation: Literal["linear", "smoothstep", "cubic"] = "linear",
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Planes of all pairs of axes, multiplied (K-Planes, Fridovich-Keil et al. 2023) or added (tri-plane), decoded.

    `coarsest` and `finest` are cells along the longest side. In 2-D: two lines and a coarser plane (GA-Planes); in 1-D
    a line.
    """
    bandwidth, b = band(box, bandwidth)
    choose("planes", "kind", kind, ("sum", "product"))
    top = max(2.0, 4 * b) if finest is None else finest
    bottom = top / 2 ** (levels - 1) if coarsest is None else coarsest
    if top < bottom:
        raise ValueError(f"planes: finest={top} cells are fewer than coarsest={bottom}. Swapped?")
    cells = [bottom * (top / bottom) ** (k / max(1, levels - 1)) for k in range(levels)]
    generator = seeded(seed)
    encoding = Planes(
        box, cells, features, kind=kind, interpolation=interpolation, generator=generator
    )

    def network(outputs: int) -> MLP:
        return MLP(
            encoding.size, outputs, width=width, depth=depth, activation=SiLU(), generator=generator
        )

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-2,
    )


@preset
def tensor(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    kind: Literal["vm", "cp"] = "vm",
    cells: float | None = None,
    rank: int | None = None,
    interpolation: Literal["linear", "smoothstep", "cubic"] = "linear",
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A low-rank tensor of grids, vector times matrix (VM) or vectors only (CP), without a network (TensoRF).

    `cells` along the longest side; `rank`: 16 a term for VM in 3-D and more, 48 otherwise. Chen et al. 2022.
    """
    bandwidth, b = band(box, bandwidth)
    choose("tensor", "kind", kind, ("vm", "cp"))
    cells = max(2.0, 4 * b) if cells is None else cells
    rank = (16 if kind == "vm" and box.ndim > 2 else 48) if rank is None else rank

    def network(outputs: int) -> TensorDecomposition:
        return TensorDecomposition(
            box,
            outputs,
            kind=kind,
            cells=cells,
            rank=rank,
            interpolation=interpolation,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-2,
    )
