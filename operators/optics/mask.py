"""The pixels that a mask keeps, and masks that are random, striped or those of colour filters.

Values are the field's own at pixel centres. To average over a detector's pixel, use
`Blur(psf.Pixel(...), points)`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Grid, OnGrid, Query, RowOperator, interpolation_matrix
from inverse_inr.operators.rows import (
    ArrayFunction,
    beside_operator,
    pixel_centers,
    without_lone_channel,
)
from inverse_inr.ranges import Count, PositiveFraction, WholeNumber, checked


class Mask(RowOperator):
    """The pixels of `grid` that `mask` keeps, as one vector in array order.

    Lost pixels are no rows at all.

    Args:
        mask: (*grid.shape) of bool, or of 0 and 1; then a row is all channels of one pixel. Or
            (*grid.shape, channels); then a row is one channel of one pixel, as behind a colour
            filter array.
        grid: The grid whose pixel centres are seen.

    Raises:
        ValueError: For a mask of another shape, an empty one, or one with values between 0 and 1.
    """

    pixels: Tensor
    channel: Tensor | None

    @checked
    def __init__(self, mask: Tensor, grid: Grid) -> None:
        shape = tuple(mask.shape)
        if shape != grid.shape and shape[:-1] != grid.shape:
            slip = " Transposed?" if shape == grid.shape[::-1] else ""
            raise ValueError(f"Mask: the mask has shape {shape}, the grid {grid.shape}.{slip}")
        if mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError(
                "Mask: values must be 0 or 1 (or bool). A mask that dims belongs in CodedVideo or "
                "noise."
            )
        kept = mask.flatten().bool().nonzero()[:, 0]
        if not len(kept):
            raise ValueError(f"Mask: the mask of shape {shape} keeps no pixel. Inverted?")
        super().__init__((len(kept),))
        self.grid = grid
        if len(shape) == grid.ndim:
            self.channels = None
            self.pixels = nn.Buffer(kept)
            self.channel = None
        else:
            self.channels = shape[-1]
            self.pixels = nn.Buffer(kept // self.channels)
            self.channel = nn.Buffer(kept % self.channels)

    def forward(self, rows: Tensor) -> Query:
        """Look at the centres of the kept pixels `rows`."""
        rows = rows.to(self.pixels.device)
        centers = pixel_centers(self.grid, self.pixels[rows])
        return Query(centers, lambda values: self._pick(values, rows))

    def _pick(self, values: Tensor, rows: Tensor | slice) -> Tensor:
        """(b, c) values at the rows' pixels -> (b,) of the kept channels, or all channels."""
        if self.channel is None:
            return without_lone_channel(values)
        if values.shape[-1] != self.channels:
            raise ValueError(f"Mask of {self.channels} channels: the field has {values.shape[-1]}.")
        return values.gather(-1, self.channel[rows][:, None])[:, 0]

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same pixels of a sampled image.

        It is an exact selection on the mask's own grid, and multilinear between the pixels of
        another grid.

        Args:
            grid: The grid of the image.

        Returns:
            The map, with the same rows.
        """
        if grid == self.grid:
            return OnGrid(ArrayFunction(_selected, self), grid, self.shape)
        points = pixel_centers(self.grid, self.pixels).cpu()
        look = interpolation_matrix(grid, points)

        def interpolated(image: Tensor, look: nn.Module, mask: Mask) -> Tensor:
            return mask._pick(look(image.reshape(grid.numel, -1)), slice(None))

        return OnGrid(ArrayFunction(interpolated, look, self), grid, self.shape)

    def embed(self, y: Tensor, fill: float = math.nan) -> Tensor:
        """Put measurements at their places in an array.

        Args:
            y: (rows, *m) measurements.
            fill: The value where nothing was measured.

        Returns:
            (*mask.shape, *m).
        """
        shape = self.grid.shape
        flat = self.pixels
        if self.channels is not None and self.channel is not None:
            shape = (*shape, self.channels)
            flat = self.pixels * self.channels + self.channel
        out = y.new_full((math.prod(shape), *y.shape[1:]), fill)
        return out.index_copy(0, flat.to(y.device), y).reshape(*shape, *y.shape[1:])


def _selected(image: Tensor, mask: Mask) -> Tensor:
    """The kept pixels of an image (*grid.shape[, c]) on the mask's own grid."""
    return mask._pick(image.reshape(mask.grid.numel, -1)[mask.pixels], slice(None))


@checked
def random_mask(
    grid: Grid, fraction: PositiveFraction, *, seed: WholeNumber = 0, density: Tensor | None = None
) -> Mask:
    """A mask that keeps a fraction of the pixels, drawn without replacement.

    Args:
        grid: The grid of the mask.
        fraction: The part that is kept: exactly that many pixels (rounded, at least one).
        seed: The mask is a pure function of it.
        density: (*grid.shape), not negative; favours some pixels (variable-density sampling).
            Default equal chances.

    Returns:
        The operator.

    Raises:
        ValueError: For a fraction outside (0, 1], or a density of another shape, negative, or zero
            on too many pixels.

    Source:
        Efraimidis & Spirakis 2006: the largest of u^(1/w) are a weighted draw without replacement.
    """
    count = max(1, round(fraction * grid.numel))
    generator = torch.Generator().manual_seed(seed)
    if density is None:
        density = torch.ones(grid.numel, dtype=torch.float64)
    weight = density.double().flatten()
    if len(weight) != grid.numel or bool((weight < 0).any()) or int((weight > 0).sum()) < count:
        raise ValueError(
            f"random_mask: density must be {grid.shape}, not negative, positive on {count} pixels."
        )
    keys = torch.rand(grid.numel, dtype=torch.float64, generator=generator).log() / weight
    mask = torch.zeros(grid.numel, dtype=torch.bool)
    mask[keys.topk(count).indices] = True
    return Mask(mask.reshape(grid.shape), grid)


@checked
def striped_mask(
    grid: Grid, period: Count, *, width: Count = 1, axis: int = 0, offset: int = 0
) -> Mask:
    """A mask that keeps `width` of every `period` lines.

    Line i is kept where (i - offset) mod period < width.

    Args:
        grid: The grid of the mask.
        period: Lines from one stripe to the next.
        width: Lines that are kept in each period.
        axis: The axis along which lines are counted.
        offset: The first line of a stripe.

    Returns:
        The operator.

    Raises:
        ValueError: For a width outside 1 to `period`, or an axis that the grid has not.
    """
    if not -grid.ndim <= axis < grid.ndim:
        raise ValueError(f"striped_mask: axis={axis}; the grid has {grid.ndim} axes.")
    if not 1 <= width <= period:
        raise ValueError(f"striped_mask: width={width} must lie between 1 and period={period}.")
    line = (torch.arange(grid.shape[axis]) - offset) % period < width
    shape = [1] * grid.ndim
    shape[axis] = -1
    return Mask(line.reshape(shape).expand(grid.shape), grid)


@checked
def bayer_mask(grid: Grid, pattern: str = "RGGB", channels: str = "RGB") -> Mask:
    """A colour filter array: each pixel measures one channel of the field.

    Args:
        grid: A 2-D grid.
        pattern: The channels of a 2 x 2 block in reading order.
        channels: The names of the field's channels, in their order.

    Returns:
        The operator.

    Raises:
        ValueError: For another grid or a pattern that is not four of `channels`.

    Source:
        Bayer, US patent 3971065 (1976).
    """
    if grid.ndim != 2 or len(pattern) != 4 or not set(pattern) <= set(channels):
        raise ValueError(
            f"bayer_mask: pattern={pattern!r} must be four of {channels!r} on a 2-D grid "
            f"({grid.ndim}-D)."
        )
    height, width = grid.shape
    block = torch.tensor([channels.index(c) for c in pattern]).reshape(2, 2)
    index = block.repeat(math.ceil(height / 2), math.ceil(width / 2))[:height, :width]
    return Mask(nn.functional.one_hot(index, len(channels)).bool(), grid)
