"""`hnerv`: frames from small learnt pictures, by convolutions that double their pixels."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.frames.kinds import Blocks, FrameSize, Reduction
from inverse_inr.priors.frames.nerv import Doubling, falling, widest
from inverse_inr.priors.frames.network import FrameLayout, FrameNetwork
from inverse_inr.priors.frames.parts import at_times, convolution
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed

ALIKE = 0.1
"""How different the small pictures are at first."""
WIDEST_KERNEL = 5
"""Kernels are 1, 3 and from then on 5 pixels wide."""


class HNeRV(FrameNetwork):
    """A small picture for each of several times, linear between them, and doublings.

    Args:
        layout: Where frames lie.
        times: Number of small pictures.
        features: Their channels.
        widths: Features before the first doubling and after each.
        outputs: Numbers per pixel.
        generator: Source of the starting numbers.
    """

    def __init__(
        self,
        layout: FrameLayout,
        times: int,
        features: int,
        widths: list[int],
        outputs: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(layout, widest(layout, widths, len(widths) - 1))
        # all begin alike: what frames have in common is learnt first
        one = torch.randn(1, features, *layout.start, generator=generator)
        own = torch.randn(times, features, *layout.start, generator=generator)
        self.embedding = nn.Parameter(one + ALIKE * own)
        self.roles = {"embedding": "table"}
        self.stem = convolution(layout.axes, features, widths[0], 1, generator)
        self.blocks = nn.ModuleList(
            Doubling(layout.axes, a, b, min(2 * k + 1, WIDEST_KERNEL), generator)
            for k, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.last = convolution(layout.axes, widths[-1], outputs, 3, generator)

    def frames(self, times: Tensor) -> Tensor:
        h = self.stem(at_times(self.embedding, times))
        for block in self.blocks:
            h = block(h)
        return self.layout.cut(self.last(h))


@preset
def hnerv(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    size: FrameSize = None,
    times: Count | None = None,
    features: Count = 6,
    blocks: Blocks = 3,
    width: Count = 28,
    reduction: Reduction = 1.2,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Whole frames from small learnt pictures of them, by convolutions (HNeRV without encoder).

    The last axis of the box is time. Between pixels it is multilinear, and it has no derivatives by
    place. The published one makes the small pictures by an encoder of the video, which is thrown
    away; here they are learnt themselves, since an inverse problem has no video to encode.

    Args:
        box: Where the field lives, in physical units; time is its last axis.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        size: Pixels of a frame along each axis of space; None for those that hold the bandwidth.
        times: Number of small pictures, evenly over the time, as many as frames usually; None for
            those that hold the bandwidth. Between them it is linear.
        features: Channels of a small picture.
        blocks: Number of doublings from the small picture to the whole frame.
        width: Features before the first doubling.
        reduction: Each block has so many times fewer features than the one before.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: `size` has another number of axes than the box has beside time.

    Source:
        Chen et al. 2023, HNeRV, arXiv:2304.02633.
    """
    bandwidth, b = band(box, bandwidth)
    layout = FrameLayout(box, b, size, blocks)
    if times is None:
        times = layout.times
    count = times
    widths = falling(width, reduction, blocks)

    def network(outputs: int) -> HNeRV:
        return HNeRV(layout, count, features, widths, outputs, seeded(seed))

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
