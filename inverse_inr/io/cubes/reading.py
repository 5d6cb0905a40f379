"""Reading of spectral cubes: what the formats share, once a file's array and its words are known.

Bands become last, (H, W, L), and carry their wavelengths in nm. The format or the number of
wavelengths tells which axis of an array holds the bands, else `bands=` does; it is never guessed
from which is shortest. What was not measured becomes NaN and stands in the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.cubes.arrays import (
    read_hdf5_cube,
    read_matlab_cube,
    read_npy_cube,
    read_npz_cube,
)
from inverse_inr.io.cubes.cube import SpectralCube
from inverse_inr.io.cubes.envi import SUFFIXES, read_envi
from inverse_inr.io.cubes.headers import metadata_of_bands
from inverse_inr.io.cubes.images import read_folder, read_tiff_cube
from inverse_inr.io.cubes.source import BandsAxis, Source
from inverse_inr.io.cubes.wavelengths import in_nm, own_wavelengths
from inverse_inr.io.files import FileFormatError, PathLike, describe, existing_file, signature
from inverse_inr.ranges import Finite, checked

AXES: tuple[BandsAxis, ...] = ("first", "middle", "last")
"""Words for the axes of an array."""

BLOCK = 2**22
"""Values that are converted at a time."""


@checked
def read_cube(
    path: PathLike,
    key: str | None = None,
    *,
    wavelengths: Sequence[float] | np.ndarray | Tensor | None = None,
    bands: BandsAxis | None = None,
    scale: Finite = 1.0,
    keep_bad_bands: bool = False,
    raw: bool = False,
) -> SpectralCube:
    """Read a cube from ENVI, MATLAB v5 or v7.3, npz, npy, HDF5, TIFF or a folder of images.

    The file's first bytes tell its format, or else its suffix. A folder holds one image per band.
    Bands are sorted by wavelength. Factors and no-data values of the file are applied, and its bad
    bands left out; `notes` of the cube says what was.

    Args:
        path: The file or folder.
        key: The variable, dataset or array in the file; by default the only one of three axes, or
            one of a usual name.
        wavelengths: (L,) in nm, instead of the file's own, in the order of its bands: of all of
            them, or of those that are not bad.
        bands: "first", "middle" or "last", the axis that holds the bands, if neither the format nor
            a number of wavelengths tells.
        scale: What the values are multiplied by, beside the file's own factors.
        keep_bad_bands: Keep the bands that the file marks as bad; `bad_bands` names them.
        raw: Leave out the file's own factors and offsets.

    Returns:
        The cube.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, not what it seems, or has no such key; or its band
            axis is not clear or contradicts `bands`.
        ValueError: Wavelengths are no such numbers, or the scale is 0.
    """
    if scale == 0:
        raise ValueError("read_cube: scale=0 leaves nothing of the values.")
    own = None
    if wavelengths is not None:
        if isinstance(wavelengths, Tensor):
            wavelengths = wavelengths.detach().cpu().tolist()
        own = own_wavelengths(wavelengths)
    file = Path(path)
    found = _source(file, key)
    _check_array(file, found.array)
    nm, fwhm = _wavelengths(file, found, own)
    stored = _bands_last(file, found, nm, bands)
    count = stored.shape[-1]
    good = _good(file, found, count)
    kept = np.arange(count)
    if not keep_bad_bands:
        kept = kept[good]
    if nm is not None:
        if len(nm) == count:
            nm = nm[kept]
            fwhm = fwhm[kept] if fwhm is not None else None
        kept = kept[np.argsort(nm, kind="stable")]
        order = np.argsort(nm, kind="stable")
        nm = nm[order]
        fwhm = fwhm[order] if fwhm is not None else None
        if len(nm) > 1 and not (np.diff(nm) > 0).all():
            twice = nm[1:][np.diff(nm) <= 0]
            raise FileFormatError(
                f"{path}: two bands have the same wavelength, {twice[0]:g} nm ({len(twice)} in "
                "all). Two sensors, or an image that stands there twice? Pass wavelengths=..."
            )
    values, measured = _values(stored, found, kept, scale, raw)
    bad = tuple(int(k) for k in np.flatnonzero(~good))
    notes = _notes(found, bad, measured, keep_bad_bands, raw)
    metadata = None
    if found.metadata is not None:
        metadata = metadata_of_bands(found.metadata, kept, nm, fwhm)
    return SpectralCube(
        torch.from_numpy(values),
        _tensor(nm),
        found.units,
        None if measured.all() else torch.from_numpy(measured),
        bad,
        _tensor(fwhm),
        notes,
        metadata,
    )


def _tensor(values: np.ndarray | None) -> Tensor | None:
    if values is None:
        return None
    return torch.from_numpy(values.copy())


# --- which file -----------------------------------------------------------------------------------


def _source(path: Path, key: str | None) -> Source:
    if path.is_dir():
        return read_folder(path, key)
    return _reader(existing_file(path, "a spectral cube"))(path, key)


def _reader(path: Path) -> Callable[[Path, str | None], Source]:
    kind = signature(path) if path.stat().st_size else None
    if kind == "HDF5" and path.suffix.lower() == ".mat":
        return read_matlab_cube  # v7.3, written by another program without MATLAB's header
    by_kind = {
        "MATLAB": read_matlab_cube,
        "HDF5": read_hdf5_cube,
        "ZIP": read_npz_cube,
        "npy": read_npy_cube,
        "TIFF": read_tiff_cube,
    }
    if kind in by_kind:
        return by_kind[kind]
    if path.suffix.lower() in (".hdr", *SUFFIXES) or Path(f"{path}.hdr").is_file():
        return _envi
    raise FileFormatError(
        f"{path}: expected a spectral cube (ENVI .hdr, MATLAB, npz, npy, HDF5, TIFF), "
        f"found {describe(path)}."
    )


def _envi(path: Path, key: str | None) -> Source:
    if key is not None:
        raise FileFormatError(f"{path}: an ENVI file holds one cube without a name, no {key!r}.")
    return read_envi(path)


def _check_array(path: Path, array: np.ndarray) -> None:
    if array.ndim != 3 or array.dtype.kind not in "iuf" or 0 in array.shape:
        raise FileFormatError(
            f"{path}: expected a cube of three axes, found {array.dtype} of shape {array.shape}."
        )


# --- which bands ----------------------------------------------------------------------------------


def _wavelengths(
    path: Path, found: Source, own: np.ndarray | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Wavelengths and widths in nm: the user's own, or else the file's."""
    if own is not None:
        found.remarks["wavelengths"] = "given, instead of the file's own"
        return own, None
    if found.wavelengths is None:
        return None, None
    nm, fwhm, note = in_nm(found.wavelengths, found.wavelength_unit, path, found.fwhm)
    if note:
        found.remarks["wavelengths"] = note
    if nm is not None and fwhm is not None and len(fwhm) != len(nm):
        fwhm = None
    return nm, fwhm


def _bands_last(
    path: Path, found: Source, nm: np.ndarray | None, bands: BandsAxis | None
) -> np.ndarray:
    """The array with its bands last: as the format, the number of wavelengths or `bands` tells."""
    if found.bands is not None and bands not in (None, found.bands):
        raise FileFormatError(
            f"{path}: bands={bands!r}, but the format has its bands {found.bands} (shape "
            f"{found.array.shape}). Leave bands out."
        )
    axis = found.bands or bands
    if nm is not None:
        axis = _band_axis(path, found, len(nm), axis)
    if axis is None:
        raise FileFormatError(
            f"{path}: an array of shape {found.array.shape} may have its bands first or last. "
            "Say bands='first' or 'last'."
        )
    return np.moveaxis(found.array, AXES.index(axis), -1)


def _band_axis(path: Path, found: Source, count: int, bands: BandsAxis | None) -> BandsAxis | None:
    """The axis that holds `count` bands; None where several do and nothing says which."""
    counts = {count}
    if found.good is not None and int(found.good.sum()) == count:
        counts.add(len(found.good))  # wavelengths of the good bands only
    fits: list[BandsAxis] = [
        axis for axis, n in zip(AXES, found.array.shape, strict=True) if n in counts
    ]
    if not fits or (bands is not None and bands not in fits):
        where = f" with bands {bands}" if bands else ""
        raise FileFormatError(
            f"{path}: {count} wavelengths, but the array has shape {found.array.shape}{where}. "
            "A cube without its water-vapour bands, or transposed?"
        )
    if bands is None and len(fits) == 1:
        return fits[0]
    return bands


def _good(path: Path, found: Source, count: int) -> np.ndarray:
    """(L,) bool: the bands that the file does not mark as bad."""
    if found.good is None:
        return np.ones(count, dtype=bool)
    if len(found.good) != count:
        raise FileFormatError(
            f"{path}: the list of bad bands has {len(found.good)} entries for {count} bands."
        )
    if not found.good.any():
        raise FileFormatError(f"{path}: every band is marked as bad. keep_bad_bands=True?")
    return found.good


# --- which values ---------------------------------------------------------------------------------


def _values(
    stored: np.ndarray, found: Source, kept: np.ndarray, scale: float, raw: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Values (H, W, kept bands) float32 with NaN where nothing was measured, and the mask."""
    height, width, count = stored.shape
    values = np.empty((height, width, len(kept)), dtype=np.float32)
    measured = np.empty(values.shape, dtype=bool)
    gain = scale * np.broadcast_to(1.0 if raw else found.gain, count)[kept]
    offset = scale * np.broadcast_to(0.0 if raw else found.offset, count)[kept]
    lines = max(1, BLOCK // (width * count))
    for start in range(0, height, lines):  # a few lines at a time in double precision
        block = slice(start, start + lines)
        part = stored[block][..., kept]
        with np.errstate(over="ignore", invalid="ignore"):
            seen = (part * gain + offset).astype(np.float32)
        known = found.measured(part) & np.isfinite(seen)
        values[block] = np.where(known, seen, np.float32(np.nan))
        measured[block] = known
    return values, measured


def _notes(
    found: Source, bad: tuple[int, ...], measured: np.ndarray, kept_bad: bool, raw: bool
) -> dict[str, object]:
    notes = dict(found.remarks)
    if raw:
        notes.pop("scale", None)
    if bad:
        what = "kept" if kept_bad else "left out"
        notes["bad bands"] = f"{len(bad)} bands that the file marks as bad, {what}"
    if not measured.all():
        notes["no data"] = f"{int((~measured).sum())} of {measured.size} values, NaN in the cube"
    return notes
