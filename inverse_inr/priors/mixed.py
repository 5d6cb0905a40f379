"""A different activation in each layer (MIRE): the preset `mixed`.

`selection.choose_activations` tries the activations that are listed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from inverse_inr.domain import Box
from inverse_inr.priors import bandlimited, radial
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.periodic import Sine, siren_omega
from inverse_inr.priors.preset import band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.sines.learnt_shape import Hosc
from inverse_inr.priors.sines.variable_period import Finer, finer_omega
from inverse_inr.priors.wavelets import GaborReal, wire_omega
from inverse_inr.ranges import Count, Positive, Seed
from inverse_inr.registry import nearest


def _native(name: str, b: float) -> float:
    """The number by which a band-limited activation is scaled, for b cycles per normalised unit."""
    return bandlimited.PER_ROOT_CYCLE[name] * math.sqrt(b)


ATOMS: dict[str, Callable[[float, int], Activation]] = {
    "sine": lambda b, d: Sine(siren_omega(b, d)),
    "gaussian": lambda b, d: radial.Gaussian(radial.PER_ROOT_CYCLE["gaussian"] * math.sqrt(b)),
    "gabor": lambda b, d: GaborReal(wire_omega(b), wire_omega(b)),
    "sinc": lambda b, d: bandlimited.Sinc(_native("sinc", b)),
    "prolate": lambda b, d: bandlimited.Prolate(5.0, _native("pin", b)),
    "raised_cosine": lambda b, d: bandlimited.RaisedCosine(1 / _native("raised_cosine", b), 0.5),
    "root_raised_cosine": lambda b, d: bandlimited.RootRaisedCosine(
        1 / _native("raised_cosine", b), 0.5
    ),
    "finer": lambda b, d: Finer(finer_omega(b, d), 1.0),
    "hosc": lambda b, d: Hosc(siren_omega(b, d), 2.0),
}
"""Makers of activations by name, from b in cycles per normalised unit and the number of axes d."""

MIRE_ATOMS = ("raised_cosine", "root_raised_cosine", "prolate", "sinc", "gabor", "gaussian", "sine")
"""The seven activations of the paper's dictionary."""


@preset
def mixed(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    activations: Sequence[str] = ("sine", "gaussian", "sinc"),
    width: Count = 128,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A network with an activation of its own in each layer (Jayasundara et al. 2025, MIRE).

    `selection.choose_activations` finds the sequence greedily, by held-out measurements.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        activations: Names of `ATOMS`, one per hidden layer, from the first.
        width: Features per hidden layer.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown activation, or none at all.

    Source:
        Jayasundara et al. 2025, MIRE.
    """
    bandwidth, b = band(box, bandwidth)
    for name in activations:
        if name not in ATOMS:
            raise ValueError(f"mixed: unknown activation {name!r}. {nearest(name, ATOMS)}")
    if not activations:
        raise ValueError("mixed: activations is empty; name one a layer.")
    layers = [ATOMS[name](b, box.ndim) for name in activations]
    return coordinate_network(
        box,
        layers,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=len(layers),
        seed=seed,
        learning_rate=1e-3,
    )
