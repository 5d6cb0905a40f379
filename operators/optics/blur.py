"""Blur: a field integrated against a point-spread function at each measured position, in physical units.

    y_r = ∫ h(u) f(x_r - u) du ≈ Σ_q w_q f(x_r - u_q)

No boundary condition: the field is asked beyond the frame, as far as the PSF reaches. Deterministic nodes in
evaluation; random ones, where asked for, in training. Random nodes leave a bias in a squared loss:

    E |ŷ - y|² = |A f - y|² + Var_h[f(x - u)] / draws

which prefers fields too smooth. `sets=2` draws two independent sets, and `fidelity.TwoSets` multiplies their
residuals: its expectation is |A f - y|², without the bias.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, interpolation_matrix
from inverse_inr.operators.optics.convolution import BOUNDARIES, Convolution, lattice_kernel
from inverse_inr.operators.optics.psf import PSF, Gaussian, Measured, Pixel
from inverse_inr.operators.quadrature import sobol
from inverse_inr.operators.rows import ArrayFunction, PlacedOperator, without_lone_channel

MEMORY_LIMIT = 4e9
"""Bytes that the sparse matrix of a blur that is no convolution may take."""


class Integrated(PlacedOperator, ABC):
    """What Blur and Downsample share. `positions` are where the measurements are registered, in physical units."""

    def __init__(
        self,
        psf: PSF | Callable[[Tensor], PSF],
        where: Grid | Tensor,
        quadrature: str,
        nodes: int | None,
        draws: int | None,
        sets: int,
    ) -> None:
        name = type(self).__name__
        super().__init__(where)
        self.psf, self.quadrature, self.draws, self.sets = psf, quadrature, draws, sets
        self.node_count = {"gauss": 7, "sobol": 64}.get(quadrature, 0) if nodes is None else nodes
        if quadrature not in ("gauss", "sobol"):
            raise ValueError(f"{name}: quadrature must be 'gauss' or 'sobol', got {quadrature!r}.")
        if self.node_count < 1 or (draws is not None and draws < 1) or sets not in (1, 2):
            raise ValueError(
                f"{name}: nodes={nodes} and draws={draws} must be at least 1, sets={sets} be 1 or 2."
            )
        if sets == 2 and draws is None:
            raise ValueError(f"{name}: sets=2 needs draws: two sets of the same nodes are one.")
        if isinstance(psf, PSF) and psf.ndim != self.ndim:
            raise ValueError(
                f"{name}: the PSF has {psf.ndim} dimensions, the measured positions {self.ndim}."
            )

    def forward(self, rows: Tensor) -> Query:
        x = self.positions(rows)
        offsets, weights = self._nodes(x)  # (b or 1, sets or 1, q, d), and (q,) or as offsets

        def measure(values: Tensor) -> Tensor:
            seen = (values * weights.to(values.device, values.dtype.to_real())[..., None]).sum(-2)
            seen = without_lone_channel(seen.expand(-1, self.sets, -1))
            return seen if self.sets == 2 else seen[:, 0]

        return Query(x[:, None, None] - offsets, measure)

    def _nodes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fixed = isinstance(self.psf, PSF)
        psf = self.psf if isinstance(self.psf, PSF) else self.psf(x)
        if not self.training or self.draws is None:
            if self.quadrature == "gauss":
                offsets, weights = psf.nodes(self.node_count)
            else:
                offsets, weights = psf.draw(sobol(self.node_count, psf.uniforms).to(x))
            offsets = offsets[None] if offsets.ndim == 2 else offsets
            return offsets[:, None], weights if weights.ndim == 1 else weights.reshape(
                -1, 1, weights.shape[-1]
            )
        # one Sobol set, shifted at random for each row and set: unbiased (Cranley & Patterson 1976)
        u = sobol(self.draws, psf.uniforms).to(x) + torch.rand(
            self.sets, len(x), 1, psf.uniforms
        ).to(x)
        u = u % 1
        if fixed:
            offsets, weights = psf.draw(u.flatten(0, 1))
        else:  # parameters of the PSF run along rows
            parts = [psf.draw(part) for part in u]
            offsets, weights = torch.cat([p[0] for p in parts]), _join([p[1] for p in parts])
        offsets = offsets.unflatten(0, (self.sets, len(x))).transpose(0, 1)
        if weights.ndim > 1:
            weights = weights.unflatten(0, (self.sets, len(x))).transpose(0, 1)
        return offsets, weights

    def repeat(self, y: Tensor) -> Tensor:
        """Measurements for `sets=2`: the same for both sets, (b, ...) -> (b, 2, ...)."""
        return torch.stack([y, y], 1)

    # --- on sampled images ------------------------------------------------------------------------------------------

    def on(self, grid: Grid, boundary: str = "reflect", method: str = "auto") -> OnGrid:
        """The same of an image sampled on `grid`: a convolution where the lattices allow, else a sparse matrix.

        Values are samples at pixel centres. The measured lattice may be shifted against `grid`, coarser by whole
        factors, or smaller: `boundary` ("valid", "zero", "circular", "reflect") matters only where the kernel leaves
        `grid`, and "valid" refuses that; `reach()` is the grid that it never leaves. Learnt sizes are frozen here.
        """
        if boundary not in BOUNDARIES:
            raise ValueError(
                f"{type(self).__name__}.on: boundary must be one of {BOUNDARIES}, got {boundary!r}."
            )
        place = self._alignment(grid)
        if place is None or not isinstance(self.psf, PSF):
            measure: nn.Module = self._interpolated(grid, boundary)
        else:
            origin, stride, fraction = place
            kernel, center = psf_kernel(self.psf, grid.spacing, fraction)
            measure = Convolution(
                kernel,
                grid.shape,
                center=center,
                boundary=boundary,
                origin=origin,
                stride=stride,
                outputs=self.shape,
                method=method,
            )
        if self.sets == 1:
            return OnGrid(measure, grid, self.shape)
        d = len(self.shape)
        twice = ArrayFunction(lambda x: torch.stack([measure(x)] * 2, d), measure)
        return OnGrid(twice, grid, (*self.shape, 2), trailing=1)

    def _alignment(self, grid: Grid) -> tuple[list[int], list[int], list[float]] | None:
        """The measured lattice in pixels of `grid`: first pixel, step, fraction of a pixel beyond it, for each axis."""
        if self.where is None or self.where.ndim != grid.ndim:
            return None
        origin, stride, fraction = [], [], []
        for a, b, h, g in zip(
            self.where.box.lower, grid.box.lower, self.where.spacing, grid.spacing, strict=True
        ):
            ratio = h / g
            first = (a - b + 0.5 * h) / g - 0.5
            if abs(ratio - round(ratio)) > 1e-6 * ratio or round(ratio) < 1:
                return None
            nearest = math.floor(first + 1e-6)
            origin.append(nearest)
            stride.append(round(ratio))
            fraction.append(0.0 if abs(first - nearest) < 1e-6 else first - nearest)
        return origin, stride, fraction

    def _interpolated(self, grid: Grid, boundary: str) -> nn.Module:
        """Nodes look at the image by multilinear interpolation; those outside are folded back by the boundary."""
        with torch.no_grad():
            x = self.positions()
            psf = self.psf if isinstance(self.psf, PSF) else self.psf(x)
            offsets, weights = psf.nodes(max(self.node_count, 7))
            points = (x[:, None] - offsets).cpu()
        size = points[..., 0].numel() * 2**grid.ndim * 32.0
        if size > MEMORY_LIMIT:
            raise MemoryError(
                f"{type(self).__name__}.on: its sparse matrix would take {size / 1e9:.3g} GB."
            )
        look = interpolation_matrix(grid, folded(points, grid.box, boundary), torch.float64).to(
            x.device
        )
        weights = weights.detach()

        def measure(image: Tensor) -> Tensor:
            lead = image.shape[grid.ndim :]
            seen = look(image.reshape(grid.numel, -1)).unflatten(0, points.shape[:-1])
            total = (seen * weights.to(image.device, image.dtype.to_real())[..., None]).sum(1)
            return total.reshape(*self.shape, *lead)

        return ArrayFunction(measure, look)

    def reach(self, refine: int | tuple[int, ...] = 1) -> Grid:
        """The lattice that sees all that the measurements see: theirs, `refine` times finer, and the kernel's margin.

        Raises ValueError where the positions are no lattice, or the PSF changes with the position.
        """
        if self.where is None or not isinstance(self.psf, PSF):
            raise ValueError(
                f"{type(self).__name__}.reach: needs measurements on a grid and one PSF for all."
            )
        factors = (refine,) * self.where.ndim if isinstance(refine, int) else refine
        fine = Grid(
            self.where.box, tuple(n * f for n, f in zip(self.where.shape, factors, strict=True))
        )
        place = self._alignment(fine)
        assert place is not None
        kernel, center = psf_kernel(self.psf, fine.spacing, place[2])
        rows = zip(place[0], center, kernel.shape, place[1], self.shape, strict=True)
        start = [o + c - (k - 1) for o, c, k, _, _ in rows]
        shape = [
            k + s * (m - 1) for k, s, m in zip(kernel.shape, place[1], self.shape, strict=True)
        ]
        return fine.crop(start, shape)


class Blur(Integrated):
    """The field seen through `psf` at the pixel centres of a grid, or at points (*shape, d); rows are positions.

    psf         a `PSF`, or a callable (b, d) positions -> PSF whose sizes have a leading axis b (spatially varying)
    quadrature  "gauss": the PSF's own rule of order `nodes` (default 7); "sobol": `nodes` points (64) of a Sobol set
    draws       random nodes a row and step in training (a shifted Sobol set, unbiased); None: the fixed nodes
    sets        2: two independent sets for `fidelity.TwoSets`, measurements (b, 2, ...); see `repeat`

    A smooth field needs few nodes; where f is wild on the scale of the PSF, fixed nodes leave what lies between them
    free, and draws close it. Raises ValueError for a PSF of another dimension, positions that are no numbers.
    """

    def __init__(
        self,
        psf: PSF | Callable[[Tensor], PSF],
        where: Grid | Tensor,
        *,
        quadrature: str = "gauss",
        nodes: int | None = None,
        draws: int | None = None,
        sets: int = 1,
    ) -> None:
        super().__init__(psf, where, quadrature, nodes, draws, sets)


class Downsample(Integrated):
    """The field seen by pixels `factor` times larger than those of `grid`, on the same box.

    Measurements are registered at the centres of the large pixels, which are physical positions: `positions()`. A
    linear ramp gives its own value there, whatever the factor's parity. `psf` defaults to the large pixel itself.
    Raises ValueError where a factor does not divide the grid's size.
    """

    def __init__(
        self,
        grid: Grid,
        factor: int | tuple[int, ...],
        psf: PSF | Callable[[Tensor], PSF] | None = None,
        *,
        quadrature: str = "gauss",
        nodes: int | None = None,
        draws: int | None = None,
        sets: int = 1,
    ) -> None:
        factors = (factor,) * grid.ndim if isinstance(factor, int) else tuple(factor)
        if len(factors) != grid.ndim or any(
            f < 1 or n % f for f, n in zip(factors, grid.shape, strict=True)
        ):
            raise ValueError(
                f"Downsample: factor={factor} must divide the grid's shape {grid.shape}; crop it first "
                "(grid.crop(start, shape))."
            )
        coarse = Grid(grid.box, tuple(n // f for n, f in zip(grid.shape, factors, strict=True)))
        psf = (
            Pixel(torch.tensor(coarse.spacing, dtype=torch.float64), grid.ndim)
            if psf is None
            else psf
        )
        super().__init__(psf, coarse, quadrature, nodes, draws, sets)


def psf_kernel(
    psf: PSF,
    spacing: tuple[float, ...],
    fraction: list[float] | tuple[float, ...] | None = None,
    order: int = 5,
) -> tuple[Tensor, tuple[int, ...]]:
    """Taps (float64) and centre of the lattice kernel that does what `psf` does between samples `spacing` apart.

    Results are registered `fraction` of a pixel beyond the sample at the centre. A Gaussian that the lattice resolves
    is sampled (aliasing below 1e-5); all else is integrated against Lagrange polynomials of `order`.
    """
    device = psf.half_widths().device
    h = torch.tensor(spacing, dtype=torch.float64, device=device)
    shift = (
        torch.zeros_like(h)
        if fraction is None
        else torch.tensor(fraction, dtype=torch.float64, device=device)
    )
    with torch.no_grad():
        if isinstance(psf, Gaussian) and _resolved(psf, h):
            return _sampled_gaussian(psf, h, shift)
        extent = float((psf.half_widths() / h).max())
        most = int((2**15) ** (1 / psf.ndim))
        steps = 1 if isinstance(psf, Measured) else min(most, max(16, math.ceil(8 * extent)))
        offsets, weights = psf.nodes(steps if not isinstance(psf, Gaussian) else 16)
        return lattice_kernel(offsets / h - shift, weights, order)


def _resolved(psf: Gaussian, h: Tensor) -> bool:
    """The narrowest deviation spans 0.8 pixels or more."""
    if psf.covariance is not None:
        return float(torch.linalg.eigvalsh(psf.covariance / (h[:, None] * h)).min()) >= 0.64
    return float((psf.half_widths() / 5 / h).min()) >= 0.8


def _sampled_gaussian(psf: Gaussian, h: Tensor, shift: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    half = (psf.half_widths() / h).ceil().long().tolist()
    axes = [torch.arange(-n, n + 1, dtype=torch.float64, device=h.device) for n in half]
    lattice = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    v = (lattice + shift) * h
    taps = psf.density(v)
    taps = taps / taps.sum()
    # cut at five deviations from another place than its centre, it is off by 1e-6: put back, so that ramps are exact
    mean, spread = (
        (taps[..., None] * v).flatten(0, -2).sum(0),
        torch.einsum("...,...i,...j->ij", taps, v, v),
    )
    taps = taps * (1 - v @ torch.linalg.solve(spread, mean))
    return taps / taps.sum(), tuple(half)


def folded(points: Tensor, box: Box, boundary: str) -> Tensor:
    """Points outside the box put back as the boundary says: mirrored at its faces, or periodic."""
    lower, length = points.new_tensor(box.lower), points.new_tensor(box.lengths)
    t = (points - lower) / length
    if boundary == "reflect":
        t = 1 - (1 - t % 2).abs()
    elif boundary == "circular":
        t = t % 1
    elif boundary == "valid" and bool(((t < -1e-9) | (t > 1 + 1e-9)).any()):
        raise ValueError(
            "Blur.on: boundary='valid', but the PSF reaches beyond the grid. Pass a grid that reaches on."
        )
    return lower + t * length


def _join(weights: list[Tensor]) -> Tensor:
    return weights[0] if weights[0].ndim == 1 else torch.cat(weights)
