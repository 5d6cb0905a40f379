"""Filters that undo phase contrast view by view: Paganin's, and the inverted contrast transfer.

    m = -log F⁻¹[ F[I_z] / (1 + π λ z ratio f²) ]                       one material, one distance
    F[1 - I_z] = cos(π λ z f²) F[m] + 2 sin(π λ z f²) F[φ]              weak objects, any distances

Sources: Paganin et al., J. Microsc. 206 (2002); Cloetens et al., Appl. Phys. Lett. 75 (1999).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.ct.phase.propagation import continued, cut, squared_frequency
from inverse_inr.ranges import FiniteTensor, NonNegative, Positive, checked

DARKEST = 1e-6
"""The least intensity that is told from none."""


@checked
def paganin(
    intensity: FiniteTensor,
    distance: NonNegative,
    wavelength: Positive,
    pitch: Positive,
    ratio: Positive,
) -> Tensor:
    """The projected attenuation of an object of one material, from one distance.

    It is exact in the limit of short distances (the transport of intensity).

    Args:
        intensity: (n, *detector) parts of the intensity without an object.
        distance: From the object, in the unit of the pitch.
        wavelength: In the unit of the pitch.
        pitch: Width of a pixel.
        ratio: δ/β of the material.

    Returns:
        (n, *detector) line integrals of the attenuation; times ratio/2 they are the phase.

    Raises:
        ValueError: The intensity has no detector axis.
    """
    if intensity.ndim < 2:
        raise ValueError(
            f"paganin: intensity must be (n, *detector), got shape {tuple(intensity.shape)}."
        )
    light = continued(intensity)
    axes = tuple(range(1, light.ndim))
    square = squared_frequency(light.shape[1:], pitch, light)
    spectrum = torch.fft.fftn(light, dim=axes)
    filtered = spectrum / (1 + math.pi * wavelength * distance * ratio * square)
    return -cut(torch.fft.ifftn(filtered, dim=axes).real).clamp(min=DARKEST).log()


@checked
def contrast_transfer(
    intensity: FiniteTensor,
    distances: FiniteTensor,
    wavelength: Positive,
    pitch: Positive,
    *,
    weight: NonNegative = 1e-3,
    ratio: Positive = 1.0,
) -> tuple[Tensor, Tensor]:
    """Attenuation and phase of a weak object from several distances, by least squares.

    Args:
        intensity: (n, z, *detector) parts of the intensity without an object.
        distances: (z,) in the unit of the pitch.
        wavelength: In the unit of the pitch.
        pitch: Width of a pixel.
        weight: Pull towards a phase of ratio/2 times the attenuation, which decides where the
            distances do not: at low frequencies.
        ratio: δ/β of that pull.

    Returns:
        Attenuation and phase, (n, *detector) each.

    Raises:
        ValueError: There are not as many distances as intensities.
    """
    if intensity.ndim < 3 or intensity.shape[1] != len(distances):
        raise ValueError(
            f"contrast_transfer: intensity of shape {tuple(intensity.shape)} must be (n, z, "
            f"*detector), with {len(distances)} distances."
        )
    light = continued(intensity.flatten(0, 1)).unflatten(0, intensity.shape[:2])
    axes = tuple(range(2, light.ndim))
    lost = torch.fft.fftn(1 - light, dim=axes)  # (n, z, *wider)
    square = squared_frequency(light.shape[2:], pitch, light)
    turn = math.pi * wavelength * distances.to(light).reshape(-1, *(1,) * square.ndim) * square
    # unknowns m and φ' = 2φ/ratio, which the pull makes equal
    first, second = turn.cos(), ratio * turn.sin()
    a = first.square().sum(0) + weight
    b = (first * second).sum(0) - weight
    d = second.square().sum(0) + weight
    right = [(part * lost).sum(1) for part in (first, second)]
    scale = 1 / (a * d - b * b).clamp(min=1e-12)
    m = scale * (d * right[0] - b * right[1])
    phase = scale * (a * right[1] - b * right[0])
    axes = tuple(range(1, m.ndim))
    m, phase = (cut(torch.fft.ifftn(part, dim=axes).real) for part in (m, phase))
    return m, 0.5 * ratio * phase
