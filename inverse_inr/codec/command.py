"""The verbs `encode` and `decode` of the command line."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import App, Parameter
from torch import Tensor

from inverse_inr import memory
from inverse_inr.codec.encoding import decode as decode_field
from inverse_inr.codec.encoding import decode_image, grid_of
from inverse_inr.codec.encoding import encode as encode_image
from inverse_inr.domain import Grid
from inverse_inr.families import Modulated, load
from inverse_inr.io import read_image, read_wav, write_image, write_wav
from inverse_inr.io.files import atomic_write, existing_file

LARGEST = 1 << 16
"""Pixels of the longest side of a decoded image."""

Method = Annotated[
    Literal["wavelet", "latent", "coin", "modulated"],
    Parameter(
        help="wavelet for images of any number of axes; latent for pictures, fitted to each, which "
        "takes a minute; coin, the weights of a network; "
        "modulated, the code of a field of --family."
    ),
]
FamilyFile = Annotated[
    Path | None,
    Parameter(help="A modulated family, as families.save writes it; the coded file names it."),
]
Force = Annotated[bool, Parameter(help="Replace the file that is there.", negative=())]


def register(app: App) -> None:
    """Give a command line the verbs `encode` and `decode`."""
    app.command(encode)
    app.command(decode)


def encode(
    image: Path,
    /,
    *,
    bits_per_pixel: float,
    out: Path,
    method: Method = "wavelet",
    family: FamilyFile = None,
    steps: int | None = None,
    seed: int = 0,
    force: Force = False,
) -> None:
    """Make a small file: inverse-inr encode photo.png --bits-per-pixel 0.6 --out photo.inr.

    A fit (latent, coin) is shown; the first Ctrl-C ends it, and the file is made of what is there.
    The file is written when it is complete; a second Ctrl-C leaves what was there.

    Parameters
    ----------
    image
        A PNG, TIFF, JPEG, NIfTI, NRRD, .npz or WAV file.
    bits_per_pixel
        Most bits of the file per pixel, voxel or sample in time.
    out
        The file to write; one that exists is refused without --force.
    steps
        Steps of the fit (coin, 2000 where none are given; latent, 40).
    seed
        Seed of the fit (coin, latent).
    """
    _require_free(out, force)
    known = _family(family)
    values, grid = _read(image)
    began = time.perf_counter()
    data = encode_image(
        values,
        bits_per_sample=bits_per_pixel,
        method=method,
        grid=grid,
        family=known,
        steps=steps,
        seed=seed,
    )
    seconds = time.perf_counter() - began
    error = float((decode_image(data, family=known) - values).double().square().mean())
    with atomic_write(out) as temporary:
        temporary.write_bytes(data)
    quality = "no error"
    if error:
        span = max(1.0, float(values.max() - values.min()))
        quality = f"{10 * math.log10(span**2 / error):.2f} dB"
    print(
        f"{out}: {len(data)} bytes, {8 * len(data) / grid.numel:.4f} bits per pixel of "
        f"{' x '.join(map(str, grid.shape))}, {quality}, {seconds:.1f} s"
    )


def decode(
    code: Path,
    /,
    *,
    out: Path,
    size: int | None = None,
    family: FamilyFile = None,
    force: Force = False,
) -> None:
    """Make an image again: inverse-inr decode photo.inr --size 1024 --out photo.png.

    Parameters
    ----------
    code
        A file of `encode`.
    out
        The image to write, in the format of its suffix; one that exists is refused without --force.
    size
        Pixels of the longest side; left out, the pixels that were coded.
    """
    _require_free(out, force)
    data = existing_file(code, "a coded field").read_bytes()
    known = _family(family)
    grid = grid_of(data, family=known)
    if size is None:
        values = decode_image(data, family=known)
    else:
        grid = _resized(grid, size)
        field = decode_field(data, family=known)
        with torch.no_grad():
            values = field(grid.points().reshape(-1, grid.ndim)).reshape(*grid.shape, -1)
    if out.suffix.lower() == ".wav":
        write_wav(out, values, grid)
    else:
        write_image(out, values, grid)
    print(f"{out}: {' x '.join(map(str, grid.shape))} pixels, {values.shape[-1]} channels")


def _family(path: Path | None) -> Modulated | None:
    if path is None:
        return None
    family = load(path)
    if not isinstance(family, Modulated):
        raise ValueError(
            f"{path}: a family of kind {family.kind!r}; codes are of modulated families."
        )
    return family


def _read(path: Path) -> tuple[Tensor, Grid]:
    if path.suffix.lower() == ".wav":
        return read_wav(path)
    return read_image(path)


def _require_free(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists. Choose another --out, or pass --force.")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"{out}: cannot write; the folder {out.parent} does not exist.")


def _resized(grid: Grid, size: int) -> Grid:
    """The grid of the same box with so many pixels along its longest side."""
    if not 1 <= size <= LARGEST:
        raise ValueError(f"decode: --size is {size}; it must be from 1 to {LARGEST}.")
    factor = size / max(grid.shape)
    shape = tuple(max(1, round(n * factor)) for n in grid.shape)
    memory.require(
        f"decode: --size {size}, {' x '.join(map(str, shape))} pixels",
        64.0 * math.prod(shape),
        "A smaller --size.",
    )
    return Grid(grid.box, shape)
