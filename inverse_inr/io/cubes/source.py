"""What the readers of all formats hand over: an array as stored, and what its file says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

BandsAxis = Literal["first", "middle", "last"]
"""The axis of an array that holds the bands."""


@dataclass
class Source:
    """An array of three axes as it is in a file, and what the file says of it.

    Attributes:
        array: As stored, without factors.
        bands: The axis of the bands, if the format tells.
        wavelengths: (L,) in `wavelength_unit`, or None.
        wavelength_unit: As the file writes it; "" if it does not say.
        fwhm: (L,) widths of the bands in the same unit, or None.
        units: The unit of the values.
        no_data: Stored values that stand for no measurement.
        valid: The least and the largest stored value that is a measurement, or None.
        gain: Factor of the stored values: one number or (L,).
        offset: What is added after that: one number or (L,).
        good: (L,) bool, False for bands that the file marks as bad; None if it does not say.
        remarks: What was inferred or applied, for the notes of the cube.
        metadata: What the file says besides: "header" or "tags", the place on a map, and of each
            band in the file's order "bands".
    """

    array: np.ndarray
    bands: BandsAxis | None = None
    wavelengths: np.ndarray | None = None
    wavelength_unit: str = ""
    fwhm: np.ndarray | None = None
    units: str = ""
    no_data: list[float] = field(default_factory=list)
    valid: tuple[float, float] | None = None
    gain: np.ndarray | float = 1.0
    offset: np.ndarray | float = 0.0
    good: np.ndarray | None = None
    remarks: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None

    def measured(self, values: np.ndarray) -> np.ndarray:
        """Find the stored values that are measurements.

        Args:
            values: Stored values of any shape, in the file's own type.

        Returns:
            bool of the same shape: finite, no no-data value, within the valid range.
        """
        known = np.ones(values.shape, dtype=bool)
        if values.dtype.kind == "f":
            known &= np.isfinite(values)
        for number in self.no_data:
            stored = _stored(number, values.dtype)
            if stored is not None:
                known &= values != stored
        if self.valid is not None:
            low, high = self.valid
            known &= (values >= low) & (values <= high)
        return known


def _stored(number: float, dtype: np.dtype) -> Any:
    """A number as the file's type stores it; None where that type cannot."""
    if dtype.kind == "f":
        return dtype.type(number)
    if not np.isfinite(number) or number != round(number):
        return None
    info = np.iinfo(dtype)
    if not info.min <= number <= info.max:
        return None
    return dtype.type(round(number))
