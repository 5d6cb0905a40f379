"""What a measured snapshot says of its detector: light that the mask does not code, and noise."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from inverse_inr import noise
from inverse_inr.ranges import checked

LEAST = 100
"""The fewest pixels of one class of brightness that tell its noise."""

FEW = "The snapshot is too small to tell its noise; pass noise_level."
"""How a refusal begins."""


@checked
def uncoded_light(y: Tensor, coded: Tensor) -> float:
    """Return the level that the mask does not modulate.

    It is the intercept of dark pixels' y over what a grey scene gives there. Dark are those below
    the median.

    Args:
        y: (n,) trusted measurements.
        coded: (n,) what the camera measures of a scene that is 1 everywhere.

    Returns:
        The level in the unit of y, not negative.
    """
    below = y <= y.median()
    seen = coded[below].double()
    light = y[below].double()
    slope = ((seen - seen.mean()) * (light - light.mean())).mean() / seen.var().clamp(min=1e-12)
    return max(0.0, float(light.mean() - slope.clamp(min=0) * seen.mean()))


@checked
def shot_noise(y: Tensor, trusted: Tensor) -> noise.Sensor:
    """Return the noise model that a snapshot shows: variance = a y + c, from second differences.

    Along the dispersed axis a snapshot is smooth, because each pixel is a sum over bands. Medians
    of eight classes of brightness keep edges out. The edges that remain make this an upper bound.

    Args:
        y: (H, W) measurements, dispersed along the last axis.
        trusted: (H, W) bool.

    Raises:
        ValueError: If too few pixels are trusted to tell.
    """
    if y.shape[1] < 3:
        raise ValueError(f"{FEW} {y.shape[1]} pixels along the dispersion are no three.")
    use = trusted[:, 2:] & trusted[:, 1:-1] & trusted[:, :-2]
    second = ((y[:, 2:] - 2 * y[:, 1:-1] + y[:, :-2]) / math.sqrt(6))[use].double()
    level = ((y[:, 2:] + 2 * y[:, 1:-1] + y[:, :-2]) / 4)[use].double()
    if len(level) < LEAST:
        raise ValueError(f"{FEW} {len(level)} trusted pixels have trusted neighbours.")
    edges = torch.linspace(float(level.min()), float(level.max()), 9, dtype=level.dtype)
    classes = [(level >= a) & (level <= b) for a, b in itertools.pairwise(edges)]
    points = [
        (level[k].mean(), (1.4826 * second[k].abs().median()) ** 2)
        for k in classes
        if int(k.sum()) >= LEAST
    ]
    if not points:
        raise ValueError(f"{FEW} No class of brightness has {LEAST} pixels.")
    x, variance = (torch.stack(v) for v in zip(*points, strict=True))
    # relative errors of all classes are alike: weigh by 1 / variance
    design = torch.stack([x, torch.ones_like(x)], -1) / variance[:, None]
    slope, floor = torch.linalg.lstsq(design, torch.ones_like(x)[:, None]).solution[:, 0].tolist()
    slope = max(slope, 1e-12)
    return noise.Sensor(1 / slope, max(math.sqrt(max(floor, 0.0)) / slope, 1e-3))
