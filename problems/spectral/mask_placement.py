"""How far a mask lies across the dispersion, read off one snapshot before it is solved.

    in a small window     y(i, u) ≈ b(i, u) + Σ_s c_s(i, u) M(i - d, u - s)

Light of every wavelength carries the mask along, shifted by s pixels. Over a window the scene
changes little, so c is a low polynomial of place times a smooth spectrum, and b, the light that is
not coded, is a polynomial: linear least squares. The mask lies there at the vertical displacement d
that best predicts pixels left out of the fit. Over the detector, d is a shift, a stretch and a
rotation. Along the dispersion, a shift of the mask is one of the spectrum and cannot be told.
`camera_registration` goes on from here with the image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators.spectral.shear import blur_bands, gaussian_kernels
from inverse_inr.ranges import WholeNumber, checked

DISPLACEMENTS = torch.linspace(-2, 2, 17, dtype=torch.float64)
"""Vertical displacements (px) that are tried in each window."""

ROOM = math.ceil(float(DISPLACEMENTS.abs().max())) + 2
"""Lines (px) above and below the mask, for the displacements and their interpolation."""

WINDOW = (28, 56)
"""Height and width (px) of the windows."""

BLUR = 0.7
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
        y: (H, W + reach) measurements.
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
    y = torch.where(trusted, y, 0).double()
    places = bright_windows(y, trusted)
    if not places:
        return torch.zeros(3, dtype=torch.float64)
    coded = _coded(mask.double(), reach)
    curves = torch.stack([_misfits(y, coded, place, trusted, seed) for place in places])
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
    for _ in range(4):  # a grid of 11 values each about the best, then finer ones
        offsets = torch.cartesian_prod(*[torch.arange(-5.0, 6.0, dtype=torch.float64)] * 3) * step
        tried = best + offsets
        penalty = STIFFNESS * tried[:, 1:].square().sum(-1)
        best = tried[(_read(curves, tried @ design.T).sum(-1) + penalty).argmin()]
        step = step / 4
    return best


@checked
def bright_windows(y: Tensor, trusted: Tensor) -> list[tuple[int, int]]:
    """Find half overlapping windows with enough light to tell where the mask lies.

    Args:
        y: (H, W + reach) measurements, 0 where they are not trusted.
        trusted: (H, W + reach) bool.

    Returns:
        Upper left corners of windows whose mean is above a tenth of the brightest one's, and which
        are mostly trusted; none where there is no light.
    """
    h, w = WINDOW
    if y.shape[0] < h or y.shape[1] < w:
        return []
    means, share = (
        torch.stack([y.double(), trusted.double()])
        .unfold(1, h, h // 2)
        .unfold(2, w, w // 2)
        .mean((-1, -2))
    )
    found = ((means > 0.1 * means.max().clamp(min=0)) & (share > 0.5)).nonzero().tolist()
    return [(i * (h // 2), j * (w // 2)) for i, j in found]


def _coded(mask: Tensor, reach: int) -> Tensor:
    """What the mask codes of each cosine of a spectrum: (SPECTRUM, H + 2 ROOM, W + reach)."""
    kernel = gaussian_kernels(torch.tensor([BLUR], dtype=torch.float64))
    spill = kernel.shape[1] // 2
    wide = blur_bands(torch.nn.functional.pad(mask, (reach, reach, ROOM, ROOM))[None], kernel)[0]
    s = torch.arange(reach + 1, dtype=torch.float64)
    spectra = torch.cos(math.pi * torch.arange(SPECTRUM)[:, None] * (s + 0.5) / (reach + 1))
    lines = wide[:, None, spill:-spill]
    return torch.nn.functional.conv1d(lines, spectra.flip(1)[:, None]).movedim(1, 0)


def _misfits(
    y: Tensor, coded: Tensor, place: tuple[int, int], trusted: Tensor, seed: int
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
    found = []
    for d in DISPLACEMENTS.tolist():
        seen = _moved(coded, i, u, d).movedim(0, -1)  # (h, w, SPECTRUM)
        products = (seen[..., None] * slow[..., None, :]).flatten(2)
        design = torch.cat([smooth, products], -1).flatten(0, 1)
        kept = design[fit]
        normal = kept.T @ kept
        normal.diagonal().add_(1e-3 * normal.trace() / len(normal))
        model = torch.linalg.solve(normal, kept.T @ light[fit])
        found.append((light[out] - design[out] @ model).square().mean())
    return torch.stack(found).clamp(min=1e-30).log()


def _moved(coded: Tensor, i: int, u: int, d: float) -> Tensor:
    """A window of coded light behind a mask that lies d px lower, by cubic interpolation.

    Linear interpolation would blur the mask between whole pixels, and so prefer some places.
    """
    h, w = WINDOW
    whole = math.floor(-d)
    t = -d - whole
    start = i + ROOM + whole - 1
    lines = coded[:, start : start + h + 3, u : u + w]
    taps = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    parts = [tap * lines[:, k : k + h] for k, tap in enumerate(taps)]
    return torch.stack(parts).sum(0)


def _line(count: int) -> Tensor:
    return torch.linspace(-1, 1, count, dtype=torch.float64)


def _read(curves: Tensor, at: Tensor) -> Tensor:
    """Each window's curve (n, 17) at its own displacement (*s, n): parabolas, the ends held."""
    step = float(DISPLACEMENTS[1] - DISPLACEMENTS[0])
    last = len(DISPLACEMENTS) - 1
    x = ((at - DISPLACEMENTS[0]) / step).clamp(0, last)
    k = x.round().long().clamp(1, last - 1)
    t = x - k
    window = torch.arange(len(curves)).expand_as(k)
    before = curves[window, k - 1]
    here = curves[window, k]
    after = curves[window, k + 1]
    return here + 0.5 * t * (after - before) + 0.5 * t.square() * (after - 2 * here + before)
