"""The XML header of ISMRMRD: encoded and reconstructed spaces, limits of the counters, receivers.

Source:
    Inati et al., MRM 77, 2017, and the schema ismrmrd.xsd.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.kspace.soundness import check_type


@dataclass(frozen=True)
class Space:
    """A matrix and its field of view.

    Args:
        size: Samples along x (the readout), y and z.
        view: Field of view along x, y and z in mm; None where the header gives none.
    """

    size: tuple[int, int, int]
    view: tuple[float, float, float] | None

    def spacing(self, ndim: int) -> tuple[float, ...] | None:
        """Pixel sizes along the first axes.

        Args:
            ndim: Number of axes.

        Returns:
            Sizes in mm, None without a field of view.
        """
        if self.view is None:
            return None
        return tuple(v / n for v, n in zip(self.view, self.size, strict=True))[:ndim]


@dataclass(frozen=True)
class Limits:
    """The range of a counter.

    Args:
        center: The value at zero frequency.
        least: The least value; None if the header does not tell.
        largest: The largest value; None if the header does not tell.
    """

    center: int
    least: int | None
    largest: int | None

    def __str__(self) -> str:
        if self.least is None or self.largest is None:
            return f"centre {self.center}"
        return f"{self.least} to {self.largest}, centre {self.center}"


@dataclass(frozen=True)
class Encoding:
    """One encoding space of a header.

    Args:
        encoded: The space of k-space.
        recon: The space that the scanner would reconstruct; None if the header has none.
        trajectory: "cartesian", "epi", "radial", ...; empty if the header does not tell.
        limits: Limits of the counters, by the names of the acquisition header.
        calibration: The mode of parallel imaging's calibration: "embedded", "separate", ...
        description: Numbers of the trajectory's description, by name.
    """

    encoded: Space
    recon: Space | None
    trajectory: str
    limits: Mapping[str, Limits]
    calibration: str
    description: Mapping[str, float]


@dataclass(frozen=True)
class Header:
    """A header as far as it is used.

    Args:
        encodings: The encoding spaces, by number.
        noise_bandwidth: The relative noise bandwidth of the receivers; None if not given.
    """

    encodings: tuple[Encoding, ...]
    noise_bandwidth: float | None


STEPS = {
    "kspace_encoding_step_1": "kspace_encode_step_1",
    "kspace_encoding_step_2": "kspace_encode_step_2",
}
"""Names of the header's limits whose counters are called otherwise in acquisitions."""

SMALLEST_VIEW = 1.0
"""The smallest field of view in mm that is believed; smaller ones are in metres by mistake."""


def read_header(path: PathLike, text: bytes | str) -> Header:
    """Read the header.

    Args:
        path: The file, for messages.
        text: The XML.

    Returns:
        The header.

    Raises:
        FileFormatError: It is no XML, or lacks what is needed.
    """
    from xml.etree import ElementTree

    if isinstance(text, bytes):
        text = text.rstrip(b"\0")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise FileFormatError(f"{path}: the ISMRMRD header is no XML ({error}).") from None
    encodings = tuple(_encoding(path, e) for e in root.findall("{*}encoding"))
    if not encodings:
        raise FileFormatError(f"{path}: the ISMRMRD header lacks encoding.")
    bandwidth = _number(
        path, root, "acquisitionSystemInformation/relativeReceiverNoiseBandwidth", 0.0
    )
    return Header(encodings, bandwidth or None)


def header_text(path: PathLike, found: Any) -> bytes | str:
    """Take the XML out of a dataset, which holds it as a text or an array of one text.

    Args:
        path: The file, for messages.
        found: The dataset.

    Returns:
        The text.

    Raises:
        FileFormatError: The dataset holds no text.
    """
    import h5py

    if not isinstance(found, h5py.Dataset) or not found.size:
        raise FileFormatError(f"{path}: the ISMRMRD header is no dataset.")
    check_type(path, found)
    if h5py.check_string_dtype(found.dtype) is None:
        raise FileFormatError(f"{path}: the ISMRMRD header is no text, but {found.dtype}.")
    return np.asarray(found[()]).reshape(-1)[0]


def _encoding(path: PathLike, element: Any) -> Encoding:
    limits = {}
    listed = element.find("{*}encodingLimits")
    for limit in () if listed is None else listed:
        name = limit.tag.rpartition("}")[2]
        limits[STEPS.get(name, name)] = Limits(
            int(_number(path, limit, "center")),
            _whole(path, limit, "minimum"),
            _whole(path, limit, "maximum"),
        )
    encoded = _space(path, element, "encodedSpace")
    if encoded is None:
        raise FileFormatError(f"{path}: the ISMRMRD header lacks encoding/encodedSpace.")
    return Encoding(
        encoded,
        _space(path, element, "reconSpace"),
        (_text(element, "trajectory") or "").lower(),
        limits,
        (_text(element, "parallelImaging/calibrationMode") or "").lower(),
        _description(path, element),
    )


def _description(path: PathLike, element: Any) -> dict[str, float]:
    """The user parameters of trajectoryDescription that are numbers."""
    found = {}
    for kind in ("userParameterLong", "userParameterDouble"):
        for item in element.findall(_wild(f"trajectoryDescription/{kind}")):
            found[_text(item, "name") or ""] = _number(path, item, "value")
    return found


def _space(path: PathLike, element: Any, name: str) -> Space | None:
    if element.find(_wild(name)) is None:
        return None
    size = [int(_number(path, element, f"{name}/matrixSize/{a}")) for a in "xy"]
    size.append(int(_number(path, element, f"{name}/matrixSize/z", 1.0)))
    if min(size) < 1:
        raise FileFormatError(f"{path}: the ISMRMRD header has {name}/matrixSize {size}.")
    if element.find(_wild(f"{name}/fieldOfView_mm")) is None:
        return Space((size[0], size[1], size[2]), None)
    view = [_number(path, element, f"{name}/fieldOfView_mm/{a}") for a in "xy"]
    view.append(_number(path, element, f"{name}/fieldOfView_mm/z", 0.0) or float(size[2]))
    if not all(math.isfinite(v) and v > 0 for v in view):
        raise FileFormatError(
            f"{path}: the ISMRMRD header has {name}/fieldOfView_mm {view}; must be above 0."
        )
    if max(view[:2]) < SMALLEST_VIEW:
        raise FileFormatError(
            f"{path}: the ISMRMRD header has {name}/fieldOfView_mm {view}. Is it in metres?"
        )
    return Space((size[0], size[1], size[2]), (view[0], view[1], view[2]))


def _wild(where: str) -> str:
    """A path through elements of any namespace."""
    return "/".join(f"{{*}}{part}" for part in where.split("/"))


def _text(element: Any, where: str) -> str | None:
    found = element.find(_wild(where))
    if found is None or found.text is None:
        return None
    return found.text.strip()


def _number(path: PathLike, element: Any, where: str, default: float | None = None) -> float:
    text = _text(element, where)
    if text is None:
        if default is not None:
            return default
        raise FileFormatError(f"{path}: the ISMRMRD header lacks {where}.")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FileFormatError(f"{path}: the ISMRMRD header has {text!r} in {where}.")
    return value


def _whole(path: PathLike, element: Any, where: str) -> int | None:
    if _text(element, where) is None:
        return None
    return int(_number(path, element, where))
