"""Wavelengths as files give them, in nm: units by their names, and numbers that are none.

Wavenumbers, frequencies and energies fall where wavelengths rise. Numbers from 1 (or 0) on count
bands. Where a file names no unit, the numbers decide only what they can: fractions below 100 are
micrometres, numbers from 200 on nanometres.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inverse_inr.io.files import FileFormatError

LENGTHS = {
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "um": 1e3,
    "micron": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "angstrom": 0.1,
    "a": 0.1,
    "å": 0.1,
    "mm": 1e6,
    "millimeter": 1e6,
    "millimetre": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "centimetre": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
}
"""Units of wavelengths, in nm, by their names in lower case and in the singular."""

RECIPROCALS = {
    "cm-1": 1e7,
    "1/cm": 1e7,
    "wavenumber": 1e7,
    "inversecentimeter": 1e7,
    "thz": 299792.458,
    "ghz": 299792458.0,
    "mhz": 299792458000.0,
    "ev": 1239.841984,
}
"""Units of which a wavelength in nm is this number over the value: wavenumbers, frequencies (by the
speed of light) and energies (by hc)."""

NUMBERS = ("index", "unknown", "bandnumber", "number", "none")
"""Words by which files say that their numbers are no wavelengths."""

NAMED = re.compile(r"(?<![\d.])(\d+(?:[.p]\d+)?)[ _-]?(nm|um|µm|μm)(?![a-z])", re.IGNORECASE)
"""A wavelength in the name of a band or of its file: 550nm, 550.5 nm, 0.55um."""

MICRONS = ("um", "micron", "micrometer", "micrometre")
"""Names of the micrometre."""

SHORTEST = 100.0
"""The shortest wavelength (nm) at which a spectral cube may end."""

LONGEST = 1e8
"""The longest wavelength (nm) that a spectral cube may have: 10 cm."""


def unit_name(unit: str) -> str:
    """Bring a unit to the form of the tables: lower case, singular, no spaces, "um" for "µm".

    Args:
        unit: As a file writes it.
    """
    name = re.sub(r"[\s_^{}]", "", unit.split("(")[0].strip().lower() or unit.strip("() ").lower())
    name = name.replace("µ", "u").replace("μ", "u").replace("\u2212", "-").replace("ångström", "å")
    if name not in LENGTHS and name not in RECIPROCALS and name.endswith("s"):
        name = name[:-1]
    return name


def in_nm(
    values: np.ndarray, unit: str, path: Path, widths: np.ndarray | None = None
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Convert a file's wavelengths to nm.

    Args:
        values: (n,) as the file has them.
        unit: Their unit as the file names it, or "".
        path: The file, for messages.
        widths: (n,) full widths at half maximum in the same unit, or None.

    Returns:
        Wavelengths (n,) and widths (n,) in nm, None where there are none; and a note on what was
        inferred, or "".

    Raises:
        FileFormatError: The unit is unknown, or the numbers cannot be wavelengths.
    """
    name = unit_name(unit)
    if name in NUMBERS:
        return None, None, f"the file says {unit.strip()!r} of its wavelengths: none are known"
    if counts_bands(values):
        return None, None, f"{values[0]:g} to {values[-1]:g} count the bands: no wavelengths"
    note = ""
    if not name:
        name, note = _inferred(values)
        if not name:
            return None, None, note
    if name not in LENGTHS and name not in RECIPROCALS:
        known = ", ".join(sorted([*LENGTHS, *RECIPROCALS]))
        raise FileFormatError(
            f"{path}: wavelengths in {unit!r}; expected one of {known}. "
            "Or pass them in nm: wavelengths=..."
        )
    usable = np.isfinite(values) & (values > 0)
    if not usable.all():
        bad = values[~usable]
        raise FileFormatError(
            f"{path}: a wavelength must be positive and finite; {len(bad)} of {len(values)} are "
            f"not, e.g. {bad[0]:g}. Pass them in nm: wavelengths=..."
        )
    if name in LENGTHS:
        _check_unit(values, name, path)
        nm = values * LENGTHS[name]
        spread = None if widths is None else widths * LENGTHS[name]
    else:
        nm = RECIPROCALS[name] / values
        spread = None if widths is None else nm * widths / values
    if nm.max() > LONGEST:
        raise FileFormatError(
            f"{path}: wavelengths up to {nm.max():.3g} nm, in {unit!r}. Another unit? "
            "Pass them in nm: wavelengths=..."
        )
    return nm, spread, note


def in_names(names: Sequence[str], where: str) -> tuple[np.ndarray, str] | None:
    """Find the wavelengths that the names of bands tell: one number with a unit in each.

    Args:
        names: One for each band.
        where: What is named, for messages.

    Returns:
        (n,) numbers and their unit; None where no name tells any.

    Raises:
        FileFormatError: Some names tell one and others do not, or units differ.
    """
    found = [NAMED.findall(name) for name in names]
    told = [len(matches) == 1 for matches in found]
    if not any(told):
        return None
    if not all(told):
        odd = names[told.index(False)].strip()
        raise FileFormatError(
            f"{where}: {sum(told)} of {len(names)} names tell one wavelength; {odd} does not. "
            "Is it no band? Take it out."
        )
    units = {unit_name(matches[0][1]) for matches in found}
    if len(units) > 1:
        raise FileFormatError(f"{where}: some names are in nm, others in um.")
    values = [float(matches[0][0].lower().replace("p", ".")) for matches in found]
    return np.array(values), units.pop()


def _check_unit(values: np.ndarray, name: str, path: Path) -> None:
    """Raise FileFormatError where a unit of length and its numbers contradict each other."""
    low = float(values.min())
    high = float(values.max())
    slip = ""
    if high * LENGTHS[name] < SHORTEST:
        slip = "Micrometres?" if high < 100 else "Nanometres?"
    elif name in MICRONS and low >= 200 and high <= 3000:
        slip = "Nanometres?"
    if slip:
        raise FileFormatError(
            f"{path}: wavelengths from {low:g} to {high:g} in {name!r}, which no spectral camera "
            f"has. {slip} Correct the unit, or pass them in nm: wavelengths=..."
        )


def counts_bands(values: np.ndarray) -> bool:
    """Tell whether numbers are 1, 2, 3, ... or 0, 1, 2, ..., which count bands.

    Args:
        values: (n,).
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return False
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _inferred(values: np.ndarray) -> tuple[str, str]:
    """The unit of numbers without one, and a note; "" where the numbers do not tell."""
    low = float(np.min(values))
    high = float(np.max(values))
    whole = bool((values == np.round(values)).all())
    span = f"{low:g} to {high:g}"
    if low > 0 and high < 100 and not whole:
        return "um", f"wavelengths without a unit, {span}: taken as micrometres"
    if low >= 200 and high <= 30000:
        return "nm", f"wavelengths without a unit, {span}: taken as nm"
    return "", f"numbers without a unit, {span}, tell no wavelengths: pass wavelengths=... in nm"


def own_wavelengths(values: object, name: str = "read_cube") -> np.ndarray:
    """Check wavelengths that a user gives.

    Args:
        values: (n,) in nm, in the order of the bands.
        name: Who asks, for the message.

    Returns:
        (n,) float64.

    Raises:
        ValueError: They are not positive and finite, count bands, or are micrometres.
    """
    nm = np.asarray(values, dtype=np.float64).reshape(-1)
    if not len(nm) or not np.isfinite(nm).all() or not (nm > 0).all():
        raise ValueError(f"{name}: wavelengths must be positive and finite, in nm.")
    if nm.max() < 100:
        slip = "In micrometres? Multiply by 1000."
        if counts_bands(nm):
            slip = "Band numbers are no wavelengths."
        raise ValueError(
            f"{name}: wavelengths from {nm.min():g} to {nm.max():g} nm are no light that a "
            f"camera disperses. {slip}"
        )
    return nm
