"""Heads: what the network's last numbers mean. A name, or one name a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

HeadName = str | Sequence[str]


@dataclass(frozen=True)
class Head:
    """`numbers` real outputs a channel become one value; `apply` maps (*s, numbers · c) -> (*s, c)."""

    apply: Callable[[Tensor], Tensor]
    numbers: int = 1
    is_complex: bool = False


def _pair(v: Tensor) -> Tensor:
    return torch.complex(*v.chunk(2, -1))


def _phasor(v: Tensor) -> Tensor:
    """softplus(a) exp(jφ): the phase is free, never wrapped and never cut."""
    amplitude, phase = v.chunk(2, -1)
    return torch.polar(nn.functional.softplus(amplitude), phase)


def _free_phase(v: Tensor) -> Tensor:
    """softplus(3 a - 3) z / |z| of (a, Re z, Im z): the phase as a point of the circle, which has no seam."""
    z = torch.complex(v[..., 1::3], v[..., 2::3])
    return nn.functional.softplus(3 * v[..., ::3] - 3) * z / z.abs().clamp(min=1e-6)


def _speckle(v: Tensor) -> Tensor:
    """softplus(3 a - 3) z of (a, Re z, Im z)."""
    return nn.functional.softplus(3 * v[..., ::3] - 3) * torch.complex(v[..., 1::3], v[..., 2::3])


HEADS: dict[str, Head] = {
    "linear": Head(lambda v: v),
    "softplus": Head(nn.functional.softplus),
    "sparse": Head(lambda v: nn.functional.softplus(3 * v - 3)),
    "sigmoid": Head(torch.sigmoid),
    "complex": Head(_pair, 2, is_complex=True),
    "amplitude_phase": Head(_phasor, 2, is_complex=True),
    "free_phase": Head(_free_phase, 3, is_complex=True),
    "speckle": Head(_speckle, 3, is_complex=True),
    "vector": Head(lambda v: v),
}
"""`sparse`: not negative, and near zero (0.05) where a network starts. `vector`: a displacement, one channel an axis,
in the box's units (`Prior` scales it)."""


class Heads(nn.Module):
    """The head of `channels` channels: one for all, or one each ("softplus", "linear", ...).

    Raises ValueError for an unknown name, a list of another length, or real and complex channels together.
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
        self.sizes = [head.numbers * (channels if len(heads) == 1 else 1) for head in heads]

    @property
    def outputs(self) -> int:
        """Real numbers that the network must give."""
        return sum(self.sizes)

    def forward(self, v: Tensor) -> Tensor:
        if len(self.heads) == 1:
            return self.heads[0].apply(v)
        return torch.cat(
            [head.apply(p) for head, p in zip(self.heads, v.split(self.sizes, -1), strict=True)], -1
        )
