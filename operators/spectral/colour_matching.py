"""Responses of the CIE 1931 observer, as functions of wavelength."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.ranges import FiniteTensor, checked


@checked
def cie_xyz(wavelengths: FiniteTensor) -> Tensor:
    """Return the CIE 1931 colour matching functions, within 1 % of their peak.

    They are sums of lobes with two widths each.

    Args:
        wavelengths: (n,) in nm.

    Returns:
        (n, 3): x, y and z.

    Source:
        Wyman, Sloan & Shirley (2013), JCGT 2(2), section 2.2.
    """

    def lobe(height: float, peak: float, left: float, right: float) -> Tensor:
        t = wavelengths - peak
        return height * torch.exp(-0.5 * (t / torch.where(t < 0, left, right)).square())

    x = (
        lobe(1.056, 599.8, 37.9, 31.0)
        + lobe(0.362, 442.0, 16.0, 26.7)
        + lobe(-0.065, 501.1, 20.4, 26.2)
    )
    y = lobe(0.821, 568.8, 46.9, 40.5) + lobe(0.286, 530.9, 16.3, 31.1)
    z = lobe(1.217, 437.0, 11.8, 36.0) + lobe(0.681, 459.0, 26.0, 13.8)
    return torch.stack([x, y, z], -1)


@checked
def linear_srgb(wavelengths: FiniteTensor) -> Tensor:
    """Return responses whose integrals are linear sRGB (IEC 61966-2-1), negative lobes included.

    Args:
        wavelengths: (n,) in nm.

    Returns:
        (n, 3): red, green and blue.
    """
    matrix = wavelengths.new_tensor(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    return cie_xyz(wavelengths) @ matrix.mT
