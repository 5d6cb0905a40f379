"""The formats of spectral cubes: ENVI, MATLAB v5 and v7.3, npz, HDF5, TIFF, folders of images.

Each reader takes a path and a key, and returns an array as the file has it, its wavelengths in nm
(None if the file has none) and the unit of its values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.files import (
    FileFormatError,
    describe,
    existing_file,
    nearest_first,
    reading,
    signature,
)
from inverse_inr.io.matlab import matlab_variables

NM = {
    "nm": 1.0,
    "nanometers": 1.0,
    "nanometer": 1.0,
    "nanometres": 1.0,
    "um": 1000.0,
    "µm": 1000.0,
    "microns": 1000.0,
    "micrometers": 1000.0,
    "micrometer": 1000.0,
    "micrometres": 1000.0,
    "m": 1e9,
}
"""Units of wavelengths, in nm, by their names in files."""
WAVELENGTH_NAMES = ("wavelengths", "wavelength", "wavelengths_nm", "bands", "lambda", "wl")
"""Usual names of an array of wavelengths, in lower case, the likeliest first."""
MATLAB_NAMES = ("img", "cube", "rad", "ref", "hyper", "data", "Y")
"""Usual names of a cube, the likeliest first."""
ENVI_SUFFIXES = (".img", ".dat", ".raw", ".bil", ".bsq", ".bip")
"""Usual suffixes of the raw values next to an ENVI header."""

Read = tuple[np.ndarray, np.ndarray | None, str]
"""The array as it is in the file, wavelengths in nm or None, and the unit of the values."""


def read_arrays(path: Path, key: str | None) -> Read:
    """Read the array of a cube, its wavelengths and its unit, from a file or a folder.

    Args:
        path: The file, or a folder of one image per band.
        key: The variable, dataset or array in the file; None for the only one that may be a cube.

    Returns:
        The array with three axes in the file's order, wavelengths in nm or None, and the unit.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, not what it seems, or has no such key.
    """
    if path.is_dir():
        return _folder(path, key)
    return _reader(existing_file(path, "a spectral cube"))(path, key)


def _reader(path: Path) -> Callable[[Path, str | None], Read]:
    kind = signature(path) if path.stat().st_size else None
    if kind == "HDF5" and path.suffix.lower() == ".mat":
        return _matlab  # v7.3, written by another program without MATLAB's header
    by_kind = {"MATLAB": _matlab, "HDF5": _hdf5, "ZIP": _npz, "TIFF": _tiff}
    if kind in by_kind:
        return by_kind[kind]
    if path.suffix.lower() in (".hdr", *ENVI_SUFFIXES):
        return _envi
    raise FileFormatError(
        f"{path}: expected a spectral cube (ENVI .hdr, MATLAB, npz, HDF5, TIFF), "
        f"found {describe(path)}."
    )


def envi_library() -> Any:
    """The module that reads and writes ENVI files, `spectral.io.envi`.

    Raises:
        ImportError: The package spectral is missing.
    """
    try:
        from spectral.io import envi
    except ImportError:
        raise ImportError(
            "ENVI files need the package spectral: pip install 'inverse-inr[spectral]'."
        ) from None
    return envi


def _envi(path: Path, _: str | None) -> Read:
    """ENVI: a text header and raw values next to it, read bands last whatever the interleave."""
    envi = envi_library()
    header, data = _envi_pair(path)
    with reading(header, "an ENVI header", ()):
        image: Any = envi.open(str(header), str(data))
        array = np.array(image.load())
        centers = image.bands.centers
        unit = (image.bands.band_unit or "nm").lower()
        units = str(image.metadata.get("data units", ""))
    if centers is None:
        return array, None, units
    return array, _in_nm(np.asarray(centers, dtype=np.float64), unit, header), units


def _envi_pair(path: Path) -> tuple[Path, Path]:
    """The header and the raw values, of which `path` is one."""
    if path.suffix.lower() != ".hdr":
        return _header(path), path
    values = [path.with_suffix(s) for s in ("", *ENVI_SUFFIXES)]
    values += [v.with_suffix(v.suffix.upper()) for v in values if v.suffix]
    for candidate in values:
        if candidate.is_file():
            return path, candidate
    raise FileFormatError(
        f"{path}: this ENVI header has no data file beside it; looked for "
        f"{', '.join(v.name for v in values[:4])} and others."
    )


def _header(path: Path) -> Path:
    for candidate in (path.with_suffix(".hdr"), Path(f"{path}.hdr")):
        if candidate.is_file():
            return candidate
    raise FileFormatError(
        f"{path}: raw values without an ENVI header beside them; expected {path.stem}.hdr."
    )


def _in_nm(values: np.ndarray, unit: str, path: Path) -> np.ndarray:
    unit = unit.strip().lower()
    if unit in NM:
        return values * NM[unit]
    if unit not in ("", "unknown"):
        raise FileFormatError(
            f"{path}: wavelengths in {unit!r}; expected one of {', '.join(sorted(NM))}."
        )
    if values.max() < 100:  # 0.4 to 2.5 is micrometres
        return values * 1000.0
    return values


def _matlab(path: Path, key: str | None) -> Read:
    return _chosen(path, matlab_variables(path), key)


def _hdf5(path: Path, key: str | None) -> Read:
    return _chosen(path, _datasets(path, "an HDF5 file"), key)


def _datasets(path: Path, expected: str) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf" and not name.startswith("#"):
            found[name] = np.asarray(node)

    with reading(path, expected, ("HDF5", "MATLAB")) as file, h5py.File(file, "r") as stream:
        stream.visititems(keep)
    return found


def _npz(path: Path, key: str | None) -> Read:
    with (
        reading(path, "an .npz archive", ("ZIP",)) as file,
        file.open("rb") as stream,
        np.load(stream, allow_pickle=False) as archive,
    ):
        found = {name: archive[name] for name in archive.files}
    return _chosen(path, found, key)


def _chosen(path: Path, found: dict[str, np.ndarray], key: str | None) -> Read:
    """The cube among named arrays, and its wavelengths if one of them has a usual name."""
    if key is None:
        key = _usual_key(found)
    if key is None or key not in found:
        near = nearest_first(key or "cube", found)[:12]
        listed = ", ".join(f"{k} {found[k].shape}" for k in near) or "none"
        wanted = f"an array {key!r}" if key else "one array of three axes; name it with key="
        raise FileFormatError(f"{path}: expected {wanted}. Arrays: {listed}.")
    lines = {
        k.rsplit("/", 1)[-1].lower(): v
        for k, v in found.items()
        if k != key and v.size == max(v.shape or (0,))
    }
    for name in WAVELENGTH_NAMES:
        if name in lines and lines[name].dtype.kind in "iuf":
            nm = _in_nm(lines[name].reshape(-1).astype(np.float64), "", path)
            return found[key], nm, ""
    return found[key], None, ""


def _usual_key(found: dict[str, np.ndarray]) -> str | None:
    """The only array that may be a cube, or the first of a usual name; None if there is neither."""
    cubes = [k for k, v in found.items() if v.ndim == 3 and v.dtype.kind in "iuf"]
    if len(cubes) == 1:
        return cubes[0]
    return next((k for k in MATLAB_NAMES if k in cubes), None)


def _tiff(path: Path, _: str | None) -> Read:
    """A multi-page TIFF: its pages are the bands, first."""
    from tifffile import imread  # scikit-image's own reader

    with reading(path, "a multi-page TIFF", ("TIFF",)) as file:
        array = np.asarray(imread(file))
    return array, None, ""


def _folder(path: Path, key: str | None) -> Read:
    """One grey PNG or TIFF per band, in the order of their names.

    CAVE's folders are 400 to 700 nm in steps of 10.
    """
    inner = [p for p in path.iterdir() if p.is_dir()]
    if len(inner) == 1 and not list(path.glob("*.png")):
        return _folder(inner[0], key)  # CAVE nests a scene in a folder of its own name
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in (".png", ".tif", ".tiff"))
    if len(files) < 2:
        raise FileFormatError(
            f"{path}: expected a folder of one PNG or TIFF a band, found {len(files)} of them."
        )
    pages = [_page(file) for file in files]
    if len({p.shape for p in pages}) != 1:
        raise FileFormatError(
            f"{path}: bands of different sizes: {sorted({p.shape for p in pages})}."
        )
    top = float(np.iinfo(pages[0].dtype).max) if pages[0].dtype.kind == "u" else 1.0
    nm = np.arange(400.0, 701.0, 10.0) if len(files) == 31 else None
    return np.moveaxis(np.stack(pages) / top, 0, -1), nm, "reflectance"


def _page(file: Path) -> np.ndarray:
    from skimage.io import imread

    with reading(file, "a grey image", ("PNG", "TIFF")):
        page = np.asarray(imread(file))
    if page.ndim == 3:  # one CAVE scene has its bands as grey RGB
        return page[..., 0]
    return page
