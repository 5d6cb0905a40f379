"""The latents of a picture while it is fitted: numbers that are exchanged for cheaper ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.coding import around
from inverse_inr.codec.latent.contexts import (
    FLAGS,
    NEAR,
    OTHERS,
    SEEN,
    UNIT,
    Layout,
    flags,
    signed_roots,
)
from inverse_inr.codec.latent.floating import bits
from inverse_inr.codec.wavelet.contexts import roots, sums_around


class Latents:
    """All latents in a row, and what their contexts see.

    Args:
        layout: Where the lattices stand.
        curvature: What each of them adds to the squared error, times the square of its change.
        seed: Seed of the choice of exchanges.
    """

    def __init__(self, layout: Layout, curvature: Tensor, seed: int) -> None:
        self.layout = layout
        self.curvature = curvature
        self.generator = torch.Generator().manual_seed(seed)
        self.whole = torch.zeros(layout.count)
        seen = [np.zeros((SEEN, 0), np.int64)]
        told = [np.zeros((FLAGS, 0), np.int64)]
        kinds = [np.zeros(0, np.int64)]
        for band, place in layout.places.items():
            length = place.last - place.first
            seen.append(layout.seen(band))
            told.append(np.repeat(flags(band)[:, None], length, 1))
            kinds.append(np.full(length, band.kind))
        self.seen = torch.from_numpy(np.concatenate(seen, 1))
        self.told = torch.from_numpy(np.concatenate(told, 1)).float() / UNIT
        self.kinds = torch.from_numpy(np.concatenate(kinds))

    def numbers(self) -> Whole:
        """(count + 1,) latents as whole numbers, and a zero."""
        return np.append(self.whole.numpy().astype(np.int64), 0)

    def contexts(self) -> Tensor:
        """(SIZE, count) what the entropy model sees of each latent, in units of one."""
        numbers = self.numbers()
        own = torch.from_numpy(roots(np.abs(numbers))).float() / UNIT
        sums = torch.from_numpy(around(self.layout, numbers)).float() / UNIT
        return torch.cat([own[self.seen], sums[self.seen[NEAR:]], self.told])

    def signs(self, networks: Mapping[str, Tensor]) -> Tensor:
        """(count,) logits of positive signs."""
        signed = torch.from_numpy(signed_roots(self.numbers())).float() / UNIT
        rows = [*range(NEAR), -2, -1]
        total = torch.zeros(self.layout.count)
        for column, row in enumerate(rows):
            total = total + networks["sign"][self.kinds, column] * signed[self.seen[row]]
        return total

    def exchange(
        self,
        slope: Tensor,
        seen_slope: Tensor,
        logits: Tensor,
        sign: Tensor,
        worth: float,
        part: float,
    ) -> None:
        """Exchange latents for the next one above or below or zero, where the loss becomes less.

        The change of the error is that of its slope and of its curvature; the change of the bits is
        that of the latent's own, and the slope of those that see it. Of what would be exchanged, a
        random part is, since neighbours do not know of each other.

        Args:
            slope: (count,) slope of the loss in the latents, as far as they make the error.
            seen_slope: (SIZE, count) slope of the bits in the contexts.
            logits: (DECISIONS, count) what the entropy model says of magnitudes.
            sign: (count,) logits of positive signs.
            worth: Squared steps that a bit is worth.
            part: Part of what would be exchanged that is, from 0 to 1.
        """
        own = bits(self.whole, logits, sign)
        by_root, by_magnitude = self._seen_slopes(seen_slope)
        least, chosen = torch.zeros_like(own), self.whole
        for to in (self.whole - 1, self.whole + 1, torch.zeros_like(own)):
            change = to - self.whole
            gain = slope * change + self.curvature / worth * change**2
            gain += bits(to, logits, sign) - own
            gain += (to.abs().sqrt() - self.whole.abs().sqrt()) * by_root
            gain += (to.abs() - self.whole.abs()) * by_magnitude
            better = gain < least
            least = torch.where(better, gain, least)
            chosen = torch.where(better, to, chosen)
        some = torch.rand(len(own), generator=self.generator) < part
        self.whole = torch.where(some, chosen, self.whole)

    def _seen_slopes(self, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the bits of those that see a latent: in its root, and in its magnitude."""
        count = self.layout.count
        by_root, by_sum = torch.zeros(2, count + 1)
        by_root.scatter_add_(0, self.seen.reshape(-1), slope[:SEEN].reshape(-1))
        in_sums = slope[SEEN : SEEN + OTHERS].reshape(-1)
        by_sum.scatter_add_(0, self.seen[NEAR:].reshape(-1), in_sums)
        magnitudes, sloped = np.abs(self.numbers()), by_sum.double().numpy()
        found = np.zeros(count)
        for place in self.layout.places.values():
            here = slice(place.first, place.last)
            own = sums_around(magnitudes[here].reshape(place[1:]))
            # how the root of a sum changes when one of its numbers grows by one
            each = sloped[here].reshape(place[1:]) * 0.5 / np.sqrt(own + 0.25)
            found[here] = sums_around(each).reshape(-1)
        return by_root[:-1], torch.from_numpy(found).float()
