"""Files: one module per format, and the two calls that choose it by the suffix.

Heavy libraries load when their format is first read. Scans hold more than an image: `read_scan`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.cubes import SpectralCube as SpectralCube
from inverse_inr.io.cubes import read_cube as read_cube
from inverse_inr.io.cubes import write_envi as write_envi
from inverse_inr.io.cubes import write_envi_image as write_envi_image
from inverse_inr.io.dicom import read_dicom as read_dicom
from inverse_inr.io.dicom import write_dicom as write_dicom
from inverse_inr.io.files import FileFormatError as FileFormatError
from inverse_inr.io.files import PathLike, existing_file, nearest_first
from inverse_inr.io.files import SelectionError as SelectionError
from inverse_inr.io.files import atomic_write as atomic_write
from inverse_inr.io.hdf5 import read_hdf5 as read_hdf5
from inverse_inr.io.hdf5 import write_hdf5 as write_hdf5
from inverse_inr.io.inferred import inferences as inferences
from inverse_inr.io.jpeg import read_jpeg as read_jpeg
from inverse_inr.io.kspace import RawKSpace as RawKSpace
from inverse_inr.io.kspace import read_kspace as read_kspace
from inverse_inr.io.mapped import map_array as map_array
from inverse_inr.io.matlab import matlab_struct as matlab_struct
from inverse_inr.io.matlab import read_matlab as read_matlab
from inverse_inr.io.nifti import read_nifti as read_nifti
from inverse_inr.io.nifti import split_volume as split_volume
from inverse_inr.io.nifti import write_nifti as write_nifti
from inverse_inr.io.npz import read_npz as read_npz
from inverse_inr.io.npz import write_npz as write_npz
from inverse_inr.io.nrrd import read_nrrd as read_nrrd
from inverse_inr.io.nrrd import write_nrrd as write_nrrd
from inverse_inr.io.ply import read_ply as read_ply
from inverse_inr.io.ply import write_ply as write_ply
from inverse_inr.io.png import read_png as read_png
from inverse_inr.io.png import write_png as write_png
from inverse_inr.io.provenance import read_record as read_record
from inverse_inr.io.provenance import recording as recording
from inverse_inr.io.radar import Capture as Capture
from inverse_inr.io.radar import CaptureSettings as CaptureSettings
from inverse_inr.io.radar import PhaseData as PhaseData
from inverse_inr.io.radar import read_cphd as read_cphd
from inverse_inr.io.radar import read_cv_domes as read_cv_domes
from inverse_inr.io.radar import read_gotcha as read_gotcha
from inverse_inr.io.radar import read_mstar as read_mstar
from inverse_inr.io.radar import read_radar as read_radar
from inverse_inr.io.radar import read_sicd as read_sicd
from inverse_inr.io.radar import read_ti as read_ti
from inverse_inr.io.radar import read_ti_json as read_ti_json
from inverse_inr.io.radar import uniform_where_rounded as uniform_where_rounded
from inverse_inr.io.radar import without_dead_pulses as without_dead_pulses
from inverse_inr.io.radar import write_radar as write_radar
from inverse_inr.io.scans import Scan as Scan
from inverse_inr.io.scans import read_dxchange as read_dxchange
from inverse_inr.io.scans import read_scan as read_scan
from inverse_inr.io.stored import stored_array as stored_array
from inverse_inr.io.tiff import read_tiff as read_tiff
from inverse_inr.io.tiff import write_tiff as write_tiff
from inverse_inr.io.wav import read_wav as read_wav
from inverse_inr.io.wav import write_wav as write_wav

READERS: dict[str, Callable[..., tuple[Tensor, Grid]]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".nrrd": read_nrrd,
    ".npz": read_npz,
    ".png": read_png,
    ".jpg": read_jpeg,
    ".jpeg": read_jpeg,
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".wav": read_wav,
    ".dcm": read_dicom,
}
"""The readers of images by suffix."""
WRITERS: dict[str, Callable[..., None]] = {
    ".nii": write_nifti,
    ".nii.gz": write_nifti,
    ".nrrd": write_nrrd,
    ".npz": write_npz,
    ".png": write_png,
    ".tif": write_tiff,
    ".tiff": write_tiff,
    ".wav": write_wav,
    ".dcm": write_dicom,
    ".hdr": write_envi_image,
}
"""The writers of images by suffix."""
NO_IMAGE = {
    ".hdr": " A spectral cube is more than an image: read_cube(path).",
    ".h5": " HDF5 needs a dataset's name: read_scan, read_dxchange, read_hdf5, write_hdf5.",
    ".hdf5": " HDF5 needs a dataset's name: read_scan, read_dxchange, read_hdf5, write_hdf5.",
    ".jpg": " JPEG is read only: it loses what was measured.",
    ".jpeg": " JPEG is read only: it loses what was measured.",
}
"""Hints for suffixes that cannot be read, or not be written, as an image."""


def read_image(path: PathLike, **options: Any) -> tuple[Tensor, Grid]:
    """Read an image in the format that its suffix names; a folder is read as a DICOM series.

    Args:
        path: The file or folder.
        options: Options of the format's own reader: `volume` (NIfTI), `attenuation` and `mu_water`
            (DICOM), `alpha` (PNG, TIFF).

    Returns:
        Values (*shape, c), float32, and the grid on which they lie.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is not what its suffix says.
        ValueError: The suffix is unknown.
        TypeError: An option is unknown.
    """
    reader = read_dicom if Path(path).is_dir() else _by_suffix(path, READERS, "read")
    _check_options(reader, options, skip=1)
    return reader(path, **options)


def write_image(path: PathLike, values: Tensor, grid: Grid, **options: Any) -> None:
    """Write an image in the format that its suffix names; without one, a folder of DICOM slices.

    The old file stays until the new one is complete. Inside `recording`, the file holds the record
    of how the image was made.

    Args:
        path: The file to write, or a folder that is empty or not there yet.
        values: (*shape, c).
        grid: The grid of the values.
        options: Options of the format's own writer: `value_range` (PNG), `description` and
            `rescale_type` (DICOM).

    Raises:
        ValueError: The suffix is unknown, or the values do not fit the grid or the format.
        TypeError: An option is unknown.
        OSError: The disk refuses.
    """
    writer = write_dicom if not Path(path).suffix else _by_suffix(path, WRITERS, "write")
    _check_options(writer, options, skip=3)
    writer(path, values, grid, **options)


def _by_suffix(
    path: PathLike, table: dict[str, Callable[..., Any]], verb: str
) -> Callable[..., Any]:
    name = Path(path).name.lower()
    if verb == "read":
        name = Path(split_volume(name)[0]).name
    for suffix in sorted(table, key=len, reverse=True):
        if name.endswith(suffix):
            return table[suffix]
    suffix = Path(name).suffix
    hint = NO_IMAGE.get(suffix, "")
    if not suffix and verb == "read":
        # most likely a folder of slices, or a name, that was mistyped
        existing_file(path, "an image")
        hint = " A DICOM file without suffix: read_dicom(path)."
    known = ", ".join(nearest_first(suffix, table))
    raise ValueError(f"{path}: cannot {verb} suffix {suffix!r}; supported: {known}.{hint}")


def _check_options(function: Callable[..., Any], options: dict[str, Any], skip: int) -> None:
    known = list(inspect.signature(function).parameters)[skip:]
    for name in options:
        if name not in known:
            near = ", ".join(nearest_first(name, known)) or "none"
            raise TypeError(f"{function.__name__} has no option {name!r}; its options: {near}.")
