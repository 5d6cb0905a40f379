"""Activations: their derivatives, and how well their translates represent functions.

Good translates do so stably, by Riesz bounds, and in the limit, by a partition of unity.

Riesz bounds A and B are the essential infimum and supremum over ω of Σ_k |φ̂(ω + 2πk)|²:

    A ‖c‖² ≤ ‖Σ c_n φ(· - n)‖² ≤ B ‖c‖²

Partition of unity: the translates, scaled down, approximate every function of L² if

    Σ_n φ(t - n) = constant

`activation` is any real callable Tensor -> Tensor that acts on each entry. Sources: Saratchandran
et al., A Sampling Theory Perspective on Activations for Implicit Neural Representations, ICML 2024;
Unser, Sampling - 50 Years After Shannon, Proc. IEEE 2000, section III.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr.analysis.figures import panels
from inverse_inr.memory import require
from inverse_inr.ranges import Count, Finite, Positive, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pointwise = Callable[[Tensor], Tensor]
"""A function that acts on each entry."""

SMEARED = 0.01
"""The share of the circle left out at either end where an activation decays slowly.

There it is tapered, and the taper smears jumps of its spectrum over about as much.
"""


@dataclass(frozen=True)
class RieszBounds:
    """Riesz bounds of the integer translates of an activation.

    Attributes:
        lower: The lower bound A; NaN where `in_l2` is False.
        upper: The upper bound B; NaN where `in_l2` is False.
        unity: max |Σ φ(t - n) - mean| / |mean|, 0 for a partition of unity.
        in_l2: The activation is in L².
        frequencies: (n,), ω in [-π, π).
        periodized: (n,), Σ_k |φ̂(ω + 2πk)|² at those frequencies.
    """

    lower: float
    upper: float
    unity: float
    in_l2: bool
    frequencies: Tensor
    periodized: Tensor

    @property
    def verdict(self) -> str:
        """A sentence on what the bounds mean."""
        if not self.in_l2:
            return (
                "not in L²: its translates span no shift-invariant space, "
                "and there is no Riesz bound to speak of"
            )
        if self.lower < 1e-6 * self.upper:
            return "no Riesz basis: the lower bound is zero, coefficients cannot be found stably"
        if self.unity > 1e-3:
            return (
                "weak Riesz basis: stable, but without a partition of unity, "
                "so not dense in the limit"
            )
        return "Riesz basis with a partition of unity: stable, and dense in the limit"

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the periodised spectrum and its bounds.

        Args:
            axes: One axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(1)
        axes[0].plot(self.frequencies, self.periodized, color="0.2")
        for bound in (self.lower, self.upper):
            axes[0].axhline(bound, color="C1", lw=0.8, ls="--")
        axes[0].set(xlabel="ω", ylabel="Σ |φ̂(ω + 2πk)|²", title=self.verdict.split(":")[0])
        return axes


@checked
def riesz(
    activation: Pointwise, *, spacing: Positive = 1.0, reach: Count = 512, samples: Count = 256
) -> RieszBounds:
    """Riesz bounds and partition of unity of the integer translates of an activation.

    The translates are those of φ(t) = activation(spacing · t). The periodised spectrum is the FFT
    of samples of φ (Poisson). Activations that have not decayed at the ends are tapered, and their
    bounds leave out the most extreme 1 % of the circle at either end: a jump of the spectrum, as
    sinc has at π, is smeared over as much. An activation counts as not in L² if the outer half of
    the range holds more than 2 % of its energy.

    Args:
        activation: A real function that acts on each entry.
        spacing: The distance of translates in the activation's argument.
        reach: φ is sampled on [-reach, reach), in units of the spacing.
        samples: Samples per unit.

    Raises:
        ValueError: The activation does not return as many real numbers as it was given.
    """
    count = 2 * reach * samples
    require(f"riesz: reach={reach} with samples={samples}", 64.0 * count, "Fewer of them.")
    t = (torch.arange(count, dtype=torch.float64) - count // 2) / samples
    with torch.no_grad():
        values = activation(spacing * t)
    if values.shape != t.shape or values.is_complex():
        raise ValueError(
            f"riesz: of {len(t)} real numbers the activation made "
            f"{tuple(values.shape)} {values.dtype}."
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
    drop = 0
    if slow:
        drop = math.ceil(SMEARED * len(ordered))
    total = values.unflatten(0, (2 * reach, samples)).sum(0)
    unity = float((total - total.mean()).abs().max() / total.mean().abs().clamp(min=1e-300))
    return RieszBounds(
        float(ordered[drop]), float(ordered[-1 - drop]), unity, True, frequencies, periodized
    )


@dataclass(frozen=True)
class Curves:
    """An activation and its first two derivatives, all (n,) in float64.

    Attributes:
        z: The arguments.
        value: φ(z).
        first: φ'(z).
        second: φ''(z).
    """

    z: Tensor
    value: Tensor
    first: Tensor
    second: Tensor

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the three curves.

        Args:
            axes: One axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(1)
        for values, name in ((self.value, "φ"), (self.first, "φ'"), (self.second, "φ''")):
            axes[0].plot(self.z, values, label=name)
        axes[0].set(xlabel="z")
        axes[0].legend(frameon=False)
        return axes


@checked
def activation_curves(
    activation: Pointwise, span: tuple[Finite, Finite] = (-3.0, 3.0), samples: Count = 601
) -> Curves:
    """Differentiate an activation twice by autograd in double precision.

    The derivatives are what autograd sees: nothing is left of ReLU's second derivative, a point
    mass.

    Args:
        activation: A real function that acts on each entry.
        span: The first and the last argument.
        samples: The number of arguments.
    """
    require(f"activation_curves: samples={samples}", 64.0 * samples, "Fewer samples.")
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


@checked
def plot_activation(
    activation: Pointwise,
    span: tuple[Finite, Finite] = (-3.0, 3.0),
    samples: Count = 601,
    axes: Axes | None = None,
) -> tuple[Axes, Curves]:
    """Draw an activation with its first and second derivative.

    Args:
        activation: A real function that acts on each entry.
        span: The first and the last argument.
        samples: The number of arguments.
        axes: The axes to draw on; default: a new figure's.

    Returns:
        The axes, and the numbers that are drawn.
    """
    curves = activation_curves(activation, span, samples)
    if axes is None:
        return curves.plot()[0], curves
    return curves.plot([axes])[0], curves
