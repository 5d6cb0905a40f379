"""The noise of a camera, estimated from one image: a variance that grows with brightness.

    var(y) = m / photons + (readout / photons)²,     m: the mean of y

Patches are looked at along the directions in which they vary least: of most images these hold noise
alone. Patches that vary little along all other directions are kept, which chooses nothing among the
noise, and the line is fitted to their variance against their mean.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.noise.counts import Sensor
from inverse_inr.ranges import FiniteTensor, Positive, checked

PATCH = 6
"""Pixels along the side of a patch.

It and the numbers below were found on astronaut, coffee, camera, cell and a corner of brick (all of
scikit-image, 96 pixels), with 30 and 100 photons."""

QUIET = 0.2
"""The part of the patches of like brightness that is kept."""

LEVELS = 8
"""Levels of brightness in which patches are kept."""

ROUNDS = 3
"""How often the variance that is found weighs the patches anew."""

TINY = 1e-12
"""The least variance per brightness, in units of the brightness, that is not rounding."""

FIXED_POINTS = 30
"""Iterations for the slope, whose offset depends on it."""

LEAST = 0.05
"""The least variance of a patch that is weighed by, in units of the mean one."""


@checked
def estimate_sensor(values: FiniteTensor, readout: Positive) -> Sensor:
    """Estimate from one noisy image how many photons a camera detects at value 1.

    Fine texture that fills the image counts as noise.

    Args:
        values: (h, w) or (h, w, c), the image, black at 0.
        readout: Standard deviation of the readout in electrons, as the camera's data sheet has it:
            one image hardly tells it apart from the photons.

    Returns:
        The noise model.

    Raises:
        ValueError: The image is smaller than 4 patches a side, or shows no noise.

    Source:
        Chen, Zhu & Heng 2015, An efficient statistical method for image noise level estimation (the
        directions of noise); Liu, Tanaka & Okutomi 2013 (patches of little texture); Foi et al.
        2008 (the line).
    """
    if values.ndim not in (2, 3) or min(values.shape[:2]) < 4 * PATCH:
        raise ValueError(
            f"estimate_sensor: the image has shape {tuple(values.shape)}; it needs (h, w) or "
            f"(h, w, channels) with at least {4 * PATCH} pixels a side."
        )
    image = values.reshape(*values.shape[:2], -1)
    windows = image.unfold(0, PATCH, 1).unfold(1, PATCH, 1)
    patches = windows.reshape(-1, PATCH**2).double()
    mean = patches.mean(1)
    varying = patches @ _without_mean().to(patches)
    level = mean.argsort().argsort() * LEVELS // len(mean)
    weight = torch.ones_like(mean)
    slope = 0.0
    for _ in range(ROUNDS):
        kept, directions = _quiet(varying * weight.sqrt()[:, None], level)
        variance = (varying[kept] @ directions).square().mean(1)
        slope = _slope(mean[kept].clamp(min=0), variance, weight[kept], readout)
        if not slope > TINY * float(mean.abs().mean()):
            raise ValueError(
                "estimate_sensor: the image shows no noise that grows with its brightness. Is "
                "black at 0, and was the image rounded or denoised?"
            )
        fitted = slope * mean.clamp(min=0) + (slope * readout) ** 2
        weight = fitted.mean() / fitted.clamp(min=LEAST * float(fitted.mean()))
    return Sensor(1 / slope, readout)


def _without_mean() -> Tensor:
    """An orthonormal basis of all that a patch is beside its mean, (pixels, pixels - 1)."""
    first = torch.eye(PATCH**2, dtype=torch.float64)
    first[:, 0] = 1.0
    return torch.linalg.qr(first)[0][:, 1:]


def _quiet(patches: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Which patches (n, D) have little texture, and the directions (D, k) that hold noise alone."""
    kept = torch.ones(len(patches), dtype=torch.bool, device=patches.device)
    for _ in range(2):
        _, structure = _directions(patches[kept])
        energy = (patches @ structure).square().sum(1)
        kept = torch.zeros_like(kept)
        for k in level.unique().tolist():
            own = level == k
            kept |= own & (energy <= energy[own].quantile(QUIET))
    return kept, _directions(patches[kept])[0]


def _directions(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (D, k) of noise alone, and the others (D, D - k).

    The variances of noise alone lie evenly about their mean. The largest are left out until the
    mean of the others is no larger than their median.
    """
    variances, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    count = len(variances)
    while count > 1 and variances[:count].mean() > variances[:count].median():
        count -= 1
    return vectors[:, :count], vectors[:, count:]


def _slope(mean: Tensor, variance: Tensor, weight: Tensor, readout: float) -> float:
    """The slope a of a m + (a readout)² that fits variances best, by weighted least squares."""
    slope = 0.0
    for _ in range(FIXED_POINTS):
        seen = mean + slope * readout**2
        slope = float((weight**2 * variance * seen).sum() / (weight * seen).square().sum())
    return slope
