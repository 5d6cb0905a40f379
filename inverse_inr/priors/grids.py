"""Grids of values, and lattices of features with a small network: presets `grid` and `hash`."""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.heads import HeadName, Heads
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.preset import Layers, Levels, Log2Size, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.ranges import Count, Fraction, Positive, Seed


class Direct(nn.Identity):
    """The features are the values: a grid without a network.

    Args:
        nodes: Nodes of the lattice that a point looks at.

    Attributes:
        lattice_chunk: Points of a lattice to evaluate at once: the nodes they look at take the
            memory.
    """

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.lattice_chunk = 2**22 // nodes


ORDERS = {1: "linear", 3: "cubic"}
"""Interpolation of `grid` by the order of its spline."""


@preset
def grid(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    cells: Positive | None = None,
    order: Literal[1, 3] = 1,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A dense grid of values, multilinear (order 1) or cubic B-spline (order 3) between nodes.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        cells: Cells along the longest side; None for 4 b, one per pixel.
        order: 1 for multilinear interpolation (C⁰), 3 for cubic B-splines (C²).
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Changes nothing: the grid starts at zero.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For another order.
    """
    bandwidth, b = band(box, bandwidth)
    if cells is None:
        cells = 4 * b
    if order not in ORDERS:
        raise ValueError(f"grid: order must be 1 (linear) or 3 (cubic), got {order}.")
    del seed  # the grid starts at zero
    numbers = Heads(head, channels).outputs
    encoding = GridEncoding(
        box,
        [cells],
        numbers,
        interpolation=ORDERS[order],
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
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    levels: Levels = 8,
    coarsest: Positive = 8,
    finest: Positive | None = None,
    features: Count = 2,
    log2_table: Log2Size = 19,
    width: Count = 32,
    depth: Layers = 2,
    interpolation: Literal["linear", "smoothstep"] = "linear",
    coarse_to_fine: Fraction = 0.0,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Multiresolution hash encoding and a small ReLU network (Müller et al. 2022).

    A level is dense while its nodes fit in a table, and hashed beyond.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        levels: Number of resolutions.
        coarsest: Cells along the longest side at the first level.
        finest: Cells along the longest side at the last level; None for 6.8 b, but no fewer than
            `coarsest`.
        features: Features per level.
        log2_table: Logarithm of a table's rows, to the base 2.
        width: Features per hidden layer of the decoder.
        depth: Number of hidden layers of the decoder.
        interpolation: "linear" (C⁰) or "smoothstep" (C¹).
        coarse_to_fine: Fraction of the run in which the levels come in one after the other, where
            poses are learnt that a fine field would trap; 0 for all from the start.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting features and weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: If the finest level has fewer cells than the coarsest.

    Source:
        Müller et al. 2022. Coarse to fine: Li et al. 2023, Neuralangelo.
    """
    bandwidth, b = band(box, bandwidth)
    if finest is None:
        finest = max(6.8 * b, coarsest)
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
        mlp.smoothness = 0
        if interpolation == "smoothstep":
            mlp.smoothness = math.inf  # kinks of the decoder sit on no lattice
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
