"""Where a camera's mask lies across the dispersion, read off one snapshot before anything is reconstructed.

    in a small window     y(i, u) ≈ b(i, u) + Σ_s c_s(i, u) M(i - d, u - s)

Light of every wavelength carries the mask along, shifted by s pixels; over a window the scene changes little, so c is a
low polynomial of place times a smooth spectrum and b, what is not coded, a polynomial: linear least squares. The row
displacement d that predicts pixels left out of the fit best is where the mask lies there; over the detector d is a
shift, a stretch and a rotation. Along the dispersion a shift of the mask is one of the spectrum and can't be told.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.spectral.shear import blur_bands, gaussian_kernels

DISPLACEMENTS = torch.linspace(-2, 2, 17, dtype=torch.float64)
ROOM = math.ceil(float(DISPLACEMENTS.abs().max())) + 4
WINDOW = (28, 56)
BLUR, SPECTRUM, BACKGROUND, PLACE = 0.8, 12, 5, 3
"""Blur of the mask (px), cosines of a spectrum, degrees plus one of what is not coded and of the scene."""

STIFFNESS = 0.5
"""Of stretch and rotation, per px² in logarithms of misfits: a window errs by 0.3 px, and a few must not tell them."""


def mask_displacement(
    y: Tensor, mask: Tensor, reach: int, trusted: Tensor | None = None, seed: int = 0
) -> Tensor:
    """How far the mask lies below its place, (3,) pixels: at the middle, and more at its lower and at its right edge.

    y (H, W + reach) with the background taken off, of which pixels `trusted` (the same, bool) count; mask (H, W),
    dispersed along the rows by up to `reach` pixels. Zero where no window is bright enough to tell: only those above a
    tenth of the brightest one's mean are used.
    """
    trusted = torch.isfinite(y) if trusted is None else trusted
    y = torch.where(trusted, y, 0)
    places = _bright(y, trusted)
    if not places:
        return torch.zeros(3, dtype=torch.float64)
    blurred = _blurred(mask.double(), reach)
    curves = torch.stack(
        [_misfits(y.double(), blurred, reach, place, trusted, seed) for place in places]
    )
    height, width = mask.shape
    middles = torch.tensor(places, dtype=torch.float64) + 0.5 * torch.tensor(WINDOW)
    across = 2 * middles[:, 0] / height - 1
    along = 2 * (middles[:, 1] - reach / 2) / width - 1
    design = torch.stack([torch.ones_like(across), across, along], -1)
    best, step = (
        torch.zeros(3, dtype=torch.float64),
        torch.tensor([0.2, 0.3, 0.3], dtype=torch.float64),
    )
    for _ in range(3):  # a grid of 11 values each about the best, then a finer one
        offsets = torch.cartesian_prod(*[torch.arange(-5.0, 6.0, dtype=torch.float64)] * 3) * step
        tried = best + offsets
        penalty = STIFFNESS * tried[:, 1:].square().sum(-1)
        best, step = tried[(_read(curves, tried @ design.T).sum(-1) + penalty).argmin()], step / 4
    return best


def _bright(y: Tensor, trusted: Tensor) -> list[tuple[int, int]]:
    """Upper left corners of windows, half overlapping, that hold enough light and are mostly trusted."""
    h, w = WINDOW
    if y.shape[0] < h or y.shape[1] < w:
        return []
    means, share = (
        torch.stack([y.double(), trusted.double()])
        .unfold(1, h, h // 2)
        .unfold(2, w, w // 2)
        .mean((-1, -2))
    )
    found = ((means > 0.1 * means.max()) & (share > 0.5)).nonzero().tolist()
    return [(i * (h // 2), j * (w // 2)) for i, j in found]


def _misfits(
    y: Tensor, blurred: Tensor, reach: int, place: tuple[int, int], trusted: Tensor, seed: int
) -> Tensor:
    """Log of the misfit of a quarter of a window's pixels, fitted to the others, at each of DISPLACEMENTS."""
    (i, u), (h, w) = place, WINDOW
    generator = torch.Generator().manual_seed(seed)
    there = trusted[i : i + h, u : u + w].reshape(-1)
    out = torch.rand(h * w, generator=generator) < 0.25
    fit, out = there & ~out, there & out
    light = y[i : i + h, u : u + w].reshape(-1)
    rows, columns = torch.meshgrid(_line(h), _line(w), indexing="ij")
    smooth = torch.stack(
        [rows**a * columns**b for a in range(BACKGROUND) for b in range(BACKGROUND)], -1
    )
    slow = torch.stack([rows**a * columns**b for a in range(PLACE) for b in range(PLACE - a)], -1)
    s = torch.arange(reach + 1, dtype=torch.float64)
    spectra = torch.cos(math.pi * torch.arange(SPECTRUM) * (s[:, None] + 0.5) / (reach + 1))
    found = []
    for d in DISPLACEMENTS.tolist():
        seen = (
            _window(blurred, reach, i, u, d).unfold(1, reach + 1, 1).flip(-1) @ spectra
        )  # (h, w, SPECTRUM)
        design = torch.cat([smooth, (seen[..., None] * slow[..., None, :]).flatten(2)], -1).flatten(
            0, 1
        )
        kept = design[fit]
        normal = kept.T @ kept
        normal.diagonal().add_(1e-3 * normal.trace() / len(normal))
        model = torch.linalg.solve(normal, kept.T @ light[fit])
        found.append((light[out] - design[out] @ model).square().mean())
    return torch.stack(found).clamp(min=1e-30).log()


def _blurred(mask: Tensor, reach: int) -> Tensor:
    """The blurred mask with ROOM rows of nothing above and below, and `reach` columns on both sides."""
    kernel = gaussian_kernels(torch.tensor([BLUR], dtype=torch.float64))
    spill = kernel.shape[1] // 2
    wide = blur_bands(torch.nn.functional.pad(mask, (reach, reach, ROOM, ROOM))[None], kernel)[0]
    return wide[:, spill:-spill]


def _window(blurred: Tensor, reach: int, i: int, u: int, d: float) -> Tensor:
    """Columns u - reach to u + w of the blurred mask, d pixels further down, on rows i to i + h; zero outside."""
    h, w = WINDOW
    whole = math.floor(d)
    start, t = i + ROOM - whole, d - whole
    part = blurred[start - 1 : start + h, u : u + w + reach]
    return torch.lerp(part[1:], part[:-1], t)


def _line(count: int) -> Tensor:
    return torch.linspace(-1, 1, count, dtype=torch.float64)


def _read(curves: Tensor, at: Tensor) -> Tensor:
    """Each window's curve (n, 17) at its own displacement (*s, n), linear, its ends held."""
    step = float(DISPLACEMENTS[1] - DISPLACEMENTS[0])
    x = ((at - DISPLACEMENTS[0]) / step).clamp(0, len(DISPLACEMENTS) - 1 - 1e-9)
    k = x.long()
    window = torch.arange(len(curves)).expand_as(k)
    return torch.lerp(curves[window, k], curves[window, k + 1], x - k)
