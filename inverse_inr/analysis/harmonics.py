"""The overtones that a network makes of its first layer's frequencies: a structured dictionary.

    f(x) = Σ_s c_s exp(2πj (s·ω) x),   s ∈ ℤᵐ

These are integer combinations of the first layer's frequencies, of order Σ|s_t|. A polynomial
activation of degree K after the first layer reaches order K; smooth ones put little energy in high
orders. Source: Yüce et al., A Structured Dictionary Perspective on Implicit Neural Representations,
CVPR 2022, theorem 1.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.figures import panels
from inverse_inr.memory import require
from inverse_inr.priors import Prior
from inverse_inr.ranges import Count, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = Callable[[Tensor], Tensor]
"""A function of period 1: (n, 1) -> (n, c)."""


@dataclass(frozen=True)
class Harmonics:
    """Overtones in bins: bin k holds what oscillates k times in the period.

    Attributes:
        amplitudes: (bins,), of a cosine of that frequency, the root of the sum of squares over
            channels; bin 0 is the constant.
        orders: (bins,), the least order of a combination that gives bin k; 0 for the constant, -1
            where none up to the highest order asked does.
        explained: (order,), the share of the energy (constant left out) in combinations of order up
            to 1, 2, ...
        covered: (order,), the share of all bins that those combinations reach, which is the share
            of energy that they would explain of a spectrum that knows nothing of them.
    """

    amplitudes: Tensor
    orders: Tensor
    explained: Tensor
    covered: Tensor

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the amplitudes, coloured by order, and the energy explained.

        Args:
            axes: Two axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(2)
        left, right = axes
        for order in range(1, len(self.explained) + 1):
            self._plot_order(left, order, f"order {order}", f"C{order - 1}")
        self._plot_order(left, -1, "higher", "0.7")
        top = float(self.amplitudes[1:].max())
        last = int((self.amplitudes > 1e-6 * top).nonzero().max())
        left.set(
            yscale="log",
            xlabel="cycles a period",
            ylabel="amplitude",
            ylim=(1e-6 * top, 2 * top),
            xlim=(0, 1.02 * last),
        )
        left.legend(frameon=False, fontsize="small")
        order = torch.arange(1, len(self.explained) + 1)
        right.plot(order, self.explained, "o-", color="C1", label="energy explained")
        right.plot(order, self.covered, "o--", color="0.5", label="bins reached")
        right.set(xlabel="combinations up to order", ylim=(0, 1.05), xticks=order.tolist())
        right.legend(frameon=False)
        return left, right

    def _plot_order(self, axes: Axes, order: int, name: str, color: str) -> None:
        bins = (self.orders == order).nonzero()[:, 0]
        heights = self.amplitudes[bins].clamp(min=1e-12)
        axes.vlines(bins, 1e-12, heights, color=color, label=name)


@checked
def harmonics(
    field: Prior | Line,
    frequencies: Tensor | None = None,
    *,
    order: Count = 3,
    samples: Count | None = None,
    period: Count = 16,
) -> Harmonics:
    """Expand a network of periodic inputs in overtones, by FFT over one period.

    Args:
        field: A function of period 1; or a prior with Fourier features or a sine first layer, which
            is seen along its first axis by `periodic_line`.
        frequencies: (m,) whole numbers of cycles per period, of the first layer; a prior knows its
            own.
        order: Combinations of up to this order are told apart.
        samples: Points in the period; default: enough that the amplitudes beyond do not fold back
            visibly.
        period: Sides of the box in a prior's period, as in `periodic_line`.

    Raises:
        ValueError: Frequencies are missing or no whole numbers (then the period is another), or
            there are too few samples.
        TypeError: The prior's first layer has no frequencies.
    """
    if isinstance(field, Prior):
        field, found = periodic_line(field, period)
        if frequencies is None:
            frequencies = found
    if frequencies is None:
        raise ValueError(
            "harmonics: of a plain function the first layer's frequencies must be given."
        )
    whole = _whole(frequencies)
    top = int(whole.abs().max())
    if samples is None:
        samples = 1 << max(10, math.ceil(math.log2(16 * max(top, 1) * max(order, 2))))
    if samples < 2 * order * top + 2:
        raise ValueError(
            f"harmonics: order {order} of {top} cycles needs "
            f"more than {2 * order * top + 1} samples."
        )
    require(f"harmonics: samples={samples}", 64.0 * samples, "Fewer samples, or a lower order.")
    x = torch.arange(samples, dtype=torch.float64)[:, None] / samples
    with torch.no_grad():
        values = field(x)
    if values.is_complex():
        values = torch.view_as_real(values).flatten(1)
    magnitude = torch.fft.rfft(values.double(), dim=0).abs() / samples
    energy = _one_sided(magnitude, samples).square().sum(-1)
    orders = _orders(whole.long().abs().unique(), order, len(energy))
    varying = energy[1:].sum().clamp(min=1e-300)
    reached = [(orders > 0) & (orders <= k) for k in range(1, order + 1)]
    explained = torch.stack([energy[r].sum() / varying for r in reached])
    covered = torch.stack([r.sum() / (len(energy) - 1) for r in reached])
    return Harmonics(energy.sqrt(), orders, explained, covered)


def _whole(frequencies: Tensor) -> Tensor:
    if not bool(torch.isfinite(frequencies).all()):
        raise ValueError("harmonics: frequencies hold NaN or Inf.")
    whole = frequencies.detach().cpu().double().round()
    if frequencies.numel() == 0 or (frequencies.detach().cpu() - whole).abs().max() > 1e-6:
        raise ValueError(
            "harmonics: frequencies must be whole numbers of cycles a period. "
            "Scale the period, or round."
        )
    return whole


def _one_sided(magnitude: Tensor, samples: int) -> Tensor:
    """Amplitudes of cosines, from moduli of coefficients.

    All but the constant and the Nyquist bin stand for two coefficients.
    """
    factor = torch.full((len(magnitude), 1), 2.0, dtype=magnitude.dtype)
    factor[0] = 1
    if samples % 2 == 0:
        factor[-1] = 1
    return factor * magnitude


def _orders(frequencies: Tensor, order: int, bins: int) -> Tensor:
    """The least order of an integer combination that equals ±k, for each bin k; -1 if none does."""
    reach = order * int(frequencies.max()) + 1
    # bin k is at k + reach, so that no shift below wraps around
    now = torch.zeros(2 * reach + 1, dtype=torch.bool)
    now[reach] = True
    least = torch.where(now, 0, -1)
    for k in range(1, order + 1):
        shifted = torch.stack([now.roll(s) for f in frequencies.tolist() for s in (f, -f)]).any(0)
        now = now | shifted
        least = torch.where((least < 0) & now, k, least)
    orders = torch.full((bins,), -1)
    positive = least[reach : reach + bins]
    orders[: len(positive)] = positive
    return orders


@checked
def periodic_line(prior: Prior, period: Count = 16) -> tuple[Line, Tensor]:
    """Take a prior along the first axis through the middle of its box, and make it periodic.

    The components of the frequencies along that axis, of Fourier features or of a sine first layer,
    are rounded to whole cycles per period, in a copy in float64; the others only shift phases.

    Args:
        prior: The prior, which stays as it is.
        period: The period in sides of the box.

    Returns:
        The function of period 1, and its first layer's frequencies, (m,).

    Raises:
        TypeError: The architecture is another, whose first layer has no frequencies.
    """
    prior = copy.deepcopy(prior).double().requires_grad_(False).eval()
    span = 2.0 * period  # normalised units
    tensor, factor = _first_layer(prior)
    whole = (tensor[:, 0] * factor * span).round()
    tensor[:, 0] = whole / (factor * span)

    def line(x: Tensor) -> Tensor:
        across = x.new_zeros(len(x), prior.box.ndim - 1)
        return prior(prior.box.denormalize(torch.cat([span * x, across], 1)))

    return line, whole


def _first_layer(prior: Prior) -> tuple[Tensor, float]:
    """The (m, d) tensor that multiplies normalised coordinates, and its factor to cycles."""
    table = getattr(prior.encoding, "frequencies", None)
    if isinstance(table, Tensor) and not getattr(prior.encoding, "raw", False):
        return table, 1.0
    layers = getattr(prior.network, "layers", None)
    if isinstance(layers, nn.ModuleList) and len(layers) and prior.encoding.size == prior.box.ndim:
        layer = layers[0]
        omega = getattr(getattr(layer, "activation", None), "omega", None)
        weights = [
            m.weight for m in layer.modules() if isinstance(getattr(m, "weight", None), Tensor)
        ]
        if omega is not None and len(weights) == 1 and _has_period(layer, float(omega)):
            assert isinstance(weights[0], Tensor)
            return weights[0], float(omega) / (2 * math.pi)
    raise TypeError(
        f"'{prior.name}' has no periodic first layer: "
        "its input meets neither Fourier features nor a sine."
    )


def _has_period(layer: nn.Module, omega: float) -> bool:
    """Whether the activation has the period 2π / omega: a sine has it, a wavelet has not."""
    z = torch.linspace(-1, 1, 32, dtype=torch.float64) / omega
    activation = layer.activation
    assert isinstance(activation, nn.Module)
    return torch.allclose(activation(z), activation(z + 2 * math.pi / omega), atol=1e-5)
