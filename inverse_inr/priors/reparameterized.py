"""Fourier reparameterised training: hidden weights as combinations of fixed waves while training. Preset `fr`."""

from __future__ import annotations

import copy
import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import ReLU, uniform
from inverse_inr.priors.encodings import FourierFeatures, Identity, octave_frequencies
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import band, choose, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP, Layer, Linear


def wave_basis(inputs: int, frequencies: int, phases: int, amplitude: float) -> Tensor:
    """(2 · frequencies · phases, inputs): rows amplitude · cos(f p + φ) along p from -T/2 to T/2, T = 2π / f_min.

    f runs over 1/n .. 1 and 1 .. n for n = `frequencies`, φ over 2πi / `phases` (Shi et al. 2024, section 4).
    """
    low = torch.arange(1, frequencies + 1, dtype=torch.float64) / frequencies
    f = torch.cat([low, low * frequencies])
    shift = 2 * math.pi * torch.arange(phases, dtype=torch.float64) / phases
    position = torch.linspace(
        -math.pi * frequencies, math.pi * frequencies, inputs, dtype=torch.float64
    )
    rows = torch.cos(f[:, None, None] * position + shift[:, None])
    return (amplitude * rows).flatten(0, 1).float()


class ReparameterizedLinear(nn.Module):
    """W h + b with W = Λ B: Λ is learnt, B is `wave_basis`. In effect B'B preconditions the gradient of W."""

    roles: ClassVar[dict[str, str]] = {"coefficients": "hidden"}

    def __init__(
        self, inputs: int, outputs: int, basis: Tensor, omega: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.basis = nn.Buffer(basis)
        self.coefficients = nn.Parameter(torch.empty(outputs, len(basis)))
        uniform(self.coefficients, math.sqrt(6 / len(basis)) / omega, generator)
        with torch.no_grad():
            self.coefficients.div_(torch.linalg.vector_norm(basis, dim=1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    @property
    def weight(self) -> Tensor:
        return self.coefficients @ self.basis

    def forward(self, h: Tensor) -> Tensor:
        return nn.functional.linear(h, self.weight, self.bias)


class ReparameterizedMLP(MLP):
    """An MLP whose hidden maps are `ReparameterizedLinear`; `collapse()` makes them plain."""

    def collapse(self) -> MLP:
        """The ordinary MLP of the same values."""
        plain = MLP.__new__(MLP)
        nn.Module.__init__(plain)
        plain.layers, plain.head = copy.deepcopy(self.layers), copy.deepcopy(self.head)
        plain.is_complex, plain.smoothness = self.is_complex, self.smoothness
        for layer in plain.layers:
            assert isinstance(layer, Layer)
            for k, linear in enumerate(layer.linears):
                if isinstance(linear, ReparameterizedLinear):
                    layer.linears[k] = _plain(linear)
        return plain


def _plain(linear: ReparameterizedLinear) -> Linear:
    weight = linear.weight.detach()
    made = Linear(weight.shape[1], weight.shape[0], hidden=True).to(weight.device, weight.dtype)
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(linear.bias)
    return made


@preset
def fr(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    activation: Literal["sine", "relu"] = "sine",
    omega0: float | None = None,
    frequencies: int = 32,
    phases: int = 8,
    amplitude: float | None = None,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Fourier reparameterised training (Shi et al. 2024): hidden weights W = ΛB; `collapse()` leaves a plain network.

    activation   "sine" on coordinates, "relu" on octaves of Fourier features
    frequencies  low and high ones each, with `phases` shifts: 2 · 32 · 8 = 512 waves, of rank 127 at width 128
                 (published: 128 and 32, 8192 waves). amplitude: 0.01 for sine, 0.05 for ReLU
    """
    bandwidth, b = band(box, bandwidth)
    choose("fr", "activation", activation, ("sine", "relu"))
    omega0 = siren_omega(b, box.ndim) if omega0 is None else omega0
    sine = activation == "sine"
    encoding = (
        Identity(box.ndim)
        if sine
        else FourierFeatures(octave_frequencies(box.ndim, max(0.5, b / 4))[0], raw=True)
    )
    basis = wave_basis(
        width, frequencies, phases, (0.01 if sine else 0.05) if amplitude is None else amplitude
    )
    generator = seeded(seed)

    def hidden(inputs: int, outputs: int) -> ReparameterizedLinear:
        return ReparameterizedLinear(inputs, outputs, basis, omega0 if sine else 1.0, generator)

    def network(outputs: int) -> ReparameterizedMLP:
        return ReparameterizedMLP(
            encoding.size,
            outputs,
            width=width,
            depth=depth,
            generator=generator,
            hidden=hidden,
            activation=Sine(omega0) if sine else ReLU(),
        )

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-3,
    )
