"""Layers on frames of one, two or three axes: convolutions, doubling, and their starts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.priors.activations import uniform

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
"""By the axes of a frame."""


def convolution(
    axes: int,
    inputs: int,
    outputs: int,
    kernel: int,
    generator: torch.Generator,
    *,
    gain: float = 1.0,
    by_channel: bool = False,
) -> nn.Module:
    """A convolution of one stride, whose output has as many pixels.

    Weights start uniform with variance gain² / fan-in; biases start at zero.

    Args:
        axes: Axes of a frame, 1 to 3.
        inputs: Features that come in.
        outputs: Features that go out.
        kernel: Odd width.
        generator: Source of the starting weights.
        gain: Factor of their deviation; √2 before an activation that halves the variance.
        by_channel: Each feature is convolved by itself (a depthwise convolution).

    Raises:
        ValueError: Frames have more than three axes.
    """
    if axes not in CONVOLUTIONS:
        raise ValueError(f"frames of {axes} axes: there are convolutions for 1 to 3.")
    groups = inputs if by_channel else 1
    layer = CONVOLUTIONS[axes](inputs, outputs, kernel, padding=kernel // 2, groups=groups)
    start(layer, inputs // groups * kernel**axes, generator, gain)
    return layer


def dense(inputs: int, outputs: int, generator: torch.Generator, gain: float = 1.0) -> nn.Linear:
    """A linear layer that starts as `convolution` does."""
    layer = nn.Linear(inputs, outputs)
    start(layer, inputs, generator, gain)
    return layer


def start(layer: nn.Module, fan_in: int, generator: torch.Generator, gain: float) -> None:
    """Draw a layer's weights, uniform with variance gain² / fan_in, and clear its bias."""
    assert isinstance(layer.weight, Tensor)
    assert isinstance(layer.bias, Tensor)
    uniform(layer.weight, gain * (3.0 / fan_in) ** 0.5, generator)
    nn.init.zeros_(layer.bias)


def shuffled(x: Tensor) -> Tensor:
    """Turn features to pixels, two along each axis: (m, 2^axes c, *n) -> (m, c, *2n).

    Source:
        Shi et al. 2016 (sub-pixel convolution), for any number of axes.
    """
    axes = x.ndim - 2
    shape = x.shape[2:]
    x = x.unflatten(1, (-1, *(2,) * axes))  # (m, c, 2 ..., *n)
    order = [0, 1]
    for k in range(axes):
        order += [2 + axes + k, 2 + k]
    return x.permute(order).reshape(x.shape[0], x.shape[1], *(2 * n for n in shape))


def doubled(x: Tensor) -> Tensor:
    """Interpolate to twice the pixels along each axis: (m, c, *n) -> (m, c, *2n).

    New centres lie at a quarter and three quarters of each pixel; ends go on as they are. It is
    torch's bilinear interpolation, with sums in a fixed order on every device.
    """
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        inner = x.narrow(axis, 0, size - 1), x.narrow(axis, 1, size - 1)
        before = torch.cat([x.narrow(axis, 0, 1), inner[0]], axis)
        after = torch.cat([inner[1], x.narrow(axis, size - 1, 1)], axis)
        pair = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = pair.flatten(axis, axis + 1)
    return x


def at_times(nodes: Tensor, times: Tensor) -> Tensor:
    """Interpolate linearly between nodes in time.

    Args:
        nodes: (n, *s) values at the middles of n equal parts of the time from -1 to 1.
        times: (m, 1).

    Returns:
        (m, *s).
    """
    count = len(nodes)
    place = ((0.5 * times[:, 0] + 0.5) * count - 0.5).clamp(0, count - 1)
    low = place.floor().clamp(0, max(0, count - 2))
    part = (place - low).to(nodes.dtype).reshape(-1, *(1,) * (nodes.ndim - 1))
    index = low.long()
    below, above = nodes[index], nodes[(index + 1).clamp(max=count - 1)]
    return below + part * (above - below)
