"""Periodic activations and their presets: `siren` and what grew from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, siren_start
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, coordinate_network, preset
from inverse_inr.priors.prior import Prior


class Sine(Activation):
    """sin(omega z), omega also on the bias, as in the published code (Sitzmann et al. 2020)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = constant(omega)

    def forward(self, *z: Tensor) -> Tensor:
        return torch.sin(self.omega * z[0])

    def initialize(self, weight: Tensor, bias: Tensor, first: bool, generator: torch.Generator) -> None:
        siren_start(weight, bias, first, float(self.omega), generator)


@preset
def siren(box: Box, channels: int = 1, bandwidth: float | None = None, *, omega0: float | None = None,
          width: int = 128, depth: int = 4, head: HeadName = "linear", seed: int = 0) -> Prior:  # fmt: skip
    """Sinusoidal network (Sitzmann et al. 2020): omega0 in every layer, hidden weights divided by it."""
    bandwidth, b = band(box, bandwidth)
    omega0 = 2 * math.pi * box.ndim * b / 13 if omega0 is None else omega0
    return coordinate_network(box, Sine(omega0), channels=channels, head=head, bandwidth=bandwidth, width=width,
                              depth=depth, seed=seed, learning_rate=1e-3)  # fmt: skip
