"""A residual U-Net without biases that takes noise of a given size out of grey planes.

    D(x, σ) = x - N(x, σ),    N(a x, a σ) = a N(x, σ)  for a > 0

Without biases and with rectifiers the network is homogeneous: it has no brightness of its own to
fall back on, which keeps it sound at noise that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from inverse_inr.ranges import Count, checked


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 with a rectifier between them, beside the identity.

    Args:
        width: The number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, width, h, w) to the same."""
        return x + self.second(functional.relu(self.first(x)))


class UNet(nn.Module):
    """The network, called as `module(x, sigma)` as the denoisers of deepinv are.

    The plane is first folded, 2 x 2 pixels into four channels, beside which σ is a fifth.

    Args:
        widths: Channels of each level, the finest first; each level halves the sides.
        blocks: Residual blocks of each level, on the way down and again on the way up.

    Raises:
        ValueError: The two lists differ in length.

    Source:
        Ronneberger, Fischer & Brox 2015 (U-Net); Zhang, Zuo & Zhang 2018, FFDNet (folding, noise
        map); Mohan et al. 2020 (no biases).
    """

    @checked
    def __init__(
        self,
        widths: Sequence[Count] = (32, 48, 64),
        blocks: Sequence[Count] = (1, 1, 2),
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths:
            raise ValueError(
                f"UNet: {len(widths)} widths and {len(blocks)} numbers of blocks; every level "
                "needs both."
            )
        steps = list(pairwise(widths))
        self.head = nn.Conv2d(5, widths[0], 3, padding=1, bias=False)
        self.down = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, blocks, strict=True))
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 2, 2, bias=False) for a, b in steps)
        self.finer = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2, bias=False) for a, b in steps)
        self.up = nn.ModuleList(
            _blocks(w, n) for w, n in zip(widths[:-1], blocks[:-1], strict=True)
        )
        self.tail = nn.Conv2d(widths[0], 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Take the noise out of planes.

        Args:
            x: (b, 1, h, w).
            sigma: Standard deviation of the noise, in the unit of x: one, or (b,).

        Returns:
            (b, 1, h, w).
        """
        height, width = x.shape[-2:]
        fold = 2 * 2 ** len(self.coarser)
        edges = (0, -width % fold, 0, -height % fold)
        folded = functional.pixel_unshuffle(functional.pad(x, edges, mode="replicate"), 2)
        level = torch.as_tensor(sigma).to(x).expand(len(x))[:, None, None, None]
        seen = torch.cat([folded, level.expand(-1, 1, *folded.shape[-2:])], 1)
        noise = functional.pixel_shuffle(self._features(self.head(seen)), 2)
        return x - noise[..., :height, :width]

    def _features(self, t: Tensor) -> Tensor:
        """Down to the coarsest level, up again beside what each level had, and out."""
        kept: list[Tensor] = []
        for blocks, coarser in zip(self.down[:-1], self.coarser, strict=True):
            t = blocks(t)
            kept.append(t)
            t = coarser(t)
        t = self.down[-1](t)
        for blocks, finer in zip(reversed(self.up), reversed(self.finer), strict=True):
            t = blocks(finer(t) + kept.pop())
        return self.tail(t)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
