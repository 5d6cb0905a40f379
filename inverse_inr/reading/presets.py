"""The two segmenters as published, in the sizes that small images need."""

from __future__ import annotations

from inverse_inr.families import Conditioned, Convolutions, MetaLearned
from inverse_inr.families.family import InnerSteps
from inverse_inr.metrics.labels import Classes
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.reading.segmentation import Segmenter


@checked
def metaseg(
    classes: Classes,
    *,
    channels: Count = 1,
    width: Count = 64,
    depth: Count = 3,
    omega0: Positive = 30.0,
    steps: InnerSteps = 2,
) -> Segmenter:
    """Make the segmenter that fits intensities in a few steps and reads the labels.

    Args:
        classes: Number of classes, the background included.
        channels: Number of channels of the intensities.
        width: Features per hidden layer of the SIREN.
        depth: Number of its hidden layers.
        omega0: Frequency factor of its sines.
        steps: Steps of the inner loop.

    Returns:
        The segmenter, which `train_segmenter` teaches.

    Source:
        Vyas et al. 2025 (MetaSeg), with a linear head of labels.
    """
    options = {"width": width, "depth": depth, "omega0": omega0}
    family = MetaLearned("siren", options, inner_steps=steps)
    return Segmenter(family, classes, channels=channels)


@checked
def iosnet(
    classes: Classes,
    *,
    channels: Count = 1,
    features: Count = 24,
    depth: Count = 4,
    width: Count = 64,
) -> Segmenter:
    """Make the segmenter that decodes an encoder's features, interpolated at x, to labels.

    Args:
        classes: Number of classes, the background included.
        channels: Number of channels of the intensities.
        features: Features of the encoder.
        depth: Number of its residual layers; the last one reaches 2^depth pixels.
        width: Features per hidden layer of the decoder, a ReLU network of two.

    Returns:
        The segmenter, which `train_segmenter` teaches.

    Source:
        Khan & Fang 2022 (IOSNet), with an encoder of one resolution.
    """
    family = Conditioned(Convolutions(features, depth), "relu", {"width": width, "depth": 2})
    return Segmenter(family, classes, channels=channels, intensity_weight=0.0)
