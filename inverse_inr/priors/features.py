"""ReLU networks, alone and on Fourier features: the presets `relu` and `fourier`."""

from __future__ import annotations

from typing import Literal

from inverse_inr.domain import Box
from inverse_inr.priors.activations import ReLU
from inverse_inr.priors.encodings import FourierFeatures, gaussian_frequencies, octave_frequencies
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import (
    Layers,
    LayersOrNone,
    Moderate,
    band,
    coordinate_network,
    preset,
    seeded,
)
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


@preset
def relu(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A plain ReLU network: the slow learner that others are compared with (Rahaman et al. 2019).

    It has no frequency of its own: `bandwidth` changes nothing.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: In cycles per unit of the box's first axis; kept, not used.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Rahaman et al. 2019.
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
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    spacing: Literal["random", "octaves"] = "random",
    features: Count = 128,
    deviation: Moderate | None = None,
    highest: Moderate | None = None,
    learnable: bool = False,
    anneal: bool = False,
    width: Count = 128,
    depth: LayersOrNone = 3,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Fourier features, random (Tancik et al. 2020) or octaves (Mildenhall et al. 2020), and ReLU.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        spacing: "random" frequencies, or "octaves" along each axis with the coordinates themselves.
        features: Number of random frequencies; each gives a sine and a cosine.
        deviation: Standard deviation of random frequencies, in cycles per normalised unit; None for
            b / 8.
        highest: The last octave, in cycles per normalised unit; None for b / 4.
        learnable: Whether the frequencies are learnt.
        anneal: Let the octaves in one after the other in the first half of the run.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the frequencies and the starting weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown spacing, or `anneal` with random frequencies.

    Source:
        Random Gaussian: Tancik et al. 2020. Octaves: Mildenhall et al. 2020. Annealing: Lin et al.
        2021.
    """
    bandwidth, b = band(box, bandwidth)
    if anneal and spacing == "random":
        raise ValueError("fourier: anneal=True needs octaves to let in; pass spacing='octaves'.")
    octave = None
    if spacing == "random":
        if deviation is None:
            deviation = b / 8  # features reach out to 3 deviations, and ReLU's overtones above them
        frequencies = gaussian_frequencies(box.ndim, features, deviation, seeded(seed))
    else:
        if highest is None:
            highest = max(0.5, b / 4)  # the Nyquist rule of the published code
        frequencies, octave = octave_frequencies(box.ndim, highest)
    if not anneal:
        octave = None
    encoding = FourierFeatures(
        frequencies, learnable=learnable, raw=spacing == "octaves", octave=octave
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
