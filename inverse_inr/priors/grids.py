"""Features on lattices of several resolutions, dense or hashed, and the presets `grid` and `hash`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.gather import gather
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import Encoding
from inverse_inr.priors.heads import HeadName, Heads
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP

MATRICES = 2**26
"""Entries that the matrices of an encoding's lattices may hold together: 1 GiB with their transposes."""

_PRIMES = [
    p - 2**32 if p >= 2**31 else p for p in (1, 2654435761, 805459861, 3674653429)
]  # as int32


def linear_stencil(t: Tensor) -> list[Tensor]:
    """Weights of the two nodes around a point at fraction t: C⁰."""
    return [1 - t, t]


def smoothstep_stencil(t: Tensor) -> list[Tensor]:
    """The same with 3t² - 2t³: C¹ (Müller et al. 2022, appendix A)."""
    return linear_stencil(t * t * (3 - 2 * t))


def cubic_stencil(t: Tensor) -> list[Tensor]:
    """Uniform cubic B-spline, four nodes: C²."""
    s = 1 - t
    return [s**3 / 6, (4 - 6 * t**2 + 3 * t**3) / 6, (4 - 6 * s**2 + 3 * s**3) / 6, t**3 / 6]


STENCILS = {
    "linear": (linear_stencil, 0),
    "smoothstep": (smoothstep_stencil, 1),
    "cubic": (cubic_stencil, 2),
}


class GridEncoding(Encoding):
    """Features interpolated from lattices of several resolutions; dense while they fit in a table, hashed beyond.

    Multiresolution hash encoding (Müller et al. 2022); one level is a dense grid. `cells`: for each level the number
    of cells along the longest side of the box. Node 0 lies on the box's face, half a cell inside where `centered`
    (then one level of n cells is exactly the pixels of an n-pixel grid). `coarse_to_fine` lets the levels in one after
    the other, the last before that fraction of the run (Li et al. 2023, Neuralangelo); a level that is not in costs
    nothing. All are in at `progress` 1, as in a prior that no solver has touched.
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
        if interpolation not in STENCILS:
            raise ValueError(
                f"interpolation must be one of {sorted(STENCILS)}, got {interpolation!r}."
            )
        self._stencil, self.smoothness = STENCILS[interpolation]
        reach = len(self._stencil(torch.zeros(()))) // 2 - 1  # nodes needed left of the cell
        self.size = features * len(cells)
        half = torch.tensor(
            [0.5 * n * s for n, s in zip(box.lengths, box.scale, strict=True)], dtype=torch.float64
        )
        density = torch.tensor(cells, dtype=torch.float64)[:, None] / 2  # nodes per normalised unit
        span = 2 * half * density
        offset = 0.5 if centered else 0.0
        nodes = (torch.ceil(span - 1e-9).long() + (0 if centered else 1)).clamp(min=2) + 2 * reach
        counts = [math.prod(n) for n in nodes.tolist()]
        sizes = [min(n, table) for n in counts]
        self.hashed = [n > table for n in counts]
        self.scale = nn.Buffer(density.float(), persistent=False)
        self.shift = nn.Buffer((half * density - offset + reach).float(), persistent=False)
        self.top = nn.Buffer((nodes - 1).float(), persistent=False)
        self.reach = reach
        steps = [
            _PRIMES[: box.ndim] if h else _strides(n)
            for n, h in zip(nodes.tolist(), self.hashed, strict=True)
        ]
        self.steps = nn.Buffer(torch.tensor(steps, dtype=torch.int32), persistent=False)
        self.start = nn.Buffer(torch.tensor([0, *sizes[:-1]]).cumsum(0).int(), persistent=False)
        self.table_size = table
        self.table = nn.Parameter(torch.zeros(sum(sizes), features))
        self.sizes = sizes
        self._lattices: dict[tuple[Any, ...], SparseMatrix] = {}

    def anneal(self, progress: float) -> None:
        if self.progress is not None:
            self.progress.fill_(progress)

    @property
    def levels_in(self) -> int:
        """How many levels, from the coarsest, take part."""
        if self.progress is None or float(self.progress) >= self.coarse_to_fine:
            return len(self.sizes)
        return 1 + int(len(self.sizes) * float(self.progress) / self.coarse_to_fine)

    def stencil(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Table rows and weights that each of (n, d) points sees at each level that is in: both (levels · n, k)."""
        hashed = self.hashed[: self.levels_in]
        dense = hashed.count(False)  # resolutions rise, so dense levels come first
        at_once = max(
            1, 2**18 // max(1, len(x))
        )  # whole arrays, since torch pays by the call, that stay in the cache
        groups = [(slice(k, min(k + at_once, dense)), False) for k in range(0, dense, at_once)]
        groups += [
            (slice(k, min(k + at_once, len(hashed))), True)
            for k in range(dense, len(hashed), at_once)
        ]
        index, weight = zip(
            *(self._group(x, levels, hashed) for levels, hashed in groups), strict=True
        )
        return (torch.cat(index), torch.cat(weight)) if len(groups) > 1 else (index[0], weight[0])

    def _group(self, x: Tensor, levels: slice, hashed: bool) -> tuple[Tensor, Tensor]:
        """The stencil of some levels at once, from arrays of shape (levels, n)."""
        index: list[Tensor] = []
        weight: list[Tensor] = []
        for axis in range(x.shape[-1]):
            node, fraction = self._locate(x[:, axis], levels, axis)
            step = self.steps[levels, axis, None]
            steps = self._stencil(fraction)
            first = node * step
            if not (hashed or axis):
                first += self.start[levels, None]
            nodes = [first]
            for _ in steps[1:]:
                nodes.append(nodes[-1] + step)
            join = torch.bitwise_xor if hashed else torch.add
            index = [join(a, b) for a in index for b in nodes] if axis else nodes
            weight = [a * b for a in weight for b in steps] if axis else steps
        if hashed:  # a power of two: the low bits are those of uint32 arithmetic
            index = [i.remainder_(self.table_size).add_(self.start[levels, None]) for i in index]
        return _interleaved(index).flatten(0, 1), _interleaved(weight).flatten(0, 1)

    def _locate(self, x: Tensor, levels: slice, axis: int) -> tuple[Tensor, Tensor]:
        """First node (int32) and fraction in the cell along one axis: both (levels, n); points outside are clamped."""
        top = self.top[levels, axis, None].to(x.dtype) - self.reach
        position = torch.addcmul(
            self.shift[levels, axis, None].to(x.dtype), self.scale[levels, :1].to(x.dtype), x
        )
        position = torch.minimum(position, top).clamp(min=self.reach)
        base = torch.minimum(position.detach().floor(), (top - 1).clamp(min=self.reach))
        return base.to(torch.int32) - self.reach, position - base

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return self._arrange(gather(self.table, *self.stencil(flat)), x.shape[:-1])

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """The features on a lattice: by a sparse matrix, built once, where a fit asks for it again and again.

        The two ways round differently. Without gradients it is never the matrix, so that what a `Solution` shows is a
        function of the parameters alone, to the last bit: not of which lattices were asked for before.
        """
        extent = ((float(a[0]), float(a[-1]), len(a)) for a in axes)
        key = (*extent, self.table.dtype, self.table.device, self.levels_in)
        if not torch.is_grad_enabled() or not (
            key in self._lattices or self._keep(math.prod(len(a) for a in axes))
        ):
            return self(torch.cartesian_prod(*axes).reshape(*(len(a) for a in axes), len(axes)))
        if key not in self._lattices:
            with torch.no_grad():
                index, weight = self.stencil(torch.cartesian_prod(*axes).reshape(-1, len(axes)))
            rows = torch.arange(len(index)).repeat_interleave(index.shape[1])
            self._lattices[key] = SparseMatrix(
                rows.numpy(),
                index.cpu().flatten().numpy(),
                weight.cpu().flatten().numpy(),
                (len(index), len(self.table)),
                self.table.dtype,
            ).to(self.table.device)
        return self._arrange(self._lattices[key](self.table), tuple(len(a) for a in axes))

    def _keep(self, points: int) -> bool:
        """Whether the matrix of one more lattice is worth its memory: not beyond MATRICES.

        A large lattice comes in slabs, a matrix each: to drop one for the next would build them all at every step.
        """
        self._lattices = {k: m for k, m in self._lattices.items() if k[-1] == self.levels_in}
        rows = self.levels_in * (
            points + sum(math.prod(e[-1] for e in k[:-3]) for k in self._lattices)
        )
        return rows * len(self._stencil(torch.zeros(()))) ** len(self.top[0]) <= MATRICES

    def _arrange(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        """(levels · n, f) -> (*shape, levels · f); zero for levels that are not in."""
        if features.shape[-1] == 2:  # one complex number moves in half the time of two real ones
            pairs = torch.view_as_complex(features).unflatten(0, (self.levels_in, -1))
            arranged = torch.view_as_real(pairs.t().contiguous()).flatten(1)
        else:
            arranged = features.unflatten(0, (self.levels_in, -1)).transpose(0, 1).flatten(1)
        return torch.nn.functional.pad(arranged, (0, self.size - arranged.shape[1])).reshape(
            *shape, self.size
        )


def _interleaved(parts: list[Tensor]) -> Tensor:
    """torch.stack(parts, -1); without derivatives by copies, which take a third of its time on a CPU."""
    if parts[0].requires_grad:
        return torch.stack(parts, -1)
    joined = parts[0].new_empty(*parts[0].shape, len(parts))
    for k, part in enumerate(parts):
        joined[..., k] = part
    return joined


def _strides(nodes: list[int]) -> list[int]:
    return [math.prod(nodes[k + 1 :]) for k in range(len(nodes))]


class Direct(nn.Identity):
    """The features are the values: a grid without a network. A point looks at `nodes` of its lattice."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.lattice_chunk = (
            2**22 // nodes
        )  # points: what they look at takes the memory, the values hardly any


@preset
def grid(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    cells: float | None = None,
    order: Literal[1, 3] = 1,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A dense grid of values, multilinear (order 1) or cubic B-spline (order 3) between nodes."""
    bandwidth, b = band(box, bandwidth)
    cells = 4 * b if cells is None else cells
    if order not in (1, 3):
        raise ValueError(f"grid: order must be 1 (linear) or 3 (cubic), got {order}.")
    numbers = Heads(head, channels).outputs
    encoding = GridEncoding(
        box,
        [cells],
        numbers,
        interpolation="linear" if order == 1 else "cubic",
        table=2**31 - 1,
        centered=True,
    )
    values = Direct((order + 1) ** box.ndim)
    return Prior(
        box,
        encoding,
        lambda _: values,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-2,
    )


@preset
def hash(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    levels: int = 8,
    coarsest: float = 8,
    finest: float | None = None,
    features: int = 2,
    log2_table: int = 19,
    width: int = 32,
    depth: int = 2,
    interpolation: Literal["linear", "smoothstep"] = "linear",
    coarse_to_fine: float = 0.0,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Multiresolution hash encoding and a small ReLU network (Müller et al. 2022): levels dense while they fit.

    `coarse_to_fine`: the fraction of the run in which the levels come in one after the other, where poses are learnt
    that a fine field would trap.
    """
    bandwidth, b = band(box, bandwidth)
    finest = max(6.8 * b, coarsest) if finest is None else finest
    if finest < coarsest:
        raise ValueError(
            f"hash: finest={finest} cells are fewer than coarsest={coarsest}. Swapped?"
        )
    growth = (finest / coarsest) ** (1 / max(1, levels - 1))
    cells = [float(round(coarsest * growth**k)) for k in range(levels)]
    generator = seeded(seed)
    encoding = GridEncoding(
        box,
        cells,
        features,
        interpolation=interpolation,
        table=2**log2_table,
        coarse_to_fine=coarse_to_fine,
    )
    uniform(encoding.table, 1e-2, generator)

    def network(outputs: int) -> MLP:
        mlp = MLP(
            encoding.size, outputs, width=width, depth=depth, activation=ReLU(), generator=generator
        )
        mlp.smoothness = (
            math.inf if interpolation == "smoothstep" else 0
        )  # kinks of the decoder sit on no lattice
        return mlp

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-2,
    )
