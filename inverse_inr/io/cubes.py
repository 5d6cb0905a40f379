"""Spectral cubes: values on pixels and bands with wavelengths, read from files, written as ENVI.

Bands are last, (H, W, L), and carry their wavelengths in nm. The number of wavelengths tells which
axis of an array holds the bands, else `bands=` does; it is never guessed from which is shortest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.bands import BandGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.io.cube_formats import envi_library, read_arrays
from inverse_inr.io.files import FileFormatError, PathLike

BandsAxis = Literal["first", "last"]


@dataclass(frozen=True, eq=False)
class SpectralCube:
    """An image with a spectrum in each pixel.

    Args:
        values: (H, W, L) float32.
        wavelengths: (L,) in nm, rising; None if they are not known.
        units: The unit of the values, as the file names it.

    Raises:
        ValueError: There are not as many wavelengths as bands, or they do not rise.
    """

    values: Tensor
    wavelengths: Tensor | None = None
    units: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 3:
            raise ValueError(
                f"SpectralCube: values must be (H, W, L), got shape {tuple(self.values.shape)}."
            )
        if self.wavelengths is None:
            return
        if self.wavelengths.shape != self.values.shape[-1:]:
            count = len(self.wavelengths)
            shape = tuple(self.values.shape)
            slip = " Bands come last." if count == shape[0] else ""
            raise ValueError(
                f"SpectralCube: {count} wavelengths for values of shape {shape}.{slip}"
            )
        if not bool((self.wavelengths.diff() > 0).all()):
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
            raise ValueError(
                "SpectralCube: this cube has no wavelengths; "
                "pass them to read_cube(wavelengths=...)."
            )
        nm = self.wavelengths.double()
        height, width, _ = self.values.shape
        half = torch.full((1,), 0.5, dtype=torch.float64)
        if len(nm) > 1:
            half = 0.5 * nm.diff()
        lower = float(nm[0] - half[0])
        upper = float(nm[-1] + half[-1])
        box = Box((0.0, 0.0, lower), (float(height), float(width), upper), ("px", "px", "nm"))
        return BandGrid.of(box, (height, width), nm)

    def saturated(self, level: float) -> Tensor:
        """Find the pixels from which no measurement should be simulated.

        Args:
            level: The value, in the cube's unit, from which on the instrument saturates.

        Returns:
            (H, W) bool: True where a band is negative, at `level` or above, or NaN or infinite.
        """
        return ((self.values < 0) | (self.values >= level) | ~torch.isfinite(self.values)).any(-1)


def read_cube(
    path: PathLike,
    key: str | None = None,
    *,
    wavelengths: Sequence[float] | Tensor | None = None,
    bands: BandsAxis | None = None,
    scale: float = 1.0,
) -> SpectralCube:
    """Read a cube from ENVI, MATLAB v5 or v7.3, npz, HDF5, multi-page TIFF or a folder of images.

    The file's first bytes tell its format, or else its suffix. A folder holds one image per band.
    Bands are sorted by wavelength.

    Args:
        path: The file or folder.
        key: The variable, dataset or array in the file; by default the only one of three axes, or
            one of a usual name.
        wavelengths: (L,) in nm, instead of the file's own.
        bands: "first" or "last", the axis that holds the bands, if no number of wavelengths tells.
        scale: What the values are multiplied by (65535 ** -1 for 16-bit counts).

    Returns:
        The cube.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, not what it seems, or has no such key; or its band
            axis is not clear or contradicts `bands`.
        ValueError: `bands` is another word.
    """
    if bands not in (None, "first", "last"):
        raise ValueError(f"read_cube: bands must be 'first' or 'last', got {bands!r}.")
    file = Path(path)
    array, nm, units = read_arrays(file, key)
    if wavelengths is not None:
        nm = np.asarray(wavelengths, dtype=np.float64).reshape(-1)
    last = np.ascontiguousarray(_bands_last(file, array, nm, bands), dtype=np.float32)
    values = last * np.float32(scale)
    if nm is None:
        return SpectralCube(torch.from_numpy(values), None, units)
    order = np.argsort(nm, kind="stable")
    values = np.ascontiguousarray(values[..., order])
    nm = nm[order]
    if len(nm) > 1 and not (np.diff(nm) > 0).all():
        raise FileFormatError(f"{path}: two bands have the same wavelength.")
    return SpectralCube(torch.from_numpy(values), torch.from_numpy(nm.copy()), units)


def _bands_last(
    path: Path, array: np.ndarray, nm: np.ndarray | None, bands: BandsAxis | None
) -> np.ndarray:
    """The array with its bands last, by the number of wavelengths or else by `bands`."""
    if array.ndim != 3 or array.dtype.kind not in "iuf":
        raise FileFormatError(
            f"{path}: expected a cube of three axes, found {array.dtype} of shape {array.shape}."
        )
    if nm is not None:
        bands = _band_axis(path, array.shape, len(nm), bands)
    if bands is None:
        raise FileFormatError(
            f"{path}: an array of shape {array.shape} may have its bands first or last. "
            "Say bands='first' or 'last'."
        )
    if bands == "first":
        return np.moveaxis(array, 0, -1)
    return array


def _band_axis(
    path: Path, shape: tuple[int, ...], count: int, bands: BandsAxis | None
) -> BandsAxis | None:
    """The axis that holds `count` bands; None where both do and `bands` does not say."""
    sizes: dict[BandsAxis, int] = {"first": shape[0], "last": shape[2]}
    fits: list[BandsAxis] = [axis for axis, n in sizes.items() if n == count]
    if not fits or (bands is not None and bands not in fits):
        where = f" with bands {bands}" if bands and fits else ""
        raise FileFormatError(
            f"{path}: {count} wavelengths, but the array has shape {shape}{where}. "
            "A cube without its water-vapour bands, or transposed?"
        )
    if bands is None and len(fits) == 1:
        return fits[0]
    return bands


def write_envi(path: PathLike, cube: SpectralCube) -> None:
    """Write a cube as an ENVI header and, next to it, raw values.

    The values are float32 and band-sequential (suffix .img); the wavelengths are in nm.

    Args:
        path: The header to write, ending in .hdr.
        cube: The cube.

    Raises:
        ImportError: The package spectral is missing.
        ValueError: The path does not end in .hdr.
    """
    envi = envi_library()
    header = Path(path)
    if header.suffix.lower() != ".hdr":
        raise ValueError(f"{path}: an ENVI header ends in .hdr.")
    more: dict[str, Any] = {}
    if cube.units:
        more["data units"] = cube.units
    if cube.wavelengths is not None:
        more["wavelength"] = [float(w) for w in cube.wavelengths]
        more["wavelength units"] = "Nanometers"
    envi.save_image(
        str(header),
        cube.values.cpu().numpy(),
        dtype=np.float32,
        interleave="bsq",
        ext="img",
        force=True,
        metadata=more,
    )
