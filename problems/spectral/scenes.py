"""Spectral scenes with a known spectrum at every wavelength: a colour image times reflectances.

    f(x, y, λ) = b(x, y) Σ_k w_k(x, y) R_k(λ)

w_k says how alike the colours of the pixel and of pigment k are. Everything runs offline, and
wavelengths between a camera's bands have a truth too.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.ranges import Positive, checked

Reflectances = Literal["pigments", "colorchecker"]
"""Materials of a scene: made-up ones, or those measured on a ColorChecker."""

WAVELENGTHS = np.arange(380.0, 781.0, 5.0)
"""Wavelengths (nm) at which reflectances are tabulated."""

THIRDS = ((590, 700), (490, 590), (400, 490))
"""Wavelengths (nm) for which an image's red, green and blue stand, from and to."""

DARK = 0.05
"""Added to values in [0, 1] before hues are compared: nearly black pixels have no hue."""


class SpectralScene:
    """A field (*s, 3) -> (*s, 1): abundances of materials on pixels, times their spectra.

    A point has the abundances of the pixel that it lies in, because a photograph's pixels are its
    truth. Spectra are linear between `WAVELENGTHS`.

    Args:
        abundances: (H, W, K) of K materials, in the unit of the field.
        spectra: (K, n) at `WAVELENGTHS`.
        box: Space, and the wavelength in nm as its last axis.

    Raises:
        ValueError: If abundances and spectra disagree.
    """

    smoothness = 0

    @checked
    def __init__(self, abundances: Tensor, spectra: Tensor, box: Box) -> None:
        if abundances.shape[-1] != spectra.shape[0] or spectra.shape[1] != len(WAVELENGTHS):
            raise ValueError(
                f"SpectralScene: abundances {tuple(abundances.shape)} and spectra "
                f"{tuple(spectra.shape)} disagree; expected (H, W, K) and (K, {len(WAVELENGTHS)})."
            )
        self.abundances = abundances
        self.spectra = spectra
        self.box = box
        self._pixels = Grid(
            Box(box.lower[:2], box.upper[:2], box.units[:2]), tuple(abundances.shape[:2])
        )

    def spectra_at(self, wavelengths: Tensor) -> Tensor:
        """Return the materials' spectra at other wavelengths.

        Args:
            wavelengths: (n,) in nm.

        Returns:
            (K, n).
        """
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
        """Return the values at a grid's centres.

        Args:
            grid: (H, W, L), the last axis in nm.

        Returns:
            (H, W, L, 1).
        """
        rows, columns, bands = grid.axes(self.abundances.dtype, self.abundances.device)
        space = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
        position = self._pixels.position(space).round().long()
        i, j = (position[..., k].clamp(0, n - 1) for k, n in enumerate(self._pixels.shape))
        return (self.abundances[i, j] @ self.spectra_at(bands))[..., None]


@checked
def spectral_scene(
    image: Tensor, box: Box, *, reflectances: Reflectances = "pigments", sharpness: Positive = 0.4
) -> SpectralScene:
    """Return a scene that looks like an RGB image: each pixel mixes materials of like colours.

    Args:
        image: (H, W, 3) in [0, 1].
        box: Space, and the wavelength in nm as its last axis.
        reflectances: "pigments": 24 smooth made-up ones. "colorchecker": the 24 patches of the
            ColorChecker as measured (colour-science, `pip install "inverse-inr[spectral]"`).
        sharpness: Distance of hues, in RGB, over which a material fades out.

    Raises:
        ValueError: If the image has another shape, or values outside [0, 1].
    """
    if image.ndim != 3 or image.shape[-1] != 3 or not image.numel():
        raise ValueError(
            f"spectral_scene: the image must be (H, W, 3), got {tuple(image.shape)}. Grey? Stack "
            "it thrice."
        )
    if not bool(torch.isfinite(image).all()) or float(image.min()) < 0 or float(image.max()) > 1:
        raise ValueError(
            "spectral_scene: the image has values outside [0, 1], or NaN. Divide 8-bit values by "
            "255."
        )
    materials = colorchecker
    if reflectances == "pigments":
        materials = pigments
    table = torch.from_numpy(materials()).float()
    # the colour of a material: its means over three thirds of the visible band, blue last
    thirds = [torch.from_numpy((low <= WAVELENGTHS) & (high > WAVELENGTHS)) for low, high in THIRDS]
    colours = torch.stack([table[:, third].mean(1) for third in thirds], -1)
    hue = (image + DARK) / (image.mean(-1, keepdim=True) + DARK)
    hues = colours / colours.mean(-1, keepdim=True)
    weights = torch.softmax(-((hue[..., None, :] - hues) ** 2).sum(-1) / (2 * sharpness**2), -1)
    brightness = image.mean(-1) / (weights @ colours).mean(-1)
    abundances = weights * brightness[..., None]
    return SpectralScene(abundances / float((abundances @ table).max()), table, box)


def pigments() -> np.ndarray:
    """Return 24 smooth reflectances between 0.03 and 0.95: the edges, bumps and greys of paints.

    Returns:
        (24, n) at `WAVELENGTHS`.
    """
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
    """Return the reflectances of the ColorChecker's patches, as measured.

    Returns:
        (24, n) at `WAVELENGTHS`.

    Raises:
        ImportError: If colour-science is not installed.

    Source:
        Ohta (1997).
    """
    try:
        from colour import SDS_COLOURCHECKERS
    except ImportError:
        raise ImportError(
            "Measured reflectances come with colour-science: pip install "
            "'inverse-inr[spectral]'. Or use 'pigments'."
        ) from None
    spectra = list(SDS_COLOURCHECKERS["ColorChecker N Ohta"].values())
    return np.stack([np.interp(WAVELENGTHS, s.wavelengths, s.values) for s in spectra])
