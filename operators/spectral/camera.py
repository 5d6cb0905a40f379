"""A coded-aperture camera as an instrument: its mask, dispersion, blur and response, and where each of them is.

What it measures of a field on points is `CASSI` (cassi.py), of a sampled cube `CassiOnGrid` (cassi_on_grid.py).
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import BandGrid, Box, Grid, RowOperator
from inverse_inr.operators.spectral.coded_aperture import Placement, check_mask, moved_mask
from inverse_inr.operators.spectral.shear import gaussian_kernels

Mode = Literal["single", "dual", "spatial-spectral"]
OfWavelength = float | Tensor | Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class BandResponse:
    """The gain of each band on a camera's detector.

    gain        of each band: one number, (L,) numbers, or a function of wavelength; an
                `nn.Parameter` is learnt. None: 1
    quadrature  weigh bands by their width, relative to the mean: for non-uniform bands of one
                integral
    """

    gain: OfWavelength | None = None
    quadrature: bool = False


class Camera(RowOperator, ABC):
    """The instrument behind `CASSI`, which explains its parameters: what it is made of, not what it sees."""

    mask: Tensor
    wavelengths: Tensor
    scene: tuple[int, int]
    """Pixels of the scene, (H, W)."""
    sizes: tuple[int, int, int]
    """Pixels across and along the dispersion, and of the detector along it."""

    def __init__(
        self,
        box: Box,
        mask: Tensor,
        wavelengths: Tensor,
        dispersion: Callable[[Tensor], Tensor],
        mode: Mode = "single",
        axis: int = 1,
        psf: OfWavelength | None = None,
        response: BandResponse = BandResponse(),
        *,
        placement: Placement = Placement(),
        width: int | None = None,
    ) -> None:
        if mode not in ("single", "dual", "spatial-spectral"):
            raise ValueError(
                f"CASSI: mode must be 'single', 'dual' or 'spatial-spectral', got {mode!r}."
            )
        if axis not in (0, 1):
            raise ValueError(
                f"CASSI: axis={axis} must be 0 or 1, the image axis that is dispersed."
            )
        self.scene = _pixels(box)
        wavelengths = _wavelengths(wavelengths, box)
        check_mask(mask, self.scene, axis, len(wavelengths), mode)
        with torch.no_grad():
            shifts = dispersion(wavelengths)
        across, along = self.scene[1 - axis], self.scene[axis]
        long = along + (_reach(shifts, width, along) if mode == "single" else 0)
        shape = (across, long) if axis == 1 else (long, across)
        super().__init__((len(mask), *shape) if mask.ndim == 4 else shape)
        self.box, self.mode, self.axis, self.mask_position = (
            box,
            mode,
            axis,
            float(placement.position),
        )
        self.dispersion, self.quadrature = dispersion, response.quadrature
        self.psf = psf if psf is None or callable(psf) else _value(psf, len(wavelengths))
        self.mask = mask if isinstance(mask, nn.Parameter) else nn.Buffer(mask.detach().clone())
        self.wavelengths = nn.Buffer(wavelengths)
        gain, shift, rotation, stretch = (
            response.gain,
            placement.shift,
            placement.rotation,
            placement.stretch,
        )
        self.response = gain if gain is None or callable(gain) else _value(gain, len(wavelengths))
        self.mask_shift = None if shift is None else _value(shift, 2)
        turned = isinstance(rotation, Tensor) or rotation != 0
        self.mask_rotation = _value(rotation) if turned else None
        self.mask_stretch = None if stretch is None else _value(stretch, 4)
        self.sizes = (across, along, long)

    @property
    def bands(self) -> Grid:
        """The grid of cubes that this camera sums: (H, W, L) with the bands at `wavelengths`."""
        return BandGrid.of(self.box, self.scene, self.wavelengths.double())

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
        return gain * (
            self.response(wavelengths) if callable(self.response) else self.response.double()
        )

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
        return shifts * (
            0.0 if self.mode == "single" else 1.0 if self.mode == "dual" else self.mask_position
        )


# --- what it is given -------------------------------------------------------------------------------------------------


def _pixels(box: Box) -> tuple[int, int]:
    if box.ndim != 3:
        raise ValueError(
            f"CASSI: the box has {box.ndim} axes; it needs two of space (px) and the wavelength (nm)."
        )
    height, width = (round(n) for n in box.lengths[:2])
    if any(abs(n - m) > 1e-6 or m < 1 for n, m in zip(box.lengths, (height, width), strict=False)):
        raise ValueError(
            f"CASSI counts in pixels: the box must span whole pixels, got {box.lengths[:2]} {box.units}."
        )
    return height, width


def _wavelengths(wavelengths: Tensor, box: Box) -> Tensor:
    values = torch.as_tensor(wavelengths).detach().double().clone()
    if values.ndim != 1 or not len(values) or not bool(torch.isfinite(values).all()):
        raise ValueError(
            f"CASSI: wavelengths must be finite, (bands,), got shape {tuple(values.shape)}."
        )
    if not bool((values.diff() > 0).all()):
        raise ValueError(
            f"CASSI: wavelengths must rise, got {values[:4].tolist()}... Flip them, and the cube's bands."
        )
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
        raise ValueError(
            f"CASSI: dispersion reaches {along + high:.4g} px and leaves the detector of {width} px."
        )
    return int(width) - along


def _value(value: float | Tensor, count: int | None = None) -> Tensor:
    if isinstance(value, nn.Parameter):
        return value
    tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    if (count is not None and tensor.numel() not in (1, count)) or not bool(
        torch.isfinite(tensor).all()
    ):
        raise ValueError(
            f"CASSI: expected {count or 1} finite numbers, got shape {tuple(tensor.shape)}."
        )
    return nn.Buffer(tensor)


def _function(value: OfWavelength, wavelengths: Tensor) -> Tensor:
    found = (
        value(wavelengths) if callable(value) else torch.as_tensor(value, dtype=wavelengths.dtype)
    )
    return found.to(wavelengths).expand_as(wavelengths)


def _widths(wavelengths: Tensor) -> Tensor:
    """Width of each band: half-way to its neighbours, the outer ones symmetric."""
    if len(wavelengths) < 2:
        return torch.ones_like(wavelengths)
    gaps = wavelengths.diff()
    return 0.5 * (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]]))
