"""`nerv`: frames from an encoding of time, by convolutions that double their pixels."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.frames.kinds import Blocks, FrameSize, Reduction
from inverse_inr.priors.frames.network import FrameLayout, FrameNetwork
from inverse_inr.priors.frames.parts import convolution, dense, shuffled
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed

LEAST_WIDTH = 4
"""Features that a block keeps at least."""
RATIO = 1.25
"""From one frequency of time to the next (NeRV's b)."""


class Doubling(nn.Module):
    """A convolution to as many features as twice the pixels need, pixels from them, an activation.

    Args:
        axes: Axes of a frame.
        inputs: Features that come in.
        outputs: Features that go out.
        kernel: Odd width of the convolution.
        generator: Source of the starting weights.

    Source:
        Chen et al. 2021, figure 2 (the NeRV block).
    """

    def __init__(
        self, axes: int, inputs: int, outputs: int, kernel: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        gain = math.sqrt(2)
        self.widen = convolution(axes, inputs, outputs * 2**axes, kernel, generator, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(shuffled(self.widen(x)))


def falling(width: int, reduction: float, blocks: int) -> list[int]:
    """Features before the first block and after each: fewer by `reduction` each time."""
    return [max(LEAST_WIDTH, round(width / reduction**k)) for k in range(blocks + 1)]


def widest(layout: FrameLayout, widths: list[int], blocks: int) -> int:
    """Numbers of a frame's widest activation."""
    nodes = math.prod(layout.start)
    return max(nodes * 2 ** (layout.axes * k) * widths[k] for k in range(blocks + 1))


class NeRV(FrameNetwork):
    """Sines of time, two dense layers to a coarse frame, doublings, a convolution of one pixel.

    Args:
        layout: Where frames lie.
        frequencies: (n,) cycles per normalised unit of time.
        hidden: Features of the first dense layer.
        widths: Features before the first doubling and after each.
        outputs: Numbers per pixel.
        generator: Source of the starting weights.
    """

    frequencies: Tensor

    def __init__(
        self,
        layout: FrameLayout,
        frequencies: Tensor,
        hidden: int,
        widths: list[int],
        outputs: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(layout, widest(layout, widths, len(widths) - 1))
        self.frequencies = nn.Buffer(frequencies)
        self.width = widths[0]
        gain = math.sqrt(2)
        self.first = dense(2 * len(frequencies), hidden, generator, gain)
        self.second = dense(hidden, self.width * math.prod(layout.start), generator, gain)
        self.blocks = nn.ModuleList(
            Doubling(layout.axes, a, b, 3, generator) for a, b in itertools.pairwise(widths)
        )
        self.last = convolution(layout.axes, widths[-1], outputs, 1, generator)

    def frames(self, times: Tensor) -> Tensor:
        angle = 2 * math.pi * self.frequencies.to(times) * times  # (m, n)
        h = torch.cat([angle.sin(), angle.cos()], -1)
        h = nn.functional.gelu(self.second(nn.functional.gelu(self.first(h))))
        h = h.unflatten(-1, (self.width, *self.layout.start))
        for block in self.blocks:
            h = block(h)
        return self.layout.cut(self.last(h))


def ladder(highest: float) -> Tensor:
    """Frequencies from an eighth of a cycle per normalised unit to the highest, RATIO apart."""
    count = max(1, math.ceil(math.log(max(highest, 0.125) / 0.125) / math.log(RATIO))) + 1
    return torch.logspace(math.log2(0.125), math.log2(max(highest, 0.25)), count, base=2.0)


@preset
def nerv(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    size: FrameSize = None,
    times: Count | None = None,
    blocks: Blocks = 3,
    width: Count = 22,
    hidden: Count = 16,
    reduction: Reduction = 1.3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Whole frames from sines of time, by convolutions that double the pixels (NeRV).

    The last axis of the box is time. Between pixels it is multilinear, and it has no derivatives by
    place. Sines of time go up to the bandwidth only, so that it interpolates between frames; the
    published ones tell frames apart and no more.

    Args:
        box: Where the field lives, in physical units; time is its last axis.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        size: Pixels of a frame along each axis of space; None for those that hold the bandwidth.
        times: Number of frames, usually; None for those that hold the bandwidth. Sines of time go
            up to half their Nyquist frequency, so that what lies between frames is not free.
        blocks: Number of doublings from the coarse frame to the whole one.
        width: Features of the coarse frame.
        hidden: Features of the dense layer before it.
        reduction: Each block has so many times fewer features than the one before.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: `size` has another number of axes than the box has beside time.

    Source:
        Chen et al. 2021, NeRV, arXiv:2110.13903.
    """
    bandwidth, b = band(box, bandwidth)
    layout = FrameLayout(box, b, size, blocks)
    if times is None:
        times = layout.times
    frequencies = ladder(0.125 * times)
    widths = falling(width, reduction, blocks)

    def network(outputs: int) -> NeRV:
        return NeRV(layout, frequencies, hidden, widths, outputs, seeded(seed))

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=3e-3,
    )
