"""Sampling: the field at points, at the kept pixels of a mask, and through a mask that changes with time.

Values are the field's own at the places named; to average over a detector's pixel, use `Blur(psf.Pixel(...), points)`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, RowOperator, interpolation_matrix
from inverse_inr.operators.rows import ArrayFunction, pixel_centers, without_lone_channel


class PointSamples(RowOperator):
    """y_r = f(x_r) at any real coordinates: points (*shape, d) in the box's units, rows the flattened `shape`.

    Points that are an `nn.Parameter` are learnt (sensors whose places are uncertain). Points may lie outside the
    field's box: the field is continuous, and says there what it says. Give `box` to refuse them.
    Raises ValueError for no points, NaN or Inf, another dimension than the box's, points outside a given `box`.
    """

    def __init__(self, points: Tensor, box: Box | None = None) -> None:
        points = points if points.is_floating_point() else points.to(torch.get_default_dtype())
        if points.ndim < 2 or not points.numel():
            raise ValueError(
                f"PointSamples: points must be (*shape, d) and not empty, got {tuple(points.shape)}."
            )
        if not torch.isfinite(points).all():
            raise ValueError("PointSamples: points hold NaN or Inf.")
        if box is not None:
            _require_inside(points.detach(), box)
        super().__init__(tuple(points.shape[:-1]))
        self.points = (
            points if isinstance(points, nn.Parameter) else nn.Buffer(points.detach().clone())
        )

    def forward(self, rows: Tensor) -> Query:
        points = self.points.reshape(-1, self.points.shape[-1])
        return Query(points[rows.to(points.device)], without_lone_channel)


def _require_inside(points: Tensor, box: Box) -> None:
    if points.shape[-1] != box.ndim:
        raise ValueError(
            f"PointSamples: points have {points.shape[-1]} coordinates and the box {box.ndim} axes."
        )
    lower, upper = points.new_tensor(box.lower), points.new_tensor(box.upper)
    slack = 1e-6 * (upper - lower)
    outside = ((points < lower - slack) | (points > upper + slack)).any(-1)
    if outside.any():
        first = [round(v, 6) for v in points[outside][0].tolist()]
        raise ValueError(
            f"PointSamples: {int(outside.sum())} of {outside.numel()} points lie outside {box}, e.g. {first}. "
            "Coordinates are physical, in array-axis order; pixel numbers or (x, y) order by mistake?"
        )


class RandomSamples(RowOperator):
    """The field at `count` random places of the box, a pure function of `seed`.

    `method` "uniform" draws them independently; "sobol" spreads them evenly (scrambled Sobol points, Owen 1995).
    Raises ValueError for a count below 1 or an unknown method.
    """

    def __init__(self, box: Box, count: int, *, method: str = "uniform", seed: int = 0) -> None:
        if count < 1:
            raise ValueError(f"RandomSamples: count must be at least 1, got {count}.")
        super().__init__((int(count),))
        if method == "uniform":
            u = torch.rand(
                count, box.ndim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
            )
        elif method == "sobol":
            u = torch.quasirandom.SobolEngine(box.ndim, scramble=True, seed=seed).draw(
                count, dtype=torch.float64
            )
        else:
            raise ValueError(f"RandomSamples: method must be 'uniform' or 'sobol', got {method!r}.")
        self.points = nn.Buffer(u.new_tensor(box.lower) + u * u.new_tensor(box.lengths))

    def forward(self, rows: Tensor) -> Query:
        return Query(self.points[rows.to(self.points.device)], without_lone_channel)


class Mask(RowOperator):
    """The pixels of `grid` that `mask` keeps, as one vector in array order; lost pixels are no rows at all.

    mask: (*grid.shape) of bool, or of 0 and 1; then a row is all channels of one pixel. Or (*grid.shape, channels):
    then a row is one channel of one pixel, as behind a colour filter array. Points are pixel centres.
    Raises ValueError for a mask of another shape, an empty one, one with values between 0 and 1.
    """

    pixels: Tensor
    channel: Tensor | None

    def __init__(self, mask: Tensor, grid: Grid) -> None:
        shape = tuple(mask.shape)
        if shape != grid.shape and shape[:-1] != grid.shape:
            slip = " Transposed?" if shape == grid.shape[::-1] else ""
            raise ValueError(f"Mask: the mask has shape {shape}, the grid {grid.shape}.{slip}")
        if mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError(
                "Mask: values must be 0 or 1 (or bool). A mask that dims belongs in CodedVideo or noise."
            )
        kept = mask.flatten().bool().nonzero()[:, 0]
        if not len(kept):
            raise ValueError(f"Mask: the mask of shape {shape} keeps no pixel. Inverted?")
        super().__init__((len(kept),))
        self.grid, self.channels = grid, shape[-1] if len(shape) > grid.ndim else None
        self.pixels = nn.Buffer(kept // (self.channels or 1))
        self.channel = None if self.channels is None else nn.Buffer(kept % self.channels)

    def forward(self, rows: Tensor) -> Query:
        rows = rows.to(self.pixels.device)
        return Query(
            pixel_centers(self.grid, self.pixels[rows]), lambda values: self._pick(values, rows)
        )

    def _pick(self, values: Tensor, rows: Tensor | slice) -> Tensor:
        """(b, c) values at the rows' pixels -> (b,) of the kept channels, or all channels."""
        if self.channel is None:
            return without_lone_channel(values)
        if values.shape[-1] != self.channels:
            raise ValueError(f"Mask of {self.channels} channels: the field has {values.shape[-1]}.")
        return values.gather(-1, self.channel[rows][:, None])[:, 0]

    def on(self, grid: Grid) -> OnGrid:
        """The same of an image: an exact selection on the mask's own grid, multilinear between pixels of another."""
        look = None
        if grid != self.grid:
            points = pixel_centers(self.grid, self.pixels).cpu()
            look = interpolation_matrix(grid, points).to(self.pixels.device)

        def measure(image: Tensor) -> Tensor:
            values = image.reshape(grid.numel, -1)
            return self._pick(self._select(values) if look is None else look(values), slice(None))

        return OnGrid(ArrayFunction(measure, look), grid, self.shape)

    def _select(self, values: Tensor) -> Tensor:
        return values[self.pixels.to(values.device)]

    def embed(self, y: Tensor, fill: float = math.nan) -> Tensor:
        """Measurements at their places in an array, (*mask.shape, *m), `fill` where nothing was measured."""
        lead = self.grid.shape if self.channels is None else (*self.grid.shape, self.channels)
        flat = (
            self.pixels
            if self.channel is None
            else self.pixels * (self.channels or 1) + self.channel
        )
        out = y.new_full((math.prod(lead), *y.shape[1:]), fill)
        return out.index_copy(0, flat.to(y.device), y).reshape(*lead, *y.shape[1:])


def random_mask(
    grid: Grid, fraction: float, *, seed: int = 0, density: Tensor | None = None
) -> Mask:
    """A mask that keeps `fraction` of the pixels, exactly that many (rounded, at least one), without replacement.

    `density` (*grid.shape), not negative, favours some pixels (variable-density sampling).
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"random_mask: fraction must lie in (0, 1], got {fraction}.")
    count = max(1, round(fraction * grid.numel))
    generator = torch.Generator().manual_seed(seed)
    weight = (
        torch.ones(grid.numel, dtype=torch.float64)
        if density is None
        else density.double().flatten()
    )
    if len(weight) != grid.numel or bool((weight < 0).any()) or int((weight > 0).sum()) < count:
        raise ValueError(
            f"random_mask: density must be {grid.shape}, not negative, positive on {count} pixels."
        )
    # Efraimidis & Spirakis 2006: the largest of u^(1/w) are a weighted draw without replacement
    keys = torch.rand(grid.numel, dtype=torch.float64, generator=generator).log() / weight
    mask = torch.zeros(grid.numel, dtype=torch.bool)
    mask[keys.topk(count).indices] = True
    return Mask(mask.reshape(grid.shape), grid)


def striped_mask(
    grid: Grid, period: int, *, width: int = 1, axis: int = 0, offset: int = 0
) -> Mask:
    """A mask that keeps `width` of every `period` lines along `axis`: line i where (i - offset) mod period < width."""
    if not 1 <= width <= period:
        raise ValueError(f"striped_mask: width={width} must lie between 1 and period={period}.")
    line = (torch.arange(grid.shape[axis]) - offset) % period < width
    shape = [1] * grid.ndim
    shape[axis] = -1
    return Mask(line.reshape(shape).expand(grid.shape), grid)


def bayer_mask(grid: Grid, pattern: str = "RGGB", channels: str = "RGB") -> Mask:
    """A colour filter array: each pixel measures one of three channels. `pattern` names a 2 x 2 block in reading order.

    A field of channels in the order `channels` is measured; Bayer, US patent 3971065 (1976).
    """
    if grid.ndim != 2 or len(pattern) != 4 or not set(pattern) <= set(channels):
        raise ValueError(
            f"bayer_mask: pattern={pattern!r} must be four of {channels!r} on a 2-D grid ({grid.ndim}-D)."
        )
    block = torch.tensor([channels.index(c) for c in pattern]).reshape(2, 2)
    index = block.repeat(-(-grid.shape[0] // 2), -(-grid.shape[1] // 2))[
        : grid.shape[0], : grid.shape[1]
    ]
    return Mask(nn.functional.one_hot(index, len(channels)).bool(), grid)


class CodedVideo(RowOperator):
    """Video snapshot: y(x) = Σ_t code(x, t) · mean of f(x, ·) over frame t (Llull et al. 2013, eq. 1; SCI).

    The last axis of `grid` is time, and its pixels are the frames of one exposure; codes: (*grid.shape), usually 0 and
    1. Rows are the pixels of one frame; `instants` Gauss-Legendre times see each frame, so that motion inside it
    blurs as it does on the detector. Several snapshots are several terms.
    Raises ValueError for codes of another shape, NaN or Inf, codes that are all zero, instants < 1.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, grid: Grid, *, instants: int = 1) -> None:
        if tuple(codes.shape) != grid.shape or grid.ndim < 2:
            raise ValueError(
                f"CodedVideo: codes have shape {tuple(codes.shape)}, the grid {grid.shape} (time last)."
            )
        codes = codes if codes.is_floating_point() else codes.to(torch.get_default_dtype())
        if not torch.isfinite(codes).all() or not codes.any():
            raise ValueError("CodedVideo: codes must be finite and not all zero.")
        if instants < 1:
            raise ValueError(f"CodedVideo: instants must be at least 1, got {instants}.")
        super().__init__(grid.shape[:-1])
        self.grid, self.codes = grid, nn.Buffer(codes.detach().clone())
        node, weight = np.polynomial.legendre.leggauss(instants)
        self._node, self._weight = node.tolist(), (weight / 2).tolist()

    def forward(self, rows: Tensor) -> Query:
        rows = rows.to(self.codes.device)
        frames, step = self.grid.shape[-1], self.grid.spacing[-1]
        first = pixel_centers(
            self.grid, rows[:, None] * frames + torch.arange(frames, device=rows.device)
        )
        within = torch.zeros(
            len(self._node), self.grid.ndim, dtype=torch.float64, device=rows.device
        )
        within[:, -1] = 0.5 * step * within.new_tensor(self._node)
        codes = self.codes.reshape(-1, frames)[rows]

        def measure(values: Tensor) -> Tensor:
            instants = torch.einsum("btqc,q->btc", values, values.new_tensor(self._weight))
            return without_lone_channel(
                torch.einsum("btc,bt->bc", instants, codes.to(values.dtype))
            )

        return Query(first[:, :, None] + within, measure)  # (b, frames, instants, d)

    def on(self, grid: Grid) -> OnGrid:
        """The same of a sampled video (*space, frames[, c]), one value a frame. Raises ValueError for another grid."""
        if grid != self.grid:
            raise ValueError(
                f"CodedVideo.on: codes belong to a grid of shape {self.grid.shape}, not {grid.shape}."
            )
        return OnGrid(self._snapshot, grid, self.shape)

    def _snapshot(self, video: Tensor) -> Tensor:
        codes = self.codes.to(video.device, video.dtype)
        if video.ndim == codes.ndim:
            return (codes * video).sum(-1)
        return (codes[..., None] * video).sum(-2)
