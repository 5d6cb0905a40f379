"""A field integrated against a point-spread function (PSF) at each measured position.

    y_r = ∫ h(u) f(x_r - u) du ≈ Σ_q w_q f(x_r - u_q)        x and u in physical units

There is no boundary condition: the field is asked beyond the frame, as far as the PSF reaches.
Nodes are deterministic in evaluation; training may draw random ones. Random nodes leave a bias in a
squared loss:

    E |ŷ - y|² = |A f - y|² + Var_h[f(x - u)] / draws

The bias prefers fields that are too smooth. `sets=2` draws two independent sets, and
`fidelity.TwoSets` multiplies their residuals: the expectation of that is |A f - y|², without the
bias.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Grid, OnGrid, Query, interpolation_matrix, memory
from inverse_inr.operators.optics.blur_on_grid import alignment, folded, one_per_axis
from inverse_inr.operators.optics.convolution import BOUNDARIES, Convolution
from inverse_inr.operators.optics.lattice_kernel import psf_kernel
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.operators.quadrature import sobol
from inverse_inr.operators.rows import (
    ArrayFunction,
    PlacedOperator,
    beside_operator,
    without_lone_channel,
)
from inverse_inr.ranges import Count, checked

MEMORY_LIMIT = 4e9
"""Bytes that the sparse matrix of a blur that is no convolution may take."""

MOST_ORDER = 256
"""The highest order of a PSF's own rule, per axis."""

DEFAULT_NODES = {"gauss": 7, "sobol": 64}
"""Default `nodes`: the order of the PSF's own rule, or the points of a Sobol set."""


class Integrated(PlacedOperator, ABC):
    """The common part of `Blur` and `Downsample`, which explain the parameters.

    `positions()` are where the measurements are registered, in physical units.

    Args:
        psf: The point-spread function, or a callable of positions.
        where: A grid or points (*shape, d).
        quadrature: "gauss" or "sobol".
        nodes: Number of nodes; default `DEFAULT_NODES`.
        draws: Random nodes per row and step in training, or None.
        sets: 1 or 2 independent sets of random nodes.
    """

    @checked
    def __init__(
        self,
        psf: PSF | Callable[[Tensor], PSF],
        where: Grid | Tensor,
        quadrature: Literal["gauss", "sobol"],
        nodes: Count | None,
        draws: Count | None,
        sets: Literal[1, 2],
    ) -> None:
        super().__init__(where)
        name = type(self).__name__
        self.psf = psf
        self.quadrature = quadrature
        self.draws = draws
        self.sets = sets
        self.node_count = DEFAULT_NODES[quadrature] if nodes is None else nodes
        if quadrature == "gauss" and self.node_count > MOST_ORDER:
            raise ValueError(
                f"{name}: nodes={nodes} of a Gauss rule; {MOST_ORDER} at most. Far fewer are exact."
            )
        memory.require(f"{name}: nodes={nodes}", 64.0 * self.node_count * self.ndim, "Fewer nodes.")
        if sets == 2 and draws is None:
            raise ValueError(f"{name}: sets=2 needs draws: two sets of the same nodes are one.")
        if isinstance(psf, PSF) and psf.ndim != self.ndim:
            raise ValueError(
                f"{name}: the PSF has {psf.ndim} dimensions, the measured positions {self.ndim}."
            )

    def forward(self, rows: Tensor) -> Query:
        """Look at the nodes around the positions of `rows`; weigh and add the values seen there."""
        x = self.positions(rows)
        offsets, weights = self._nodes(x)

        def measure(values: Tensor) -> Tensor:
            seen = (values * weights.to(values.device, values.dtype.to_real())[..., None]).sum(-2)
            seen = without_lone_channel(seen.expand(-1, self.sets, -1))
            if self.sets == 2:
                return seen
            return seen[:, 0]

        return Query(x[:, None, None] - offsets, measure)

    def repeat(self, y: Tensor) -> Tensor:
        """Measurements for `sets=2`, which are the same for both sets: (b, ...) -> (b, 2, ...)."""
        return torch.stack([y, y], 1)

    # --- nodes ------------------------------------------------------------------------------------

    def _psf_at(self, x: Tensor) -> PSF:
        if isinstance(self.psf, PSF):
            return self.psf
        return self.psf(x)

    def _nodes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets (b or 1, sets or 1, q, d); weights are (q,) or have the offsets' leading axes."""
        psf = self._psf_at(x)
        if self.training and self.draws is not None:
            return self._random_nodes(psf, x, self.draws)
        return self._fixed_nodes(psf, x)

    def _fixed_nodes(self, psf: PSF, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.quadrature == "gauss":
            offsets, weights = psf.nodes(self.node_count)
        else:
            offsets, weights = psf.draw(sobol(self.node_count, psf.uniforms).to(x))
        if offsets.ndim == 2:
            offsets = offsets[None]
        if weights.ndim > 1:
            weights = weights.reshape(-1, 1, weights.shape[-1])
        return offsets[:, None], weights

    def _random_nodes(self, psf: PSF, x: Tensor, draws: int) -> tuple[Tensor, Tensor]:
        """A Sobol set shifted at random per row and set: unbiased (Cranley & Patterson 1976)."""
        shift = torch.rand(self.sets, len(x), 1, psf.uniforms).to(x)
        u = sobol(draws, psf.uniforms).to(x) + shift
        u = u % 1
        if isinstance(self.psf, PSF):
            offsets, weights = psf.draw(u.flatten(0, 1))
        else:  # the parameters of the PSF run along rows, so each set is drawn by itself
            parts = [psf.draw(part) for part in u]
            offsets = torch.cat([p[0] for p in parts])
            weights = _joined([p[1] for p in parts])
        offsets = offsets.unflatten(0, (self.sets, len(x))).transpose(0, 1)
        if weights.ndim > 1:
            weights = weights.unflatten(0, (self.sets, len(x))).transpose(0, 1)
        return offsets, weights

    # --- on sampled images ------------------------------------------------------------------------

    @beside_operator
    def on(self, grid: Grid, boundary: str = "reflect", method: str = "auto") -> OnGrid:
        """The same measurements of an image sampled on `grid`.

        It is a convolution where the lattices allow one, and a sparse matrix otherwise. The
        measured lattice may be shifted against `grid`, coarser by whole factors, or smaller. Learnt
        sizes are frozen here.

        Args:
            grid: The grid of the image; values are samples at pixel centres.
            boundary: "valid", "zero", "circular" or "reflect". It matters only where the kernel
                leaves `grid`, and "valid" refuses that; `reach()` is the grid that the kernel never
                leaves.
            method: "auto", "fft" or "direct", as in `Convolution`.

        Returns:
            The map, with the same rows.

        Raises:
            ValueError: For an unknown boundary, or if it is "valid" and the PSF reaches beyond
                `grid`.
            MemoryError: If the sparse matrix would take more than `MEMORY_LIMIT`.
        """
        if boundary not in BOUNDARIES:
            raise ValueError(
                f"{type(self).__name__}.on: boundary must be one of {BOUNDARIES}, got {boundary!r}."
            )
        measure = self._convolution(grid, boundary, method)
        if measure is None:
            measure = self._interpolated(grid, boundary)
        if self.sets == 1:
            return OnGrid(measure, grid, self.shape)
        d = len(self.shape)
        twice = ArrayFunction(lambda x, once: torch.stack([once(x)] * 2, d), measure)
        return OnGrid(twice, grid, (*self.shape, 2), trailing=1)

    def _convolution(self, grid: Grid, boundary: str, method: str) -> nn.Module | None:
        """The blur as a convolution; None for a PSF that varies or places off any lattice."""
        if self.where is None or not isinstance(self.psf, PSF):
            return None
        place = alignment(self.where, grid)
        if place is None:
            return None
        kernel, center = psf_kernel(self.psf, grid.spacing, place.fraction)
        return Convolution(
            kernel,
            grid.shape,
            center=center,
            boundary=boundary,
            origin=place.first,
            stride=place.stride,
            outputs=self.shape,
            method=method,
        )

    def _interpolated(self, grid: Grid, boundary: str) -> nn.Module:
        """The blur as a sparse matrix: its nodes interpolate the image between pixels."""
        with torch.no_grad():
            x = self.positions()
            offsets, weights = self._psf_at(x).nodes(max(self.node_count, 7))
            points = (x[:, None] - offsets).cpu()
        size = points[..., 0].numel() * 2**grid.ndim * 32.0
        if size > MEMORY_LIMIT:
            raise MemoryError(
                f"{type(self).__name__}.on: its sparse matrix would take {size / 1e9:.3g} GB."
            )
        inside = folded(points, grid.box, boundary)
        look = interpolation_matrix(grid, inside, torch.float64)
        lead = points.shape[:-1]
        shape = self.shape

        def measure(image: Tensor, look: nn.Module, weights: Tensor) -> Tensor:
            seen = look(image.reshape(grid.numel, -1)).unflatten(0, lead)
            total = (seen * weights.to(image.dtype.to_real())[..., None]).sum(1)
            return total.reshape(*shape, *image.shape[grid.ndim :])

        return ArrayFunction(measure, look, weights.detach())

    def reach(self, refine: int | tuple[int, ...] = 1) -> Grid:
        """The grid of all that the measurements see: their own lattice and the kernel's margin.

        Args:
            refine: How many times finer than the measured lattice it is, in all or along each axis.

        Returns:
            The grid, on which `on(grid, "valid")` works.

        Raises:
            ValueError: If the positions are no lattice, or if the PSF changes with the position.
        """
        if self.where is None or not isinstance(self.psf, PSF):
            raise ValueError(
                f"{type(self).__name__}.reach: needs measurements on a grid and one PSF for all."
            )
        factors = one_per_axis(refine, self.where.ndim)
        sizes = tuple(n * f for n, f in zip(self.where.shape, factors, strict=True))
        fine = Grid(self.where.box, sizes)
        place = alignment(self.where, fine)
        assert place is not None
        kernel, center = psf_kernel(self.psf, fine.spacing, place.fraction)
        start = [o + c - (k - 1) for o, c, k in zip(place.first, center, kernel.shape, strict=True)]
        shape = [
            k + s * (m - 1) for k, s, m in zip(kernel.shape, place.stride, self.shape, strict=True)
        ]
        return fine.crop(start, shape)


def _joined(weights: list[Tensor]) -> Tensor:
    """Weights of all sets: (q,) if each set has those, else one set after the other."""
    if weights[0].ndim == 1:
        return weights[0]
    return torch.cat(weights)
