"""Colours of spectra: the CIE 1931 observer as weights of bands, differentiable in the spectra.

Bands of unequal spacing need a rule of integration. Counted alike, the 28 bands of the TSA camera
change the colours of the 24 patches of a ColorChecker by 3 ΔE00 on average, even where white is put
right. As spectra that are linear between the bands, they change them by less than 1
(tests/operators/spectral/test_rendering.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.operators.spectral.colour_matching import cie_xyz
from inverse_inr.operators.spectral.quadrature import band_weights
from inverse_inr.ranges import FiniteTensor, Positive, checked

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
"""Matrix from XYZ to linear sRGB (IEC 61966-2-1)."""


@checked
def daylight(wavelengths: FiniteTensor) -> Tensor:
    """Return the relative power of D65, linear between its table's wavelengths and 0 outside.

    Args:
        wavelengths: (n,) in nm.

    Returns:
        (n,), 100 at 560 nm.
    """
    table = wavelengths.new_tensor(D65)
    place = (wavelengths - 380) / 10
    k = place.detach().floor().clamp(0, len(D65) - 2).long()
    inside = (place >= 0) & (place <= len(D65) - 1)
    return torch.where(inside, torch.lerp(table[k], table[k + 1], place - k), 0.0)


@checked
def xyz_weights(wavelengths: Tensor, *, reflectance: bool = False) -> Tensor:
    """Return weights with cube @ weights = XYZ.

    Spectra are linear between the bands and constant beyond the outer ones.

    Args:
        wavelengths: (L,) in nm, rising.
        reflectance: True for reflectances, lit by D65, with Y = 1 for a perfect white. False for
            radiances, with Y = 1 for an equal-energy spectrum of one.

    Returns:
        (L, 3).

    Raises:
        ValueError: If wavelengths do not rise, or none lies between 380 and 780 nm.
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
    seen = cie_xyz(knots)
    if reflectance:
        seen = seen * daylight(knots)[:, None]
    weights = torch.from_numpy(band_weights(bands.cpu().numpy(), knots.numpy(), seen.numpy()))
    return (weights / torch.trapezoid(seen[:, 1], knots)).to(wavelengths)


@checked
def render_srgb(
    cube: FiniteTensor,
    wavelengths: FiniteTensor,
    *,
    reflectance: bool = False,
    white: Positive | None = None,
) -> Tensor:
    """Return a cube's colours in sRGB, differentiable below `white`.

    Args:
        cube: (*space, L) radiances or reflectances.
        wavelengths: (L,) in nm, rising.
        reflectance: Whether the cube holds reflectances.
        white: The linear value that is shown as 1. By default 1 for reflectances; for radiances the
            value below which all but the brightest 0.5 % stay.

    Returns:
        (*space, 3) in [0, 1].

    Raises:
        ValueError: If the cube has another number of bands.
    """
    if wavelengths.ndim != 1 or not cube.ndim or cube.shape[-1] != len(wavelengths):
        slip = ""
        if wavelengths.ndim and cube.ndim and cube.shape[0] == len(wavelengths):
            slip = " Bands come last."
        raise ValueError(
            f"render_srgb: {wavelengths.numel()} wavelengths for a cube of shape "
            f"{tuple(cube.shape)}.{slip}"
        )
    weights = xyz_weights(wavelengths, reflectance=reflectance).to(cube)
    linear = cube @ (weights @ cube.new_tensor(TO_SRGB).mT)
    if white is None:
        white = _white(linear, reflectance)
    return encode_srgb((linear / white).clamp(0, 1))


def _white(linear: Tensor, reflectance: bool) -> float:
    if reflectance:
        return 1.0
    brightest = linear.detach().amax(-1).flatten()[: 2**24]
    return max(float(brightest.quantile(0.995)), 1e-30)


@checked
def encode_srgb(linear: Tensor) -> Tensor:
    """Apply the transfer curve of sRGB (IEC 61966-2-1).

    Args:
        linear: (*s) linear sRGB in [0, 1].

    Returns:
        (*s) in [0, 1].
    """
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)
