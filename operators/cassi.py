"""Coded aperture snapshot spectral imaging: a whole spectrum a pixel from one monochrome exposure.

    single             y(i, u) = Σ_l w_l M(i, u - d_l) f(i, u - d_l, λ_l)     mask, disperse (Wagadarikar et al. 2008)
    dual               y(i, j) = Σ_l w_l M(i, j + d_l) f(i, j, λ_l)           disperse, mask, undo it (Gehm et al. 2007)
    spatial-spectral   y(i, j) = Σ_l w_l M(i, j + τ d_l) f(i, j, λ_l)         mask between image and spectrum (Lin 2014)

Sums over bands, never means. The box is (H, W) pixels and wavelengths in nm; d_l = dispersion(λ_l) pixels along `axis`.
On points the field is asked at its exact fractional place and the mask is averaged over the pixel; on a grid what the
mask lets through is laid on the detector (`shear`). Both are the same where shifts are whole pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import BandGrid, Box, Grid, Query
from inverse_inr.operators.cassi_on_grid import CassiOnGrid
from inverse_inr.operators.coded_aperture import along_row, check_mask, moved_mask
from inverse_inr.operators.rows import RowOperator, without_lone_channel
from inverse_inr.operators.shear import gaussian_kernels

Mode = Literal["single", "dual", "spatial-spectral"]
OfWavelength = float | Tensor | Callable[[Tensor], Tensor]


class CASSI(RowOperator):
    """A coded-aperture camera: shape (H, W + ceil(largest shift)) for "single", (H, W) for the others.

    mask           (H, W); (H, W, L) colour-coded; (K, H, W, 1 or L) for K shots, a leading axis of `shape`. For "dual"
                   and "spatial-spectral" the dispersed axis may be longer: beyond its end the mask is opaque
    wavelengths    (L,) rising, nm: the bands that are summed
    dispersion     wavelengths -> shifts in pixels, not negative (`dispersion.Cauchy`, `Table`, `ThinPrism`, ...)
    axis           0 or 1: the image axis that is dispersed
    psf            standard deviation in pixels of a Gaussian blur behind the mask: a number or a function of wavelength
    response       gain of each band: (L,), or a function of wavelength
    quadrature     weigh bands by their width, relative to the mean: for non-uniform bands of one integral
    mask_position  τ of "spatial-spectral": 0 in the image, 1 in the spectrum (as "dual")
    mask_shift, mask_rotation  where the mask really is: pixels (2,), radians about its middle, positive from axis 0
                   to axis 1; bilinear, as square mask elements overlap square pixels
    mask_stretch   (2, 2): how far, in pixels, the mask's edges have moved from where its size says: column k is the
                   displacement of the edge across axis k (magnification, shear, small rotations)

    What is an `nn.Parameter` (mask, response, mask_shift, mask_rotation, coefficients of the dispersion) is learnt.
    Raises ValueError for a box that is not whole pixels, a mask smaller than the scene, wavelengths that do not rise or
    lie outside the box, shifts that are negative or leave a detector of given `width`.
    """

    mask: Tensor
    wavelengths: Tensor

    def __init__(self, box: Box, mask: Tensor, wavelengths: Tensor, dispersion: Callable[[Tensor], Tensor],
                 mode: Mode = "single", axis: int = 1, psf: OfWavelength | None = None,
                 response: OfWavelength | None = None, *, quadrature: bool = False, mask_position: float = 1.0,
                 mask_shift: Tensor | None = None, mask_rotation: float | Tensor = 0.0,
                 mask_stretch: Tensor | None = None, width: int | None = None) -> None:  # fmt: skip
        if mode not in ("single", "dual", "spatial-spectral"):
            raise ValueError(f"CASSI: mode must be 'single', 'dual' or 'spatial-spectral', got {mode!r}.")
        if axis not in (0, 1):
            raise ValueError(f"CASSI: axis={axis} must be 0 or 1, the image axis that is dispersed.")
        self._scene = _pixels(box)
        wavelengths = _wavelengths(wavelengths, box)
        check_mask(mask, self._scene, axis, len(wavelengths), mode)
        with torch.no_grad():
            shifts = dispersion(wavelengths)
        across, along = self._scene[1 - axis], self._scene[axis]
        long = along + (_reach(shifts, width, along) if mode == "single" else 0)
        shape = (across, long) if axis == 1 else (long, across)
        super().__init__((len(mask), *shape) if mask.ndim == 4 else shape)
        self.box, self.mode, self.axis, self.mask_position = box, mode, axis, float(mask_position)
        self.dispersion, self.quadrature = dispersion, quadrature
        self.psf = psf if psf is None or callable(psf) else _value(psf, len(wavelengths))
        self.mask = mask if isinstance(mask, nn.Parameter) else nn.Buffer(mask.detach().clone())
        self.wavelengths = nn.Buffer(wavelengths)
        self.response = response if response is None or callable(response) else _value(response, len(wavelengths))
        self.mask_shift = None if mask_shift is None else _value(mask_shift, 2)
        turned = isinstance(mask_rotation, Tensor) or mask_rotation != 0
        self.mask_rotation = _value(mask_rotation) if turned else None
        self.mask_stretch = None if mask_stretch is None else _value(mask_stretch, 4)
        self._sizes = (across, along, long)

    # --- its parts, as functions of what may be learnt ----------------------------------------------------------------

    @property
    def bands(self) -> Grid:
        """The grid of cubes that this camera sums: (H, W, L) with the bands at `wavelengths`."""
        return BandGrid.of(self.box, self._scene, self.wavelengths.double())

    def shifts(self) -> Tensor:
        """Pixels of each band, (L,) in float64."""
        return self.dispersion(self.wavelengths.double())

    def gains(self) -> Tensor:
        """What each band counts, (L,) in float64."""
        wavelengths = self.wavelengths.double()
        gain = torch.ones_like(wavelengths)
        if self.quadrature:
            widths = _widths(wavelengths)
            gain = widths / widths.mean()
        if self.response is None:
            return gain
        return gain * (self.response(wavelengths) if callable(self.response) else self.response.double())

    def codes(self) -> Tensor:
        """The mask where it really is: (shots, 1 or L, across, along), the dispersed axis last."""
        mask = self.mask[None, :, :, None] if self.mask.ndim == 2 else self.mask
        mask = (mask[None] if mask.ndim == 3 else mask).movedim(-1, 1)
        placed = (self.mask_shift, self.mask_rotation, self.mask_stretch)
        if any(part is not None for part in placed):
            mask = moved_mask(mask, *placed)
        return mask if self.axis == 1 else mask.transpose(-1, -2)

    def blur(self) -> Tensor | None:
        """Pixel-integrated blur of each band, (L, 2 r + 1), or None."""
        if self.psf is None:
            return None
        wavelengths = self.wavelengths.double()
        return gaussian_kernels(_function(self.psf, wavelengths))

    def mask_shifts(self, shifts: Tensor) -> Tensor:
        """How far the mask is dispersed against the scene."""
        return shifts * (0.0 if self.mode == "single" else 1.0 if self.mode == "dual" else self.mask_position)

    # --- on points ----------------------------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        device = self.mask.device
        index = torch.unravel_index(rows.to(device), self.shape)
        shot = index[0] if len(self.shape) == 3 else torch.zeros_like(index[0])
        across, along = index[-2:] if self.axis == 1 else (index[-1], index[-2])
        shifts, (height, length, _) = self.shifts(), self._sizes
        offset, weight = self._nodes()  # (q, 2), (L, q)
        image = shifts if self.mode == "single" else torch.zeros_like(shifts)
        v = along[:, None, None] - image[:, None] - offset[:, 1]  # (b, L, q), pixel centres at whole numbers
        i = (across[:, None, None] - offset[:, 0].long()).expand_as(v)
        inside = (i >= 0) & (i < height)
        if self.mode != "single":
            inside &= (v >= 0) & (v < length)
        i = i.clamp(0, height - 1)
        band = torch.arange(len(shifts), device=device)[:, None]
        code = along_row(self.codes(), shot[:, None, None], band, i, v + self.mask_shifts(shifts)[:, None])
        weights = code * inside * weight * self.gains()[:, None]
        place = [i + 0.5, (v + 0.5).clamp(0, length)]
        lower = v.new_tensor(self.box.lower)
        points = torch.stack([*(place if self.axis == 1 else place[::-1]), torch.zeros_like(v)], -1) + lower
        points = torch.cat([points[..., :2], self.wavelengths.to(v)[:, None, None].expand(*v.shape, 1)], -1)

        def measure(values: Tensor) -> Tensor:
            return without_lone_channel(torch.einsum("blqc,blq->bc", values, weights.to(values.device, values.dtype)))

        return Query(points, measure)

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Pixels of the blur that a detector pixel gathers: offsets (q, 2) and weights (L, q)."""
        kernels = self.blur()
        if kernels is None:
            zero = torch.zeros(1, 2, dtype=torch.float64, device=self.mask.device)
            return zero, torch.ones(len(self.wavelengths), 1, dtype=torch.float64, device=self.mask.device)
        radius = kernels.shape[1] // 2
        k = torch.arange(-radius, radius + 1, dtype=torch.float64, device=kernels.device)
        return torch.cartesian_prod(k, k), (kernels[:, :, None] * kernels[:, None]).flatten(1)

    # --- on a cube ----------------------------------------------------------------------------------------------------

    def on(self, grid: Grid) -> CassiOnGrid:
        """The same of a sampled cube (H, W, L), band l at wavelengths[l]: slice and add.

        The field is sampled at the camera's own wavelengths, whatever the grid's uniform ones are.
        Raises ValueError for another size or number of bands; (L, H, W) is told from (H, W, L).
        """
        expected = (*self._scene, len(self.wavelengths))
        if grid.shape != expected:
            slip = " Bands come last: pass cube.movedim(0, -1)." if grid.shape == (expected[2], *expected[:2]) else ""
            raise ValueError(
                f"CASSI.on: the camera sees {expected[0]} x {expected[1]} pixels in {expected[2]} bands; the grid has "
                f"shape {grid.shape}.{slip}"
            )
        return CassiOnGrid(self)  # pyright: ignore[reportArgumentType]  # one class by two paths: the committed links


# --- what it is given -------------------------------------------------------------------------------------------------


def _pixels(box: Box) -> tuple[int, int]:
    if box.ndim != 3:
        raise ValueError(f"CASSI: the box has {box.ndim} axes; it needs two of space (px) and the wavelength (nm).")
    height, width = (round(n) for n in box.lengths[:2])
    if any(abs(n - m) > 1e-6 or m < 1 for n, m in zip(box.lengths, (height, width), strict=False)):
        raise ValueError(f"CASSI counts in pixels: the box must span whole pixels, got {box.lengths[:2]} {box.units}.")
    return height, width


def _wavelengths(wavelengths: Tensor, box: Box) -> Tensor:
    values = torch.as_tensor(wavelengths).detach().double().clone()
    if values.ndim != 1 or not len(values) or not bool(torch.isfinite(values).all()):
        raise ValueError(f"CASSI: wavelengths must be finite, (bands,), got shape {tuple(values.shape)}.")
    if not bool((values.diff() > 0).all()):
        raise ValueError(f"CASSI: wavelengths must rise, got {values[:4].tolist()}... Flip them, and the cube's bands.")
    low, high = box.lower[2], box.upper[2]
    if float(values[0]) < low or float(values[-1]) > high:
        raise ValueError(
            f"CASSI: wavelengths {values[0]:g} to {values[-1]:g} leave the box, {low:g} to {high:g} {box.units[2]}. "
            "In micrometres? The box's last axis is in nm."
        )
    return values


def _reach(shifts: Tensor, width: int | None, along: int) -> int:
    """Pixels that the detector is longer than the scene."""
    low, high = float(shifts.min()), float(shifts.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("CASSI: dispersion gives NaN or Inf at some wavelength.")
    if low < -1e-6:
        raise ValueError(
            f"CASSI: dispersion moves the spectrum to {low:.4g} px, off the detector's edge at 0. Subtract the least "
            "shift: Scaled(law, offset=...)."
        )
    if width is None:
        return math.ceil(high - 1e-6)
    if along + high > width + 1e-6:
        raise ValueError(f"CASSI: dispersion reaches {along + high:.4g} px and leaves the detector of {width} px.")
    return int(width) - along


def _value(value: float | Tensor, count: int | None = None) -> Tensor:
    if isinstance(value, nn.Parameter):
        return value
    tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    if (count is not None and tensor.numel() not in (1, count)) or not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"CASSI: expected {count or 1} finite numbers, got shape {tuple(tensor.shape)}.")
    return nn.Buffer(tensor)


def _function(value: OfWavelength, wavelengths: Tensor) -> Tensor:
    found = value(wavelengths) if callable(value) else torch.as_tensor(value, dtype=wavelengths.dtype)
    return found.to(wavelengths).expand_as(wavelengths)


def _widths(wavelengths: Tensor) -> Tensor:
    """Width of each band: half-way to its neighbours, the outer ones symmetric."""
    if len(wavelengths) < 2:
        return torch.ones_like(wavelengths)
    gaps = wavelengths.diff()
    return 0.5 * (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]]))
