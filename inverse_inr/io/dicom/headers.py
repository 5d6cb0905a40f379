"""Headers of DICOM files, one for each slice: plain files, and frames of enhanced ones."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inverse_inr.io.dicom.inheritance import inherited_entries
from inverse_inr.io.files import FileFormatError, reading
from inverse_inr.io.inferred import infer
from inverse_inr.io.sizes import ANY_RATIO, check_claim

EXPECTED = "a DICOM image"
"""The kind of file that is read, for messages."""
LABELS = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoTime",
    "TriggerTime",
    "DiffusionBValue",
    "ImageType",
)
"""Entries that may tell apart several slices at one place."""


class DicomSlice(NamedTuple):
    """The header of one slice, as far as it is needed here."""

    path: Path
    frame: int
    """The number of the frame in its file, from 0."""
    series: str
    """The series' UID."""
    modality: str
    """"CT", "MR" ..."""
    shape: tuple[int, int]
    """Rows and columns."""
    spacing: tuple[float, float]
    """Distance between rows and between columns, in mm."""
    thickness: float | None
    """In mm."""
    position: np.ndarray | None
    """(3,) centre of the first pixel, in LPS mm."""
    rounding: np.ndarray | None
    """(3,) half a unit of the last decimal in which the position is written, in mm."""
    orientation: np.ndarray | None
    """(2, 3) direction in which the column index grows, then that of the row index."""
    labels: dict[str, str]
    """Entries of `LABELS`, in words."""
    instance: tuple[str, str]
    """UIDs of the class and of the file's one instance."""
    inherited: dict[str, Any]
    """What an image that is made of it keeps: see `inheritance`."""


def pydicom_library() -> Any:
    """Import pydicom.

    Raises:
        ImportError: The package is missing; the message names the extra.
    """
    try:
        import pydicom
    except ImportError as error:
        raise ImportError('DICOM files need pydicom: pip install "inverse-inr[dicom]".') from error
    return pydicom


def read_headers(path: Path) -> list[DicomSlice]:
    """Read the headers of a file's slices; the pixels stay where they are.

    Args:
        path: The file.

    Returns:
        One header, or one per frame of an enhanced multi-frame file.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or says no pixel spacing.
        MemoryError: The image is larger than the memory at hand.
    """
    with reading(path, EXPECTED, ("DICOM",)) as file:
        header = pydicom_library().dcmread(file, stop_before_pixels=True)
        kind = header.SOPClassUID.name if "SOPClassUID" in header else "DICOM object of no class"
        if "Rows" not in header or "Columns" not in header:
            raise FileFormatError(
                f"{path}: expected {EXPECTED}, found a {kind} without rows and columns."
            )
        frames = int(header.get("NumberOfFrames") or 1)
        samples = int(header.get("SamplesPerPixel") or 1)
        groups = list(header.get("PerFrameFunctionalGroupsSequence") or ())
        if samples > 1 or (frames > 1 and len(groups) != frames):
            raise FileFormatError(
                f"{path}: expected grey slices with a pose each, "
                f"found {frames} frames of {samples} samples ({kind})."
            )
        _check_size(header, frames, file)
        if header.get("PhotometricInterpretation") == "MONOCHROME1":
            infer(
                path,
                "is MONOCHROME1, where small values are shown bright; values stay as they are.",
            )
        shared = list(header.get("SharedFunctionalGroupsSequence") or ())[:1]
        if not groups:
            return [_slice(path, 0, header, [header], kind)]
        return [
            _slice(path, k, header, [*_macros(own), *_macros(*shared), own, header], kind)
            for k, own in enumerate(groups)
        ]


def _check_size(header: Any, frames: int, file: Path) -> None:
    shape = (frames, int(header.Rows), int(header.Columns))
    bits = int(header.get("BitsAllocated") or 16)
    compressed = header.file_meta.get("TransferSyntaxUID")
    ratio = ANY_RATIO if compressed is None or compressed.is_compressed else 1.0
    if compressed is not None and compressed.is_deflated:
        ratio = ANY_RATIO
    check_claim(file, shape, bits / 8, ratio=ratio)


def _macros(*groups: Any) -> list[Any]:
    """The items of functional groups: each group holds sequences of one item."""
    return [
        element.value[0]
        for group in groups
        for element in group
        if element.VR == "SQ" and len(element.value)
    ]


def _first(places: list[Any], key: str) -> Any:
    """An entry of the first place that has it, None if it is missing or empty everywhere."""
    for place in places:
        if place.get(key) not in (None, "", []):
            return place[key].value
    return None


def _slice(path: Path, frame: int, header: Any, places: list[Any], kind: str) -> DicomSlice:
    """The header of one slice from the places where its entries may stand, nearest first."""
    spacing = tuple(map(float, _first(places, "PixelSpacing") or ()))
    if len(spacing) != 2 or not min(spacing) > 0:
        raise FileFormatError(
            f"{path}: expected PixelSpacing in mm, found {spacing or 'none'} ({kind}). "
            "A screenshot or projection?"
        )
    thickness = _first(places, "SliceThickness")
    position = _first(places, "ImagePositionPatient")
    found = {key: _first(places, key) for key in LABELS}
    return DicomSlice(
        path,
        frame,
        str(header.get("SeriesInstanceUID", "")),
        str(header.get("Modality", "")),
        (int(header.Rows), int(header.Columns)),
        (spacing[0], spacing[1]),
        float(thickness) if thickness else None,
        _numbers(position, (3,)),
        None if position is None else np.array([half_unit(v) for v in position]),
        _numbers(_first(places, "ImageOrientationPatient"), (2, 3)),
        {key: str(value) for key, value in found.items() if value is not None},
        (str(header.get("SOPClassUID", "")), str(header.get("SOPInstanceUID", ""))),
        inherited_entries(header),
    )


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """An entry as an array of float64, None if it is missing."""
    if value is None:
        return None
    numbers = np.array(value, dtype=np.float64).reshape(shape)
    if not np.isfinite(numbers).all():
        raise ValueError(f"a position or orientation of {numbers.tolist()}")
    return numbers


def half_unit(number: Any) -> float:
    """Half a unit of the last decimal in which a DICOM file writes a number.

    Args:
        number: A decimal string as pydicom reads it, or a float, which is exact.

    Returns:
        0.05 for "1.2", 0.5 for "3", 0 for a binary number.
    """
    text = getattr(number, "original_string", None)
    if text is None:
        return 0.0
    try:
        exponent = Decimal(str(text).strip()).as_tuple().exponent
    except InvalidOperation:
        return 0.0
    return 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0
