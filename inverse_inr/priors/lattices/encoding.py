"""Features interpolated from lattices of several resolutions, dense or hashed: `GridEncoding`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.gather import gather
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.kernels.triton.available import usable
from inverse_inr.kernels.triton.encoding import KINDS, Lattices, encode
from inverse_inr.priors.encodings import Encoding
from inverse_inr.priors.lattices.axes import ends_of
from inverse_inr.priors.lattices.nodes import interleaved, steps_in_table, written
from inverse_inr.priors.lattices.stencils import STENCILS

MATRICES = 2**26
"""Entries that the matrices of an encoding's lattices may hold together: 1 GiB with their
transposes."""

AT_ONCE = 2**18
"""Points times levels that are located at once: torch pays by the call, but arrays should stay in
the cache."""


class GridEncoding(Encoding):
    """Features interpolated from lattices of several resolutions.

    A level is dense while it fits in a table, and hashed beyond. With one level it is a dense grid.
    Levels may come in one after the other; one that is not in costs nothing, and all are in at
    `progress` 1, as in a prior that no solver has touched.

    Args:
        box: The box that the lattices fill.
        cells: For each level the number of cells along the longest side of the box, rising.
        features: Features per level.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
        table: Rows of a level's table; a level of more nodes is hashed.
        centered: Whether node 0 lies half a cell inside the box's face instead of on it; then one
            level of n cells is exactly the pixels of an n-pixel grid.
        coarse_to_fine: Fraction of the run by which all levels are in; 0 for all from the start.

    Raises:
        ValueError: For an unknown interpolation, or a `coarse_to_fine` outside [0, 1].

    Source:
        Müller et al. 2022, multiresolution hash encoding; coarse to fine: Li et al. 2023,
        Neuralangelo.
    """

    roles: ClassVar[dict[str, str]] = {"table": "table"}
    fills_the_box = True

    def __init__(
        self,
        box: Box,
        cells: list[float],
        features: int,
        *,
        interpolation: str = "linear",
        table: int = 2**19,
        centered: bool = False,
        coarse_to_fine: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= coarse_to_fine <= 1:
            raise ValueError(
                f"coarse_to_fine={coarse_to_fine} is a fraction of the run, from 0 to 1."
            )
        self.coarse_to_fine = coarse_to_fine
        self.progress = nn.Buffer(torch.ones(())) if coarse_to_fine else None
        # the number as the host last knew it: to read it in each step would wait for the device
        self._read: tuple[Tensor | None, int | None, float] = (None, None, 1.0)
        if interpolation not in STENCILS:
            raise ValueError(
                f"interpolation must be one of {sorted(STENCILS)}, got {interpolation!r}."
            )
        self.interpolation = interpolation
        self._stencil, self.smoothness = STENCILS[interpolation]
        self.reach = len(self._stencil(torch.zeros(()))) // 2 - 1  # nodes needed left of the cell
        self.size = features * len(cells)
        nodes = self._place(box, cells, centered)
        counts = [math.prod(n) for n in nodes]
        self.sizes = [min(n, table) for n in counts]
        self.hashed = [n > table for n in counts]
        steps = [steps_in_table(*level) for level in zip(nodes, self.hashed, strict=True)]
        starts = torch.tensor([0, *self.sizes[:-1]]).cumsum(0).int()
        self.steps = nn.Buffer(torch.tensor(steps, dtype=torch.int32), persistent=False)
        self.start = nn.Buffer(starts, persistent=False)
        self.is_hashed = nn.Buffer(torch.tensor(self.hashed).int(), persistent=False)
        self.table_size = table
        self.table = nn.Parameter(torch.zeros(sum(self.sizes), features))
        self._lattices: dict[tuple[Any, ...], SparseMatrix] = {}

    def _place(self, box: Box, cells: list[float], centered: bool) -> list[list[int]]:
        """Lay out the nodes of each level; returns their number along each axis, (levels, d)."""
        half = torch.tensor(
            [0.5 * n * s for n, s in zip(box.lengths, box.scale, strict=True)], dtype=torch.float64
        )
        density = torch.tensor(cells, dtype=torch.float64)[:, None] / 2  # nodes per normalised unit
        whole = torch.ceil(2 * half * density - 1e-9).long()
        offset = 0.5
        if not centered:  # a node on either face, one more than there are cells
            offset = 0.0
            whole = whole + 1
        nodes = whole.clamp(min=2) + 2 * self.reach
        self.scale = nn.Buffer(density.float(), persistent=False)
        shift = half * density - offset + self.reach
        self.shift = nn.Buffer(shift.float(), persistent=False)
        self.top = nn.Buffer((nodes - 1).float(), persistent=False)
        return nodes.tolist()

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the tables, of which the features are a linear function."""
        return [self.table]

    def anneal(self, progress: float) -> None:
        """Let levels in, as far as the run is.

        Args:
            progress: The fraction of the run that is done, from 0 to 1.
        """
        if self.progress is not None:
            self.progress.fill_(progress)
            self._read = (self.progress, written(self.progress), progress)

    @property
    def levels_in(self) -> int:
        """How many levels, from the coarsest, take part."""
        if self.progress is None:
            return len(self.sizes)
        known, version, progress = self._read
        if known is not self.progress or version is None or version != written(self.progress):
            progress = float(self.progress)
            self._read = (self.progress, written(self.progress), progress)
        if progress >= self.coarse_to_fine:
            return len(self.sizes)
        return 1 + int(len(self.sizes) * progress / self.coarse_to_fine)

    def stencil(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Find the table rows that points see at each level that is in, and their weights.

        Args:
            x: (n, d) normalised coordinates.

        Returns:
            (index, weight), both (levels · n, nodes per point).
        """
        hashed = self.hashed[: self.levels_in]
        dense = hashed.count(False)  # resolutions rise, so dense levels come first
        at_once = max(1, AT_ONCE // max(1, len(x)))
        parts = [
            self._group(x, slice(k, min(k + at_once, dense)), False)
            for k in range(0, dense, at_once)
        ]
        parts += [
            self._group(x, slice(k, min(k + at_once, len(hashed))), True)
            for k in range(dense, len(hashed), at_once)
        ]
        if len(parts) == 1:
            return parts[0]
        index, weight = zip(*parts, strict=True)
        return torch.cat(index), torch.cat(weight)

    def _group(self, x: Tensor, levels: slice, hashed: bool) -> tuple[Tensor, Tensor]:
        """The stencil of some levels at once, from arrays of shape (levels, n)."""
        join = torch.bitwise_xor if hashed else torch.add
        index: list[Tensor] = []
        weight: list[Tensor] = []
        for axis in range(x.shape[-1]):
            node, fraction = self._locate(x[:, axis], levels, axis)
            step = self.steps[levels, axis, None]
            weights = self._stencil(fraction)
            first = node * step
            if axis == 0 and not hashed:
                first += self.start[levels, None]
            nodes = [first]
            for _ in weights[1:]:
                nodes.append(nodes[-1] + step)
            if axis == 0:
                index = nodes
                weight = weights
            else:
                index = [join(a, b) for a in index for b in nodes]
                weight = [a * b for a in weight for b in weights]
        if hashed:  # a power of two: the low bits are those of uint32 arithmetic
            index = [i.remainder_(self.table_size).add_(self.start[levels, None]) for i in index]
        return interleaved(index).flatten(0, 1), interleaved(weight).flatten(0, 1)

    def _locate(self, x: Tensor, levels: slice, axis: int) -> tuple[Tensor, Tensor]:
        """First node (int32) and fraction in its cell along one axis, clamped: both (levels, n)."""
        top = self.top[levels, axis, None].to(x.dtype) - self.reach
        position = torch.addcmul(
            self.shift[levels, axis, None].to(x.dtype), self.scale[levels, :1].to(x.dtype), x
        )
        position = torch.minimum(position, top).clamp(min=self.reach)
        base = torch.minimum(position.detach().floor(), (top - 1).clamp(min=self.reach))
        return base.to(torch.int32) - self.reach, position - base

    def on_device(self) -> Lattices:
        """Describe the levels that are in to the kernels of a CUDA device."""
        levels = self.levels_in
        return Lattices(
            self.scale[:levels, 0].contiguous(),
            self.shift[:levels].contiguous(),
            self.top[:levels].contiguous(),
            self.steps[:levels].contiguous(),
            self.start[:levels].contiguous(),
            self.is_hashed[:levels].contiguous(),
            self.table_size,
            len(self.table),
            KINDS[self.interpolation],
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if usable(self.table) and x.dtype == self.table.dtype:
            lattices = self.on_device()
            if lattices.fits:
                features = encode(flat, self.table, lattices, self.features)
                return self._filled(features, x.shape[:-1])
        return self._filled(self.features(flat, self.table), x.shape[:-1])

    def features(self, x: Tensor, table: Tensor) -> Tensor:
        """Interpolate the features of the levels that are in: the definition of this encoding.

        Args:
            x: (n, d) normalised coordinates.
            table: (rows, features), e.g. the encoding's own.

        Returns:
            (n, levels · features).
        """
        return self._arranged(gather(table, *self.stencil(x)))

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on a lattice; a fit, which asks again and again, gets it by a sparse matrix.

        The two ways round differently. Without gradients it is never the matrix, so that a
        `Solution` shows a function of the parameters alone, to the last bit, whatever lattices were
        asked for before.
        """
        shape = tuple(len(a) for a in axes)
        if torch.compiler.is_compiling():
            return self(torch.cartesian_prod(*axes).reshape(*shape, len(axes)))
        extent = ((*ends_of(a), len(a)) for a in axes)
        key = (*extent, self.table.dtype, self.table.device, self.levels_in)
        by_matrix = torch.is_grad_enabled() and (
            key in self._lattices or self._keep(math.prod(shape))
        )
        if not by_matrix:
            return self(torch.cartesian_prod(*axes).reshape(*shape, len(axes)))
        if key not in self._lattices:
            self._lattices[key] = self._matrix(axes)
        return self._filled(self._arranged(self._lattices[key](self.table)), shape)

    def _matrix(self, axes: Sequence[Tensor]) -> SparseMatrix:
        """The matrix that turns the table into features of all points of a lattice."""
        with torch.no_grad():
            index, weight = self.stencil(torch.cartesian_prod(*axes).reshape(-1, len(axes)))
        rows = torch.arange(len(index)).repeat_interleave(index.shape[1])
        return SparseMatrix(
            rows.numpy(),
            index.cpu().flatten().numpy(),
            weight.cpu().flatten().numpy(),
            (len(index), len(self.table)),
            self.table.dtype,
        ).to(self.table.device)

    def _keep(self, points: int) -> bool:
        """Whether the matrix of one more lattice is worth its memory: not beyond MATRICES.

        A large lattice comes in slabs, with a matrix each: dropping one for the next would build
        all of them at every step. Matrices of another number of levels are dropped.
        """
        self._lattices = {k: m for k, m in self._lattices.items() if k[-1] == self.levels_in}
        rows = self.levels_in * (
            points + sum(math.prod(e[-1] for e in k[:-3]) for k in self._lattices)
        )
        return rows * len(self._stencil(torch.zeros(()))) ** len(self.top[0]) <= MATRICES

    def _arranged(self, features: Tensor) -> Tensor:
        """(levels · n, f) -> (n, levels · f)."""
        if features.shape[-1] == 2 and not torch.compiler.is_compiling():
            # one complex number moves in half the time of two real ones
            pairs = torch.view_as_complex(features).unflatten(0, (self.levels_in, -1))
            return torch.view_as_real(pairs.t().contiguous()).flatten(1)
        return features.unflatten(0, (self.levels_in, -1)).transpose(0, 1).flatten(1)

    def _filled(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(n, some) -> (*shape, size), with zeros for levels that are not in."""
        padded = nn.functional.pad(features, (0, self.size - features.shape[1]))
        return padded.reshape(*shape, self.size)
