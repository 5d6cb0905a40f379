"""DICOM slices and series through pydicom: array axes are rows, columns and slices, in mm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.dicom_geometry import DicomSlice, check_alike, in_order, lattice
from inverse_inr.io.files import FileFormatError, PathLike, reading, signature

EXPECTED = "a DICOM image"
"""The kind of file that is read, for messages."""


def read_dicom(
    path: PathLike, *, attenuation: bool = False, mu_water: float = 0.0192
) -> tuple[Tensor, Grid]:
    """Read one file, or a folder with one series.

    Rescale slope and intercept are applied. Slices are sorted along their normal. If the file gives
    a pose, the grid carries the affine to NIfTI's world mm (RAS).

    Args:
        path: The file or folder.
        attenuation: Turn the Hounsfield units of CT into mu_water (1 + HU / 1000), clipped at 0.
        mu_water: Attenuation of water in 1/mm; 0.0192 is that at about 70 keV.

    Returns:
        Values (rows, columns, 1) or (rows, columns, slices, 1), float32, and a grid in mm.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged or of another kind, or the folder holds no one series
            of evenly spaced slices.
        ImportError: The package pydicom is missing.
        ValueError: The modality is not CT while `attenuation` is on, or `mu_water` is not positive.
    """
    _pydicom()
    path = Path(path)
    if not mu_water > 0:
        raise ValueError(f"read_dicom: mu_water={mu_water} (1/mm) must be positive.")
    files = [path]
    if path.is_dir():
        files = _files(path)
    slices = [_header(file) for file in files]
    check_alike(slices, path)
    if attenuation and slices[0].modality != "CT":
        raise ValueError(
            f"{path}: attenuation=True needs CT (Hounsfield units), "
            f"found modality {slices[0].modality}."
        )
    slices, step = in_order(slices, path)
    grid = lattice(slices, step, flat=not path.is_dir())
    values = torch.from_numpy(np.stack([_pixels(s.path, attenuation) for s in slices], -1))
    if attenuation:
        values = (mu_water * (1 + values / 1000)).clamp(min=0)
    if grid.ndim == 3:
        values = values[..., None]
    return values, grid


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            'Reading DICOM needs pydicom: pip install "inverse-inr[dicom]".'
        ) from error
    return pydicom


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


def _header(path: Path) -> DicomSlice:
    with reading(path, EXPECTED, ("DICOM",)) as file:
        header = _pydicom().dcmread(file, stop_before_pixels=True)
        kind = header.SOPClassUID.name if "SOPClassUID" in header else "DICOM object of no class"
        if "Rows" not in header or "Columns" not in header:
            raise FileFormatError(
                f"{path}: expected {EXPECTED}, found a {kind} without rows and columns."
            )
        frames = int(header.get("NumberOfFrames") or 1)
        samples = int(header.get("SamplesPerPixel") or 1)
        if frames > 1 or samples > 1:
            raise FileFormatError(
                f"{path}: expected one grey slice, "
                f"found {frames} frames of {samples} samples ({kind})."
            )
        spacing = tuple(map(float, header.get("PixelSpacing") or ()))
        if len(spacing) != 2 or min(spacing) <= 0:
            raise FileFormatError(
                f"{path}: expected PixelSpacing in mm, found {spacing or 'none'} ({kind}). "
                "A screenshot or projection?"
            )
        thickness = float(header.SliceThickness) if header.get("SliceThickness") else None
        return DicomSlice(
            path,
            str(header.get("SeriesInstanceUID", "")),
            str(header.get("Modality", "")),
            (int(header.Rows), int(header.Columns)),
            (spacing[0], spacing[1]),
            thickness,
            _numbers(header, "ImagePositionPatient", (-1,)),
            _numbers(header, "ImageOrientationPatient", (2, 3)),
        )


def _numbers(header: Any, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """An entry of the header as an array of float64, None if it is missing or empty."""
    if not header.get(key):
        return None
    return np.array(header[key].value, dtype=np.float64).reshape(shape)


def _pixels(path: Path, hounsfield: bool) -> np.ndarray:
    """The rescaled samples of a file, (rows, columns) float32."""
    pydicom = _pydicom()
    with reading(path, EXPECTED, ("DICOM",)):
        dataset = pydicom.dcmread(path)
        if hounsfield and "RescaleIntercept" not in dataset:
            raise FileFormatError(f"{path}: expected Hounsfield units, found no RescaleIntercept.")
        pixels = pydicom.pixels.apply_modality_lut(_decoded(dataset, path), dataset)
        return np.asarray(pixels, dtype=np.float32)


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
