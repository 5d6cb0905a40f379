"""Slips of unit that physics contradicts: GHz for Hz, MHz/µs for Hz/s, km for m.

Every operator is in Hz, Hz/s, s and m. A slip changes a number by a factor of a thousand or more,
so the limits are wide: what passes may still be unusual, and what is refused no radar does.
"""

from __future__ import annotations

import math

from torch import Tensor

LOWEST = 1e5
"""Hz: no radar sends below (ionosphere sounders begin at 0.1 MHz)."""
HIGHEST = 1e15
"""Hz: no radar or lidar sends above."""


TURNS = 4
"""The most turns in either direction by which an azimuth in radians may be given."""


def check_angles(name: str, azimuths: Tensor, elevations: Tensor | None = None) -> None:
    """Check that angles can be radians.

    Args:
        name: Who asks, for the message.
        azimuths: (A,) in radians.
        elevations: (E,) in radians, or None.

    Raises:
        ValueError: An elevation is beyond a right angle, or an azimuth beyond four turns.
    """
    tests = [("azimuths", azimuths, TURNS * 2 * math.pi)]
    if elevations is not None:
        tests.append(("elevations", elevations, 0.5 * math.pi))
    for which, angles, limit in tests:
        largest = float(angles.abs().max()) if angles.numel() else 0.0
        if largest > limit * (1 + 1e-6):
            raise ValueError(
                f"{name}: {which} up to {largest:.4g} are no radians (at most {limit:.4g}). In "
                f"degrees? torch.deg2rad({which})."
            )


def check_frequency(name: str, frequency: float) -> None:
    """Check that a frequency is one of a radar.

    Args:
        name: What it is, for the message: "Chirp: start_frequency".
        frequency: In Hz; 0 stands for a signal at baseband and passes.

    Raises:
        ValueError: It is not finite, negative, or beyond what any radar sends.
    """
    if not math.isfinite(frequency) or frequency < 0:
        raise ValueError(f"{name} must be finite, not negative, got {frequency} Hz.")
    if 0 < frequency < LOWEST:
        slip = "GHz" if frequency < 1000 else "MHz or kHz"
        raise ValueError(
            f"{name} is {frequency:.6g} Hz, a wavelength of {299_792.458 / frequency:.4g} km; no "
            f"radar sends there. Given in {slip}? It is in Hz here."
        )
    if frequency > HIGHEST:
        raise ValueError(
            f"{name} is {frequency:.6g} Hz; no radar or lidar sends above {HIGHEST:.0e} Hz. It is "
            "in Hz here (slopes in Hz/s, times in s)."
        )


def check_wavelength(wavelength: float, longest: float) -> None:
    """Check that waves fit the way that they travel.

    Args:
        wavelength: The carrier's, in metres.
        longest: The longest path to the box and back, in metres.

    Raises:
        ValueError: The whole path is less than a tenth of the wavelength.
    """
    if wavelength > 10 * longest:
        raise ValueError(
            f"A wavelength of {wavelength:.4g} m is longer than ten times the longest path to the "
            f"box and back, {longest:.4g} m: the scene lies within a tenth of one oscillation. "
            "Frequencies in GHz or MHz (they are in Hz here), or distances in km (in m here)?"
        )


def check_slope(resolution: float, farthest: float, slope: float) -> None:
    """Check that a ramp resolves the way that its waves travel.

    Args:
        resolution: c / 2B in metres.
        farthest: The farthest range of the box in metres.
        slope: In Hz/s, for the message.

    Raises:
        ValueError: One bin of range is more than ten times the farthest range.
    """
    if resolution > 10 * farthest:
        raise ValueError(
            f"FMCW: a slope of {slope:.6g} Hz/s sweeps so little that one range bin (c / 2B) is "
            f"{resolution:.4g} m, where the box ends at {farthest:.4g} m. A slope in MHz/µs? It is "
            "in Hz/s here: 70 MHz/µs = 70e12 Hz/s."
        )


def check_reference(middle: float, reference: float, swath: float) -> None:
    """Check that a phase history's reference lies near the scene.

    Args:
        middle: Mean two-way path to the middle of the box, in metres.
        reference: Mean reference path in metres, 0 for none.
        swath: Unambiguous swath in metres of range.

    Raises:
        ValueError: Both differ by a factor beyond 100, and by more than the swath.
    """
    if reference <= 0 or abs(middle - reference) <= 2 * swath:
        return
    ratio = middle / reference
    if not 0.01 < ratio < 100:
        raise ValueError(
            f"The reference path is {reference:.6g} m, the path to the box and back {middle:.6g} "
            "m. One of the two in km? Both are in m here."
        )
