"""`hinerv`: frames by interpolation, encodings of place within a pixel, and depthwise layers."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.frames.kinds import Blocks, FrameSize, Reduction
from inverse_inr.priors.frames.nerv import falling, widest
from inverse_inr.priors.frames.network import FrameLayout, FrameNetwork
from inverse_inr.priors.frames.parts import at_times, convolution, doubled
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


class ChannelNorm(nn.Module):
    """Normalise the features of each pixel by themselves: (m, c, *n).

    Args:
        width: Features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class Residual(nn.Module):
    """x + W₂ gelu(W₁ norm(depthwise x)): the block of ConvNeXt.

    Args:
        axes: Axes of a frame.
        width: Features.
        expansion: The middle has so many times more features.
        generator: Source of the starting weights.

    Source:
        Liu et al. 2022, ConvNeXt.
    """

    def __init__(self, axes: int, width: int, expansion: int, generator: torch.Generator) -> None:
        super().__init__()
        self.spread = convolution(axes, width, width, 3, generator, by_channel=True)
        self.norm = ChannelNorm(width)
        self.widen = convolution(axes, width, expansion * width, 1, generator, gain=math.sqrt(2))
        self.narrow = convolution(axes, expansion * width, width, 1, generator, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.widen(self.norm(self.spread(x)))
        return x + self.narrow(nn.functional.gelu(h))


class Refining(nn.Module):
    """Twice the pixels by interpolation, an encoding of the place within each, and residuals.

    Args:
        axes: Axes of a frame.
        inputs: Features that come in.
        outputs: Features that go out.
        times: Number of times of the encoding.
        features: Features of the encoding.
        depth: Number of residual layers.
        expansion: Of each.
        generator: Source of the starting weights.

    Source:
        Kwan et al. 2023, section 3.2 (bilinear upsampling with hierarchical encoding).
    """

    def __init__(
        self,
        axes: int,
        inputs: int,
        outputs: int,
        *,
        times: int,
        features: int,
        depth: int,
        expansion: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        shape = (times, features, *(2,) * axes)
        self.table = nn.Parameter(0.1 * torch.randn(shape, generator=generator))
        self.roles = {"table": "table"}
        self.encode = convolution(axes, features, inputs, 1, generator)
        self.layers = nn.ModuleList(
            Residual(axes, inputs, expansion, generator) for _ in range(depth)
        )
        self.reduce = convolution(axes, inputs, outputs, 1, generator)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        h = doubled(x)
        own = self.encode(at_times(self.table, times))  # (m, inputs, 2 ...)
        h = h + own.repeat(1, 1, *(n // 2 for n in h.shape[2:]))
        for layer in self.layers:
            h = layer(h)
        return self.reduce(h)


class HiNeRV(FrameNetwork):
    """Lattices of features in place and time, and refinements.

    Args:
        layout: Where frames lie.
        times: Number of times of the finest lattice of features; the next one has half as many.
        features: Features of each of the two lattices.
        widths: Features before the first doubling and after each.
        depth: Residual layers in each block.
        expansion: Of each.
        outputs: Numbers per pixel.
        generator: Source of the starting numbers.
    """

    def __init__(
        self,
        layout: FrameLayout,
        *,
        times: int,
        features: int,
        widths: list[int],
        depth: int,
        expansion: int,
        outputs: int,
        generator: torch.Generator,
    ) -> None:
        blocks = len(widths) - 1
        wide = [2**layout.axes * expansion * w for w in widths[:-1]]
        super().__init__(layout, widest(layout, [*wide, widths[-1]], blocks))

        def lattice(count: int) -> nn.Parameter:
            shape = (count, features, *layout.start)
            return nn.Parameter(torch.randn(shape, generator=generator))

        self.fast, self.slow = lattice(times), lattice(max(1, times // 2))
        self.roles = {"fast": "table", "slow": "table"}
        self.stem = convolution(layout.axes, 2 * features, widths[0], 3, generator)
        self.blocks = nn.ModuleList(
            Refining(
                layout.axes,
                a,
                b,
                times=max(1, times // 2 ** (k + 1)),
                features=features,
                depth=depth,
                expansion=expansion,
                generator=generator,
            )
            for k, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.last = convolution(layout.axes, widths[-1], outputs, 3, generator)

    def frames(self, times: Tensor) -> Tensor:
        h = torch.cat([at_times(self.fast, times), at_times(self.slow, times)], 1)
        h = self.stem(h)
        for block in self.blocks:
            h = block(h, times)
        return self.layout.cut(self.last(h))


@preset
def hinerv(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    size: FrameSize = None,
    times: Count | None = None,
    features: Count = 4,
    blocks: Blocks = 3,
    width: Count = 32,
    depth: Layers = 1,
    expansion: Count = 3,
    reduction: Reduction = 1.4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Whole frames from lattices of features, refined by interpolation and residuals (HiNeRV).

    The last axis of the box is time. Between pixels it is multilinear, and it has no derivatives by
    place. Two lattices of features in place and time make a coarse frame. Each block interpolates
    it to twice the pixels, adds a learnt encoding of the place within the coarse pixel and of the
    time, and applies ConvNeXt's layers.

    Args:
        box: Where the field lives, in physical units; time is its last axis.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        size: Pixels of a frame along each axis of space; None for those that hold the bandwidth.
        times: Number of times of the lattice of features, as many as frames usually; None for
            those that hold the bandwidth. Between them it is linear.
        features: Features of each lattice and encoding.
        blocks: Number of doublings from the coarse frame to the whole one.
        width: Features of the coarse frame.
        depth: Residual layers in each block.
        expansion: The middle of a residual layer has so many times more features.
        reduction: Each block has so many times fewer features than the one before.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: `size` has another number of axes than the box has beside time.

    Source:
        Kwan et al. 2023, HiNeRV, arXiv:2306.09818.
    """
    bandwidth, b = band(box, bandwidth)
    layout = FrameLayout(box, b, size, blocks)
    if times is None:
        times = layout.times
    count = times

    def network(outputs: int) -> HiNeRV:
        return HiNeRV(
            layout,
            times=count,
            features=features,
            widths=falling(width, reduction, blocks),
            depth=depth,
            expansion=expansion,
            outputs=outputs,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=3e-3,
        rates={"table": 3.0},
    )
