"""The two networks in floating point, which learn: the same formulas as in whole numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad, pixel_shuffle, pixel_unshuffle, softplus

from inverse_inr.codec.latent.networks import BLOCK, PLANES
from inverse_inr.codec.wavelet.bands import Band
from inverse_inr.codec.wavelet.filter_bank import joined

Networks = Mapping[str, Tensor]
"""Tensors by name, in units of one."""
AROUND = 4
"""How far the mean reaches that the synthesis takes off its input."""
INPUT = 4
"""Steps that are a one to the synthesis."""
PRICE = 5.0
"""Bits of a number of the networks that differs by one step: most of them say where it stands."""


# --- the entropy model ----------------------------------------------------------------------------


def decided(networks: Networks, contexts: Tensor) -> Tensor:
    """Predict the decisions about magnitudes.

    Args:
        networks: The networks.
        contexts: (SIZE, latents), in units of one.

    Returns:
        (DECISIONS, latents) logits: that a latent is zero; that another one has magnitude one; that
        the magnitude grows no more.
    """
    h = torch.relu(networks["context"] @ contexts)
    h = torch.relu(networks["hidden"][:, :-1] @ h + networks["hidden"][:, -1:])
    return networks["decisions"][:, :-1] @ h + networks["decisions"][:, -1:]


def bits(latents: Tensor, logits: Tensor, sign: Tensor) -> Tensor:
    """Count the bits of latents.

    Args:
        latents: Whole numbers, (latents,).
        logits: (DECISIONS, latents), as `decided` gives them.
        sign: (latents,) logits of a positive sign.

    Returns:
        (latents,) bits.
    """
    magnitudes = latents.abs()
    zero, one, end = logits
    some = (magnitudes > 0).to(sign.dtype)
    more = (magnitudes > 1).to(sign.dtype)
    found = softplus(zero * (2 * some - 1))
    found = found + some * (softplus(one * (2 * more - 1)) + softplus(-sign * latents.sign()))
    found = found + more * (softplus(-end) + (magnitudes - 2) * softplus(end))
    return found / math.log(2)


def network_bits(networks: Networks, start: Networks, halvings: int) -> Tensor:
    """Count about how many bits the networks take, where few of their numbers differ.

    Where nothing was rounded, this is the rate of the networks as a regularizer.

    Args:
        networks: The networks.
        start: Those of the start.
        halvings: Halvings of one in a difference.

    Returns:
        The bits.
    """
    total = torch.zeros(())
    for name, value in networks.items():
        steps = (value - start[name]).abs() * 2**halvings
        total = total + PRICE * torch.log2(1 + steps).sum()
    return total


# --- the synthesis --------------------------------------------------------------------------------


class Joining:
    """The pyramid of wavelets as matrices, for a picture of one size.

    Args:
        shape: (rows, columns).
        levels: Levels of the pyramid.
    """

    def __init__(self, shape: tuple[int, int], levels: int) -> None:
        self.levels: list[tuple[Tensor, ...]] = []
        rows, columns = shape
        for _ in range(levels):
            self.levels.append((*_matrices(rows), *_matrices(columns)))
            rows, columns = (rows + 1) // 2, (columns + 1) // 2

    def __call__(self, lows: Tensor, bands: Mapping[Band, Tensor]) -> Tensor:
        """Join bands to planes.

        Args:
            lows: (planes, rows, columns) coarsest low-pass bands.
            bands: (rows, columns) of each band.

        Returns:
            (planes, rows, columns).
        """
        values = lows
        for level in reversed(range(len(self.levels))):
            low_down, high_down, low_across, high_across = self.levels[level]
            across, down, both = (
                torch.stack([bands[Band(level, plane, kind)] for plane in range(len(lows))])
                for kind in range(3)
            )
            left = low_down @ values + high_down @ down
            right = low_down @ across + high_down @ both
            values = left @ low_across.T + right @ high_across.T
        return values

    def squared_length(self, band: Band) -> float:
        """Measure what a number of one makes in the picture, in the middle of a band.

        Args:
            band: The band.

        Returns:
            The sum of squares over the pixels.
        """
        total = 1.0
        for axis, high in enumerate((band.kind != 0, band.kind != 1)):
            line = self.levels[band.level][2 * axis + high]
            for finer in reversed(self.levels[: band.level]):
                line = finer[2 * axis] @ line
            if line.shape[1]:
                total *= float(line[:, line.shape[1] // 2].square().sum())
        return total


def _matrices(count: int) -> tuple[Tensor, Tensor]:
    """Synthesis of a line from its low-pass and its high-pass samples."""
    low, high = (count + 1) // 2, count // 2
    parts = (
        joined(np.eye(low), np.zeros((low, high))),
        joined(np.zeros((high, low)), np.eye(high)),
    )
    from_low, from_high = (torch.from_numpy(part.T).float() for part in parts)
    return from_low, from_high


def mended(networks: Networks, planes: Tensor) -> Tensor:
    """Add to planes what the network finds missing.

    Args:
        networks: The networks.
        planes: (..., PLANES, rows, columns) in steps, of four axes at most.

    Returns:
        The same shape.
    """
    batch = planes.reshape(-1, *planes.shape[-3:])
    around = pad(batch, (AROUND,) * 4, mode="replicate")
    x = (batch - avg_pool2d(around, 2 * AROUND + 1, 1)) / INPUT
    rows, columns = planes.shape[-2:]
    x = pad(x, (0, -columns % BLOCK, 0, -rows % BLOCK), mode="replicate")
    x = pixel_unshuffle(x, BLOCK)
    x = torch.relu(_filtered(networks, "before", x))
    x = torch.relu(_filtered(networks, "within", x))
    x = pixel_shuffle(_filtered(networks, "after", x), BLOCK)
    return (batch + x[..., :rows, :columns]).reshape(planes.shape)


def _filtered(networks: Networks, name: str, x: Tensor) -> Tensor:
    x = pad(x, (1,) * 4, mode="replicate")
    return conv2d(x, networks[name], networks[name + "_bias"])


def widened(planes: Tensor) -> Tensor:
    """Add planes of zeros up to PLANES: (planes, rows, columns)."""
    return pad(planes, (0, 0, 0, 0, 0, PLANES - len(planes)))
