"""DICOM slices and series through pydicom: array axes are rows, columns and slices, in mm."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError, PathLike, reading, signature

EXPECTED = "a DICOM image"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's patient axes to those of a NIfTI affine


class _Slice(NamedTuple):
    path: Path
    series: str
    modality: str
    shape: tuple[int, int]
    spacing: tuple[float, float]  # mm between rows, between columns
    thickness: float | None  # mm
    position: np.ndarray | None  # (3,) centre of the first pixel, LPS mm
    orientation: (
        np.ndarray | None
    )  # (2, 3) direction in which the column index grows, then the row index


def read_dicom(
    path: PathLike, *, attenuation: bool = False, mu_water: float = 0.0192
) -> tuple[Tensor, Grid]:
    """One file, (rows, columns, 1), or a folder with one series, (rows, columns, slices, 1); float32 and a grid in mm.

    Rescale slope and intercept are applied. Slices are sorted along their normal; where the file gives a pose, the
    grid carries the affine to NIfTI's world mm (RAS). `attenuation=True` turns the Hounsfield units of CT into
    mu_water (1 + HU / 1000), clipped at 0, in the units of `mu_water` (1/mm; 0.0192 is water at about 70 keV).
    Raises FileNotFoundError, FileFormatError, ImportError without pydicom, ValueError for attenuation of another
    modality or mu_water <= 0.
    """
    _pydicom()
    path = Path(path)
    if not mu_water > 0:
        raise ValueError(f"read_dicom: mu_water={mu_water} (1/mm) must be positive.")
    slices = [_header(file) for file in (_files(path) if path.is_dir() else [path])]
    _check_alike(slices, path)
    if attenuation and slices[0].modality != "CT":
        raise ValueError(
            f"{path}: attenuation=True needs CT (Hounsfield units), found modality {slices[0].modality}."
        )
    slices, step = _sorted(slices, path)
    grid = _grid(slices, step, flat=not path.is_dir())
    values = torch.from_numpy(np.stack([_pixels(s.path, attenuation) for s in slices], -1))
    if attenuation:
        values = (mu_water * (1 + values / 1000)).clamp(min=0)
    return values if grid.ndim == 2 else values[..., None], grid


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise ImportError(
            'Reading DICOM needs pydicom: pip install "inverse-inr[dicom]".'
        ) from error
    return pydicom


def _files(folder: Path) -> list[Path]:
    """The DICOM files of a folder by their content; others are passed over unless their suffix claims to be DICOM."""
    candidates = sorted(f for f in folder.iterdir() if f.is_file() and f.name != "DICOMDIR")
    files = [f for f in candidates if f.suffix.lower() == ".dcm" or signature(f) == "DICOM"]
    if not files:
        inside = [f.name for f in sorted(folder.iterdir()) if f.is_dir()]
        slip = f" Meant one of its folders {inside[:5]}?" if inside else ""
        raise FileFormatError(
            f"{folder}: expected DICOM files, found none among {len(candidates)} files.{slip}"
        )
    return files


def _header(path: Path) -> _Slice:
    with reading(path, EXPECTED, ("DICOM",)) as file:
        header = _pydicom().dcmread(file, stop_before_pixels=True)
        kind = header.SOPClassUID.name if "SOPClassUID" in header else "DICOM object of no class"
        if "Rows" not in header or "Columns" not in header:
            raise FileFormatError(
                f"{path}: expected {EXPECTED}, found a {kind} without rows and columns."
            )
        frames, samples = (
            int(header.get(key) or 1) for key in ("NumberOfFrames", "SamplesPerPixel")
        )
        if frames > 1 or samples > 1:
            raise FileFormatError(
                f"{path}: expected one grey slice, found {frames} frames of {samples} samples ({kind})."
            )
        spacing = tuple(map(float, header.get("PixelSpacing") or ()))
        if len(spacing) != 2 or min(spacing) <= 0:
            raise FileFormatError(
                f"{path}: expected PixelSpacing in mm, found {spacing or 'none'} ({kind}). A screenshot or projection?"
            )
        position, orientation = (
            np.array(header[key].value, dtype=np.float64) if header.get(key) else None
            for key in ("ImagePositionPatient", "ImageOrientationPatient")
        )
        return _Slice(
            path,
            str(header.get("SeriesInstanceUID", "")),
            str(header.get("Modality", "")),
            (int(header.Rows), int(header.Columns)),
            (spacing[0], spacing[1]),
            float(header.SliceThickness) if header.get("SliceThickness") else None,
            position,
            None if orientation is None else orientation.reshape(2, 3),
        )


def _check_alike(slices: list[_Slice], path: Path) -> None:
    """Refuse files of several series, or whose lattices differ."""
    series = Counter(s.series for s in slices)
    if len(series) > 1:
        found = "; ".join(
            f"{n} files of {uid} (such as {next(s.path.name for s in slices if s.series == uid)})"
            for uid, n in series.most_common(5)
        )
        raise FileFormatError(
            f"{path}: expected one series, found {len(series)}: {found}. Give each its own folder."
        )
    first = slices[0]
    for other in slices[1:]:
        for name in ("modality", "shape", "spacing", "orientation"):
            a, b = getattr(first, name), getattr(other, name)
            if not (a == b if isinstance(a, str) else _close(a, b)):
                raise FileFormatError(
                    f"{path}: the slices of a series must share one {name}; {first.path.name} has {_words(a)} and "
                    f"{other.path.name} {_words(b)}. A localizer among them?"
                )


def _close(a: Any, b: Any) -> bool:
    return a is b if a is None or b is None else np.allclose(a, b, rtol=0, atol=1e-4)


def _words(value: Any) -> Any:
    return value.ravel().tolist() if isinstance(value, np.ndarray) else value


def _sorted(slices: list[_Slice], path: Path) -> tuple[list[_Slice], np.ndarray | None]:
    """Slices in the order of their positions along the normal, and the step (3,) in mm from one to the next."""
    first = slices[0]
    if len(slices) == 1:
        if not path.is_dir() or first.thickness:
            return slices, None if first.orientation is None else _normal(first) * (
                first.thickness or 1.0
            )
        raise FileFormatError(
            f"{path}: expected a SliceThickness for the only slice, found none. Read the file itself?"
        )
    if lost := [s.path.name for s in slices if s.position is None or s.orientation is None]:
        raise FileFormatError(
            f"{path}: expected ImagePositionPatient and ImageOrientationPatient, none in {lost[:5]}."
        )
    normal = _normal(first)
    slices = sorted(slices, key=lambda s: float(np.vdot(normal, np.asarray(s.position))))
    return slices, _step(slices, normal, path)


def _step(slices: list[_Slice], normal: np.ndarray, path: Path) -> np.ndarray:
    """The vector from one slice to the next (3,) in mm, once it is known to be one and to follow the normal."""
    positions = np.array([s.position for s in slices])
    gaps = np.diff(positions @ normal)
    if gaps.min() <= 0 or np.ptp(gaps) > 0.05 * gaps.mean():
        k = int(np.abs(gaps - np.median(gaps)).argmax())
        raise FileFormatError(
            f"{path}: expected evenly spaced slices, found gaps of {gaps.min():g} to {gaps.max():g} mm, the odd one "
            f"between {slices[k].path.name} and {slices[k + 1].path.name}. A missing or repeated slice?"
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    if np.linalg.norm(step - normal * (step @ normal)) > 0.01 * np.linalg.norm(step):
        raise FileFormatError(
            f"{path}: expected slices stacked along their normal {normal.tolist()}, found steps of {step.tolist()} mm. "
            "A tilted gantry?"
        )
    return step


def _normal(first: _Slice) -> np.ndarray:
    assert first.orientation is not None
    return np.cross(*first.orientation)


def _grid(slices: list[_Slice], step: np.ndarray | None, flat: bool) -> Grid:
    """The lattice from 0 in mm, with the affine to RAS world mm where position and orientation are known."""
    first = slices[0]
    depth = first.thickness if step is None else float(np.linalg.norm(step))
    shape, spacing = (
        (first.shape, first.spacing)
        if flat
        else ((*first.shape, len(slices)), (*first.spacing, depth or 1.0))
    )
    upper = tuple(n * h for n, h in zip(shape, spacing, strict=True))
    grid = Grid(Box((0.0,) * len(shape), upper, ("mm",) * len(shape)), shape)
    if step is None or first.position is None or first.orientation is None:
        return grid
    affine = np.eye(4)
    # axis 0 is the row index, which grows along the direction of a column: the second of DICOM's pair
    affine[:3] = np.stack(
        [
            first.orientation[1] * first.spacing[0],
            first.orientation[0] * first.spacing[1],
            step,
            first.position,
        ],
        1,
    )
    return grid.with_affine((LPS_TO_RAS @ affine).tolist())


def _pixels(path: Path, hounsfield: bool) -> np.ndarray:
    """Rescaled samples (rows, columns) float32."""
    pydicom = _pydicom()
    with reading(path, EXPECTED, ("DICOM",)):
        dataset = pydicom.dcmread(path)
        if hounsfield and "RescaleIntercept" not in dataset:
            raise FileFormatError(f"{path}: expected Hounsfield units, found no RescaleIntercept.")
        pixels = pydicom.pixels.apply_modality_lut(_decoded(dataset, path), dataset)
        return np.asarray(pixels, dtype=np.float32)


def _decoded(dataset: Any, path: Path) -> np.ndarray:
    """Stored samples (rows, columns), or an error that names the compression nothing here can undo."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return dataset.pixel_array
    try:
        return dataset.pixel_array
    except Exception as error:  # pydicom has no one type for it, and its plug-ins raise their own
        reason = " ".join(str(error).split())[:240].rstrip(".")
        raise FileFormatError(
            f"{path}: expected pixels that can be decoded, found {syntax.name} ({reason}). "
            "pip install pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg pyjpegls, or decompress the file."
        ) from None
