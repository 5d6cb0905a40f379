"""DICOM slices and series through pydicom: array axes are rows, columns and slices, in mm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.dicom.headers import EXPECTED, DicomSlice, pydicom_library, read_headers
from inverse_inr.io.dicom.inheritance import metadata_of
from inverse_inr.io.dicom.lattice import check_alike, in_order, lattice
from inverse_inr.io.files import FileFormatError, PathLike, reading, signature
from inverse_inr.ranges import Positive, checked


@checked
def read_dicom(
    path: PathLike, *, attenuation: bool = False, mu_water: Positive = 0.0192
) -> tuple[Tensor, Grid]:
    """Read one file, or a folder with one series.

    Rescale slope and intercept are applied, those of each slice. Slices are sorted along their
    normal, on the lattice that fits their positions best. If the file gives a pose, the grid
    carries the affine to NIfTI's world mm (RAS). Frames of an enhanced multi-frame file are slices
    as files of a series are. What an image that is made of them keeps (patient, study, frame of
    reference, acquisition) is the grid's metadata, which `write_dicom` writes again.

    Args:
        path: The file or folder.
        attenuation: Turn the Hounsfield units of CT into mu_water (1 + HU / 1000), clipped at 0.
        mu_water: Attenuation of water in 1/mm; 0.0192 is that at about 70 keV.

    Returns:
        Values (rows, columns, 1) of a file of one slice, otherwise (rows, columns, slices, 1),
        float32, and a grid in mm.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or the folder holds no one series
            of evenly spaced slices.
        MemoryError: The image is larger than the memory at hand.
        ImportError: The package pydicom is missing.
        ValueError: The modality is not CT while `attenuation` is on, or `mu_water` is not positive.
    """
    pydicom_library()
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = _files(path)
    slices = [header for file in files for header in read_headers(file)]
    check_alike(slices, path)
    if attenuation and slices[0].modality != "CT":
        raise ValueError(
            f"{path}: attenuation=True needs CT (Hounsfield units), "
            f"found modality {slices[0].modality}."
        )
    slices, step = in_order(slices, path)
    grid = lattice(slices, step, flat=not path.is_dir() and len(slices) == 1)
    grid = grid.with_metadata(metadata_of(slices))
    values = torch.from_numpy(np.stack(_pixels(slices, attenuation), -1))
    if attenuation:
        values = (mu_water * (1 + values / 1000)).clamp(min=0)
    if grid.ndim == 3:
        values = values[..., None]
    return values, grid


def _files(folder: Path) -> list[Path]:
    """The files of a folder that are DICOM by their content or claim to be by their suffix."""
    candidates = sorted(f for f in folder.iterdir() if f.is_file() and f.name != "DICOMDIR")
    files = [f for f in candidates if f.suffix.lower() == ".dcm" or signature(f) == "DICOM"]
    if not files:
        inside = [f.name for f in sorted(folder.iterdir()) if f.is_dir()]
        slip = f" Meant one of its folders {inside[:5]}?" if inside else ""
        raise FileFormatError(
            f"{folder}: expected DICOM files, found none among {len(candidates)} files.{slip}"
        )
    return files


def _pixels(slices: list[DicomSlice], hounsfield: bool) -> list[np.ndarray]:
    """The rescaled samples of each slice, (rows, columns) float32; a file is read once."""
    read: dict[Path, list[np.ndarray]] = {}
    last = {s.path: k for k, s in enumerate(slices)}
    found = []
    for k, s in enumerate(slices):
        if s.path not in read:
            read[s.path] = _frames(s.path, hounsfield)
        frames = read[s.path]
        if s.frame >= len(frames) or frames[s.frame].shape != s.shape:
            raise FileFormatError(
                f"{s.path}: the header claims frame {s.frame} of shape {s.shape}; the pixels are "
                f"{len(frames)} of {frames[0].shape}. A damaged header?"
            )
        found.append(frames[s.frame])
        if last[s.path] == k:
            del read[s.path]
    return found


def _frames(path: Path, hounsfield: bool) -> list[np.ndarray]:
    """The rescaled frames of a file, (rows, columns) float32 each."""
    pydicom = pydicom_library()
    with reading(path, EXPECTED, ("DICOM",)):
        dataset = pydicom.dcmread(path)
        stored = _decoded(dataset, path)
        groups = dataset.get("PerFrameFunctionalGroupsSequence")
        if not groups:
            if hounsfield and "RescaleIntercept" not in dataset:
                raise FileFormatError(
                    f"{path}: expected Hounsfield units, found no RescaleIntercept."
                )
            pixels = pydicom.pixels.apply_modality_lut(stored, dataset)
            return [np.asarray(pixels, dtype=np.float32)]
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())
        frames = stored.reshape(len(groups), *stored.shape[-2:])
        return [
            _rescaled(frame, [own, *shared, dataset], path, hounsfield)
            for frame, own in zip(frames, groups, strict=True)
        ]


def _rescaled(frame: np.ndarray, places: list[Any], path: Path, hounsfield: bool) -> np.ndarray:
    """A frame times its slope plus its intercept, from the nearest place that has them."""
    for place in places:
        macro = place
        if place.get("PixelValueTransformationSequence"):
            macro = place.PixelValueTransformationSequence[0]
        if "RescaleSlope" in macro and "RescaleIntercept" in macro:
            scaled = frame * float(macro.RescaleSlope) + float(macro.RescaleIntercept)
            return np.asarray(scaled, dtype=np.float32)
    if hounsfield:
        raise FileFormatError(f"{path}: expected Hounsfield units, found no RescaleIntercept.")
    return np.asarray(frame, dtype=np.float32)


def _decoded(dataset: Any, path: Path) -> np.ndarray:
    """The stored samples (rows, columns), or an error that names the compression."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return dataset.pixel_array
    try:
        return dataset.pixel_array
    except Exception as error:  # pydicom has no one type for it, and its plug-ins raise their own
        reason = " ".join(str(error).split())[:240].rstrip(".")
        raise FileFormatError(
            f"{path}: expected pixels that can be decoded, found {syntax.name} ({reason}). "
            "pip install pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg pyjpegls, "
            "or decompress the file."
        ) from None
