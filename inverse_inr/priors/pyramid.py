"""A pyramid of small local networks and its preset `miner`.

All blocks of a scale are evaluated by batched matrix products.
"""

from __future__ import annotations

import copy
import math
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.networks.tiles import Scale
from inverse_inr.priors.preset import Layers, Levels, Moderate, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.state import Recipe
from inverse_inr.ranges import Count, Positive, Range, Seed


class Pyramid(nn.Module):
    """The sum of scales, coarse to fine, each with blocks half as large.

    MINER fits one scale after the other to the signal and stops the blocks that fit. Behind an
    operator blocks depend on each other and their error is not known: here all scales are fitted
    together, and none stops on its own.

    Args:
        scales: From coarse to fine.

    Source:
        Saragadam et al. 2022, MINER.
    """

    fills_the_box = True

    def __init__(self, scales: list[Scale]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(scales)
        blends = all(s.overlap or math.prod(s.tiles) == 1 for s in scales)
        self.smoothness = 2 if blends else -1

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised coordinates (*s, d): (*s, outputs)."""
        flat = x.reshape(-1, x.shape[-1])
        values = [scale(flat) for scale in self.scales]
        return torch.stack(values).sum(0).reshape(*x.shape[:-1], -1)

    def refined(self) -> Pyramid:
        """Add a scale that adds nothing yet: the children of the finest, with a last layer of zero.

        Returns:
            A copy with one scale more.
        """
        finer = copy.deepcopy(self)
        last = self.scales[-1]
        assert isinstance(last, Scale)
        child = last.split()
        nn.init.zeros_(child.weights[-1])
        nn.init.zeros_(child.biases[-1])
        finer.scales.append(child)
        return finer


def refined(prior: Prior) -> Prior:
    """Give a `miner` prior one scale more: solve coarse, refine, solve on.

    Args:
        prior: The prior, which stays as it is.

    Returns:
        A copy of the same field with one scale more.

    Raises:
        TypeError: For another prior.
    """
    if not isinstance(prior.network, Pyramid):
        raise TypeError(f"refined: '{prior.name}' has no scales; 'miner' has.")
    finer = copy.deepcopy(prior)
    finer.network = prior.network.refined()
    last = finer.network.scales[-1]
    assert isinstance(last, Scale)
    options = {**prior.recipe.options, "scales": len(finer.network.scales), "omega0": last.omega}
    finer.recipe = Recipe(prior.name, options, prior.recipe.summary)
    return finer


@preset
def miner(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    scales: Levels | None = None,
    omega0: Moderate | None = None,
    width: Count = 18,
    coarsest_width: Count = 72,
    depth: Layers = 2,
    overlap: Annotated[float, Range(above=0, most=0.5)] | None = 0.25,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A pyramid of tiny SIRENs, one per block (Saragadam et al. 2022, MINER).

    Each scale has blocks half as large as the one before. By default the finest blocks hold the
    published 32² or 16³ samples of the Nyquist lattice.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        scales: Number of scales; the first is one block that holds the box. None for the default
            above.
        omega0: Frequency of the sines, in radians per unit of their input, on a block's own
            coordinates; None for 2π d b / 5 / 2^(scales - 1).
        width: Features per hidden layer of a block, from the second scale on.
        coarsest_width: Features per hidden layer of the first scale.
        depth: Number of hidden layers of a block.
        overlap: The fraction of a side over which blocks blend, at most 1/2. None is the published
            network, which jumps at the borders (no total variation by slopes sees a jump: use one
            on a grid).
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: If `overlap` is more than 1/2.

    Source:
        Saragadam et al. 2022, MINER.
    """
    bandwidth, b = band(box, bandwidth)
    if scales is None:
        samples = 16 if box.ndim > 2 else 32  # per axis of a finest block, as published
        scales = 1 + max(0, round(math.log2(4 * b / samples)))
    if omega0 is None:
        # two narrow layers make fewer overtones than a SIREN: they start higher
        omega0 = 2 * math.pi * box.ndim * b / 2.0 ** (scales - 1) / 5
    half = tuple(n * s / 2 for n, s in zip(box.lengths, box.scale, strict=True))
    generator = seeded(seed)

    def scale(k: int, outputs: int) -> Scale:
        made = Scale(
            half,
            2.0 / 2**k,
            outputs,
            width=coarsest_width if k == 0 else width,
            depth=depth,
            omega=omega0,
            overlap=overlap or 0.0,
            generator=generator,
        )
        nn.init.zeros_(made.biases[-1])  # or the field starts as a patchwork of constants
        return made

    def network(outputs: int) -> Pyramid:
        return Pyramid([scale(k, outputs) for k in range(scales)])

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=5e-3,
    )
