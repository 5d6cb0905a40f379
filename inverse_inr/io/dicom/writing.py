"""DICOM out: a series of single slices, or one file, that is derived from the series it is of.

Numbers are decimal strings of at most 16 characters (VR DS): `decimal_string` takes the shortest
that is within 1e-12 of a number, relative to 1 or to its size, and else the best of 16 characters.
A file whose own decimals are shorter therefore gives the same text again.
"""

from __future__ import annotations

import hashlib
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.dicom.headers import pydicom_library
from inverse_inr.io.dicom.inheritance import FORMAT, sources_of
from inverse_inr.io.dicom.lattice import LPS_TO_RAS
from inverse_inr.io.files import PathLike, as_real_image, atomic_write
from inverse_inr.io.nifti import world_affine
from inverse_inr.io.provenance import CREATOR, PRIVATE_GROUP, current_record
from inverse_inr.io.slabs import atomic_folder
from inverse_inr.ranges import checked

LEVELS = 65535
"""The largest stored number: pixels are unsigned, of 16 bits."""
FRAME_OF_REFERENCE = "00200052"
"""The tag of the frame in which places are given, as DICOM JSON writes it."""
SKEW = 1e-4
"""The largest cosine between axes of the lattice that are taken as perpendicular."""
SINGLE = {
    "1.2.840.10008.5.1.4.1.1.2": "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1": "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4": "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1": "1.2.840.10008.5.1.4.1.1.4",
}
"""Classes that are kept, of single slices, for those of CT and MR, enhanced ones included."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""The class of every other image."""
NAMESPACE = uuid.UUID("6f2b4c1e-7a35-4d0e-9c53-5b1d3a8e2f47")
"""Of the UIDs that are made here, by which they differ from those of other programs."""


class Levels(NamedTuple):
    """Pixels as they are stored: value = stored · slope + intercept.

    Attributes:
        stored: uint16.
        slope: A decimal string.
        intercept: A decimal string.
    """

    stored: np.ndarray
    slope: str
    intercept: str


@checked
def write_dicom(
    path: PathLike,
    values: Tensor,
    grid: Grid,
    *,
    description: str = "",
    rescale_type: str = "US",
) -> None:
    """Write an image as a DICOM file, or a volume as a folder of one file a slice.

    Axes are rows, columns and slices, as `read_dicom` gives them. Where the grid carries what a
    series says (`read_dicom`), patient, study, frame of reference and acquisition are kept, and
    each slice names the ones it was made of. UIDs of series and instances are new: they are derived
    (2.25 and a UUID of version 5) from pixels, place and record, so that the same image gets the
    same ones. Pixels have 16 bits, with one slope and intercept for all slices: values are kept to
    half a slope, and whole numbers of a span below 65536 exactly. Places, directions and spacings
    are those of the grid's affine, to 1e-12. Without an affine, columns run along the patient's
    x, rows along y and slices along z, from the box's lower corner, in a new frame of reference.
    DICOM knows no order of slices:
    a lattice whose third axis runs against the normal of rows and columns, as most of NIfTI do, is
    read back with that axis turned round, at the same places.

    Args:
        path: A file ending in .dcm for a 2-D grid, a folder for a 3-D one. A folder that holds
            anything is refused.
        values: (rows, columns, 1) or (rows, columns, slices, 1), real and finite.
        grid: The grid of the values.
        description: What was done, for DerivationDescription; the record says it in full.
        rescale_type: What the values are: "US" (not said), or "HU" where they are Hounsfield units.

    Raises:
        ValueError: The values are NaN, complex or of several channels, the grid has another number
            of axes, or its affine is sheared.
        FileExistsError: The folder holds something.
        ImportError: The package pydicom is missing.
    """
    pydicom = pydicom_library()
    array = as_real_image(values, grid, path)
    _check(array, grid, path)
    affine = _patient_affine(grid, path)
    _check_axes(affine, path)
    levels = levels_of(array[..., 0].reshape(*grid.shape[:2], -1))
    metadata = dict(grid.metadata or {})
    if metadata.get("format") != FORMAT:
        metadata = {}
    if grid.affine is None:
        # where it lies in the old frame of reference is not known
        metadata = _without_places(metadata)
    made = _Series(pydicom, levels, affine, metadata, description, rescale_type)
    with pydicom.config.disable_value_validation():
        if grid.ndim == 2:
            with atomic_write(path) as temporary:
                made.save(0, temporary)
            return
        with atomic_folder(path, lambda _: False, "empty folder") as folder:
            for k in range(grid.shape[2]):
                made.save(k, folder / f"slice_{k + 1:04}.dcm")


def _without_places(metadata: dict[str, Any]) -> dict[str, Any]:
    if not metadata:
        return {}
    entries = {k: v for k, v in metadata["entries"].items() if k != FRAME_OF_REFERENCE}
    instances = [[*instance[:3], None] for instance in metadata["instances"]]
    return {**metadata, "entries": entries, "instances": instances}


def _check(array: np.ndarray, grid: Grid, path: PathLike) -> None:
    if grid.ndim not in (2, 3) or array.shape[-1] != 1:
        raise ValueError(
            f"{path}: DICOM holds (rows, columns, 1) or (rows, columns, slices, 1), "
            f"not {array.shape}. One channel?"
        )
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(
            f"{path}: {bad} of {array.size} values are NaN or Inf; DICOM has none. "
            "Pass values.nan_to_num()."
        )
    if (Path(path).suffix.lower() == ".dcm") != (grid.ndim == 2):
        kind = "file ending in .dcm" if grid.ndim == 2 else "folder, one file a slice"
        raise ValueError(f"{path}: an image of {grid.ndim} axes is written to a {kind}.")


def _patient_affine(grid: Grid, path: PathLike) -> np.ndarray:
    """From index to LPS mm."""
    affine = world_affine(grid, path)
    if grid.affine is not None:
        return LPS_TO_RAS @ affine
    return affine[[1, 0, 2, 3]]  # the second index runs along x, the first along y


def _check_axes(affine: np.ndarray, path: PathLike) -> None:
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if not skew <= SKEW:
        raise ValueError(
            f"{path}: the grid's affine is sheared (a cosine of {skew:.2g} between axes); DICOM "
            "has rows, columns and a normal. Sample it on a lattice without shear."
        )


def levels_of(array: np.ndarray) -> Levels:
    """Store numbers as 16 bits with a slope and an intercept that decimal strings hold.

    Args:
        array: Finite numbers of any shape.

    Returns:
        The levels: whole numbers of a span below 65536 exactly, others to half a slope.
    """
    exact = array.astype(np.float64)
    low, high = float(exact.min()), float(exact.max())
    if high == low:
        return Levels(np.zeros(array.shape, np.uint16), "1", decimal_string(low))
    whole = high - low <= LEVELS and bool((exact == np.rint(exact)).all())
    slope = "1" if whole else f"{(high - low) / LEVELS:.9g}"
    intercept = decimal_string(low) if whole else f"{low:.9g}"
    stored = np.rint((exact - float(intercept)) / float(slope))
    return Levels(np.clip(stored, 0, LEVELS).astype(np.uint16), slope, intercept)


def decimal_string(number: float) -> str:
    """Write a number in at most 16 characters: the shortest decimals within 1e-12, else the best.

    Args:
        number: A finite number.
    """
    for digits in range(15):
        text = f"{number:.{digits}f}"
        if len(text) > 16:
            break
        if abs(float(text) - number) <= 1e-12 * max(1.0, abs(number)):
            return text.removeprefix("-") if float(text) == 0 else text
    return pydicom_library().valuerep.format_number_as_ds(number)


class _Series:
    """The slices of one new series."""

    def __init__(
        self,
        pydicom: Any,
        levels: Levels,
        affine: np.ndarray,
        metadata: dict[str, Any],
        description: str,
        rescale_type: str,
    ) -> None:
        self.pydicom = pydicom
        self.levels = levels
        self.affine = affine
        self.metadata = metadata
        self.rescale_type = rescale_type
        self.description = description or f"Reconstructed by inverse-inr {version('inverse-inr')}"
        self.record = current_record()
        digest = hashlib.sha256(levels.stored.tobytes())
        said = (levels.slope, levels.intercept, affine.tolist(), metadata, description, self.record)
        digest.update(repr(said).encode())
        self.digest = digest.hexdigest()

    def uid(self, word: str) -> str:
        """A UID of this series, for one word."""
        return f"2.25.{uuid.uuid5(NAMESPACE, f'{self.digest} {word}').int}"

    def save(self, k: int, path: Path) -> None:
        """Write slice k."""
        ds = self.pydicom.Dataset.from_json(self.metadata.get("entries", {}))
        self._identify(ds, k)
        self._place(ds, k)
        self._derive(ds, k)
        stored = self.levels.stored[..., k]
        ds.Rows, ds.Columns = stored.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 0
        ds.RescaleSlope, ds.RescaleIntercept = self.levels.slope, self.levels.intercept
        ds.RescaleType = self.rescale_type
        ds.PixelData = np.ascontiguousarray(stored, "<u2").tobytes()
        ds.file_meta = self.pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = self.pydicom.uid.ExplicitVRLittleEndian
        ds.save_as(path, enforce_file_format=True)

    def _identify(self, ds: Any, k: int) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"  # UTF-8, whatever the old one was
        kinds = self.metadata.get("instances") or [[""]]
        ds.SOPClassUID = SINGLE.get(kinds[0][0], SECONDARY_CAPTURE)
        if ds.SOPClassUID == SECONDARY_CAPTURE:
            ds.ConversionType = "WSD"
        ds.SOPInstanceUID = self.uid(f"instance {k}")
        ds.SeriesInstanceUID = self.uid("series")
        ds.SeriesNumber, ds.InstanceNumber = None, k + 1
        ds.SeriesDescription = self.description[:64]
        empty = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate")
        more = ("StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
        for name in (*empty, *more):
            ds.setdefault(name, "")
        ds.setdefault("Modality", "OT")
        ds.setdefault("StudyInstanceUID", self.uid("study"))
        ds.setdefault("FrameOfReferenceUID", self.uid("frame of reference"))

    def _place(self, ds: Any, k: int) -> None:
        down, across, step = (self.affine[:3, axis] for axis in range(3))
        sizes = [float(np.linalg.norm(axis)) for axis in (down, across, step)]
        turn = [*(across / sizes[1]), *(down / sizes[0])]
        ds.ImagePositionPatient = [decimal_string(v) for v in self.affine[:3, 3] + k * step]
        ds.ImageOrientationPatient = [decimal_string(v) for v in turn]
        ds.PixelSpacing = [decimal_string(v) for v in sizes[:2]]
        ds.SliceThickness = ds.SpacingBetweenSlices = decimal_string(sizes[2])

    def _derive(self, ds: Any, k: int) -> None:
        third = str(self.metadata.get("image type", "")).strip("[]").replace("'", "").split(", ")
        ds.ImageType = ["DERIVED", "SECONDARY", *third[2:3]]
        ds.DerivationDescription = self.description[:1024]
        step = self.affine[:3, 2]
        found = []
        if self.metadata.get("instances"):
            found = sources_of(self.metadata, self.affine[:3, 3] + k * step, step)
        sources = []
        for kind, instance, frame in found:
            source = self.pydicom.Dataset()
            source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = kind, instance
            if frame is not None:
                source.ReferencedFrameNumber = frame + 1
            sources.append(source)
        if sources:
            ds.SourceImageSequence = sources
        if self.record is not None:
            block = ds.private_block(PRIVATE_GROUP, CREATOR, create=True)
            block.add_new(1, "UT", self.record)
