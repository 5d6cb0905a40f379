"""Latents and networks fitted to one picture, by its error and its bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.contexts import Layout
from inverse_inr.codec.latent.exchanging import Latents
from inverse_inr.codec.latent.floating import (
    Joining,
    bits,
    decided,
    mended,
    network_bits,
    widened,
)
from inverse_inr.codec.latent.networks import ONE, encode_differences
from inverse_inr.codec.planes import Floats
from inverse_inr.codec.range_coder import Encoder
from inverse_inr.codec.wavelet.bands import ACROSS
from inverse_inr.codec.wavelet.filter_bank import analysed
from inverse_inr.codec.wavelet.waves import encode_low

NETWORK_RATE = 1e-3
"""Largest learning rate of the networks."""
LEARNING = 0.7
"""Part of the steps in which the networks learn; then they are rounded, and only latents move."""
WORTH = 0.13
"""Squared steps that a bit is worth at the start: about 2 ln 2 / 12, as at high rates."""
DEAD = 0.35
"""What is added to a magnitude at the start, before it is rounded down."""
HASTE = 14.0
"""How fast the worth of a bit follows the size, over all steps."""
PARTS = (0.4, 0.05)
"""Part of the exchanges that are made at once, in the first and in the last step."""
TRIED = 4
"""Exchanges before the size is looked at, when the step is sought."""
HALVINGS = range(4, 9)
"""Halvings of one that are tried for the networks' differences."""
LEARNT = 6
"""Halvings of one by which the networks' bits are counted while they learn."""


class Rounded(NamedTuple):
    """A picture's numbers, rounded.

    Attributes:
        halvings: Halvings of one in a difference of the networks' numbers.
        differences: Whole differences from the start, by name.
        lows: The low-pass bands.
        latents: (count + 1,) whole latents.
        mended: Whether the synthesis network mends the planes.
    """

    halvings: int
    differences: dict[str, Whole]
    lows: list[Whole]
    latents: Whole
    mended: bool


class Fit:
    """The latents and networks of one picture, while they are fitted.

    The loss is the squared error in units of what a bit is worth, plus bits. That worth follows
    the size that is wanted. Networks learn by Adam; whole latents are exchanged for others.

    Args:
        planes: (planes, rows, columns).
        start: The networks to begin with, by name, whole numbers in units of 1 / ONE.
        step: What a latent of one stands for.
        seed: Seed of the choice of exchanges.

    Source:
        Ladune et al. 2023 (Cool-chic, arXiv:2212.05458); Kim et al. 2024 (C3, arXiv:2312.02753).
    """

    def __init__(self, planes: Floats, start: Mapping[str, Whole], step: float, seed: int) -> None:
        count, rows, columns = planes.shape
        self.planes = torch.from_numpy(planes).float()
        self.layout = Layout((rows, columns), count)
        self.joining = Joining((rows, columns), self.layout.levels)
        split = [analysed(plane, self.layout.levels) for plane in planes]
        self.low = np.stack([low for low, _ in split])
        bands = {b: split[b.plane][1][b.level][b.kind] for b in self.layout.places}
        self.coefficients = torch.from_numpy(self.layout.joined(bands)[:-1]).float()
        felt = {b: np.full_like(v, self.joining.squared_length(b)) for b, v in bands.items()}
        curvature = torch.from_numpy(self.layout.joined(felt)[:-1]).float()
        self.latents = Latents(self.layout, curvature, seed)
        self.start = {name: torch.from_numpy(v).float() / ONE for name, v in start.items()}
        self.networks = {name: v.clone().requires_grad_() for name, v in self.start.items()}
        self.adam = torch.optim.Adam(self.networks.values(), betas=(0.9, 0.98))
        self.halvings: int | None = None
        self.moved_bits = 0.0
        self.begin(step)

    def begin(self, step: float) -> None:
        """Round all coefficients to latents.

        Args:
            step: What a latent of one stands for.
        """
        self.step = step
        self.worth = WORTH
        x = self.coefficients / step
        self.latents.whole = x.sign() * torch.floor(x.abs() + DEAD)
        self.lows = np.round(self.low / step).astype(np.int64)
        encoder = Encoder()
        for low in self.lows:
            encode_low(encoder, low)
        self.low_bits = 8.0 * len(encoder.finish())
        with torch.no_grad():
            errors = [float(self.error(self.latents.whole, mends)) for mends in (False, True)]
        self.mends = errors[1] < errors[0]

    def tried(self) -> float:
        """Exchange latents a few times; the networks stay as they are.

        Returns:
            Bits of latents.
        """
        for _ in range(TRIED):
            self.settle(part=PARTS[0])
        return self.settle(part=PARTS[0])

    def step_once(self, progress: float, wanted: float, count: int) -> None:
        """Make one step: one of exchanges, and but for the last part of all steps one of Adam.

        Args:
            progress: Part of the steps that is made already, from 0 to 1.
            wanted: Bits in all, which the worth of a bit follows.
            count: How many steps there are.
        """
        rate = 0.0
        if progress < LEARNING:
            part = progress / LEARNING
            rate = NETWORK_RATE * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * part)))
        elif self.halvings is None:
            self.round_networks()
        size = self.settle(rate, PARTS[0] * (PARTS[1] / PARTS[0]) ** progress)
        if progress > 0.05:
            self.follow(HASTE / count * math.log(max(size, 1.0) / wanted))

    def settle(self, rate: float = 0.0, part: float = PARTS[1]) -> float:
        """Exchange latents, and let the networks learn by the same gradients.

        Args:
            rate: Learning rate of the networks; 0 where they stay.
            part: Part of the exchanges that are made at once.

        Returns:
            Bits of latents and of rounded networks, as they were before.
        """
        if not self.layout.count:
            return self.low_bits
        latents = self.latents.whole.clone().requires_grad_()
        contexts = self.latents.contexts().requires_grad_()
        logits, sign = decided(self.networks, contexts), self.latents.signs(self.networks)
        size = bits(latents.detach(), logits, sign).sum()
        loss = self.error(latents, self.mends) / self.worth + size
        learnt = []
        if rate:
            learnt = list(self.networks.values())
            loss = loss + network_bits(self.networks, self.start, LEARNT)
        slopes = torch.autograd.grad(loss, [latents, contexts, *learnt], allow_unused=True)
        said = logits.detach(), sign.detach()
        self.latents.exchange(slopes[0], slopes[1], *said, self.worth, part)
        for value, slope in zip(learnt, slopes[2:], strict=True):
            value.grad = slope
        if rate:
            self.adam.param_groups[0]["lr"] = rate
            self.adam.step()
        return float(size.detach()) + self.low_bits + self.moved_bits

    def error(self, latents: Tensor, mends: bool) -> Tensor:
        """Measure the squared error of latents.

        Args:
            latents: (count,) latents.
            mends: Whether the synthesis network mends the planes.

        Returns:
            The sum over all samples, in squared steps.
        """
        bands = {}
        for band, place in self.layout.places.items():
            own = latents[place.first : place.last].reshape(place[1:])
            bands[band] = own.T if band.kind == ACROSS else own
        found = self.joining(torch.from_numpy(self.lows).float(), bands)
        if mends:
            found = mended(self.networks, widened(found))[: len(found)]
        return (found - self.planes / self.step).square().sum()

    def follow(self, change: float) -> None:
        """Change the worth of a bit.

        Args:
            change: Of its logarithm; a positive one makes the file shorter.
        """
        self.worth *= math.exp(min(max(change, -0.5), 0.5))

    def round_networks(self) -> None:
        """Round the networks by the step sizes that are worth their bits, and keep them so.

        A tensor whose differences are not worth theirs goes back to the start: a small file has no
        room for them.
        """
        learnt = {name: value.detach() for name, value in self.networks.items()}
        losses = {h: self._loss_of(self._on_steps(learnt, h), h) for h in HALVINGS}
        self.halvings = min(losses, key=losses.__getitem__)
        best, least = self._on_steps(learnt, self.halvings), losses[self.halvings]
        for name in learnt:
            tried = {**best, name: self.start[name]}
            loss = self._loss_of(tried, self.halvings)
            if loss < least:
                best, least = tried, loss
        if self._loss_of(self.start, self.halvings) < least:
            best = dict(self.start)
        self.networks = best
        self.moved_bits = _written_bits(self._differences(best, self.halvings))

    def rounded(self) -> Rounded:
        """Give the numbers as they are now, rounded."""
        if self.halvings is None:
            self.round_networks()
        assert self.halvings is not None
        differences = self._differences(self.networks, self.halvings)
        return Rounded(
            self.halvings, differences, list(self.lows), self.latents.numbers(), self.mends
        )

    def _differences(self, networks: Mapping[str, Tensor], halvings: int) -> dict[str, Whole]:
        found = {}
        for name, value in networks.items():
            steps = torch.round((value - self.start[name]) * 2**halvings)
            found[name] = steps.long().numpy()
        return found

    def _on_steps(self, networks: Mapping[str, Tensor], halvings: int) -> dict[str, Tensor]:
        return {
            name: self.start[name] + torch.from_numpy(steps).float() / 2**halvings
            for name, steps in self._differences(networks, halvings).items()
        }

    def _loss_of(self, networks: Mapping[str, Tensor], halvings: int) -> float:
        kept = self.networks
        self.networks = dict(networks)
        with torch.no_grad():
            logits = decided(networks, self.latents.contexts())
            size = bits(self.latents.whole, logits, self.latents.signs(networks)).sum()
            size += _written_bits(self._differences(networks, halvings))
            error = self.error(self.latents.whole, self.mends)
        self.networks = kept
        return float(error / self.worth + size)


def _written_bits(differences: Mapping[str, Whole]) -> float:
    encoder = Encoder()
    encode_differences(encoder, differences)
    return 8.0 * len(encoder.finish())
