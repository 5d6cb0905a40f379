"""The spectral cube: values on pixels and bands, with wavelengths, and where they were measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inverse_inr.bands import BandGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.ranges import Finite, checked


@checked
@dataclass(frozen=True, eq=False)
class SpectralCube:
    """An image with a spectrum in each pixel.

    Args:
        values: (H, W, L) float32; NaN where nothing was measured.
        wavelengths: (L,) in nm, rising; None if they are not known.
        units: The unit of the values, as the file names it.
        mask: (H, W, L) bool, True where a value was measured; None if all were.
        bad_bands: Numbers of the bands that the file marks as bad, counted from 0 in its order.
            They are left out of the values unless `read_cube` was asked to keep them.
        fwhm: (L,) full widths at half maximum of the bands in nm; None if they are not known.
        notes: What a reader inferred or applied: units, no-data values, factors.
        metadata: What the file says besides: coordinates of a map, header or tags, and of each band
            in the order of the values "bands". The grid carries it.

    Raises:
        ValueError: There are not as many wavelengths or widths as bands, wavelengths do not rise,
            or the mask has another shape or is not boolean.
    """

    values: Tensor
    wavelengths: Tensor | None = None
    units: str = ""
    mask: Tensor | None = None
    bad_bands: tuple[int, ...] = ()
    fwhm: Tensor | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if self.values.ndim != 3:
            raise ValueError(f"SpectralCube: values must be (H, W, L), got shape {shape}.")
        mask = self.mask
        if mask is not None and (mask.dtype != torch.bool or tuple(mask.shape) != shape):
            raise ValueError(
                f"SpectralCube: mask must be bool of shape {shape}, got {mask.dtype} of shape "
                f"{tuple(mask.shape)}."
            )
        if self.fwhm is not None and tuple(self.fwhm.shape) != shape[-1:]:
            raise ValueError(f"SpectralCube: {len(self.fwhm)} widths for values of shape {shape}.")
        if self.wavelengths is not None:
            self._check_wavelengths(self.wavelengths)

    def _check_wavelengths(self, wavelengths: Tensor) -> None:
        shape = tuple(self.values.shape)
        if tuple(wavelengths.shape) != shape[-1:]:
            count = len(wavelengths)
            slip = " Bands come last." if count == shape[0] else ""
            raise ValueError(
                f"SpectralCube: {count} wavelengths for values of shape {shape}.{slip}"
            )
        if not bool(torch.isfinite(wavelengths).all()):
            raise ValueError("SpectralCube: wavelengths hold NaN or Inf.")
        if not bool((wavelengths.diff() > 0).all()):
            raise ValueError(
                "SpectralCube: wavelengths must rise. Sort them, and the bands with them."
            )

    @property
    def grid(self) -> Grid:
        """The grid of pixels and bands, on a box in px, px and nm.

        Raises:
            ValueError: The cube has no wavelengths.
        """
        if self.wavelengths is None:
            why = "; ".join(str(note) for note in self.notes.values())
            raise ValueError(
                "SpectralCube: this cube has no wavelengths; "
                f"pass them to read_cube(wavelengths=...). {why}".rstrip()
            )
        nm = self.wavelengths.double()
        height, width, _ = self.values.shape
        half = torch.full((1,), 0.5, dtype=torch.float64)
        if len(nm) > 1:
            half = 0.5 * nm.diff()
        lower = float(nm[0] - half[0])
        upper = float(nm[-1] + half[-1])
        box = Box((0.0, 0.0, lower), (float(height), float(width), upper), ("px", "px", "nm"))
        return BandGrid.of(box, (height, width), nm).with_metadata(self.metadata)

    @property
    def measured(self) -> Tensor:
        """(H, W, L) bool: where a value was measured and is finite."""
        finite = torch.isfinite(self.values)
        if self.mask is None:
            return finite
        return finite & self.mask

    @checked
    def saturated(self, level: Finite) -> Tensor:
        """Find the pixels from which no measurement should be simulated.

        Args:
            level: The value, in the cube's unit, from which on the instrument saturates.

        Returns:
            (H, W) bool: True where a band is negative, at `level` or above, or was not measured.
        """
        return ((self.values < 0) | (self.values >= level) | ~self.measured).any(-1)
