"""The two networks in floating point, which learn: the same formulas as in whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from inverse_inr.codec.causal import NEIGHBOURS, REACH
from inverse_inr.codec.latent.lattices import LEVELS, Lattice, placing
from inverse_inr.codec.latent.networks import ENTROPY, SIGNED
from inverse_inr.codec.latent.whole import OWN

Networks = Mapping[str, Tensor]
"""Tensors by name, in units of one."""
Lattices = Mapping[Lattice, Tensor]
"""(rows, columns) of each lattice."""


class Filters:
    """Matrices of the filters between levels, for a picture of one size.

    Args:
        shape: (rows, columns) of the picture.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.placings: list[list[Tensor]] = []
        for count in shape:
            lines = []
            for _ in range(LEVELS - 1):
                lines.append(torch.from_numpy(placing(count)).float())
                count = (count + 1) // 2
            self.placings.append(lines)

    def matrices(self, taps: Tensor) -> list[list[Tensor]]:
        """Give the matrices from each coarser level to the pixels.

        Args:
            taps: (levels - 1, taps).

        Returns:
            For each axis, (places, coarser places) of the levels from 1 on.
        """
        found = []
        for lines in self.placings:
            own: list[Tensor] = []
            for level, line in enumerate(lines):
                matrix = torch.einsum("t,tij->ij", taps[level], line)
                if own:
                    matrix = own[-1] @ matrix
                own.append(matrix)
            found.append(own)
        return found


def synthesised(networks: Networks, latents: Lattices, step: float, filters: Filters) -> Tensor:
    """Make planes of latents.

    Args:
        networks: The networks.
        latents: The latents, in the order of `lattices`.
        step: What a latent of one stands for.
        filters: The filters of the picture's size.

    Returns:
        (planes, rows, columns).
    """
    down, across = filters.matrices(networks["taps"])
    found = []
    for (level, plane), own in latents.items():
        values = own
        if level:
            values = down[level - 1] @ own @ across[level - 1].T
        found.append((values * (step * Lattice(level, plane).gain)).reshape(-1))
    shape = latents[Lattice(0, 0)].shape
    bias = networks["mixing_bias"][:, None]
    h = torch.relu(torch.addmm(bias, networks["mixing"], torch.stack(found)))
    y = torch.addmm(networks["planes_bias"][:, None], networks["planes"], h)
    y = y.reshape(1, -1, *shape)
    h = torch.relu(y + _filtered(y, networks["before"], networks["before_bias"]))
    return (y + _filtered(h, networks["after"], networks["after_bias"]))[0]


def _filtered(planes: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    return conv2d(pad(planes, (1, 1, 1, 1), mode="replicate"), kernel, bias)


def predicted(networks: Networks, latents: Lattices) -> tuple[Tensor, Tensor]:
    """Predict latents, each from those that are decoded before it.

    Args:
        networks: The networks.
        latents: The latents.

    Returns:
        Centres, and binary logarithms of spreads, of all latents in a row.
    """
    context = torch.cat([_context(latents, lattice) for lattice in latents], 1)
    h = torch.relu(context.T @ networks["context"].T)
    hidden, spread = networks["hidden"], networks["spread"]
    h = torch.relu(torch.addmm(hidden[:, -1], h, hidden[:, :-1].T))
    out = torch.addmm(spread[:, -1], h, spread[:, :-1].T)
    first = len(NEIGHBOURS)
    centre = out[:, 0] + networks["linear"] @ context[first : first + SIGNED]
    return centre, out[:, 1]


def bits(values: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
    """Count the bits of numbers by Laplace distributions over intervals of length one.

    Args:
        values: The numbers.
        centre: Their centres.
        spread: Binary logarithms of their spreads.

    Returns:
        Bits of each.
    """
    rate = torch.exp2(-spread.clamp(-4, 7.9))
    distance = (values - centre).abs()
    far, near = distance.clamp(min=0.5), distance.clamp(max=0.5)
    outside = 0.5 * torch.exp(-(far - 0.5) * rate) * (1 - torch.exp(-rate))
    inside = 1 - 0.5 * torch.exp(-(near + 0.5) * rate) - 0.5 * torch.exp((near - 0.5) * rate)
    chance = torch.where(distance >= 0.5, outside, inside)
    return -torch.log2(chance.clamp(min=2.0**-18))


def network_bits(networks: Networks, start: Networks, exponents: tuple[int, int]) -> Tensor:
    """Count about how many bits the networks take: two more for each doubling of a difference.

    Where nothing was rounded, this is the rate of the networks as a regularizer.

    Args:
        networks: The networks.
        start: Those of the start.
        exponents: Halvings of one in a difference, for the synthesis and for the entropy model.

    Returns:
        The bits.
    """
    total = torch.zeros(())
    for name, value in networks.items():
        steps = (value - start[name]).abs() * 2 ** exponents[name in ENTROPY]
        total = total + 2 * torch.log2(1 + steps).sum()
    return total


def squared_length(lattice: Lattice, filters: Filters, taps: Tensor) -> float:
    """Measure what a latent of one makes in the picture, about, for a step of one.

    Args:
        lattice: Its lattice.
        filters: The filters of the picture's size.
        taps: (levels - 1, taps).

    Returns:
        The sum of squares over the pixels.
    """
    total = lattice.gain**2
    if lattice.level:
        for matrices in filters.matrices(taps):
            total *= float(matrices[lattice.level - 1].square().sum(0).max())
    return total


def _saturated(values: Tensor) -> Tensor:
    magnitudes = values.abs()
    return magnitudes / (1 + magnitudes / 8)


def _around(values: Tensor) -> Tensor:
    return avg_pool2d(values[None, None], 3, 1, 1)[0, 0]


def _context(latents: Lattices, lattice: Lattice) -> Tensor:
    """The contexts of a lattice: (numbers, places)."""
    values = latents[lattice]
    level, plane = lattice
    rows, columns = values.shape
    padded = pad(values, (REACH,) * 4)
    roots = _saturated(padded)

    def moved(seen: Tensor, to: Sequence[int]) -> Tensor:
        r, c = REACH + to[0], REACH + to[1]
        return seen[r : r + rows, c : c + columns].reshape(-1)

    found = [moved(roots, to) for to in NEIGHBOURS]
    found += [moved(padded, NEIGHBOURS[k]) / 4 for k in OWN]
    nothing = torch.zeros(rows * columns)
    elsewhere = [nothing] * 4
    coarser = latents.get(Lattice(level + 1, plane))
    if coarser is not None:
        own = _saturated(coarser)
        for k, seen in enumerate((coarser / 4, own, _around(own))):
            doubled = seen.repeat_interleave(2, 0)[:rows].repeat_interleave(2, 1)[:, :columns]
            elsewhere[k] = doubled.reshape(-1)
    if plane:
        elsewhere[3] = _around(_saturated(latents[Lattice(level, 0)])).reshape(-1)
    flags = (level == 0, level == 1, level / 4, plane == 1, plane == 2, 1)
    return torch.stack([*found, *elsewhere, *(nothing + float(flag) for flag in flags)])
