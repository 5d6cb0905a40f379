"""Activations that are not periodic and fall off, or saturate, around zero, and a preset each.

"Beyond Periodicity" (Ramasinghe & Lucey 2022): an activation must offer a Lipschitz constant, not a
period.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation, constant, decay
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.preset import Layers, Moderate, band, coordinate_network, preset
from inverse_inr.priors.prior import Prior
from inverse_inr.ranges import Count, Positive, Seed


class Radial(Activation):
    """An activation of scale · z; weights start as torch's do.

    Args:
        scale: The factor of z, or where it starts.
        learnable: Whether each layer learns it.
    """

    roles: ClassVar[dict[str, str]] = {"scale": "shape", "power": "shape"}

    def __init__(self, scale: float, *, learnable: bool = False) -> None:
        super().__init__()
        self.scale = constant(scale, learnable)

    def scaled(self, z: Tensor) -> Tensor:
        """Give scale · z, in the shape of z."""
        return self.scale * z


class Gaussian(Radial):
    """exp(-(scale z)²); a scale of 1 / (√2 a) makes it exp(-z² / 2a²)."""

    def forward(self, *z: Tensor) -> Tensor:
        return decay(self.scaled(z[0]).square())


class Quadratic(Radial):
    """1 / (1 + (scale z)²)."""

    def forward(self, *z: Tensor) -> Tensor:
        return 1 / (1 + self.scaled(z[0]).square())


class MultiQuadratic(Radial):
    """1 / √(1 + (scale z)²)."""

    def forward(self, *z: Tensor) -> Tensor:
        return torch.rsqrt(1 + self.scaled(z[0]).square())


class Laplacian(Radial):
    """exp(-|scale z|); a scale of 1 / a makes it exp(-|z| / a)."""

    smoothness = 0

    def forward(self, *z: Tensor) -> Tensor:
        return decay(self.scaled(z[0]).abs())


class SuperGaussian(Radial):
    """exp(-(scale z)²)^power.

    Args:
        scale: The factor of z, or where it starts.
        power: The exponent, or where it starts.
        learnable: Whether each layer learns both.
    """

    def __init__(self, scale: float, power: float, *, learnable: bool = False) -> None:
        super().__init__(scale, learnable=learnable)
        self.power = constant(power, learnable)

    def forward(self, *z: Tensor) -> Tensor:
        return decay(self.power * self.scaled(z[0]).square())


class ExpSine(Radial):
    """exp(-sin(scale z))."""

    def forward(self, *z: Tensor) -> Tensor:
        return torch.exp(-torch.sin(self.scaled(z[0])))


PER_ROOT_CYCLE = {
    "gaussian": 1.04,
    "quadratic": 1.4,
    "multi_quadratic": 2.4,
    "laplacian": 1.05,
    "super_gaussian": 0.74,
    "exp_sine": 0.8,
}
"""`scale0` over √b, with b in cycles per normalised unit.

The numbers were measured: the untrained field's spectral centroid is that of `siren` for b = 8, 16
and 32. As weights start as torch's do, every layer multiplies frequencies by `scale0`, so the
centroid grows as its square.
"""


_RADIAL_DOC = """A network of {formula} (Ramasinghe & Lucey 2022).

Args:
    box: Where the field lives, in physical units.
    channels: Values of the field at each point.
    bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
        cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the longest
        side.
    scale0: The factor of every pre-activation z; None for {factor} √b.
    learnable: Whether each layer learns its scale.
    width: Features per hidden layer.
    depth: Number of hidden layers.
    head: A name of `heads.HEADS`, or one name per channel.
    seed: Seed of the starting weights.

Returns:
    The prior, untrained.

Source:
    Ramasinghe & Lucey 2022.
"""


def _radial(name: str, activation: Callable[..., Radial], formula: str) -> Callable[..., Prior]:
    """Make the preset of one activation; these presets differ in nothing else."""

    def build(
        box: Box,
        channels: Count = 1,
        bandwidth: Positive | None = None,
        *,
        scale0: Moderate | None = None,
        learnable: bool = False,
        width: Count = 128,
        depth: Layers = 4,
        head: HeadName = "linear",
        seed: Seed = 0,
    ) -> Prior:
        bandwidth, b = band(box, bandwidth)
        if scale0 is None:
            scale0 = PER_ROOT_CYCLE[name] * math.sqrt(b)
        return coordinate_network(
            box,
            activation(scale0, learnable=learnable),
            channels=channels,
            head=head,
            bandwidth=bandwidth,
            width=width,
            depth=depth,
            seed=seed,
            learning_rate=2e-3,
        )

    build.__name__ = name
    build.__qualname__ = name
    build.__doc__ = _RADIAL_DOC.format(formula=formula, factor=PER_ROOT_CYCLE[name])
    return preset(build)


gaussian = _radial("gaussian", Gaussian, "exp(-(scale0 z)²)")
quadratic = _radial("quadratic", Quadratic, "1 / (1 + (scale0 z)²)")
multi_quadratic = _radial("multi_quadratic", MultiQuadratic, "1 / √(1 + (scale0 z)²)")
laplacian = _radial("laplacian", Laplacian, "exp(-|scale0 z|)")
exp_sine = _radial("exp_sine", ExpSine, "exp(-sin(scale0 z))")


@preset
def super_gaussian(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    scale0: Moderate | None = None,
    power: Moderate = 2.0,
    learnable: bool = False,
    width: Count = 128,
    depth: Layers = 4,
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A network of [exp(-(scale0 z)²)]^power (Ramasinghe & Lucey 2022).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        scale0: The factor of every pre-activation z; None for 0.74 √b.
        power: The exponent of the Gaussian.
        learnable: Whether each layer learns its scale and its power.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting weights.

    Returns:
        The prior, untrained.

    Source:
        Ramasinghe & Lucey 2022.
    """
    bandwidth, b = band(box, bandwidth)
    if scale0 is None:
        scale0 = PER_ROOT_CYCLE["super_gaussian"] * math.sqrt(b)
    return coordinate_network(
        box,
        SuperGaussian(scale0, power, learnable=learnable),
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        width=width,
        depth=depth,
        seed=seed,
        learning_rate=2e-3,
    )
