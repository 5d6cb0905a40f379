"""ReLU networks, alone and on Fourier features: the presets `relu` and `fourier`."""

from __future__ import annotations

from typing import Literal

from inverse_inr.domain import Box
from inverse_inr.priors.activations import ReLU
from inverse_inr.priors.encodings import FourierFeatures, gaussian_frequencies, octave_frequencies
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import band, choose, coordinate_network, preset, seeded
from inverse_inr.priors.prior import Prior


@preset
def relu(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    width: int = 128,
    depth: int = 4,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """A plain ReLU network on coordinates: the slow learner that all others are compared with (Rahaman et al. 2019).

    It has no frequency of its own: `bandwidth` changes nothing.
    """
    bandwidth, _ = band(box, bandwidth)
    return coordinate_network(
        box,
        ReLU(),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
    )


@preset
def fourier(
    box: Box,
    channels: int = 1,
    bandwidth: float | None = None,
    *,
    spacing: Literal["random", "octaves"] = "random",
    features: int = 128,
    deviation: float | None = None,
    highest: float | None = None,
    learnable: bool = False,
    anneal: bool = False,
    width: int = 128,
    depth: int = 3,
    head: HeadName = "linear",
    seed: int = 0,
) -> Prior:
    """Fourier features and a ReLU network: random Gaussian (Tancik et al. 2020) or octaves (Mildenhall et al. 2020).

    `deviation` and `highest` are in cycles per normalised unit. `anneal` lets the octaves in one after the other in the
    first half of the run (Lin et al. 2021).
    """
    bandwidth, b = band(box, bandwidth)
    choose("fourier", "spacing", spacing, ("random", "octaves"))
    if anneal and spacing == "random":
        raise ValueError("fourier: anneal=True needs octaves to let in; pass spacing='octaves'.")
    octave = None
    if spacing == "random":  # features out to 3 deviations, and ReLU's harmonics above them
        deviation = b / 8 if deviation is None else deviation
        frequencies = gaussian_frequencies(box.ndim, features, deviation, seeded(seed))
    else:  # b / 4: the Nyquist rule of the published code
        frequencies, octave = octave_frequencies(
            box.ndim, max(0.5, b / 4) if highest is None else highest
        )
    encoding = FourierFeatures(
        frequencies,
        learnable=learnable,
        raw=spacing == "octaves",
        octave=octave if anneal else None,
    )
    return coordinate_network(
        box,
        ReLU(),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
        encoding=encoding,
    )
