"""The verb `export`: the image of a run in another format, with its record and what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr.command.folder import read_json
from inverse_inr.command.tables import ConfigError
from inverse_inr.domain import Grid
from inverse_inr.io import read_image, read_record, recording, write_image
from inverse_inr.io.slabs import SUFFIXES
from inverse_inr.metrics import modulus
from inverse_inr.sampled import SampledField
from inverse_inr.solver.volumes import write_volume

IMAGE = "image.npz"
"""The image of a run's folder, with its grid, metadata and record."""


def export(
    source: Path,
    out: Path,
    /,
    *,
    description: str | None = None,
    hounsfield: bool = False,
    force: bool = False,
) -> None:
    """Write the image of a run in another format: inverse-inr export runs/mine mine.nii.gz.

    The file holds the record of how the image was made, where the format has a place for it, and
    what the measured file said besides (patient and study; coordinates of a map).

    Parameters
    ----------
    source
        A run's folder, or an image that one wrote (.npz).
    out
        The file; .h5 also gets what was learnt. Without a suffix: a folder of DICOM slices.
    description
        What was done, for DICOM.
    hounsfield
        Say in DICOM that the values are Hounsfield units.
    force
        Replace the file.
    """
    path = source / IMAGE if source.is_dir() else source
    if not path.is_file():
        raise FileNotFoundError(f"{source}: no image to export; a run's folder holds {IMAGE}.")
    if out.exists() and not out.is_dir() and not force:
        raise ConfigError(f"{out} exists. Choose another name, or pass --force.")
    values, grid = read_image(path)
    options: dict[str, Any] = {}
    if description is not None:
        options["description"] = description
    if hounsfield:
        options["rescale_type"] = "HU"
    with recording(read_record(path) or {}):
        _write(out, values, grid, _learnt(path.parent), options)
    print(f"{out} written.")


def _write(
    out: Path, values: Tensor, grid: Grid, learnt: dict[str, Tensor], options: dict[str, Any]
) -> None:
    name = out.name.lower()
    if name.endswith(SUFFIXES) and ".nii" not in name:
        if options:
            raise ConfigError(f"{out}: --description and --hounsfield are for DICOM.")
        write_volume(SampledField(values, grid), grid, out, beside=learnt)
        return
    if not name.endswith(".npz"):
        values = modulus(values)
    write_image(out, values, grid, **options)


def _learnt(folder: Path) -> dict[str, Tensor]:
    history = folder / "history.json"
    if not history.is_file():
        return {}
    found = read_json(history).get("learnt", {})
    return {f"learnt/{name}": torch.tensor(value) for name, value in found.items()}
