"""What an activation is: its derivatives, and whether its translates can represent a function stably and in the limit.

    A ‖c‖² ≤ ‖Σ c_n φ(· - n)‖² ≤ B ‖c‖²:   A, B = ess inf, ess sup over ω of Σ_k |φ̂(ω + 2πk)|²    (Riesz bounds)
    Σ_n φ(t - n) = constant:   then the translates, scaled down, approximate every function of L²   (partition of unity)

Saratchandran et al., A Sampling Theory Perspective on Activations for Implicit Neural Representations, ICML 2024;
Unser, Sampling - 50 Years After Shannon, Proc. IEEE 2000, section III. `activation` is any real callable Tensor ->
Tensor that acts on each entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr.analysis.spectrum import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pointwise = Callable[[Tensor], Tensor]

SMEARED = 0.01
"""Share of the circle left out at either end where an activation decays slowly: its taper smears jumps."""


@dataclass(frozen=True)
class RieszBounds:
    """`lower` and `upper` Riesz bounds of the integer translates; `unity` is max |Σ φ(t - n) - mean| / |mean|.

    `frequencies`, `periodized`: ω in [-π, π) and Σ_k |φ̂(ω + 2πk)|² there. Bounds are NaN where `in_l2` is False.
    """

    lower: float
    upper: float
    unity: float
    in_l2: bool
    frequencies: Tensor
    periodized: Tensor

    @property
    def verdict(self) -> str:
        if not self.in_l2:
            return "not in L²: its translates span no shift-invariant space, and there is no Riesz bound to speak of"
        if self.lower < 1e-6 * self.upper:
            return "no Riesz basis: the lower bound is zero, coefficients cannot be found stably"
        if self.unity > 1e-3:
            return "weak Riesz basis: stable, but without a partition of unity, so not dense in the limit"
        return "Riesz basis with a partition of unity: stable, and dense in the limit"

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        axes = panels(1) if axes is None else axes
        axes[0].plot(self.frequencies, self.periodized, color="0.2")
        for bound in (self.lower, self.upper):
            axes[0].axhline(bound, color="C1", lw=0.8, ls="--")
        axes[0].set(xlabel="ω", ylabel="Σ |φ̂(ω + 2πk)|²", title=self.verdict.split(":")[0])
        return axes


def riesz(
    activation: Pointwise, *, spacing: float = 1.0, reach: int = 512, samples: int = 256
) -> RieszBounds:
    """Riesz bounds and partition of unity of φ(t) = activation(spacing · t), translated by the integers.

    φ is sampled `samples` times a unit on [-reach, reach); the periodised spectrum is the FFT of that (Poisson). What
    has not decayed at the ends is tapered, and its bounds leave out the most extreme 1 % of the circle at either end:
    a jump of the spectrum, as sinc has at π, is smeared over as much. Not in L²: the outer half of the range holds more
    than 2 % of the energy.
    """
    count = 2 * reach * samples
    t = (torch.arange(count, dtype=torch.float64) - count // 2) / samples
    with torch.no_grad():
        values = activation(spacing * t)
    if values.shape != t.shape or values.is_complex():
        raise ValueError(
            f"riesz: of {len(t)} real numbers the activation made {tuple(values.shape)} {values.dtype}."
        )
    middle = values[count // 4 : -count // 4].square().sum()
    ends = values.square().sum() - middle
    frequencies = (torch.arange(2 * reach, dtype=torch.float64) - reach) * (math.pi / reach)
    if not torch.isfinite(values).all() or not middle + ends > 0 or ends > 0.02 * (middle + ends):
        nothing = torch.full_like(frequencies, math.nan)
        return RieszBounds(math.nan, math.nan, math.nan, False, frequencies, nothing)
    slow = (
        float(values[[0, -1]].abs().max()) > 1e-9 * float(values.abs().max())
        or ends > 1e-12 * middle
    )
    if slow:
        values = values * torch.cos(0.5 * math.pi * t / reach).square()
    transform = torch.fft.fft(values) / samples
    periodized = torch.fft.fftshift(
        transform.abs().square().unflatten(0, (samples, 2 * reach)).sum(0)
    )
    ordered = periodized.sort().values
    drop = math.ceil(SMEARED * len(ordered)) if slow else 0
    total = values.unflatten(0, (2 * reach, samples)).sum(0)
    unity = float((total - total.mean()).abs().max() / total.mean().abs().clamp(min=1e-300))
    return RieszBounds(
        float(ordered[drop]), float(ordered[-1 - drop]), unity, True, frequencies, periodized
    )


@dataclass(frozen=True)
class Curves:
    """An activation and its first two derivatives at `z`, all (n,) in float64."""

    z: Tensor
    value: Tensor
    first: Tensor
    second: Tensor

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        axes = panels(1) if axes is None else axes
        for values, name in ((self.value, "φ"), (self.first, "φ'"), (self.second, "φ''")):
            axes[0].plot(self.z, values, label=name)
        axes[0].set(xlabel="z")
        axes[0].legend(frameon=False)
        return axes


def activation_curves(
    activation: Pointwise, span: tuple[float, float] = (-3.0, 3.0), samples: int = 601
) -> Curves:
    """Value, first and second derivative by autograd in double precision.

    They are what autograd sees: of ReLU's second derivative, a point mass, nothing is left.
    """
    z = torch.linspace(*span, samples, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        value = activation(z)
        first = _slope(value, z)
        second = _slope(first, z)
    return Curves(z.detach(), value.detach(), first.detach(), second.detach())


def _slope(values: Tensor, z: Tensor) -> Tensor:
    if not values.requires_grad:
        return torch.zeros_like(z)  # constant, or piecewise linear: autograd has no graph left
    return torch.autograd.grad(values.sum(), z, create_graph=True, materialize_grads=True)[0]


def plot_activation(
    activation: Pointwise,
    span: tuple[float, float] = (-3.0, 3.0),
    samples: int = 601,
    axes: Axes | None = None,
) -> tuple[Axes, Curves]:
    """Draw an activation with its first and second derivative: (axes, the numbers)."""
    curves = activation_curves(activation, span, samples)
    return curves.plot(None if axes is None else [axes])[0], curves
