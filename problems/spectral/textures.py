"""Spectral scenes generated from a seed: textured things of smooth spectra, on black or everywhere.

    f(x, y, λ) = Σ_k a_k(x, y) R_k(λ)

Things overlap. Each is a mixture of two materials whose shares and brightness vary like a fractal
(amplitude 1 / frequency), as surfaces do. No photograph and no table of reflectances is behind
them, so that a new seed is a scene that nobody has seen.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.problems.spectral.scenes import WAVELENGTHS, SpectralScene
from inverse_inr.ranges import Count, WholeNumber, checked

Ground = Literal["dark", "bright"]
"""What is behind the things of a scene: nearly nothing, or a bright textured wall."""

THINGS = {"dark": 7, "bright": 16}
"""Number of things in a scene."""

GROUND = {"dark": 0.004, "bright": 0.6}
"""Brightness of the ground, beside things of brightness 0.4 to 1."""

MATERIALS = 10
"""Number of materials of a scene."""


@checked
def textured_scene(
    box: Box, shape: tuple[Count, Count], ground: Ground = "dark", *, seed: WholeNumber = 0
) -> SpectralScene:
    """Return a generated scene.

    Args:
        box: Space, and the wavelength in nm as its last axis.
        shape: Pixels, (H, W).
        ground: What is behind the things.
        seed: Of all that is random: things, textures and spectra.

    Returns:
        The scene, 1 where it is brightest.
    """
    generator = torch.Generator().manual_seed(seed)
    spectra = smooth_spectra(MATERIALS, seed)
    weights = _share(shape, 0, 1, generator) * GROUND[ground]
    for _ in range(THINGS[ground]):
        inside = _thing(shape, generator)
        one, other = torch.randperm(MATERIALS, generator=generator)[:2].tolist()
        level = 0.4 + 0.6 * float(torch.rand((), generator=generator))
        own = _share(shape, one, other, generator) * level
        weights = torch.where(inside[..., None], own, weights)
    top = float((weights @ spectra).max())
    return SpectralScene(weights / top, spectra, box)


@checked
def smooth_spectra(count: Count, seed: WholeNumber = 0) -> Tensor:
    """Return reflectances like those of paints: a grey, an edge, and bumps 15 to 50 nm wide.

    Args:
        count: Their number.
        seed: Of their shapes.

    Returns:
        (count, n) at `WAVELENGTHS`, between 0.03 and 0.95.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    x = torch.from_numpy(WAVELENGTHS).float()
    found = []
    for _ in range(count):
        r = torch.rand(10, generator=generator).tolist()
        curve = torch.full_like(x, 0.3 * r[0])
        curve = curve + r[1] * torch.sigmoid((x - 470 - 150 * r[2]) / (8 + 12 * r[3]))
        for place, height, width in (r[4:7], r[7:10]):
            middle = 440 + 200 * place
            curve = curve + height * torch.exp(-0.5 * ((x - middle) / (15 + 35 * width)) ** 2)
        found.append(0.03 + 0.92 * curve / max(1.0, float(curve.max())))
    return torch.stack(found)


def _share(shape: tuple[int, int], one: int, other: int, generator: torch.Generator) -> Tensor:
    """Weights (H, W, materials) of a surface of two materials."""
    mixture = torch.sigmoid(2 * _fractal(shape, generator) - 1.5)
    shade = (1 + 0.25 * _fractal(shape, generator)).clamp(0.2, 1.8)
    weights = torch.zeros(*shape, MATERIALS)
    weights[..., one] += (1 - mixture) * shade
    weights[..., other] += mixture * shade
    return weights


def _fractal(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Noise (H, W) of amplitude 1 / frequency, with mean 0 and standard deviation 1."""
    white = torch.randn(*shape, generator=generator)
    rows = torch.fft.fftfreq(shape[0])[:, None]
    columns = torch.fft.fftfreq(shape[1])
    frequency = (rows.square() + columns.square()).sqrt().clamp(min=1 / max(shape))
    noise = torch.fft.ifft2(torch.fft.fft2(white) / frequency).real
    return (noise - noise.mean()) / noise.std().clamp(min=1e-12)


def _thing(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A mask (H, W) of a round, square, star-shaped or hollow thing somewhere."""
    r = torch.rand(7, generator=generator).tolist()
    size = min(shape) * (0.08 + 0.14 * r[0])
    i = torch.arange(shape[0])[:, None] - shape[0] * (0.12 + 0.76 * r[1])
    j = torch.arange(shape[1])[None] - shape[1] * (0.12 + 0.76 * r[2])
    angle = torch.atan2(i, j) + 2 * math.pi * r[3]
    corners = 3 + int(4 * r[4])
    edge = size * (1 + 0.35 * r[5] * torch.cos(corners * angle))
    radius = (i.square() + j.square()).sqrt()
    if r[6] < 0.3:
        return (radius < edge) & (radius > 0.5 * edge)
    return radius < edge
