"""Spectral scenes with a known spectrum at every wavelength: a colour image times reflectances.

    f(x, y, λ) = b(x, y) Σ_k w_k(x, y) R_k(λ)        w: how alike the pixel's colour and pigment k's are

so that everything runs offline, and wavelengths between a camera's bands have a truth too.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Grid

Reflectances = Literal["pigments", "colorchecker"]
WAVELENGTHS = np.arange(380.0, 781.0, 5.0)
"""Where reflectances are tabulated, nm."""
THIRDS = ((590, 700), (490, 590), (400, 490))
"""What an image's red, green and blue stand for, nm."""


class SpectralScene:
    """A field (..., 3) -> (..., 1): abundances of materials (H, W, K) on the pixels of `grid`, spectra (K, n) between.

    Abundances are those of the pixel a point lies in (a photograph's pixels are its truth), spectra are linear between
    `WAVELENGTHS`. The box's last axis is the wavelength in nm.
    """

    smoothness = 0

    def __init__(self, abundances: Tensor, spectra: Tensor, box: Box) -> None:
        if abundances.shape[-1] != spectra.shape[0] or spectra.shape[1] != len(WAVELENGTHS):
            raise ValueError(
                f"SpectralScene: abundances {tuple(abundances.shape)} and spectra {tuple(spectra.shape)} disagree; "
                f"expected (H, W, K) and (K, {len(WAVELENGTHS)})."
            )
        self.abundances, self.spectra, self.box = abundances, spectra, box
        self._pixels = Grid(
            Box(box.lower[:2], box.upper[:2], box.units[:2]), tuple(abundances.shape[:2])
        )

    def spectra_at(self, wavelengths: Tensor) -> Tensor:
        """(K, n) spectra at wavelengths (n,)."""
        step = WAVELENGTHS[1] - WAVELENGTHS[0]
        place = ((wavelengths - WAVELENGTHS[0]) / step).clamp(0, len(WAVELENGTHS) - 1)
        k = place.detach().floor().clamp(max=len(WAVELENGTHS) - 2).long()
        table = self.spectra.to(wavelengths)
        return torch.lerp(table[:, k], table[:, k + 1], place - k)

    def __call__(self, points: Tensor) -> Tensor:
        position = self._pixels.position(points[..., :2]).round().long()
        i, j = (position[..., k].clamp(0, n - 1) for k, n in enumerate(self._pixels.shape))
        materials = self.abundances.to(points)[i, j]
        spectrum = self.spectra_at(points[..., 2].reshape(-1)).T.reshape(*points.shape[:-1], -1)
        return (materials * spectrum).sum(-1, keepdim=True)

    def sample(self, grid: Grid) -> Tensor:
        """Values at a grid's centres, (H, W, L, 1)."""
        rows, columns, bands = grid.axes(self.abundances.dtype, self.abundances.device)
        space = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
        position = self._pixels.position(space).round().long()
        i, j = (position[..., k].clamp(0, n - 1) for k, n in enumerate(self._pixels.shape))
        return (self.abundances[i, j] @ self.spectra_at(bands))[..., None]


def spectral_scene(
    image: Tensor, box: Box, *, reflectances: Reflectances = "pigments", sharpness: float = 0.4
) -> SpectralScene:
    """A scene as an RGB image (H, W, 3), values in [0, 1], would look: each pixel mixes the materials of like colours.

    reflectances  "pigments": 24 smooth made-up ones; "colorchecker": the 24 patches of the ColorChecker as measured
                  (colour-science, `pip install "inverse-inr[spectral]"`)
    sharpness     distance in RGB over which a material fades out
    Raises ValueError for another shape or values outside [0, 1].
    """
    if image.ndim != 3 or image.shape[-1] != 3 or not image.numel():
        raise ValueError(
            f"spectral_scene: the image must be (H, W, 3), got {tuple(image.shape)}. Grey? Stack it thrice."
        )
    if not bool(torch.isfinite(image).all()) or float(image.min()) < 0 or float(image.max()) > 1:
        raise ValueError(
            "spectral_scene: the image has values outside [0, 1], or NaN. Divide 8-bit values by 255."
        )
    table = torch.from_numpy(pigments() if reflectances == "pigments" else colorchecker()).float()
    # the colour of a material: its means over three thirds of the visible band, blue last
    thirds = [torch.from_numpy((low <= WAVELENGTHS) & (high > WAVELENGTHS)) for low, high in THIRDS]
    colours = torch.stack([table[:, third].mean(1) for third in thirds], -1)
    dark = 0.05  # what is nearly black has no hue
    hue = (image + dark) / (image.mean(-1, keepdim=True) + dark)
    hues = colours / colours.mean(-1, keepdim=True)
    weights = torch.softmax(-((hue[..., None, :] - hues) ** 2).sum(-1) / (2 * sharpness**2), -1)
    brightness = image.mean(-1) / (weights @ colours).mean(-1)
    abundances = weights * brightness[..., None]
    return SpectralScene(abundances / float((abundances @ table).max()), table, box)


def pigments() -> np.ndarray:
    """24 smooth reflectances (24, n) between 0.03 and 0.95: edges, bumps and greys as paints have them."""
    edge = [
        1 / (1 + np.exp(-(WAVELENGTHS - c) / w))
        for c, w in ((490, 12), (520, 18), (560, 10), (590, 14), (620, 16))
    ]
    bump = [
        np.exp(-0.5 * ((WAVELENGTHS - c) / w) ** 2)
        for c, w in ((440, 25), (470, 35), (520, 30), (545, 22), (600, 40))
    ]
    mixed = [0.6 * a + 0.4 * b for a, b in zip(bump, reversed(edge), strict=True)]
    grey = [np.full_like(WAVELENGTHS, v) for v in (0.05, 0.2, 0.4, 0.6, 0.9)]
    rest = [0.5 * (bump[0] + edge[4]), 1 - edge[1], 1 - edge[3], 0.7 * bump[2] + 0.2]
    shapes = [*edge, *bump, *mixed, *grey, *rest]
    return np.stack([0.03 + 0.92 * np.clip(v, 0, 1) for v in shapes])


def colorchecker() -> np.ndarray:
    """The ColorChecker's patches (24, n), measured by Ohta (1997). Raises ImportError without colour-science."""
    try:
        from colour import SDS_COLOURCHECKERS
    except ImportError:
        raise ImportError(
            "Measured reflectances come with colour-science: pip install 'inverse-inr[spectral]'. Or use 'pigments'."
        ) from None
    spectra = list(SDS_COLOURCHECKERS["ColorChecker N Ohta"].values())
    return np.stack([np.interp(WAVELENGTHS, s.wavelengths, s.values) for s in spectra])
