"""Spectral cubes written: ENVI with its header, and GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.io.cubes.cube import SpectralCube
from inverse_inr.io.cubes.headers import has_bands, same_bands
from inverse_inr.io.files import PathLike, as_real_image, atomic_write
from inverse_inr.io.maps.envi_map import WKT, fields_of
from inverse_inr.io.maps.georeference import TRANSFORM, pixel_transform
from inverse_inr.io.provenance import KEY, current_record
from inverse_inr.ranges import checked


@checked
def write_envi(path: PathLike, cube: SpectralCube) -> None:
    """Write a cube as an ENVI header and, next to it, raw values.

    The values are little-endian float32 and band-sequential (suffix .img), NaN where nothing was
    measured; the wavelengths are in nm. What the cube's metadata say is written again: map info and
    coordinate system word for word, times, names of bands. The header holds the record.

    Args:
        path: The header to write, ending in .hdr.
        cube: The cube.

    Raises:
        ValueError: The path does not end in .hdr, the unit of the values is not one line, or the
            cube's place on a map is none that `map info` can say.
    """
    header = Path(path)
    if header.suffix.lower() != ".hdr":
        raise ValueError(f"{path}: an ENVI header ends in .hdr.")
    if any(c in cube.units for c in "\r\n{}"):
        raise ValueError(f"{path}: units={cube.units!r} must be one line without braces.")
    values = cube.values.detach().cpu().float()
    measured = cube.measured.cpu()
    values = values.where(measured, float("nan")).movedim(-1, 0).numpy()
    height, width, bands = cube.values.shape
    lines = [
        "ENVI",
        f"samples = {width}",
        f"lines = {height}",
        f"bands = {bands}",
        "header offset = 0",
        "file type = ENVI Standard",
        "data type = 4",
        "interleave = bsq",
        "byte order = 0",
    ]
    if cube.units:
        lines.append(f"data units = {cube.units}")
    if not bool(measured.all()):
        lines.append("data ignore value = nan")
    lines += _kept_fields(cube, header)
    if cube.wavelengths is not None:
        lines += ["wavelength units = Nanometers", f"wavelength = {_listed(cube.wavelengths)}"]
        if cube.fwhm is not None:
            lines.append(f"fwhm = {_listed(cube.fwhm)}")
    with atomic_write(header.with_suffix(".img")) as temporary:
        np.ascontiguousarray(values, dtype="<f4").tofile(temporary)
    with atomic_write(header) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _kept_fields(cube: SpectralCube, header: Path) -> list[str]:
    """What the metadata say, a line each."""
    metadata = cube.metadata or {}
    fields = {k: v for k, v in metadata.get("header", {}).items() if k != WKT}
    fields = {name: f"{{{text}}}" if _is_list(text) else text for name, text in fields.items()}
    fields |= fields_of(metadata, metadata.get(TRANSFORM), header)
    fields |= _band_fields(cube, metadata)
    lines = [f"{name} = {text}" for name, text in fields.items()]
    record = current_record()
    if record is not None:
        lines.append(f"; {KEY}: {record}")  # a comment: braces would end a field
    return lines


def _is_list(text: str) -> bool:
    return "," in text or "=" in text or len(text) > 80


def _band_fields(cube: SpectralCube, metadata: Mapping[str, Any]) -> dict[str, str]:
    nm = None if cube.wavelengths is None else cube.wavelengths.tolist()
    bands = metadata.get("bands", [])
    if not bands or not same_bands(metadata, nm, cube.values.shape[-1]):
        return {}
    names = [name for name in bands[0] if all(name in band for band in bands)]
    fields = {name: [band[name] for band in bands] for name in names}
    described = fields.pop("description", [])
    if any(described):
        fields["band names"] = described
    return {name: f"{{{', '.join(entries)}}}" for name, entries in fields.items()}


def cube_of(values: Tensor, grid: Grid, path: PathLike) -> SpectralCube:
    """Make the cube of an image whose last axis is one of bands.

    Args:
        values: (H, W, L, 1) real.
        grid: The grid of the values; its metadata go with the cube.
        path: The file to be written, for the message.

    Raises:
        ValueError: The grid is no cube's, or the values do not fit it.
    """
    array = as_real_image(values, grid, path)
    if not has_bands(grid) or array.shape[-1] != 1:
        raise ValueError(
            f"{path}: a cube is (H, W, bands, 1) on a box whose last axis is in nm, found "
            f"{array.shape} in {grid.box.units}."
        )
    nm = grid.axes(values.double().dtype)[-1]
    metadata = dict(grid.metadata) if grid.metadata is not None else None
    fwhm = None
    if metadata is not None:
        transform = pixel_transform(grid, path)
        if transform is not None:
            metadata[TRANSFORM] = list(transform)
        if same_bands(metadata, nm.tolist(), len(nm)) and "fwhm" in metadata:
            fwhm = nm.new_tensor(metadata["fwhm"])
    return SpectralCube(values.detach().cpu().float()[..., 0], nm, fwhm=fwhm, metadata=metadata)


@checked
def write_envi_image(path: PathLike, values: Tensor, grid: Grid) -> None:
    """Write an image with bands as ENVI: `write_envi` of what the grid says.

    Args:
        path: The header to write, ending in .hdr.
        values: (H, W, bands, 1) real.
        grid: Rows, columns and wavelengths in nm, with the metadata of the file it is from.

    Raises:
        ValueError: The grid is no cube's, or as in `write_envi`.
    """
    write_envi(path, cube_of(values, grid, path))


def _listed(values: Tensor) -> str:
    """Numbers in braces, eight a line."""
    words = [repr(v) for v in values.double().tolist()]
    rows = [", ".join(words[k : k + 8]) for k in range(0, len(words), 8)]
    return "{" + ",\n ".join(rows) + "}"
