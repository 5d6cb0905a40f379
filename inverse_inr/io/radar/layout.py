"""A plain HDF5 layout of our own for phase history.

The file has the datasets `y` (P, K) complex, `frequencies` (K,) in Hz, `transmitters` and
`receivers` (P, 3) in m, `reference_path` (P,) in m (two ways), and the root attributes `sign` (+1
or -1) and `units` "m,Hz". P is the number of pulses, K that of frequencies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.hdf5 import open_hdf5, read_hdf5, write_hdf5
from inverse_inr.io.radar.phase_data import PhaseData, ascending, uniform_where_rounded
from inverse_inr.ranges import checked

UNITS = "m,Hz"
"""The units of the layout, its attribute `units`."""
PARTS = ("y", "frequencies", "transmitters", "receivers", "reference_path")
"""The datasets of the layout."""


@checked
def read_radar(path: PathLike) -> PhaseData:
    """Read phase history or beat samples in this module's HDF5 layout.

    Descending frequencies are turned round together with y.

    Args:
        path: The file.

    Returns:
        The phase history.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, its parts disagree, its units are
            others, or it has no sign.
    """
    y, f, t, r, reference = (read_hdf5(path, name) for name in PARTS)
    with open_hdf5(path) as file:
        sign = _attribute(file, "sign")
        units = _attribute(file, "units")
    _check_attributes(path, sign, units)
    _check_parts(path, dict(zip(PARTS, (y, f, t, r, reference), strict=True)))
    f = uniform_where_rounded(f)
    samples, frequencies = ascending(y.to(torch.complex64).numpy(), f.numpy())
    return PhaseData(
        torch.from_numpy(samples),
        torch.from_numpy(frequencies),
        t.double(),
        r.double(),
        reference.double(),
        int(sign),
    )


def _attribute(file: Any, name: str) -> Any:
    """An attribute of the root as a plain number or text, None if it is not there."""
    value = file.attrs.get(name)
    if value is None:
        return None
    value = np.asarray(value).reshape(-1)
    if value.size != 1:
        return value.tolist()
    value = value[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.generic):
        return value.item()
    return value


def _check_attributes(path: PathLike, sign: Any, units: Any) -> None:
    """Raise FileFormatError unless the sign is ±1 and the units are those of the layout."""
    if isinstance(sign, str) or sign not in (1, -1):
        raise FileFormatError(
            f"{path}: the attribute sign must be +1 or -1, found {sign or 'none'}."
        )
    if units is not None and str(units).replace(" ", "") != UNITS:
        raise FileFormatError(
            f"{path}: its attribute units says {units!r}; numbers are read in {UNITS!r}. Convert "
            "the datasets to metres and Hz."
        )


def _check_parts(path: PathLike, parts: dict[str, Tensor]) -> None:
    """Raise FileFormatError unless all datasets have the shapes that belong together."""
    y, f = parts["y"], parts["frequencies"]
    if not y.is_complex() or y.ndim != 2 or f.shape != y.shape[1:] or not y.numel():
        raise FileFormatError(
            f"{path}: y must be (pulses, frequencies) complex; "
            f"y {tuple(y.shape)} {y.dtype}, f {tuple(f.shape)}."
        )
    pulses = tuple(parts[name].shape[:1].numel() for name in PARTS if name != "frequencies")
    if len(set(pulses)) != 1:
        raise FileFormatError(
            f"{path}: y, transmitters, receivers, reference_path have {pulses} pulses; "
            "they must agree."
        )
    for name, shape in (("transmitters", (3,)), ("receivers", (3,)), ("reference_path", ())):
        if tuple(parts[name].shape[1:]) != shape or parts[name].is_complex():
            raise FileFormatError(
                f"{path}: {name} must be {('pulses', *shape)} real; it is "
                f"{tuple(parts[name].shape)} {parts[name].dtype}."
            )


@checked
def write_radar(path: PathLike, data: PhaseData) -> None:
    """Write phase history in this module's HDF5 layout.

    Args:
        path: The file to write.
        data: The phase history.
    """
    fields = {k: v for k, v in data._asdict().items() if isinstance(v, Tensor)}
    write_hdf5(path, fields, {"sign": data.sign, "units": UNITS})
