"""Which frequencies a network makes of those of its first layer: the structured dictionary of periodic inputs.

    f(x) = Σ_s c_s exp(2πj (s·ω) x),   s ∈ ℤᵐ:   integer combinations of the first layer's frequencies, of order Σ|s_t|

Yüce et al., A Structured Dictionary Perspective on Implicit Neural Representations, CVPR 2022, theorem 1. A polynomial
activation of degree K after the first layer reaches order K; smooth ones put little energy in high orders.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.spectrum import panels
from inverse_inr.priors import Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = Callable[[Tensor], Tensor]
"""A function of period 1: (n, 1) -> (n, c)."""


@dataclass(frozen=True)
class Harmonics:
    """Bin k holds what oscillates k times in the period.

    `amplitudes` (bins,): of a cosine of that frequency, root sum of squares over channels; bin 0 is the constant.
    `orders` (bins,): the least order of a combination that gives bin k; 0 for the constant, -1 where none up to the
    highest order asked does. `explained` (order,): the share of the energy (constant left out) in combinations of order
    up to 1, 2, ...; `covered` (order,): the share of all bins that those combinations reach, which is what a spectrum
    that knows nothing of them would be explained by.
    """

    amplitudes: Tensor
    orders: Tensor
    explained: Tensor
    covered: Tensor

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """The amplitudes, coloured by order, and the energy explained."""
        left, right = panels(2) if axes is None else axes
        for order in [*range(1, len(self.explained) + 1), -1]:
            bins = (self.orders == order).nonzero()[:, 0]
            name, color = (f"order {order}", f"C{order - 1}") if order > 0 else ("higher", "0.7")
            left.vlines(
                bins, 1e-12, self.amplitudes[bins].clamp(min=1e-12), color=color, label=name
            )
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


def harmonics(
    field: Prior | Line,
    frequencies: Tensor | None = None,
    *,
    order: int = 3,
    samples: int | None = None,
    period: int = 16,
) -> Harmonics:
    """The harmonic expansion of a network of periodic inputs, by FFT over one period.

    field        a function of period 1, with the whole `frequencies` (m,) of its first layer; or a prior with Fourier
                 features or a sine first layer: seen along its first axis, see `periodic_line` for `period`
    order        combinations of up to this order are told apart
    samples      points in the period; default: enough that the amplitudes beyond do not fold back visibly
    Raises ValueError for frequencies that are not whole numbers: the period is then another.
    """
    if isinstance(field, Prior):
        field, found = periodic_line(field, period)
        frequencies = found if frequencies is None else frequencies
    if frequencies is None:
        raise ValueError(
            "harmonics: of a plain function the first layer's frequencies must be given."
        )
    whole = frequencies.detach().cpu().double().round()
    if frequencies.numel() == 0 or (frequencies.detach().cpu() - whole).abs().max() > 1e-6:
        raise ValueError(
            "harmonics: frequencies must be whole numbers of cycles a period. Scale the period, or round."
        )
    top = int(whole.abs().max())
    if samples is None:
        samples = 1 << max(10, math.ceil(math.log2(16 * max(top, 1) * max(order, 2))))
    if order < 1 or samples < 2 * order * top + 2:
        raise ValueError(
            f"harmonics: order {order} of {top} cycles needs more than {2 * order * top + 1} samples."
        )
    x = torch.arange(samples, dtype=torch.float64)[:, None] / samples
    with torch.no_grad():
        values = field(x)
    values = torch.view_as_real(values).flatten(1) if values.is_complex() else values
    energy = (
        _one_sided(torch.fft.rfft(values.double(), dim=0).abs() / samples, samples).square().sum(-1)
    )
    orders = _orders(whole.long().abs().unique(), order, len(energy))
    varying = energy[1:].sum().clamp(min=1e-300)
    reached = [(orders > 0) & (orders <= k) for k in range(1, order + 1)]
    explained = torch.stack([energy[r].sum() / varying for r in reached])
    covered = torch.stack([r.sum() / (len(energy) - 1) for r in reached])
    return Harmonics(energy.sqrt(), orders, explained, covered)


def _one_sided(magnitude: Tensor, samples: int) -> Tensor:
    """Moduli of the coefficients -> amplitudes of cosines: all but the constant and the Nyquist bin are two."""
    factor = torch.full((len(magnitude), 1), 2.0, dtype=magnitude.dtype)
    factor[0] = 1
    if samples % 2 == 0:
        factor[-1] = 1
    return factor * magnitude


def _orders(frequencies: Tensor, order: int, bins: int) -> Tensor:
    """The least order of an integer combination that equals ±k, for k = 0 ... bins - 1; -1 where there is none."""
    reach = order * int(frequencies.max()) + 1
    now = torch.zeros(
        2 * reach + 1, dtype=torch.bool
    )  # bin k is at k + reach: no shift below wraps around
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


def periodic_line(prior: Prior, period: int = 16) -> tuple[Line, Tensor]:
    """A prior along the first axis through the middle of its box, made periodic, and its first layer's frequencies.

    The components of the frequencies along that axis, of Fourier features or of a sine first layer, are rounded to
    whole cycles per `period` sides of the box, in a copy in float64; the others only shift phases. Raises TypeError for
    other architectures, whose first layer has no frequencies.
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
    """The (m, d) tensor that multiplies normalised coordinates, and what makes cycles of it."""
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
        f"'{prior.name}' has no periodic first layer: its input meets neither Fourier features nor a sine."
    )


def _has_period(layer: nn.Module, omega: float) -> bool:
    """Whether the layer's activation has the period 2π / omega, as a sine has and a wavelet has not."""
    z = torch.linspace(-1, 1, 32, dtype=torch.float64) / omega
    activation = layer.activation
    assert isinstance(activation, nn.Module)
    return torch.allclose(activation(z), activation(z + 2 * math.pi / omega), atol=1e-5)
