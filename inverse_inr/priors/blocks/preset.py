"""The preset `acorn`: an adaptive tree of blocks."""

from __future__ import annotations

import math

from inverse_inr.domain import Box
from inverse_inr.priors.blocks.linear_tree import DEEPEST
from inverse_inr.priors.blocks.tree import AdaptiveTree
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, Levels, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


def _usual_level(b: float, ndim: int, nodes: int | None) -> int:
    """The level at which blocks of `nodes` per axis hold b cycles per normalised unit."""
    if nodes is None:
        nodes = 6 if ndim > 2 else 8
    return min(DEEPEST - 2, max(0, round(math.log2(4 * b / max(1, nodes - 1)))))


@preset
def acorn(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    level: Levels | None = None,
    blocks: Count | None = None,
    nodes: Count | None = None,
    features: Count = 16,
    width: Count = 128,
    depth: Layers = 3,
    decoder: Count = 64,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """An adaptive tree of blocks, features by a shared encoder (Martel et al. 2021, ACORN).

    It starts as a uniform tree. `Adapt` splits and merges blocks while a solver runs. The field
    jumps between blocks, which no total variation by slopes sees: use one on a grid.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        level: Blocks start with a side of 2^-level of the longest side; None for about 8 nodes per
            axis (in 3-D 6).
        blocks: The most blocks there may be; None for as many as at the start.
        nodes: Nodes of a block along each axis, at least 2; None for the spacing that holds
            `bandwidth`.
        features: Features per node.
        width: Features per hidden layer of the encoder.
        depth: Number of hidden layers of the encoder.
        decoder: Features of the decoder's one hidden layer.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: If `nodes` is fewer than 2, or `blocks` fewer than at the start.

    Source:
        Martel et al. 2021, ACORN.
    """
    bandwidth, b = band(box, bandwidth)
    if level is None:
        level = _usual_level(b, box.ndim, nodes)
    if nodes is None:
        nodes = max(2, 1 + round(4 * b / 2**level))
    if nodes < 2:
        raise ValueError(f"acorn: a block needs at least 2 nodes an axis, got nodes={nodes}.")
    extent = tuple(n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True))

    def network(outputs: int) -> AdaptiveTree:
        return AdaptiveTree(
            extent,
            outputs,
            level=level,
            blocks=blocks,
            nodes=nodes,
            features=features,
            width=width,
            depth=depth,
            decoder=decoder,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-3,
    )
