"""A coded-aperture camera as an instrument: its mask, dispersion, blur and response.

`CASSI` (cassi.py) measures a field on points, `CassiOnGrid` (cassi_on_grid.py) a sampled cube.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import BandGrid, Box, Grid, RowOperator
from inverse_inr.operators.spectral.camera_inputs import (
    Blur,
    ImageAxis,
    OfWavelength,
    at_wavelengths,
    band_widths,
    check_blur,
    detector_excess,
    numbers,
    numbers_or_law,
    rising_wavelengths,
    scene_pixels,
)
from inverse_inr.operators.spectral.coded_aperture import Placement, check_mask, moved_mask
from inverse_inr.operators.spectral.shear import gaussian_kernels
from inverse_inr.ranges import Count, checked

Mode = Literal["single", "dual", "spatial-spectral"]
"""Where the mask lies between image and spectrum; cassi.py has the three equations."""

BLOCK = 6
"""Side (px) of the blocks of detector pixels that are held out together."""


@checked
@dataclass(frozen=True, eq=False)
class BandResponse:
    """The gain of each band on a camera's detector.

    Args:
        gain: One number, (L,) numbers, or a function of wavelength (nm). An `nn.Parameter` is
            learnt. None means 1.
        quadrature: Weigh bands by their width, relative to the mean width. Non-uniform bands then
            sample one integral.
    """

    gain: OfWavelength | None = None
    quadrature: bool = False


class Camera(RowOperator, ABC):
    """The instrument behind `CASSI`: what it is made of, not what it sees.

    `CASSI` explains the parameters.

    Attributes:
        mask: As given, a buffer or a parameter.
        wavelengths: (L,) band centres in nm, float64.
        scene: Pixels of the scene, (H, W).
        sizes: Pixels of the scene across and along the dispersion, and of the detector along it.
    """

    mask: Tensor
    wavelengths: Tensor
    scene: tuple[int, int]
    sizes: tuple[int, int, int]

    @checked
    def __init__(
        self,
        box: Box,
        mask: Tensor,
        wavelengths: Tensor,
        dispersion: Callable[[Tensor], Tensor],
        mode: Mode = "single",
        axis: ImageAxis = 1,
        psf: Blur | None = None,
        response: BandResponse = BandResponse(),
        *,
        placement: Placement = Placement(),
        width: Count | None = None,
    ) -> None:
        _check_mode_and_axis(mode, axis)
        scene = scene_pixels(box)
        wavelengths = rising_wavelengths(wavelengths, box)
        check_mask(mask, scene, axis, len(wavelengths), mode)
        with torch.no_grad():
            shifts = dispersion(wavelengths)
        across = scene[1 - axis]
        along = scene[axis]
        long = along
        if mode == "single":
            long += detector_excess(shifts, width, along)
        shape: tuple[int, ...] = (across, long)
        if axis == 0:
            shape = (long, across)
        if mask.ndim == 4:
            shape = (len(mask), *shape)
        super().__init__(shape)
        self.scene = scene
        self.sizes = (across, along, long)
        self.box = box
        self.mode = mode
        self.axis = axis
        self.dispersion = dispersion
        self.psf = numbers_or_law(psf, len(wavelengths))
        check_blur(self.psf, wavelengths)
        self.mask = _parameter_or_buffer(mask)
        self.wavelengths = nn.Buffer(wavelengths)
        self.quadrature = response.quadrature
        self.response = numbers_or_law(response.gain, len(wavelengths))
        self._place_mask(placement)

    def _place_mask(self, placement: Placement) -> None:
        """Keep the parts of the placement that move the mask, and None for those that do not."""
        rotation: float | Tensor | None = placement.rotation
        if not isinstance(rotation, Tensor) and rotation == 0:
            rotation = None
        self.mask_position = float(placement.position)
        self.mask_shift = numbers(placement.shift, 2)
        self.mask_rotation = numbers(rotation)
        self.mask_stretch = numbers(placement.stretch, 4)

    @property
    def bands(self) -> Grid:
        """The grid (H, W, L) of cubes that this camera sums, with the bands at `wavelengths`."""
        return BandGrid.of(self.box, self.scene, self.wavelengths.double())

    @property
    def groups(self) -> Tensor:
        """The square block of `BLOCK` pixels that each detector pixel lies in, (rows,) int64.

        Whole blocks are held out of a fit: a pixel's neighbours say nearly what it says, whatever
        the cube.
        """
        height, width = self.shape[-2:]
        across = -(-width // BLOCK)
        i = torch.arange(height) // BLOCK
        j = torch.arange(width) // BLOCK
        blocks = (i[:, None] * across + j).flatten()
        shots = len(self) // (height * width)
        return torch.cat([blocks + k * (int(blocks[-1]) + 1) for k in range(shots)])

    def shifts(self) -> Tensor:
        """Return how far each band is dispersed, (L,) pixels in float64."""
        return self.dispersion(self.wavelengths.double())

    def gains(self) -> Tensor:
        """Return the weight of each band in the detector's sum, (L,) in float64."""
        wavelengths = self.wavelengths.double()
        gain = torch.ones_like(wavelengths)
        if self.quadrature:
            widths = band_widths(wavelengths)
            gain = widths / widths.mean()
        if self.response is None:
            return gain
        if callable(self.response):
            return gain * self.response(wavelengths)
        return gain * self.response.double()

    def codes(self) -> Tensor:
        """Return the mask in its true place.

        Returns:
            (shots, 1 or L, across, along): the dispersed axis is last.
        """
        mask = self.mask
        if mask.ndim == 2:
            mask = mask[:, :, None]
        if mask.ndim == 3:
            mask = mask[None]
        mask = mask.movedim(-1, 1)
        placed = (self.mask_shift, self.mask_rotation, self.mask_stretch)
        if any(part is not None for part in placed):
            mask = moved_mask(mask, *placed)
        if self.axis == 1:
            return mask
        return mask.transpose(-1, -2)

    def blur(self) -> Tensor | None:
        """Return the pixel-integrated blur of each band, (L, 2 r + 1), or None without a blur."""
        if self.psf is None:
            return None
        wavelengths = self.wavelengths.double()
        return gaussian_kernels(at_wavelengths(self.psf, wavelengths))

    def mask_shifts(self, shifts: Tensor) -> Tensor:
        """Return how far the mask is dispersed against the scene, in pixels.

        Args:
            shifts: (L,) pixels of each band, as `shifts()` gives them.
        """
        share = {"single": 0.0, "dual": 1.0, "spatial-spectral": self.mask_position}
        return shifts * share[self.mode]


def _check_mode_and_axis(mode: str, axis: int) -> None:
    if mode not in ("single", "dual", "spatial-spectral"):
        raise ValueError(
            f"CASSI: mode must be 'single', 'dual' or 'spatial-spectral', got {mode!r}."
        )
    if axis not in (0, 1):
        raise ValueError(f"CASSI: axis={axis} must be 0 or 1, the image axis that is dispersed.")


def _parameter_or_buffer(mask: Tensor) -> Tensor:
    if isinstance(mask, nn.Parameter):
        return mask
    return nn.Buffer(mask.detach().clone())
