"""Profiles of MR slices: the weights with which a pixel sees the volume around it.

They are in units of the pixel's own size and the slice's thickness.

In plane an image from k-space sees the object through a sinc whose full width at half maximum is
1.2067 pixels; across, the pulse excites a profile of about one slice thickness. "gaussian" has
those two widths (NeSVoR, Xu et al. 2023), "sinc" is the windowed sinc in plane, and "rect" is the
mean over a box.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from inverse_inr.operators.optics.psf import PSF, Gaussian, Nodes, Pixel
from inverse_inr.operators.quadrature import equal_weights
from inverse_inr.ranges import checked

FWHM = 1 / (2 * math.sqrt(2 * math.log(2)))
"""Standard deviation of a Gaussian of unit full width at half maximum."""

SINC_FWHM = 1.206709128803223
"""Full width at half maximum of sin(πx) / (πx)."""

TRANSFER_ORDER = 48
"""Gauss-Legendre nodes per unit interval for the transfer function of `Sinc`."""


class Sinc(PSF):
    """A windowed sinc, in 1-D: sinc(x / width) cos²(πx / 2L), L = lobes · width, and zero beyond L.

    It is what the truncation of k-space leaves. With lobes > 1 it is negative in places, and drawn
    offsets then carry signed weights.

    Args:
        width: Distance of the zeros, in the unit of the offsets.
        lobes: Zeros on each side, at the last of which it ends.

    Raises:
        ValueError: For a width that is not positive and finite, or lobes below 1.
    """

    ndim = uniforms = 1

    def __init__(self, width: float = 1.0, lobes: int = 2) -> None:
        super().__init__()
        if not (width > 0 and math.isfinite(width)) or lobes < 1:
            raise ValueError(f"Sinc: width={width} must be positive and lobes={lobes} at least 1.")
        self.width = float(width)
        self.lobes = int(lobes)

    def nodes(self, order: int) -> Nodes:
        t, w = np.polynomial.legendre.leggauss(order)
        left = np.arange(-self.lobes, self.lobes)[:, None]
        x = (left + (t + 1) / 2).ravel()
        h = (_windowed_sinc(x, self.lobes) * np.tile(w, 2 * self.lobes)).ravel()
        return torch.from_numpy(self.width * x[:, None]), torch.from_numpy(h / h.sum())

    def draw(self, u: Tensor) -> Nodes:
        x, mass, h = (torch.from_numpy(a).to(u.device) for a in _sinc_table(self.lobes))
        t = u[..., 0].double().contiguous()
        k = torch.searchsorted(mass, t, right=True).clamp(1, len(mass) - 1)
        offset = x[k - 1] + (t - mass[k - 1]) / (mass[k] - mass[k - 1]) * (x[k] - x[k - 1])
        weight = torch.sinc(offset).sign() * h.abs().sum() / h.sum() / t.shape[-1]
        return (self.width * offset)[..., None], weight

    def transfer(self, frequency: Tensor) -> Tensor:
        x, w = (v.to(frequency) for v in self.nodes(TRANSFER_ORDER))
        return (w * torch.exp(-2j * math.pi * frequency * x[:, 0])).sum(-1)

    def half_widths(self) -> Tensor:
        return torch.tensor([self.width * self.lobes], dtype=torch.float64)


def _windowed_sinc(x: np.ndarray, lobes: int) -> np.ndarray:
    return np.sinc(x) * np.cos(0.5 * np.pi * x / lobes) ** 2


@lru_cache(maxsize=8)
def _sinc_table(lobes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets, the share of |h| up to them, and h there."""
    x = np.linspace(-lobes, lobes, 1024 * lobes + 1)
    h = _windowed_sinc(x, lobes)
    mass = np.concatenate([[0.0], np.cumsum(0.5 * np.abs(h[1:] + h[:-1]) + 1e-12)])
    return x, mass / mass[-1], h


class Separable(PSF):
    """A product of PSFs, each on axes of its own: `Separable(in_plane, through_plane)`.

    Args:
        *parts: The factors, in the order of the axes.
    """

    def __init__(self, *parts: PSF) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)
        self.ndim = sum(p.ndim for p in parts)
        self.uniforms = sum(p.uniforms for p in parts)

    def _psfs(self) -> list[PSF]:
        return [p for p in self.parts if isinstance(p, PSF)]

    def nodes(self, order: int | tuple[int, ...]) -> Nodes:
        """The tensor product of the parts' nodes.

        Args:
            order: One order for all parts, or one per part.

        Returns:
            Offsets (q, d) and weights (q,).
        """
        orders = order if isinstance(order, tuple) else (order,) * len(self.parts)
        rules = [part.nodes(n) for part, n in zip(self._psfs(), orders, strict=True)]
        counts = [torch.arange(len(w)) for _, w in rules]
        index = torch.cartesian_prod(*counts).reshape(-1, len(rules)).unbind(-1)
        offsets = [x[i] for (x, _), i in zip(rules, index, strict=True)]
        weights = [w[i] for (_, w), i in zip(rules, index, strict=True)]
        return torch.cat(offsets, -1), torch.stack(weights, -1).prod(-1)

    def draw(self, u: Tensor) -> Nodes:
        """Draw offsets of all parts together.

        Args:
            u: (*b, q, uniforms) in [0, 1).

        Returns:
            Offsets (*b, q, d), and the product of the parts' weights, so that expectations are
            those of the product.
        """
        split = u.split([p.uniforms for p in self._psfs()], -1)
        drawn = [p.draw(v) for p, v in zip(self._psfs(), split, strict=True)]
        weight = equal_weights(u)
        for _, w in drawn:
            weight = weight * w * u.shape[-2]
        return torch.cat([x for x, _ in drawn], -1), weight

    def transfer(self, frequency: Tensor) -> Tensor:
        split = frequency.split([p.ndim for p in self._psfs()], -1)
        parts = [p.transfer(f) for p, f in zip(self._psfs(), split, strict=True)]
        return torch.stack(parts).prod(0)

    def half_widths(self) -> Tensor:
        return torch.cat([p.half_widths() for p in self._psfs()])


@checked
def slice_profile(name: str | PSF) -> PSF:
    """A slice profile in units of (pixel, pixel, thickness).

    `Separable(Gaussian(0.512, 2), Measured(kernel, spacing))` is one that was measured across the
    slice.

    Args:
        name: "gaussian", "sinc" or "rect", or a 3-D PSF in those units, which is passed through.

    Returns:
        A 3-D PSF.

    Raises:
        ValueError: For another name or dimension.
    """
    if isinstance(name, PSF):
        if name.ndim != 3:
            raise ValueError(
                f"slice_profile: {type(name).__name__} has {name.ndim} dimensions; a slice's has 3."
            )
        return name
    if name == "gaussian":
        return Separable(Gaussian(SINC_FWHM * FWHM, 2), Gaussian(FWHM, 1))
    if name == "sinc":
        return Separable(Sinc(), Sinc(), Gaussian(FWHM, 1))
    if name == "rect":
        return Separable(Pixel(1.0, 2), Pixel(1.0, 1))
    raise ValueError(
        f"slice_profile: unknown profile {name!r}; known: gaussian, sinc, rect, or a 3-D PSF."
    )
