"""Reflectance as cubic splines across the track times cosines of the wavelength, line by line.

    f(y, x, λ) = Σ_mk c_tmk B(x - m) cos(π k u),     t the line of y, u from 0 to 1 along λ

Every line is seen by the same spectrometer, so that one matrix maps the coefficients of any line to
its frame. A field of this kind is continuous in place and wavelength, as distortions ask for.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Grid
from inverse_inr.operators.spectral.pushbroom import PushBroom, interpolated

BEYOND = 2
"""Splines beyond each edge of a line."""


class SplineSpectra(nn.Module):
    """The field of some coefficients.

    Args:
        grid: Lines, samples and bands.
        coefficients: (lines, samples + 2 `BEYOND`, components).
    """

    def __init__(self, grid: Grid, coefficients: Tensor) -> None:
        super().__init__()
        self.grid = grid
        self.coefficients = nn.Buffer(coefficients)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at (*s, 3) points: (*s, 1)."""
        place = self.grid.position(points.double())
        t = place[..., 0].round().long().clamp(0, self.grid.shape[0] - 1)
        across = splines(place[..., 1], self.grid.shape[1])
        along = cosines(points[..., 2].double(), self.grid, self.coefficients.shape[2])
        c = self.coefficients.double()[t]
        values = torch.einsum("...m,...mk,...k->...", across, c, along)
        return values[..., None].to(points.dtype)


def splines(place: Tensor, count: int) -> Tensor:
    """Cubic B-splines of unit distance at places in samples: (*s,) -> (*s, count + 2 BEYOND)."""
    nodes = torch.arange(-BEYOND, count + BEYOND, dtype=place.dtype, device=place.device)
    far = (place[..., None] - nodes).abs()
    near = 2 / 3 - far.square() + far**3 / 2
    tail = (2 - far).clamp(min=0) ** 3 / 6
    return torch.where(far < 1, near, tail)


def cosines(nm: Tensor, grid: Grid, count: int) -> Tensor:
    """cos(π k u) at wavelengths: (*s,) -> (*s, count)."""
    u = (nm - grid.box.lower[2]) / grid.box.lengths[2]
    k = torch.arange(count, dtype=nm.dtype, device=nm.device)
    return torch.cos(math.pi * k * u[..., None])


class FrameModel:
    """The map from the coefficients of a line to its frame, for given distortions.

    Args:
        operator: The spectrometer: grid, light, spread of stray light.
        spectra: (cosines, components) spectra of which a place is a sum, as sums of cosines.
    """

    def __init__(self, operator: PushBroom, spectra: Tensor) -> None:
        assert operator.table is not None
        self.grid = operator.grid
        self.spectra = spectra
        self.table = operator.table.double()
        self.bands = operator.bands.double()
        self.kernels = [_kernel(n, w) for n, w in zip(self.shape, operator.spread, strict=True)]

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and bands of a frame."""
        return self.grid.shape[1], self.grid.shape[2]

    def factors(self, smile: Tensor, keystone: Tensor) -> tuple[Tensor, Tensor]:
        """The splines (samples, bands, m) and the lit cosines (samples, bands, k) of a frame."""
        light, nm = interpolated(self.table, self.bands + smile)
        nm = nm.clamp(self.grid.box.lower[2], self.grid.box.upper[2])
        place = torch.arange(self.shape[0], dtype=torch.float64)[:, None] + keystone
        place = place.clamp(-0.5, self.shape[0] - 0.5)
        along = light[..., None] * (cosines(nm, self.grid, len(self.spectra)) @ self.spectra)
        return splines(place, self.shape[0]), along

    def matrix(self, smile: Tensor, keystone: Tensor, share: Tensor) -> Tensor:
        """(samples · bands, m · k): coefficients of a line to its frame."""
        across, along = self.factors(smile, keystone)
        whole = (across[..., :, None] * along[..., None, :]).flatten(2)
        return self.with_stray(whole, share).flatten(0, 1)

    def clean(self, coefficients: Tensor, smile: Tensor, keystone: Tensor) -> Tensor:
        """(lines, samples, bands): the frames without stray light."""
        across, along = self.factors(smile, keystone)
        return torch.einsum("ijm,tmk,ijk->tij", across, coefficients, along)

    def with_stray(self, frame: Tensor, share: Tensor) -> Tensor:
        """Lay a share of a frame (samples, bands, n) over all of it."""
        laid = torch.einsum("ia,jb,abn->ijn", self.kernels[0], self.kernels[1], frame)
        return (1 - share) * frame + share * laid


def _kernel(count: int, width: float) -> Tensor:
    i = torch.arange(count, dtype=torch.float64)
    kernel = torch.exp(-0.5 * ((i[:, None] - i) / (width * count)).square())
    return kernel / kernel.sum(1, keepdim=True)


def roughness(count: int, spectra: Tensor, across: float, along: float) -> Tensor:
    """The precision of coefficients: across · second differences² + along · (k / count)⁴.

    At both ends of a line, where keystone may take all looks away, first differences count too.

    Args:
        count: Number of splines.
        spectra: (cosines, components), as in `FrameModel`.
        across: Weight of bends across the track.
        along: Weight of fast cosines.

    Returns:
        (m · k, m · k).
    """
    waves, components = spectra.shape
    steps = torch.diff(torch.eye(count, dtype=torch.float64), n=1, dim=0)
    bend = torch.diff(steps, n=1, dim=0)
    ends = torch.cat([steps[: BEYOND + 1], steps[-BEYOND - 1 :]])
    bend = torch.cat([bend, ends])
    k = torch.arange(waves, dtype=torch.float64) / waves
    size = torch.kron(bend.mT @ bend, torch.eye(components, dtype=torch.float64))
    swing = spectra.mT @ (k[:, None] ** 4 * spectra)
    fast = torch.kron(torch.eye(count, dtype=torch.float64), swing)
    unit = torch.eye(count * components, dtype=torch.float64)
    return across * size + along * fast + 1e-4 * unit
