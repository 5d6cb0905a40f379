"""The inputs of a coded-aperture camera: each is checked, and brought to one form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Box
from inverse_inr.ranges import NonNegative, Range

OfWavelength = float | Tensor | Callable[[Tensor], Tensor]
"""One number for all bands, (L,) numbers, or a function of the wavelengths (nm)."""

Blur = NonNegative | Tensor | Callable[[Tensor], Tensor]
"""Standard deviations of a blur in pixels: one, (L,) or a function of the wavelengths (nm)."""

ImageAxis = Annotated[int, Range(least=0, most=1)]
"""An axis of an image: 0 runs down, 1 to the right."""


def scene_pixels(box: Box) -> tuple[int, int]:
    """Return the pixels (H, W) of a scene whose box counts space in pixels.

    Args:
        box: Two axes of space (px) and the wavelength (nm).

    Raises:
        ValueError: If the box has not three axes, or does not span whole pixels.
    """
    if box.ndim != 3:
        raise ValueError(
            f"CASSI: the box has {box.ndim} axes; it needs two of space (px) and the wavelength "
            "(nm)."
        )
    height, width = (round(n) for n in box.lengths[:2])
    if any(abs(n - m) > 1e-6 or m < 1 for n, m in zip(box.lengths, (height, width), strict=False)):
        raise ValueError(
            f"CASSI counts in pixels: the box must span whole pixels, got {box.lengths[:2]} "
            f"{box.units}."
        )
    return height, width


def rising_wavelengths(wavelengths: Tensor, box: Box) -> Tensor:
    """Return the wavelengths of the bands in float64.

    Args:
        wavelengths: (L,) in nm.
        box: Its last axis is the range of wavelengths in nm.

    Raises:
        ValueError: If they are not finite, do not rise, or lie outside the box.
    """
    values = torch.as_tensor(wavelengths).detach().double().clone()
    if values.ndim != 1 or not len(values) or not bool(torch.isfinite(values).all()):
        raise ValueError(
            f"CASSI: wavelengths must be finite, (bands,), got shape {tuple(values.shape)}."
        )
    if not bool((values.diff() > 0).all()):
        raise ValueError(
            f"CASSI: wavelengths must rise, got {values[:4].tolist()}... Flip them, and the cube's "
            "bands."
        )
    low = box.lower[2]
    high = box.upper[2]
    if float(values[0]) < low or float(values[-1]) > high:
        raise ValueError(
            f"CASSI: wavelengths {values[0]:g} to {values[-1]:g} leave the box, {low:g} to "
            f"{high:g} {box.units[2]}. In micrometres? The box's last axis is in nm."
        )
    return values


def detector_excess(shifts: Tensor, width: int | None, along: int) -> int:
    """Return by how many pixels the detector is longer than the scene, along the dispersion.

    Args:
        shifts: (L,) pixels of each band.
        width: Pixels of the detector along the dispersion; None for just enough.
        along: Pixels of the scene along the dispersion.

    Raises:
        ValueError: If shifts are not finite, negative, or leave a detector of the given width.
    """
    low = float(shifts.min())
    high = float(shifts.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("CASSI: dispersion gives NaN or Inf at some wavelength.")
    if low < -1e-6:
        raise ValueError(
            f"CASSI: dispersion moves the spectrum to {low:.4g} px, off the detector's edge at 0. "
            "A spectrum that runs the other way? dispersion.on_detector(law, wavelengths) counts "
            "from its least shift."
        )
    if width is None:
        return math.ceil(high - 1e-6)
    if along + high > width + 1e-6:
        raise ValueError(
            f"CASSI: dispersion reaches {along + high:.4g} px and leaves the detector of {width} "
            "px."
        )
    return int(width) - along


def numbers(value: float | Tensor | None, count: int | None = None) -> Tensor | None:
    """Return a parameter or None as it is, and other numbers as a buffer in float64.

    Args:
        value: The numbers; an `nn.Parameter` stays learnable.
        count: How many there must be, if they are not one number; None for any.

    Raises:
        ValueError: If there are more or fewer, or one is NaN or Inf.
    """
    if value is None or isinstance(value, nn.Parameter):
        return value
    tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    wrong_count = count is not None and tensor.numel() not in (1, count)
    if wrong_count or not bool(torch.isfinite(tensor).all()):
        raise ValueError(
            f"CASSI: expected {count or 1} finite numbers, got shape {tuple(tensor.shape)}."
        )
    return nn.Buffer(tensor)


def numbers_or_law(
    value: OfWavelength | None, bands: int
) -> Tensor | Callable[[Tensor], Tensor] | None:
    """Return a function of wavelength as it is, and anything else as `numbers` does.

    Args:
        value: One number, (L,) numbers, a function of wavelength (nm), or None.
        bands: The number L of bands.
    """
    if callable(value):
        return value
    return numbers(value, bands)


def at_wavelengths(value: OfWavelength, wavelengths: Tensor) -> Tensor:
    """Return the value at each wavelength, (L,).

    Args:
        value: One number, (L,) numbers, or a function of wavelength.
        wavelengths: (L,) in nm.
    """
    if callable(value):
        found = value(wavelengths)
    else:
        found = torch.as_tensor(value, dtype=wavelengths.dtype)
    return found.to(wavelengths).expand_as(wavelengths)


def check_blur(psf: OfWavelength | None, wavelengths: Tensor) -> None:
    """Check that a blur is finite and not negative at each wavelength.

    Args:
        psf: Standard deviations in pixels, or None for no blur.
        wavelengths: (L,) in nm.

    Raises:
        ValueError: If one is NaN, infinite or negative.
    """
    if psf is None:
        return
    with torch.no_grad():
        found = at_wavelengths(psf, wavelengths)
    if not bool((torch.isfinite(found) & (found >= 0)).all()):
        raise ValueError(
            f"CASSI: psf must be standard deviations of at least 0 px, got {found.tolist()[:4]}..."
        )


def band_widths(wavelengths: Tensor) -> Tensor:
    """Return the width of each band in nm: half-way to its neighbours, the outer ones symmetric.

    A single band has width 1.

    Args:
        wavelengths: (L,) band centres in nm, rising.
    """
    if len(wavelengths) < 2:
        return torch.ones_like(wavelengths)
    gaps = wavelengths.diff()
    return 0.5 * (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]]))
