"""The record of how an image was made, which every writer puts into its file.

Who makes an image says so once, around all that is written; writers ask `current_record`:

    with recording({"prior": "siren", "seed": 0}):
        write_image(path, values, grid)

`read_record` gives it back. A format without a place for text (npy, WAV, PLY) leaves it out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from inverse_inr.io.files import FileFormatError, PathLike, existing_file, reading, signature

KEY = "inverse-inr record"
"""The name under which formats of named texts keep the record."""
DATASET = "inverse_inr_record"
"""The dataset of HDF5, and the array of npz, that holds it."""
CREATOR = "inverse-inr"
"""The creator of the private block of DICOM that holds it."""
PRIVATE_GROUP = 0x0099
"""The group of that block."""
NIFTI_COMMENT = 6
"""The code of NIfTI's header extensions that are plain text."""
FEW = 64
"""The most numbers of an array that a record spells out."""
DESCRIPTION = 270
"""TIFF's tag ImageDescription."""
DESCRIBED = f"{KEY}: "
"""How the record begins there: JSON alone may be taken for tifffile's own description."""

_current: ContextVar[dict[str, Any] | None] = ContextVar("record of what is written", default=None)


@contextmanager
def recording(record: Mapping[str, Any]) -> Iterator[None]:
    """Let all files that are written inside the block hold a record.

    Args:
        record: Settings by name. What JSON cannot say is written as its text; an outer record stays
            where this one says nothing.
    """
    token = _current.set({**(_current.get() or {}), **record})
    try:
        yield
    finally:
        _current.reset(token)


def current_record() -> str | None:
    """The record as JSON in ASCII; None outside `recording`."""
    record = _current.get()
    if not record:
        return None
    return json.dumps(record, default=plain)


def plain(value: Any) -> Any:
    """Say in JSON what JSON has no type for: numbers and arrays as numbers, the rest as text.

    Args:
        value: Any object; of arrays of more than `FEW` numbers their shape is said.
    """
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        if math.prod(value.shape) <= FEW:
            return value.tolist()
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def read_record(path: PathLike) -> dict[str, Any] | None:
    """Read the record of how an image was made.

    Args:
        path: A PNG, TIFF, NIfTI, NRRD, npz, HDF5 or DICOM file, an ENVI header, a folder of a DICOM
            series, or a zarr array.

    Returns:
        The record, or None where the file holds none.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is damaged, its record is, or its format holds none.
    """
    path = Path(path)
    if path.is_dir():
        text = _of_folder(path)
    elif path.suffix.lower() == ".hdr":
        text = _of_envi(existing_file(path, "an ENVI header"))
    else:
        kind = signature(existing_file(path, "an image"))
        if kind is None or kind not in _READERS:
            raise FileFormatError(f"{path}: {kind or 'such'} files hold no record.")
        with reading(path, "an image with a record", (kind,)):
            text = _READERS[kind](path)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FileFormatError(f"{path}: its record is damaged ({error}).") from None
    return found if isinstance(found, dict) else None


def _of_folder(path: Path) -> str | None:
    if (path / ".zarray").is_file():
        return json.loads((path / ".zattrs").read_text()).get(DATASET)
    files = sorted(path.glob("*.dcm"))
    if not files:
        raise FileFormatError(f"{path}: a folder without a zarr array or .dcm files.")
    return _of_dicom(files[0])


def _of_envi(path: Path) -> str | None:
    begin = f"; {KEY}: "
    lines = path.read_text(errors="replace").splitlines()
    return next((line.removeprefix(begin) for line in lines if line.startswith(begin)), None)


def _of_png(path: Path) -> str | None:
    from PIL import Image

    with Image.open(path) as image:
        return getattr(image, "text", {}).get(KEY)


def _of_tiff(path: Path) -> str | None:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        text = str(tiff.pages[0].tags.valueof(DESCRIPTION, ""))  # pyright: ignore
    return text.removeprefix(DESCRIBED) if text.startswith(DESCRIBED) else None


def _of_nifti(path: Path) -> str | None:
    import nibabel

    header: Any = nibabel.load(path).header  # pyright: ignore[reportPrivateImportUsage]
    for extension in header.extensions:
        if extension.get_code() == NIFTI_COMMENT:
            content = extension.get_content()
            text = content.decode() if isinstance(content, bytes) else str(content)
            if text.startswith("{"):
                return text.rstrip("\0")
    return None


def _of_nrrd(path: Path) -> str | None:
    head = path.read_bytes().split(b"\n\n", 1)[0].decode("utf-8", errors="replace")
    for line in head.splitlines():
        if line.startswith(f"{KEY}:="):
            return line.partition(":=")[2]
    return None


def _of_npz(path: Path) -> str | None:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return str(archive[DATASET]) if DATASET in archive else None


def _of_hdf5(path: Path) -> str | None:
    import h5py

    with h5py.File(path, "r") as file:
        found: Any = file.get(DATASET)
        return None if found is None else found[()].decode()


def _of_dicom(path: Path) -> str | None:
    from inverse_inr.io.dicom.headers import pydicom_library

    dataset = pydicom_library().dcmread(path, stop_before_pixels=True)
    try:
        return str(dataset.private_block(PRIVATE_GROUP, CREATOR)[1].value)
    except KeyError:
        return None


_READERS: dict[str, Callable[[Path], str | None]] = {
    "PNG": _of_png,
    "TIFF": _of_tiff,
    "NIfTI": _of_nifti,
    "gzip": _of_nifti,
    "NRRD": _of_nrrd,
    "ZIP": _of_npz,
    "HDF5": _of_hdf5,
    "DICOM": _of_dicom,
}
"""Readers of the text by the kind of file, as its first bytes tell."""
