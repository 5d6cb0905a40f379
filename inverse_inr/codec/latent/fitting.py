"""Latents and networks fitted to one picture, by its error and its bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.floating import (
    Filters,
    bits,
    network_bits,
    predicted,
    squared_length,
    synthesised,
)
from inverse_inr.codec.latent.lattices import Lattice
from inverse_inr.codec.latent.networks import ENTROPY, ONE, step_of
from inverse_inr.codec.latent.pyramid import pyramid
from inverse_inr.codec.latent.rounding import kumaraswamy, soft_round

LATENT_RATE = 0.1
"""Largest learning rate of the latents, in steps."""
NETWORK_RATE = 1e-3
"""Largest learning rate of the networks."""
LEARNING = 0.85
"""Part of the steps in which latents and networks learn; then both are rounded, and latents are
exchanged for their neighbours."""
PART = 0.15
"""Part of the exchanges that are made at once."""
LOOK = 10
"""Steps between two looks at the size of rounded latents."""
WORTH = 0.13
"""Squared steps that a bit is worth at the start: about 2 ln 2 / 12, as at high rates."""
HASTE = 8.0
"""How fast the price of a bit follows the size, over all steps."""
EXPONENTS = range(5, 10)
"""Halvings of one that are tried for the networks' differences."""


class Rounded(NamedTuple):
    """A picture's numbers, rounded.

    Attributes:
        exponents: Halvings of one in a difference of the networks' numbers.
        differences: Whole differences from the start, by name.
        latents: Whole latents.
    """

    exponents: tuple[int, int]
    differences: dict[str, Whole]
    latents: dict[Lattice, Whole]


class Fit:
    """The latents and networks of one picture, while they are fitted.

    The loss is the squared error in units of a price, plus bits. The price of a bit follows the
    size that is wanted.

    Args:
        planes: (planes, rows, columns).
        start: The networks to begin with, by name, whole numbers in units of 1 / ONE.
        step: What a latent of one stands for.
        seed: Seed of the noise.

    Source:
        Ladune et al. 2023 (Cool-chic, arXiv:2212.05458); Kim et al. 2024 (C3, arXiv:2312.02753),
        soft rounding and noise.
    """

    def __init__(self, planes: Tensor, start: Mapping[str, Whole], step: float, seed: int) -> None:
        self.planes = planes
        self.step = step
        self.generator = torch.Generator().manual_seed(seed)
        self.filters = Filters((planes.shape[1], planes.shape[2]))
        begun = pyramid(planes, step)
        self.shapes = {lattice: values.shape for lattice, values in begun.items()}
        self.flat = torch.cat([v.reshape(-1) for v in begun.values()]).requires_grad_()
        self.start = {name: torch.from_numpy(v).float() / ONE for name, v in start.items()}
        self.networks = {name: v.clone().requires_grad_() for name, v in self.start.items()}
        self.exponents: tuple[int, int] | None = None
        felt = [
            torch.full((shape.numel(),), squared_length(own, self.filters, self.start["taps"]))
            for own, shape in self.shapes.items()
        ]
        self.curvature = torch.cat(felt) * (step**2 / planes[0].numel())
        self.price = WORTH * step**2
        self.size = 0.0
        self.adam = torch.optim.Adam(
            [
                {"params": [self.flat], "lr": LATENT_RATE},
                {"params": list(self.networks.values()), "lr": NETWORK_RATE},
            ],
            betas=(0.9, 0.98),
        )

    def step_once(self, progress: float, wanted: float, count: int) -> None:
        """Make one step: a step of Adam, and in the last part of all steps one of exchanges.

        Args:
            progress: Part of the steps that is made already, from 0 to 1.
            wanted: Bits of latents and networks in all, which the price of a bit follows.
            count: How many steps there are.
        """
        if progress >= LEARNING:
            self.size = self.settle()
        else:
            self.learn(progress / LEARNING)
            if round(progress * count) % LOOK == 0:
                # noise costs bits that rounded latents do not
                with torch.no_grad():
                    self.size = float(self.measured(torch.round(self.flat))[1])
        if progress > 0.05:
            self.follow(HASTE / count * math.log(max(self.size, 1.0) / wanted))

    def learn(self, progress: float) -> None:
        """Make one step of Adam.

        Args:
            progress: Part of these steps that is made already, from 0 to 1.
        """
        factor = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        for group, rate in zip(self.adam.param_groups, (LATENT_RATE, NETWORK_RATE), strict=True):
            group["lr"] = rate * factor
        error, size = self.measured(self.seen_at(progress))
        loss = error / self.price + size / self.planes[0].numel()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()

    def settle(self) -> float:
        """Exchange whole latents for the next one above or below, where the loss becomes less.

        The change of the error is that of its slope and of its curvature; the change of the bits is
        that of the latent's own, and the slope of those that see it. Of what would be exchanged, a
        random part is, since neighbours do not know of each other.

        Returns:
            Bits of latents and networks, as they were before.
        """
        if self.exponents is None:
            self.round_networks()
            with torch.no_grad():
                self.flat.round_()
        pixels = self.planes[0].numel()
        latents = self._split(self.flat)
        found = synthesised(self.networks, latents, self.step, self.filters)
        centre, spread = predicted(self.networks, latents)
        own = self.flat.detach()
        seen = bits(own, centre, spread)
        error = (found - self.planes).square().sum(0).mean()
        (slope,) = torch.autograd.grad(error / self.price + seen.sum() / pixels, [self.flat])
        centre, spread, seen = centre.detach(), spread.detach(), seen.detach()
        best, change = torch.zeros_like(own), torch.zeros_like(own)
        for to in (-1.0, 1.0):
            gain = slope * to + self.curvature / self.price
            gain += (bits(own + to, centre, spread) - seen) / pixels
            better = gain < best
            best = torch.where(better, gain, best)
            change = torch.where(better, to, change)
        chosen = torch.rand(len(own), generator=self.generator) < PART
        with torch.no_grad():
            self.flat += change * chosen
        assert self.exponents is not None
        return float(seen.sum() + network_bits(self.networks, self.start, self.exponents))

    def seen_at(self, progress: float) -> Tensor:
        """Give the latents as the loss sees them: softly rounded with noise.

        Args:
            progress: Part of the steps that is made already, from 0 to 1.

        Returns:
            All latents in a row.
        """
        temperature = 0.3 - 0.2 * progress
        softly = soft_round(self.flat, temperature)
        noise = kumaraswamy(len(self.flat), 2 - progress, self.generator)
        return soft_round(softly + noise, temperature)

    def follow(self, change: float) -> None:
        """Change the price of a bit.

        Args:
            change: Of its logarithm; a positive one makes the file shorter.
        """
        self.price *= math.exp(min(max(change, -0.5), 0.5))

    def coarsen(self, step: float) -> None:
        """Take a coarser step, where the file is far too long.

        Args:
            step: What a latent of one stands for from now on.
        """
        factor = step / self.step
        self.step = step
        self.price *= factor**2
        self.curvature = self.curvature * factor**2
        with torch.no_grad():
            self.flat.div_(factor).round_()

    def round_networks(self) -> None:
        """Round the networks by the step sizes that are worth their bits, and keep them so.

        Where no step size is, the start itself is taken: a small file has no room for differences.
        """
        with torch.no_grad():
            chosen = [EXPONENTS[-1], EXPONENTS[-1]]
            free = dict(self.networks)
            for kind in range(2):
                begun = {name: self.start[name] for name in free if (name in ENTROPY) == kind}
                losses = [self._loss_of({**free, **begun}, (chosen[0], chosen[1]))]
                for exponent in EXPONENTS:
                    chosen[kind] = exponent
                    losses.append(self._loss_of(free, (chosen[0], chosen[1])))
                best = losses.index(min(losses))
                if best == 0:
                    free |= begun
                chosen[kind] = EXPONENTS[max(best - 1, 0)]
            self.exponents = (chosen[0], chosen[1])
            self.networks = self._on_steps(free, self.exponents)

    def begin_again(self) -> None:
        """Take the networks of the start, whose differences take no room."""
        self.exponents = (EXPONENTS[0], EXPONENTS[0])
        self.networks = dict(self.start)

    def rounded(self) -> Rounded:
        """Give the numbers as they are now, rounded."""
        if self.exponents is None:
            self.round_networks()
        assert self.exponents is not None
        differences = {
            name: self._difference(value, name, self.exponents).long().numpy()
            for name, value in self.networks.items()
        }
        whole = torch.round(self.flat.detach()).long()
        return Rounded(
            self.exponents,
            differences,
            {lattice: values.numpy() for lattice, values in self._split(whole).items()},
        )

    def _split(self, flat: Tensor) -> dict[Lattice, Tensor]:
        lengths = [shape.numel() for shape in self.shapes.values()]
        parts = flat.split(lengths)
        return {
            lattice: part.reshape(shape)
            for (lattice, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def measured(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Measure latents.

        Args:
            values: All latents in a row.

        Returns:
            The squared error per pixel, and bits of latents and networks.
        """
        latents = self._split(values)
        found = synthesised(self.networks, latents, self.step, self.filters)
        size = bits(values, *predicted(self.networks, latents)).sum()
        if self.exponents is None:
            size = size + network_bits(self.networks, self.start, (6, 6))
        else:
            size = size + network_bits(self.networks, self.start, self.exponents)
        return (found - self.planes).square().sum(0).mean(), size

    def _loss_of(self, networks: dict[str, Tensor], exponents: tuple[int, int]) -> float:
        kept = self.networks, self.exponents
        self.networks, self.exponents = self._on_steps(networks, exponents), exponents
        error, size = self.measured(torch.round(self.flat))
        moved = 0
        for name, value in self.networks.items():
            if (value != self.start[name]).any():
                moved += value.numel()
        self.networks, self.exponents = kept
        # a number of a tensor that changes takes about a bit more, even where it is zero
        return float(error / self.price + (size + moved) / self.planes[0].numel())

    def _on_steps(
        self, networks: Mapping[str, Tensor], exponents: tuple[int, int]
    ) -> dict[str, Tensor]:
        return {
            name: self.start[name]
            + self._difference(value, name, exponents) * (step_of(name, exponents) / ONE)
            for name, value in networks.items()
        }

    def _difference(self, value: Tensor, name: str, exponents: tuple[int, int]) -> Tensor:
        size = step_of(name, exponents) / ONE
        return torch.round((value.detach() - self.start[name]) / size)
