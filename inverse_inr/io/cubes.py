"""Spectral cubes from files: ENVI, MATLAB v5 and v7.3, npz, HDF5, multi-page TIFF, folders of one image a band.

Bands are last, (H, W, L), and carry their wavelengths in nm. Which axis of an array holds the bands is told by the
number of wavelengths, else by `bands=`; it is never guessed from which is shortest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.bands import BandGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import (
    FileFormatError,
    PathLike,
    describe,
    existing_file,
    nearest_first,
    reading,
    signature,
)
from inverse_inr.io.matlab import matlab_variables

BandsAxis = Literal["first", "last"]
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
WAVELENGTH_NAMES = ("wavelengths", "wavelength", "wavelengths_nm", "bands", "lambda", "wl")
MATLAB_NAMES = ("img", "cube", "rad", "ref", "hyper", "data", "Y")


@dataclass(frozen=True, eq=False)
class SpectralCube:
    """values (H, W, L) float32 and wavelengths (L,) in nm, rising; `units` of the values as the file names them.

    Raises ValueError for another number of wavelengths than bands, or wavelengths that do not rise.
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
            count, shape = len(self.wavelengths), tuple(self.values.shape)
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
        """Pixels and bands: a box in px, px, nm. Raises ValueError for a cube without wavelengths."""
        if self.wavelengths is None:
            raise ValueError(
                "SpectralCube: this cube has no wavelengths; pass them to read_cube(wavelengths=...)."
            )
        nm, (height, width, _) = self.wavelengths.double(), self.values.shape
        half = 0.5 * nm.diff() if len(nm) > 1 else torch.full((1,), 0.5, dtype=torch.float64)
        lower, upper = float(nm[0] - half[0]), float(nm[-1] + half[-1])
        box = Box((0.0, 0.0, lower), (float(height), float(width), upper), ("px", "px", "nm"))
        return BandGrid.of(box, (height, width), nm)

    def saturated(self, level: float) -> Tensor:
        """(H, W) bool: pixels that no measurement should be simulated from: negative, at `level` or above, or NaN."""
        return ((self.values < 0) | (self.values >= level) | ~torch.isfinite(self.values)).any(-1)


def read_cube(
    path: PathLike,
    key: str | None = None,
    *,
    wavelengths: Sequence[float] | Tensor | None = None,
    bands: BandsAxis | None = None,
    scale: float = 1.0,
) -> SpectralCube:
    """A cube by what the file is: its first bytes where they tell, else its suffix; a folder holds one image a band.

    key          variable, dataset or array in the file; default: the only one of three axes, or one of a usual name
    wavelengths  in nm, instead of the file's own
    bands        "first" or "last": which axis holds them, where no number of wavelengths tells
    scale        what values are multiplied by (65535 ** -1 for 16-bit counts)

    Bands are sorted by wavelength. Raises FileNotFoundError, FileFormatError for a file that is damaged or not what it
    seems, without such a key, or whose band axis is not clear or contradicts `bands`.
    """
    if bands not in (None, "first", "last"):
        raise ValueError(f"read_cube: bands must be 'first' or 'last', got {bands!r}.")
    file = Path(path)
    reader = _folder if file.is_dir() else _reader(existing_file(path, "a spectral cube"))
    array, own, units = reader(file, key)
    nm = own if wavelengths is None else np.asarray(wavelengths, dtype=np.float64).reshape(-1)
    values = np.ascontiguousarray(
        _bands_last(file, array, nm, bands), dtype=np.float32
    ) * np.float32(scale)
    if nm is not None:
        order = np.argsort(nm, kind="stable")
        values, nm = np.ascontiguousarray(values[..., order]), nm[order]
        if len(nm) > 1 and not (np.diff(nm) > 0).all():
            raise FileFormatError(f"{path}: two bands have the same wavelength.")
    return SpectralCube(
        torch.from_numpy(values), None if nm is None else torch.from_numpy(nm.copy()), units
    )


def _bands_last(
    path: Path, array: np.ndarray, nm: np.ndarray | None, bands: BandsAxis | None
) -> np.ndarray:
    if array.ndim != 3 or array.dtype.kind not in "iuf":
        raise FileFormatError(
            f"{path}: expected a cube of three axes, found {array.dtype} of shape {array.shape}."
        )
    if nm is not None:
        sizes: dict[BandsAxis, int] = {"first": array.shape[0], "last": array.shape[2]}
        fits: list[BandsAxis] = [axis for axis, n in sizes.items() if n == len(nm)]
        if not fits or (bands is not None and bands not in fits):
            where = f" with bands {bands}" if bands and fits else ""
            raise FileFormatError(
                f"{path}: {len(nm)} wavelengths, but the array has shape {array.shape}{where}. A cube without its "
                "water-vapour bands, or transposed?"
            )
        bands = bands or (fits[0] if len(fits) == 1 else None)
    if bands is None:
        raise FileFormatError(
            f"{path}: an array of shape {array.shape} may have its bands first or last. Say bands='first' or 'last'."
        )
    return np.moveaxis(array, 0, -1) if bands == "first" else array


# --- formats: (path, key) -> array, wavelengths in nm or None, units ---------------------------------------------

Read = tuple[np.ndarray, np.ndarray | None, str]


def _reader(path: Path) -> Callable[[Path, str | None], Read]:
    kind = signature(path) if path.stat().st_size else None
    if kind == "HDF5" and path.suffix.lower() == ".mat":
        return _matlab  # v7.3, written by another program without MATLAB's header
    by_kind = {"MATLAB": _matlab, "HDF5": _hdf5, "ZIP": _npz, "TIFF": _tiff}
    if kind in by_kind:
        return by_kind[kind]
    if path.suffix.lower() in (".hdr", ".img", ".dat", ".raw", ".bil", ".bsq", ".bip"):
        return _envi
    raise FileFormatError(
        f"{path}: expected a spectral cube (ENVI .hdr, MATLAB, npz, HDF5, TIFF), found {describe(path)}."
    )


def _envi(path: Path, key: str | None) -> Read:
    """ENVI: a header of text and raw values beside it, bands last whatever the interleave."""
    try:
        from spectral.io import envi
    except ImportError:
        raise ImportError(
            "ENVI files need the package spectral: pip install 'inverse-inr[spectral]'."
        ) from None
    header = path if path.suffix.lower() == ".hdr" else _header(path)
    values = [header.with_suffix(s) for s in ("", ".img", ".dat", ".raw", ".bil", ".bsq", ".bip")]
    values += [v.with_suffix(v.suffix.upper()) for v in values if v.suffix]
    found = path if header != path else next((v for v in values if v.is_file()), None)
    if found is None:
        raise FileFormatError(
            f"{path}: this ENVI header has no data file beside it; looked for "
            f"{', '.join(v.name for v in values[:4])} and others."
        )
    with reading(header, "an ENVI header", ()):
        image: Any = envi.open(str(header), str(found))
        array = np.array(image.load())
        centers, unit = image.bands.centers, (image.bands.band_unit or "nm").lower()
        units = str(image.metadata.get("data units", ""))
    if centers is None:
        return array, None, units
    return array, _in_nm(np.asarray(centers, dtype=np.float64), unit, header), units


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
    if unit in ("", "unknown"):
        return values * (1000.0 if values.max() < 100 else 1.0)  # 0.4 to 2.5 is micrometres
    raise FileFormatError(
        f"{path}: wavelengths in {unit!r}; expected one of {', '.join(sorted(NM))}."
    )


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
    with reading(path, "an .npz archive", ("ZIP",)) as file, file.open("rb") as stream:
        with np.load(stream, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    return _chosen(path, found, key)


def _chosen(path: Path, found: dict[str, np.ndarray], key: str | None) -> Read:
    """The cube among named arrays, and its wavelengths where one of them has a usual name."""
    cubes = [k for k, v in found.items() if v.ndim == 3 and v.dtype.kind in "iuf"]
    if key is None:
        usual = [k for k in MATLAB_NAMES if k in cubes]
        key = cubes[0] if len(cubes) == 1 else usual[0] if usual else None
    if key is None or key not in found:
        listed = (
            ", ".join(f"{k} {found[k].shape}" for k in nearest_first(key or "cube", found)[:12])
            or "none"
        )
        wanted = f"an array {key!r}" if key else "one array of three axes; name it with key="
        raise FileFormatError(f"{path}: expected {wanted}. Arrays: {listed}.")
    lines = {
        k.rsplit("/", 1)[-1].lower(): v
        for k, v in found.items()
        if k != key and v.size == max(v.shape or (0,))
    }
    name = next((n for n in WAVELENGTH_NAMES if n in lines and lines[n].dtype.kind in "iuf"), None)
    nm = None if name is None else _in_nm(lines[name].reshape(-1).astype(np.float64), "", path)
    return found[key], nm, ""


def _tiff(path: Path, key: str | None) -> Read:
    """Pages are bands, first."""
    from tifffile import imread  # scikit-image's own reader

    with reading(path, "a multi-page TIFF", ("TIFF",)) as file:
        array = np.asarray(imread(file))
    return array, None, ""


def _folder(path: Path, key: str | None) -> Read:
    """One grey PNG or TIFF a band, in the order of their names; CAVE's folders are 400 to 700 nm in steps of 10."""
    from skimage.io import imread

    inner = [p for p in path.iterdir() if p.is_dir()]
    if len(inner) == 1 and not list(path.glob("*.png")):
        return _folder(inner[0], key)  # CAVE nests a scene in a folder of its own name
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in (".png", ".tif", ".tiff"))
    if len(files) < 2:
        raise FileFormatError(
            f"{path}: expected a folder of one PNG or TIFF a band, found {len(files)} of them."
        )
    pages = []
    for file in files:
        with reading(file, "a grey image", ("PNG", "TIFF")):
            page = np.asarray(imread(file))
        pages.append(
            page[..., 0] if page.ndim == 3 else page
        )  # one CAVE scene has its bands as grey RGB
    if len({p.shape for p in pages}) != 1:
        raise FileFormatError(
            f"{path}: bands of different sizes: {sorted({p.shape for p in pages})}."
        )
    top = float(np.iinfo(pages[0].dtype).max) if pages[0].dtype.kind == "u" else 1.0
    nm = np.arange(400.0, 701.0, 10.0) if len(files) == 31 else None
    return np.moveaxis(np.stack(pages) / top, 0, -1), nm, "reflectance"


def write_envi(path: PathLike, cube: SpectralCube) -> None:
    """Write `path` (.hdr) and raw float32 values beside it, band-sequential, with wavelengths in nm."""
    try:
        from spectral.io import envi
    except ImportError:
        raise ImportError(
            "ENVI files need the package spectral: pip install 'inverse-inr[spectral]'."
        ) from None
    header = Path(path)
    if header.suffix.lower() != ".hdr":
        raise ValueError(f"{path}: an ENVI header ends in .hdr.")
    more: dict[str, Any] = {"data units": cube.units} if cube.units else {}
    if cube.wavelengths is not None:
        more |= {
            "wavelength": [float(w) for w in cube.wavelengths],
            "wavelength units": "Nanometers",
        }
    envi.save_image(
        str(header),
        cube.values.cpu().numpy(),
        dtype=np.float32,
        interleave="bsq",
        ext="img",
        force=True,
        metadata=more,
    )
