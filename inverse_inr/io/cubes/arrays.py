"""Cubes among named arrays: MATLAB v5 to v7.3, npz, npy, HDF5 with its attributes (netCDF-4 too).

Attributes of a dataset are read as CF, GDAL and NEON write them: `units`, `_FillValue`,
`missing_value`, `scale_factor` and `add_offset` (value = stored * factor + offset), `valid_min`,
`valid_max`, `valid_range`; and `Data_Ignore_Value` with `Scale_Factor`, by which NEON's stored
values are divided.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io.cubes.flat import with_cubes
from inverse_inr.io.cubes.source import Source
from inverse_inr.io.cubes.wavelengths import counts_bands
from inverse_inr.io.files import FileFormatError, nearest_first, reading
from inverse_inr.io.matlab import matlab_variables

WAVELENGTH_NAMES = {
    "wavelengths": "",
    "wavelength": "",
    "wavelengths_nm": "nm",
    "wavelength_nm": "nm",
    "wavelengths_um": "um",
    "wavelength_um": "um",
    "center_wavelengths": "",
    "centre_wavelengths": "",
    "lambda": "",
    "wl": "",
    "wavenumbers": "cm-1",
    "wavenumber": "cm-1",
    "bands": "",
}
"""Usual names of an array of wavelengths in lower case, the likeliest first, and the unit that the
name tells. `bands` is last: many files count their bands there."""

CUBE_NAMES = ("img", "cube", "rad", "ref", "reflectance", "radiance", "hyper", "data", "Y")
"""Usual names of a cube, the likeliest first."""

GOOD_NAMES = ("bbl", "good_wavelengths", "good_bands")
"""Usual names of an array that is 1 for good bands and 0 for bad ones."""

NO_DATA = ("_fillvalue", "missing_value", "data_ignore_value", "nodata", "no_data_value")
"""Attributes with the stored value that stands for no measurement, in lower case."""

SAID_ONCE = (*WAVELENGTH_NAMES, "wavelength_units", "wavelengths_units")
"""Attributes that may stand at the file or a group, for all that is in it."""

UNKNOWN_FACTORS = ("scale", "gain", "factor", "multiplier", "offset", "bias", "divisor")
"""Attributes that may change the values, but of which no convention says how."""

LONG = 10**6
"""The largest size of an array that may be wavelengths: larger ones are not read to see."""


def read_matlab_cube(path: Path, key: str | None) -> Source:
    """Read a cube among the variables of a MATLAB file.

    Args:
        path: The file.
        key: The variable; None for the only one that may be a cube.
    """
    found, flat = with_cubes(_with_fields(matlab_variables(path)))
    name = _key(path, found, key)
    source = _chosen(path, found, name, {})
    if name in flat:
        source.bands = "last"
        source.remarks["flat"] = flat[name]
    return source


def _with_fields(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Variables, and structs as "struct/field", as version 7.3 has them."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in found.items():
        if value.dtype.names is None:
            arrays[name] = value
        elif value.size == 1:
            entry = value.reshape(-1)[0]
            fields = {f"{name}/{n}": np.asarray(entry[n]) for n in value.dtype.names}
            arrays |= _with_fields(fields)
    return arrays


def read_npz_cube(path: Path, key: str | None) -> Source:
    """Read a cube among the arrays of an npz archive.

    Args:
        path: The file.
        key: The array; None for the only one that may be a cube.
    """
    with (
        reading(path, "an .npz archive", ("ZIP",)) as file,
        file.open("rb") as stream,
        np.load(stream, allow_pickle=False) as archive,
    ):
        found = {name: archive[name] for name in archive.files}
    return _chosen(path, found, key, {})


def read_npy_cube(path: Path, key: str | None) -> Source:
    """Read a cube that is the one array of an npy file.

    Args:
        path: The file.
        key: Has no meaning here, and must be None.

    Raises:
        FileFormatError: The file is damaged, or a key was given.
    """
    if key is not None:
        raise FileFormatError(f"{path}: an .npy file holds one array without a name, no {key!r}.")
    with reading(path, "an .npy array", ("npy",)) as file:
        return Source(np.load(file, allow_pickle=False))


def read_hdf5_cube(path: Path, key: str | None) -> Source:
    """Read a cube among the datasets of an HDF5 file, with its attributes.

    Args:
        path: The file.
        key: The dataset, "group/name"; None for the only one that may be a cube.
    """
    import h5py

    with reading(path, "an HDF5 file", ("HDF5",)) as name, h5py.File(name, "r") as file:
        datasets: dict[str, Any] = {}

        def keep(place: str, node: object) -> None:
            if isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf" and node.shape:
                datasets[place] = node

        file.visititems(keep)
        key = _key(path, datasets, key)
        wanted = {k: d for k, d in datasets.items() if k == key or _is_line(d)}
        arrays = {k: np.asarray(d[()]) for k, d in wanted.items()}
        attributes = {k: _attributes(d) for k, d in wanted.items()}
        found = _chosen(path, arrays, key, attributes)
        around = {n: v for n, v in _around(datasets[key]).items() if n.lower() in SAID_ONCE}
        _apply_attributes(found, around | attributes[key], path)
    return found


def _around(dataset: Any) -> dict[str, Any]:
    """Attributes of the file and of the groups that a dataset lies in, the inner ones first."""
    found: dict[str, Any] = {}
    group = dataset.parent
    while True:
        found = _attributes(group) | found
        if group.name == "/":
            return found
        group = group.parent


def _attributes(dataset: Any) -> dict[str, Any]:
    """Attributes as numbers, arrays and text, by their names as written."""
    found = {}
    for name, value in dataset.attrs.items():
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(-1)[0]
        if isinstance(value, bytes):
            value = value.decode("utf-8", errors="replace")
        found[str(name)] = value
    return found


def _apply_attributes(found: Source, attributes: Mapping[str, Any], path: Path) -> None:
    """What the attributes of the cube's own dataset say of its values and bands."""
    lower = {name.lower().replace(" ", "_"): value for name, value in attributes.items()}
    found.units = str(lower.get("units", lower.get("unit", "")))
    found.no_data = [_number(lower[name], name, path) for name in NO_DATA if name in lower]
    if "valid_range" in lower:
        ends = np.asarray(lower["valid_range"]).reshape(-1)
        if ends.dtype.kind not in "iuf" or len(ends) != 2:
            raise FileFormatError(f"{path}: attribute valid_range = {ends} must be two numbers.")
        found.valid = (float(ends[0]), float(ends[1]))
    elif "valid_min" in lower or "valid_max" in lower:
        low = _number(lower.get("valid_min", -np.inf), "valid_min", path)
        high = _number(lower.get("valid_max", np.inf), "valid_max", path)
        found.valid = (low, high)
    factor = _number(lower.get("scale_factor", 1.0), "scale_factor", path)
    offset = _number(lower.get("add_offset", 0.0), "add_offset", path)
    if not np.isfinite([factor, offset]).all() or factor == 0:
        raise FileFormatError(f"{path}: scale_factor {factor:g} and add_offset {offset:g}.")
    if "Scale_Factor" in attributes and factor != 1:
        found.gain = 1 / factor
        found.remarks["scale"] = f"divided by Scale_Factor, {factor:g}, as NEON means it"
    elif factor != 1 or offset != 0:
        found.gain = factor
        found.offset = offset
        found.remarks["scale"] = f"stored values times {factor:g} plus {offset:g} (scale_factor)"
    unused = [f"{name} = {lower[name]}" for name in UNKNOWN_FACTORS if name in lower]
    if unused:
        found.remarks["not applied"] = f"{', '.join(unused)}: no convention says how; see scale="
    if found.wavelengths is None:
        for name, unit in WAVELENGTH_NAMES.items():
            values = np.asarray(lower.get(name, ""))
            if values.dtype.kind in "iuf" and values.size > 1:
                found.wavelengths = values.reshape(-1).astype(np.float64)
                said = lower.get("wavelength_units", lower.get("wavelengths_units", unit))
                found.wavelength_unit = str(said)
                break


def _number(value: Any, name: str, path: Path) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise FileFormatError(f"{path}: attribute {name} = {value!r} must be a number.") from None


def _chosen(
    path: Path,
    found: Mapping[str, np.ndarray],
    key: str | None,
    attributes: Mapping[str, Mapping[str, Any]],
) -> Source:
    """The cube among named arrays, and its wavelengths if one of them has a usual name."""
    key = _key(path, found, key)
    source = Source(found[key])
    lines = {k.rsplit("/", 1)[-1].lower(): k for k, v in found.items() if k != key and _is_line(v)}
    for name, unit in WAVELENGTH_NAMES.items():
        if name not in lines:
            continue
        place = lines[name]
        values = found[place].reshape(-1).astype(np.float64)
        if counts_bands(values):
            source.remarks["wavelengths"] = (
                f"{place!r} holds {values[0]:g} to {values[-1]:g}, which count the bands"
            )
            continue
        said = {k.lower(): v for k, v in attributes.get(place, {}).items()}
        source.wavelengths = values
        source.wavelength_unit = str(said.get("units", said.get("unit", unit)))
        break
    widths = next((lines[n] for n in ("fwhm", "fwhm_nm") if n in lines), None)
    if source.wavelengths is not None and widths is not None:
        source.fwhm = found[widths].reshape(-1).astype(np.float64)
    for name in GOOD_NAMES:
        if name in lines and np.isin(found[lines[name]], (0, 1)).all():
            source.good = found[lines[name]].reshape(-1) == 1
            break
    return source


def _key(path: Path, found: Mapping[str, Any], key: str | None) -> str:
    """The name of the cube, or an error that lists the arrays there are."""
    name = key
    if name is None:
        name = _usual_key(found)
    if name is not None and name in found:
        return name
    near = nearest_first(name or "cube", found)[:12]
    listed = ", ".join(f"{k} {tuple(found[k].shape)}" for k in near) or "none"
    wanted = f"an array {key!r}" if key else "one array of three axes; name it with key="
    slip = ""
    if key is None and not any(v.ndim == 3 for v in found.values()):
        wanted = "an array of three axes"
        flat = [k for k in near if found[k].ndim == 2 and min(found[k].shape) > 1]
        if flat:
            slip = (
                f" {flat[0]} with its pixels in one axis? Nothing says its rows and columns (nRow, "
                "nCol): reshape it to (rows, columns, bands)."
            )
    raise FileFormatError(f"{path}: expected {wanted}. Arrays: {listed}.{slip}")


def _usual_key(found: Mapping[str, Any]) -> str | None:
    """The only array that may be a cube, or the first of a usual name; None if there is neither."""
    cubes = [k for k, v in found.items() if v.ndim == 3 and v.dtype.kind in "iuf"]
    if len(cubes) == 1:
        return cubes[0]
    last = {k.rsplit("/", 1)[-1]: k for k in reversed(cubes)}
    return next((last[k] for k in CUBE_NAMES if k in last), None)


def _is_line(array: Any) -> bool:
    """Whether an array is a row or a column of numbers, as wavelengths are."""
    size = int(np.prod(array.shape))
    return array.dtype.kind in "iuf" and 0 < size <= LONG and size == max(array.shape or (0,))
