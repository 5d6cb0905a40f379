"""Colours of spectra: what the CIE 1931 observer sees, as weights of bands, differentiable in the spectra.

Bands of unequal spacing need a rule of integration: counted alike, the 28 bands of the TSA camera turn the 24 patches
of a ColorChecker by 3 ΔE00 on average even where white is put right; as spectra linear between bands by less than 1
(tests/operators/spectral/test_rendering.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.operators.spectral.response import band_weights, cie_xyz

D65 = (
    49.98,
    54.65,
    82.75,
    91.49,
    93.43,
    86.68,
    104.86,
    117.01,
    117.81,
    114.86,
    115.92,
    108.81,
    109.35,
    107.80,
    104.79,
    107.69,
    104.41,
    104.05,
    100.00,
    96.33,
    95.79,
    88.69,
    90.01,
    89.60,
    87.70,
    83.29,
    83.70,
    80.03,
    80.21,
    82.28,
    78.28,
    69.72,
    71.61,
    74.35,
    61.60,
    69.89,
    75.09,
    63.59,
    46.42,
    66.81,
    63.38,
)
"""Relative power of CIE illuminant D65 (ISO 11664-2) at 380, 390 ... 780 nm; 100 at 560 nm."""

TO_SRGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
"""XYZ -> linear sRGB (IEC 61966-2-1)."""


def daylight(wavelengths: Tensor) -> Tensor:
    """D65 at wavelengths in nm, linear between its table's, 0 outside: (n,) -> (n,)."""
    table = wavelengths.new_tensor(D65)
    place = (wavelengths - 380) / 10
    k = place.detach().floor().clamp(0, len(D65) - 2).long()
    inside = (place >= 0) & (place <= len(D65) - 1)
    return torch.where(inside, torch.lerp(table[k], table[k + 1], place - k), 0.0)


def xyz_weights(wavelengths: Tensor, *, reflectance: bool = False) -> Tensor:
    """Weights (L, 3) with cube @ weights = XYZ, of spectra linear between the bands and constant beyond the outer ones.

    wavelengths (L,) rising, nm. Radiances: Y = 1 for an equal-energy spectrum of one. `reflectance`: lit by D65, Y = 1
    for a perfect white. Raises ValueError for wavelengths that do not rise or see nothing of 380 to 780 nm.
    """
    bands = torch.as_tensor(wavelengths).detach().double()
    if bands.ndim != 1 or not len(bands) or not bool((bands.diff() > 0).all()):
        raise ValueError(
            f"xyz_weights: wavelengths must be (bands,) and rise, got shape {tuple(bands.shape)}."
        )
    if float(bands[-1]) < 380 or float(bands[0]) > 780:
        raise ValueError(
            f"xyz_weights: {bands[0]:g} to {bands[-1]:g} nm is not visible light. In micrometres?"
        )
    knots = torch.arange(380, 781, 1, dtype=torch.float64)
    seen = cie_xyz(knots) * (daylight(knots)[:, None] if reflectance else 1.0)
    weights = torch.from_numpy(band_weights(bands.cpu().numpy(), knots.numpy(), seen.numpy()))
    return (weights / torch.trapezoid(seen[:, 1], knots)).to(wavelengths)


def render_srgb(
    cube: Tensor, wavelengths: Tensor, *, reflectance: bool = False, white: float | None = None
) -> Tensor:
    """(*space, L) -> (*space, 3) sRGB in [0, 1]; differentiable below `white`, the linear value that is shown as 1.

    White is by default 1 for reflectances, and for radiances what all but the brightest 0.5 % stay below. Raises
    ValueError for another number of bands.
    """
    if cube.shape[-1] != len(wavelengths):
        slip = " Bands come last." if cube.ndim and cube.shape[0] == len(wavelengths) else ""
        raise ValueError(
            f"render_srgb: {len(wavelengths)} wavelengths for a cube of shape {tuple(cube.shape)}.{slip}"
        )
    weights = (
        xyz_weights(wavelengths, reflectance=reflectance).to(cube) @ cube.new_tensor(TO_SRGB).mT
    )
    linear = cube @ weights
    if white is None:
        brightest = linear.detach().amax(-1).flatten()[: 2**24]
        white = 1.0 if reflectance else max(float(brightest.quantile(0.995)), 1e-30)
    return encode_srgb((linear / white).clamp(0, 1))


def encode_srgb(linear: Tensor) -> Tensor:
    """The transfer curve of sRGB (IEC 61966-2-1)."""
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)
