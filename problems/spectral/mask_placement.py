"""Where a camera's mask lies across the dispersion, read off one snapshot before it is solved.

    in a small window     y(i, u) ≈ b(i, u) + Σ_s c_s(i, u) M(i - d, u - s)

Light of every wavelength carries the mask along, shifted by s pixels. Over a window the scene
changes little, so c is a low polynomial of place times a smooth spectrum, and b, the light that is
not coded, is a polynomial: linear least squares. The mask lies there at the vertical displacement d
that best predicts pixels left out of the fit. Over the detector, d is a shift, a stretch and a
rotation. Along the dispersion, a shift of the mask is one of the spectrum and cannot be told.
`cassi_calibration` finds both shifts of a mask, by fits of the scene.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.spectral.shear import blur_bands, gaussian_kernels
from inverse_inr.ranges import WholeNumber, checked

DISPLACEMENTS = torch.linspace(-2, 2, 17, dtype=torch.float64)
"""Vertical displacements (px) that are tried in each window."""

ROOM = math.ceil(float(DISPLACEMENTS.abs().max())) + 4
"""Empty lines (px) above and below the mask: room for the displacements and the blur."""

WINDOW = (28, 56)
"""Height and width (px) of the windows."""

BLUR = 0.8
"""Standard deviation (px) of the mask's blur."""

SPECTRUM = 12
"""Number of cosines of a window's spectrum."""

BACKGROUND = 5
"""Degree plus one of the polynomial of light that is not coded."""

PLACE = 3
"""Degree plus one of the polynomial of the scene within a window."""

STIFFNESS = 0.5
"""Penalty on stretch and rotation (log-misfit per px²). One window locates the mask to 0.3 px, so a
few windows must not decide them."""


@checked
def mask_displacement(
    y: Tensor,
    mask: Tensor,
    reach: WholeNumber,
    trusted: Tensor | None = None,
    seed: WholeNumber = 0,
) -> Tensor:
    """Find how far the mask lies below its place.

    Only windows whose mean is above a tenth of the brightest one's are used.

    Args:
        y: (H, W + reach) measurements with the background taken off.
        mask: (H, W), dispersed along the last axis.
        reach: The largest dispersion in pixels.
        trusted: (H, W + reach) bool: the pixels that count; None for all finite ones.
        seed: Of the pixels that are left out of the fits.

    Returns:
        (3,) pixels, float64: the displacement at the middle, and how much more it is at the lower
        and at the right edge. Zero where no window is bright enough to tell.
    """
    if trusted is None:
        trusted = torch.isfinite(y)
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
    return _least(curves, design)


def _least(curves: Tensor, design: Tensor) -> Tensor:
    """The three parameters with the least sum of log-misfits and penalty."""
    best = torch.zeros(3, dtype=torch.float64)
    step = torch.tensor([0.2, 0.3, 0.3], dtype=torch.float64)
    for _ in range(3):  # a grid of 11 values each about the best, then a finer one
        offsets = torch.cartesian_prod(*[torch.arange(-5.0, 6.0, dtype=torch.float64)] * 3) * step
        tried = best + offsets
        penalty = STIFFNESS * tried[:, 1:].square().sum(-1)
        best = tried[(_read(curves, tried @ design.T).sum(-1) + penalty).argmin()]
        step = step / 4
    return best


def _bright(y: Tensor, trusted: Tensor) -> list[tuple[int, int]]:
    """Upper left corners of half overlapping windows, with enough light and mostly trusted."""
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
    """Log of the misfit of a quarter of a window's pixels, fitted to the others.

    One value for each of DISPLACEMENTS.
    """
    i, u = place
    h, w = WINDOW
    generator = torch.Generator().manual_seed(seed)
    there = trusted[i : i + h, u : u + w].reshape(-1)
    out = torch.rand(h * w, generator=generator) < 0.25
    fit = there & ~out
    out = there & out
    light = y[i : i + h, u : u + w].reshape(-1)
    vertical, horizontal = torch.meshgrid(_line(h), _line(w), indexing="ij")
    smooth = torch.stack(
        [vertical**a * horizontal**b for a in range(BACKGROUND) for b in range(BACKGROUND)], -1
    )
    slow = torch.stack(
        [vertical**a * horizontal**b for a in range(PLACE) for b in range(PLACE - a)], -1
    )
    s = torch.arange(reach + 1, dtype=torch.float64)
    spectra = torch.cos(math.pi * torch.arange(SPECTRUM) * (s[:, None] + 0.5) / (reach + 1))
    found = []
    for d in DISPLACEMENTS.tolist():
        shifted = _window(blurred, reach, i, u, d).unfold(1, reach + 1, 1).flip(-1)
        seen = shifted @ spectra  # (h, w, SPECTRUM)
        coded = (seen[..., None] * slow[..., None, :]).flatten(2)
        design = torch.cat([smooth, coded], -1).flatten(0, 1)
        kept = design[fit]
        normal = kept.T @ kept
        normal.diagonal().add_(1e-3 * normal.trace() / len(normal))
        model = torch.linalg.solve(normal, kept.T @ light[fit])
        found.append((light[out] - design[out] @ model).square().mean())
    return torch.stack(found).clamp(min=1e-30).log()


def _blurred(mask: Tensor, reach: int) -> Tensor:
    """The blurred mask with ROOM empty lines above and below, and `reach` columns on both sides."""
    kernel = gaussian_kernels(torch.tensor([BLUR], dtype=torch.float64))
    spill = kernel.shape[1] // 2
    wide = blur_bands(torch.nn.functional.pad(mask, (reach, reach, ROOM, ROOM))[None], kernel)[0]
    return wide[:, spill:-spill]


def _window(blurred: Tensor, reach: int, i: int, u: int, d: float) -> Tensor:
    """Columns u - reach to u + w and lines i to i + h of the blurred mask, moved down by d px.

    It is zero outside the mask.
    """
    h, w = WINDOW
    whole = math.floor(d)
    start = i + ROOM - whole
    part = blurred[start - 1 : start + h, u : u + w + reach]
    return torch.lerp(part[1:], part[:-1], d - whole)


def _line(count: int) -> Tensor:
    return torch.linspace(-1, 1, count, dtype=torch.float64)


def _read(curves: Tensor, at: Tensor) -> Tensor:
    """Each window's curve (n, 17) at its own displacement (*s, n), linear, its ends held."""
    step = float(DISPLACEMENTS[1] - DISPLACEMENTS[0])
    x = ((at - DISPLACEMENTS[0]) / step).clamp(0, len(DISPLACEMENTS) - 1 - 1e-9)
    k = x.long()
    window = torch.arange(len(curves)).expand_as(k)
    return torch.lerp(curves[window, k], curves[window, k + 1], x - k)
