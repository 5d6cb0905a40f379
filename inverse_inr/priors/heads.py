"""Heads: the meaning of the network's last numbers. A name, or one name per channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

HeadName = str | Sequence[str]
"""A name of `HEADS` for all channels, or one name per channel."""


@dataclass(frozen=True)
class Head:
    """A map from a network's real outputs to values.

    Attributes:
        apply: Maps (*s, numbers · c) to (*s, c), for c channels.
        numbers: Real outputs per channel.
        is_complex: Whether the values are complex.
        is_linear: Whether the map is linear.
    """

    apply: Callable[[Tensor], Tensor]
    numbers: int = 1
    is_complex: bool = False
    is_linear: bool = False


def _pair(v: Tensor) -> Tensor:
    return torch.complex(*v.chunk(2, -1))


def _phasor(v: Tensor) -> Tensor:
    """softplus(a) exp(jφ): the phase is free, never wrapped and never cut."""
    amplitude, phase = v.chunk(2, -1)
    return torch.polar(nn.functional.softplus(amplitude), phase)


def _free_phase(v: Tensor) -> Tensor:
    """softplus(3 a - 3) z / |z| of (a, Re z, Im z): a phase without a seam."""
    z = torch.complex(v[..., 1::3], v[..., 2::3])
    return nn.functional.softplus(3 * v[..., ::3] - 3) * z / z.abs().clamp(min=1e-6)


def _speckle(v: Tensor) -> Tensor:
    """softplus(3 a - 3) z of (a, Re z, Im z)."""
    return nn.functional.softplus(3 * v[..., ::3] - 3) * torch.complex(v[..., 1::3], v[..., 2::3])


HEADS: dict[str, Head] = {
    "linear": Head(lambda v: v, is_linear=True),
    "softplus": Head(nn.functional.softplus),
    "sparse": Head(lambda v: nn.functional.softplus(3 * v - 3)),
    "sigmoid": Head(torch.sigmoid),
    "exp": Head(torch.exp),
    "complex": Head(_pair, 2, is_complex=True, is_linear=True),
    "amplitude_phase": Head(_phasor, 2, is_complex=True),
    "free_phase": Head(_free_phase, 3, is_complex=True),
    "speckle": Head(_speckle, 3, is_complex=True),
    "vector": Head(lambda v: v, is_linear=True),
}
"""All heads by name.

`sparse` is not negative, and near zero (0.05) where a network starts. `vector` is a displacement in
the box's units, with one channel per axis (`Prior` scales it).
"""


class Heads(nn.Module):
    """The head of a field of several channels: one for all of them, or one each.

    Args:
        names: A name of `HEADS`, or one per channel ("softplus", "linear", ...).
        channels: The number of channels.

    Attributes:
        outputs: Real numbers that the network must give at each point.

    Raises:
        ValueError: For an unknown name, a list of another length, or real and complex channels
            together.
    """

    def __init__(self, names: HeadName, channels: int) -> None:
        super().__init__()
        self.names = [names] if isinstance(names, str) else list(names)
        for name in self.names:
            if name not in HEADS:
                raise ValueError(f"head must be one of {sorted(HEADS)}, got {name!r}.")
        heads = [HEADS[name] for name in self.names]
        if len(heads) not in (1, channels):
            raise ValueError(
                f"head={tuple(self.names)} names {len(heads)} channels; the field has {channels}."
            )
        if len({head.is_complex for head in heads}) > 1:
            raise ValueError(
                f"head={tuple(self.names)}: a field is real or complex, not both; use two priors."
            )
        self.heads = heads
        shared = channels // len(heads)  # channels that share a head: all of them, or one
        self.sizes = [head.numbers * shared for head in heads]

    @property
    def outputs(self) -> int:
        """Real numbers that the network must give at each point."""
        return sum(self.sizes)

    def forward(self, v: Tensor) -> Tensor:
        """Turn a network's outputs (*s, outputs) into values (*s, channels)."""
        if len(self.heads) == 1:
            return self.heads[0].apply(v)
        return torch.cat(
            [head.apply(p) for head, p in zip(self.heads, v.split(self.sizes, -1), strict=True)], -1
        )
