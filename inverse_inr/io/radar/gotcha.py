"""Phase history that AFRL published in MATLAB files: GOTCHA.

It is read from MATLAB files of version 5 to 7 and of version 7.3 alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.radar.afrl_fields import data_struct, echoes, hertz, numbers, reals
from inverse_inr.io.radar.phase_data import PhaseData, ascending, uniform_where_rounded
from inverse_inr.ranges import checked

NEAREST = 100.0
"""The least distance in m of an airborne radar from its scene."""


@checked
def read_gotcha(paths: PathLike | Sequence[PathLike], autofocus: bool = False) -> PhaseData:
    """Read AFRL's GOTCHA phase history, which is monostatic, with sign -1.

    Frequencies are stored in float32, a step of 1 kHz at 9.6 GHz: they are put back on the even
    lattice that they round.

    Args:
        paths: One file or several, one per degree of azimuth, which are joined in the order given.
        autofocus: Apply the file's r_correct and ph_correct, which align passes; a single pass is
            sharper without.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: A file is of another kind or truncated, or parts disagree.
        ValueError: No files are given.
    """
    if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
        paths = [paths]
    listed: list[Any] = list(paths)
    if not listed:
        raise ValueError("read_gotcha: there are no files.")
    parts = [_gotcha(data_struct(path), str(path), autofocus) for path in listed]
    for path, part in zip(listed, parts, strict=True):
        if not torch.equal(part.frequencies, parts[0].frequencies):
            raise FileFormatError(
                f"{path}: its frequencies are not those of {listed[0]}. Another collection?"
            )
    y = torch.cat([part.y for part in parts])
    antenna = torch.cat([part.transmitters for part in parts])
    reference_path = torch.cat([part.reference_path for part in parts])
    return PhaseData(y, parts[0].frequencies, antenna, antenna, reference_path, -1)


def _gotcha(data: dict[str, Any], path: str, autofocus: bool) -> PhaseData:
    """The phase history of one file's struct."""
    missing = {"fp", "freq", "x", "y", "z", "r0"} - set(data)
    if missing:
        raise FileFormatError(
            f"{path}: the struct has no {sorted(missing)}; GOTCHA's have fp, freq, x, y, z, r0."
        )
    fp = echoes(data, "fp", path)
    freq = hertz(numbers(data, "freq", path).ravel(), "freq (in Hz)", path)
    place = [reals(data, name, path) for name in ("x", "y", "z", "r0")]
    if fp.ndim != 2 or fp.shape[0] != len(freq) or any(len(v) != fp.shape[1] for v in place):
        raise FileFormatError(
            f"{path}: fp has shape {fp.shape}, freq {len(freq)} values, "
            f"x, y, z, r0 {[len(v) for v in place]}; "
            "expected (frequencies, pulses) and one position a pulse."
        )
    _check_distance(path, place)
    y, f = ascending(
        fp.T.astype(np.complex128), uniform_where_rounded(torch.from_numpy(freq.copy())).numpy()
    )
    if autofocus:
        y = y * _autofocus(data, path, f, len(y))
    antenna = torch.from_numpy(np.stack(place[:3], 1))
    return PhaseData(
        torch.from_numpy(y.astype(np.complex64)),
        torch.from_numpy(f),
        antenna,
        antenna,
        torch.from_numpy(2 * place[3]),
        -1,
    )


def _check_distance(path: str, place: list[np.ndarray]) -> None:
    """Raise FileFormatError where r0 is another length than that of the position by its unit."""
    distance = np.sqrt(sum(v**2 for v in place[:3]))
    given = place[3]
    known = np.isfinite(distance) & np.isfinite(given) & (distance > 0)
    if not known.any():
        return
    far = float(np.median(distance[known]))
    if far < NEAREST:
        raise FileFormatError(
            f"{path}: the antenna is {far:.4g} m from the scene's centre, where an aircraft flies "
            "kilometres away. Positions in km? They are in m here."
        )
    ratio = float(np.median(given[known] / distance[known]))
    if not 0.5 < ratio < 1.9:
        raise FileFormatError(
            f"{path}: r0, the range to the scene's centre, is {np.median(given[known]):.6g} where "
            f"the antenna is {np.median(distance[known]):.6g} from the origin. Positions in m and "
            "r0 in km, a range there and back, or positions about another origin?"
        )


def _autofocus(data: dict[str, Any], path: str, f: np.ndarray, pulses: int) -> np.ndarray:
    """The factors (P, K) of the file's autofocus."""
    af = data.get("af")
    if not isinstance(af, dict) or {"r_correct", "ph_correct"} - set(af):
        raise FileFormatError(f"{path}: there is no autofocus (af) in the file.")
    r, phase = (reals(af, name, path)[:, None] for name in ("r_correct", "ph_correct"))
    if len(r) != pulses or len(phase) != pulses:
        raise FileFormatError(
            f"{path}: af has {len(r)} ranges and {len(phase)} phases; there are {pulses} pulses."
        )
    return np.exp(-4j * np.pi * f * r / SPEED_OF_LIGHT + 1j * phase)
