"""Weights as whole numbers: step sizes by how much the field feels each tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from inverse_inr.families import fisher_diagonal
from inverse_inr.priors import Prior

PER_OCTAVE = 8
"""Step sizes between one and its double."""
ROOTS = (
    1.0,
    1.0905077326652577,
    1.189207115002721,
    1.2968395546510096,
    1.4142135623730951,
    1.5422108254079407,
    1.681792830507429,
    1.8340080864093424,
)
"""2^(k/8), written out: a decoder on another machine has the same to the last bit."""
PROBES = 512
"""Points at which the sensitivity to weights is measured."""

Numbers = dict[str, Tensor]
"""Numbers by the names of the parameters that they stand for; whole ones are int64."""


def step_size(code: int) -> float:
    """Give the step size 2^(code / 8), the same on every machine."""
    octave, part = divmod(code, PER_OCTAVE)
    return math.ldexp(ROOTS[part], octave)


def sensitivity_codes(field: Prior) -> dict[str, int]:
    """Choose a step size for each parameter's tensor, to a common factor.

    An error of uniform variance Δ² / 12 in each weight adds Σ h Δ² / 12 to the mean squared error
    of the field, where h is the mean square of its derivative in a weight. At equal rate that is
    least where h Δ² is the same for all tensors.

    Args:
        field: The prior.

    Returns:
        A code of `step_size` for each parameter.
    """
    codes = {}
    for name, own in sensitivities(field).items():
        h = max(float(own.mean()), 1e-12)
        codes[name] = round(-0.5 * PER_OCTAVE * math.log2(h))
    return codes


def sensitivities(field: Prior) -> Numbers:
    """Measure how much the field feels each weight: the mean square of its derivative in it.

    Args:
        field: The prior.

    Returns:
        The diagonal Fisher information per point, in double precision, by parameter.
    """
    generator = torch.Generator().manual_seed(0)
    own = next(field.parameters())
    points = field.box.random_points(PROBES, generator=generator).to(own)
    # random signs of channels: the mean square of their sum is the sum of mean squares
    signs = 2.0 * torch.randint(2, (PROBES, field.channels), generator=generator).to(own) - 1
    seen = fisher_diagonal(field, points, signs, lambda value, sign: (value * sign).sum().real)
    return {name: total.double() / PROBES for name, total in seen.items()}


def rounded(state: Mapping[str, Tensor], codes: Mapping[str, int], coarser: int) -> Numbers:
    """Round parameters to whole numbers of their step sizes.

    Args:
        state: The parameters.
        codes: The code of each one's step size.
        coarser: What is added to all codes.
    """
    return {
        name: torch.round(state[name].detach().double() / step_size(code + coarser)).long()
        for name, code in codes.items()
    }


def restored(numbers: Mapping[str, Tensor], codes: Mapping[str, int], coarser: int) -> Numbers:
    """Turn whole numbers back to parameters: in double precision, then rounded to single.

    Args:
        numbers: The whole numbers.
        codes: The code of each one's step size.
        coarser: What is added to all codes.
    """
    return {
        name: (numbers[name].double() * step_size(code + coarser)).float()
        for name, code in codes.items()
    }
