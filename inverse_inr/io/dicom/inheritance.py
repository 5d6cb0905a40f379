"""What an image keeps of the DICOM series that it was made of, as the metadata of its grid.

Patient, study, frame of reference, equipment and acquisition are kept where all slices agree.
Pixels, places, private entries and sequences are not: they belong to the old image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FORMAT = "DICOM"
"""The word by which metadata say that they are of a series."""
GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020)
"""Groups of entries that are kept: study, patient, de-identification, acquisition, relations."""
ALSO = ("BurnedInAnnotation", "LossyImageCompression")
"""Entries of the group of pixels that hold for an image made of them too."""
_OLD = """
    SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID InstanceCreationDate
    InstanceCreationTime InstanceCreatorUID ContentDate ContentTime SeriesDate SeriesTime
    SeriesDescription SeriesInstanceUID SeriesNumber InstanceNumber AcquisitionNumber
    ImagePositionPatient ImageOrientationPatient SliceLocation SliceThickness SpacingBetweenSlices
    ImagesInAcquisition NumberOfTemporalPositions TemporalPositionIdentifier
    DerivationDescription ReconstructionDiameter AcquisitionMatrix ConvolutionKernel
    NominalScannedPixelSpacing ImagerPixelSpacing ImageComments LossyImageCompressionMethod
    ConcatenationUID InConcatenationNumber StackID InStackPositionNumber
"""
OF_THE_OLD_IMAGE = frozenset(_OLD.split())
"""Entries of those groups that are of the old image alone."""


def inherited_entries(header: Any) -> dict[str, Any]:
    """List the entries of a header that an image made of it keeps, as DICOM JSON by tag.

    Args:
        header: The pydicom dataset.
    """
    import pydicom
    import pydicom.config

    kept = pydicom.Dataset()
    with pydicom.config.disable_value_validation():
        for tag in list(header.keys()):
            try:
                element = header[tag]
                if _is_kept(element):
                    kept.add(element)
            except Exception:  # an entry that cannot be read is not kept, whatever pydicom raises
                continue
        return _json(kept)


def _is_kept(element: Any) -> bool:
    if element.VR in ("SQ", "UN", "OB", "OW") or element.tag.is_private:
        return False
    name = element.keyword
    return name in ALSO or (element.tag.group in GROUPS and name not in OF_THE_OLD_IMAGE)


def _json(kept: Any) -> dict[str, Any]:
    found = {}
    for element in kept:
        try:
            found[f"{int(element.tag):08X}"] = element.to_json_dict(None, 0)
        except Exception:  # numbers that are none: pydicom raises many kinds
            continue
    return found


def metadata_of(slices: Sequence[Any]) -> dict[str, Any]:
    """Gather what an image that is made of some slices keeps.

    Args:
        slices: The headers in order, each a `DicomSlice`.

    Returns:
        JSON: "entries" that all slices share, "image type" of the first, the "series" UID, and the
        "instances" with class, UID, frame (from 0, None in a file of one) and position.
    """
    first = slices[0]
    rest = slices[1:]
    common = {
        tag: entry
        for tag, entry in first.inherited.items()
        if all(s.inherited.get(tag) == entry for s in rest)
    }
    several = len({s.path for s in slices}) < len(slices)
    instances = [[*s.instance, s.frame if several else None, _listed(s.position)] for s in slices]
    return {
        "format": FORMAT,
        "series": first.series,
        "image type": first.labels.get("ImageType", ""),
        "entries": common,
        "instances": instances,
    }


def _listed(position: np.ndarray | None) -> list[float] | None:
    return None if position is None else position.tolist()


def sources_of(
    metadata: dict[str, Any], position: np.ndarray, step: np.ndarray
) -> list[tuple[str, str, int | None]]:
    """Find the slices from which a slice of the new image was made: those nearest to it.

    Args:
        metadata: Of the grid, as `metadata_of` makes it.
        position: (3,) of the new slice, in LPS mm.
        step: (3,) from one new slice to the next, in mm.

    Returns:
        Class, instance and frame of those that lie within half a gap of old or new slices; all
        of them where their positions are not known.
    """
    instances = metadata["instances"]
    if any(at is None for *_, at in instances):
        return [(kind, uid, frame) for kind, uid, frame, _ in instances]
    normal = step / np.linalg.norm(step)
    heights = np.array([at for *_, at in instances]) @ normal
    away = np.abs(heights - position @ normal)
    gap = float(np.linalg.norm(step))
    if len(heights) > 1:
        gap = max(gap, float(np.median(np.abs(np.diff(np.sort(heights))))))
    near = np.flatnonzero(away <= max(0.51 * gap, float(away.min()) + 1e-6))
    return [(instances[k][0], instances[k][1], instances[k][2]) for k in near]
