"""ENVI: raw values beside a text header that says all of them: axes, type, bands, wavelengths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inverse_inr import memory
from inverse_inr.io.cubes.envi_header import (
    LAYOUTS,
    check_kind,
    number,
    numbers,
    raw_type,
    read_header,
)
from inverse_inr.io.cubes.headers import metadata_of_header
from inverse_inr.io.cubes.source import Source
from inverse_inr.io.cubes.wavelengths import in_names
from inverse_inr.io.files import FileFormatError

SUFFIXES = (".img", ".dat", ".raw", ".bil", ".bsq", ".bip", ".bin", ".cube")
"""Usual suffixes of the raw values next to an ENVI header."""

SPREAD = 6.0
"""Decimal exponents of measured values are spread by less than this standard deviation."""

FEWEST = 30
"""The fewest values that tell their byte order."""

FACTOR = "reflectance scale factor"
GAINS = "data gain values"
OFFSETS = "data offset values"


def read_envi(path: Path) -> Source:
    """Read the raw values beside a header, bands last, and what the header says of them.

    Args:
        path: The header, or the raw values.

    Returns:
        The cube as stored, (lines, samples, bands).

    Raises:
        FileFormatError: One of the two files is missing, or they do not fit together.
    """
    header, beside = _pair(path)
    fields = read_header(header)
    check_kind(fields, header)
    lines, samples, bands = (number(fields, n, header) for n in ("lines", "samples", "bands"))
    dtype, order = raw_type(fields, header)
    needed = number(fields, "header offset", header, 0) + dtype.itemsize * lines * samples * bands
    notes: dict[str, object] = {}
    data = _fitting(header, beside, needed, notes)
    if order:
        notes["byte order"] = order
    array = _raw(header, data, (lines, samples, bands), dtype, fields)
    metadata = metadata_of_header(fields, bands, header)
    units = fields.get("data units", "")
    found = Source(array, "last", units=units, remarks=notes, metadata=metadata)
    # wavelengths of another number than the bands are reported where they are needed
    words = fields.get("wavelength", "").replace(",", " ").split()
    if words:
        found.wavelengths = numbers(fields, "wavelength", header, len(words))
        found.wavelength_unit = fields.get("wavelength units", "")
        if len(words) == bands:
            found.fwhm = numbers(fields, "fwhm", header, bands)
    else:
        names = [name for name in fields.get("band names", "").split(",") if name.strip()]
        told = in_names(names, f"{header}: band names") if len(names) == bands else None
        if told is not None:
            found.wavelengths, found.wavelength_unit = told
            notes["wavelengths"] = "from the names of the bands"
    good = numbers(fields, "bbl", header, bands)
    if good is not None:
        if not np.isin(good, (0, 1)).all():
            raise FileFormatError(f"{header}: bbl must hold 1 (good) or 0 (bad) for each band.")
        found.good = good == 1
    ignored = fields.get("data ignore value", "")
    if ignored:
        found.no_data = [_float(ignored, "data ignore value", header)]
    _factors(found, fields, header, bands)
    return found


def _factors(found: Source, fields: Mapping[str, str], header: Path, bands: int) -> None:
    """The gains and offsets of the bands, or the factor that reflectances were multiplied by."""
    gains = numbers(fields, GAINS, header, bands)
    offsets = numbers(fields, OFFSETS, header, bands)
    factor = _float(fields.get(FACTOR) or "1", FACTOR, header)
    if not np.isfinite(factor) or factor <= 0:
        raise FileFormatError(f"{header}: {FACTOR} = {factor:g} must be positive.")
    gain = np.ones(1) if gains is None else gains
    offset = np.zeros(1) if offsets is None else offsets
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise FileFormatError(f"{header}: {GAINS} or {OFFSETS} hold NaN or Inf.")
    trivial = bool((gain == 1).all() and (offset == 0).all())
    if factor != 1 and not trivial:
        raise FileFormatError(
            f"{header}: the header has both {GAINS} (to radiance) and a {FACTOR} (to reflectance). "
            "Read the stored values with raw=True, and apply one of them."
        )
    if factor != 1:
        found.gain = 1 / factor
        found.remarks["scale"] = f"divided by the {FACTOR}, {factor:g}"
    elif not trivial:
        found.gain = gain
        found.offset = offset
        found.remarks["scale"] = f"{GAINS} and {OFFSETS} of the header applied, band by band"


def _raw(
    header: Path,
    data: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    fields: Mapping[str, str],
) -> np.ndarray:
    """The raw values, (lines, samples, bands) of the file's type."""
    interleave = fields.get("interleave", "").lower()
    if interleave not in LAYOUTS:
        raise FileFormatError(f"{header}: interleave = {interleave!r}; expected bsq, bil or bip.")
    if 0 in shape:
        raise FileFormatError(f"{header}: {shape} lines, samples and bands are no cube.")
    offset = number(fields, "header offset", header, 0)
    needed = offset + dtype.itemsize * shape[0] * shape[1] * shape[2]
    size = data.stat().st_size
    if size != needed:
        slip = "A damaged copy?"
        if size > needed:
            slip = f"A header offset of {offset + size - needed}, another data type, more bands?"
        raise FileFormatError(
            f"{data}: {size} bytes, but {header.name} tells of {needed}: {offset} before "
            f"{shape[0]} lines x {shape[1]} samples x {shape[2]} bands of {dtype.name}. {slip}"
        )
    # the values as stored, float32 and the mask
    memory.require(f"{data}: {shape} lines, samples and bands", size + 5.0 * math.prod(shape))
    order = LAYOUTS[interleave]
    stored = tuple(shape[axis] for axis in order)
    array = np.fromfile(data, dtype, offset=offset).reshape(stored)
    if _turned_bytes(array):
        raise FileFormatError(
            f"{data}: as {header.name} has them, the values reach from "
            f"{np.nanmin(np.abs(array)):.1e} to {np.nanmax(np.abs(array)):.1e}; with the bytes of "
            "each turned round they do not. Is its byte order wrong (0 little endian, 1 big)?"
        )
    return array.transpose(np.argsort(order))


def _turned_bytes(array: np.ndarray) -> bool:
    """Tell whether floats make sense only with their bytes in the other order.

    Exponents of floats read in the wrong order are spread over all that the type has.
    """
    if array.dtype.kind != "f":
        return False
    flat = array.reshape(-1)
    some = np.ascontiguousarray(flat[:: max(1, flat.size // 4096)])
    return _spread(some) > SPREAD and _spread(some.view(some.dtype.newbyteorder())) < SPREAD / 3


def _spread(values: np.ndarray) -> float:
    """Standard deviation of the decimal exponents; 100 without any finite value."""
    if not np.isfinite(values).any():
        return 100.0
    known = np.abs(values[np.isfinite(values) & (values != 0)]).astype(np.float64)
    if len(known) < FEWEST:
        return 0.0
    return float(np.log10(known).std())


def _pair(path: Path) -> tuple[Path, list[Path]]:
    """The header, and the files that may hold its raw values; `path` is one of the two."""
    if path.suffix.lower() != ".hdr":
        return _header(path), [path]
    # "scene.hdr" or "scene.img.hdr" beside "scene.img" or "scene"
    values = [path.with_suffix(s) for s in ("", *SUFFIXES)]
    values += [v.with_suffix(v.suffix.upper()) for v in values if v.suffix]
    # by inode: where case does not count, "a.img" and "a.IMG" are one file
    found = list({v.stat().st_ino: v for v in reversed(values) if v.is_file()}.values())
    if found:
        return path, found
    raise FileFormatError(
        f"{path}: this ENVI header has no data file beside it; looked for "
        f"{', '.join(v.name for v in values[:4])} and others."
    )


def _fitting(header: Path, beside: list[Path], needed: int, notes: dict[str, object]) -> Path:
    """The one file of several that has the size which the header tells."""
    if len(beside) == 1:
        return beside[0]
    fits = [file for file in beside if file.stat().st_size == needed]
    if len(fits) == 1:
        notes["raw values"] = f"{fits[0].name}, of {len(beside)} files the one of the right size"
        return fits[0]
    named = ", ".join(sorted(file.name for file in beside))
    raise FileFormatError(
        f"{header}: this ENVI header has several files beside it: {named}; {len(fits)} of them "
        f"have the {needed} bytes that it tells. Pass the one with the raw values."
    )


def _header(path: Path) -> Path:
    stems = (path.with_suffix(""), path)
    for candidate in (Path(f"{stem}{suffix}") for stem in stems for suffix in (".hdr", ".HDR")):
        if candidate.is_file():
            return candidate
    raise FileFormatError(
        f"{path}: raw values without an ENVI header beside them; expected {path.stem}.hdr."
    )


def _float(text: str, name: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise FileFormatError(f"{path}: {name} = {text!r} must be a number.") from None
