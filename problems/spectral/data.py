"""Sources of scenes and masks: photographs, cubes in files, published data folders.

    TSA_simu_data/   mask.mat, Truth/scene01.mat ...         `img`, 28 bands        (Meng 2020)
    TSA_real_data/   mask.mat, Measurements/scene1.mat ...   `meas_real`
    cave_1024_28/    scene1.mat ...                          `img_expand`, 16 bits  (Cai 2022)
    CAVE_512_28/     scene01.mat ...                         `data_slice`, 16 bits
    KAIST_CVPR2021/  1.mat ...                               `HSI`                  (Choi 2017)

and CAVE's own folders of one PNG per band (Yasuma et al. 2010). A path to such a folder with a
number after a colon, "TSA_simu_data:3", is its third scene.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io import FileFormatError, SpectralCube, read_cube
from inverse_inr.io.matlab import matlab_variables
from inverse_inr.problems.images import EXAMPLES, load_image
from inverse_inr.ranges import Count, checked

VARIABLES = {"img": 1.0, "img_expand": 1 / 65536, "data_slice": 1 / 65536, "HSI": 1.0}
"""Names of the cube in files of published sets, and factors that bring values to [0, 1]."""


@checked
def photograph(scene: str, size: Count) -> Tensor:
    """Return the middle square of an image, averaged down.

    Args:
        scene: A name of `images.EXAMPLES`, or an RGB image file.
        size: Pixels per axis of the result.

    Returns:
        (size, size, 3) in [0, 1].

    Raises:
        ValueError: If the scene is unknown, or the image is not RGB.
    """
    from skimage.transform import resize

    if scene not in EXAMPLES and not Path(scene).suffix:
        raise ValueError(
            f"Unknown scene {scene!r}; there is {', '.join(EXAMPLES)}, indian_pines, or a "
            "file or folder."
        )
    image, _ = load_image(scene)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            f"{scene}: a spectral scene needs an RGB image, got shape {tuple(image.shape)}."
        )
    side = min(image.shape[:2])
    top, left = ((n - side) // 2 for n in image.shape[:2])
    square = image[top : top + side, left : left + side].numpy()
    return torch.from_numpy(resize(square, (size, size), anti_aliasing=True)).float().clamp(0, 1)


@checked
def is_cube(scene: str) -> bool:
    """Tell whether a scene is a cube: indian_pines, a folder, or a file that is not an image.

    Args:
        scene: A name, a path, or "folder:number".
    """
    path = Path(_split(scene)[0])
    pictures = (".png", ".jpg", ".jpeg", "")
    return scene == "indian_pines" or path.is_dir() or path.suffix.lower() not in pictures


@checked
def scene_cube(
    scene: str, variable: str | None, wavelengths: Tensor, size: Count
) -> tuple[Tensor, dict[str, Any]]:
    """Return a cube's bands at given wavelengths, from its corner.

    Published sets keep their scale, others become 1 at their largest. A cube that says its
    wavelengths and covers the given ones is interpolated. Any other cube has its neighbouring bands
    averaged to as many, and takes the given wavelengths as their names. Bands of which nothing was
    measured are left out.

    Args:
        scene: "indian_pines", a file, a folder, or "folder:number".
        variable: Name of the cube in a file; None to find it.
        wavelengths: (bands,) in nm, rising.
        size: The most pixels per axis.

    Returns:
        (H, W, bands) in [0, 1], NaN where nothing was measured; and notes on how it was read.

    Raises:
        ValueError: If the cube has fewer bands, or no light.
    """
    if scene == "indian_pines":
        cube, scaled = indian_pines(), False
    else:
        cube, scaled = _cube(scene, variable)
    notes: dict[str, Any] = {f"cube: {name}": note for name, note in cube.notes.items()}
    values = cube.values.where(cube.measured, float("nan")).clamp(min=0)
    own = cube.wavelengths
    seen = cube.measured.any(0).any(0)
    if not bool(seen.any()):
        raise ValueError(f"{scene}: no value of the cube is a measurement: NaN or no data.")
    if not bool(seen.all()):
        notes["cube: empty bands"] = f"{int((~seen).sum())} without any measured value, left out"
        values = values[..., seen]
        own = None if own is None else own[seen]
    bands = len(wavelengths)
    if own is not None and len(own) and own[0] <= wavelengths[0] and wavelengths[-1] <= own[-1]:
        k = torch.searchsorted(own, wavelengths).clamp(1, len(own) - 1)
        t = ((wavelengths - own[k - 1]) / (own[k] - own[k - 1])).to(values)
        values = torch.lerp(values[..., k - 1], values[..., k], t)
    elif values.shape[-1] < bands:
        raise ValueError(
            f"{scene}: a cube of shape {tuple(values.shape)}; expected (H, W, L) with L >= "
            f"{bands}. Bands first? Pass a file with cube.transpose(1, 2, 0)."
        )
    else:
        span = "unknown wavelengths"
        if own is not None:
            span = f"{own[0]:g} to {own[-1]:g} nm"
        notes["cube: bands"] = (
            f"{values.shape[-1]} bands of {span} averaged to {bands}, which stand for "
            f"{wavelengths[0]:g} to {wavelengths[-1]:g} nm"
        )
        edges = [round(k * values.shape[-1] / bands) for k in range(bands + 1)]
        values = torch.stack([values[..., a:b].mean(-1) for a, b in itertools.pairwise(edges)], -1)
    top = float(values.nan_to_num(0.0).max())
    if not top > 0:
        raise ValueError(f"{scene}: the cube has no positive value.")
    if not scaled:
        values = values / top
    return values.clamp(max=1)[:size, :size].contiguous(), notes


def indian_pines() -> SpectralCube:
    """Return AVIRIS' Indian Pines, (145, 145, 200), as tensorly ships it.

    Its water-vapour bands are missing, hence it has no wavelengths.

    Raises:
        ImportError: If tensorly is not installed.
    """
    try:
        from tensorly.datasets import load_indian_pines  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(
            "The Indian Pines cube comes with tensorly: pip install tensorly."
        ) from None
    return SpectralCube(torch.from_numpy(np.asarray(load_indian_pines().tensor, dtype=np.float32)))


@checked
def scene_file(scene: str) -> Path:
    """Return the file of one scene, or the folder itself where it holds one image per band.

    Args:
        scene: A path, or "folder:number" of a published set, counted from 1.

    Raises:
        ValueError: If the folder has no such scene.
    """
    name, number = _split(scene)
    folder = Path(name)
    if not folder.is_dir():
        return folder
    inner = next((folder / f for f in ("Truth", "Measurements") if (folder / f).is_dir()), folder)
    files = [p for p in inner.glob("*.mat") if p.name != "mask.mat"]
    if not files:
        return folder  # one image per band
    files.sort(key=lambda path: (_number(path.stem), path.name))
    if not 1 <= number <= len(files):
        raise ValueError(f"{scene}: scene {number} of {len(files)} in {inner}; they count from 1.")
    return files[number - 1]


@checked
def mask_file(scene: str) -> Path | None:
    """Return the calibrated mask that lies next to the scenes of a published folder, or None.

    Args:
        scene: A path, or "folder:number".
    """
    file = Path(_split(scene)[0]) / "mask.mat"
    if file.is_file():
        return file
    return None


def _split(scene: str) -> tuple[str, int]:
    """The path, and the number behind its colon (1 without a number)."""
    head, colon, tail = scene.rpartition(":")
    if colon and tail.isdigit():
        return head, int(tail)
    return scene, 1


def _number(name: str) -> int:
    """The digits of a name as one number, 0 without digits."""
    digits = "".join(c for c in name if c.isdigit())
    return int(digits or 0)


def _cube(scene: str, variable: str | None) -> tuple[SpectralCube, bool]:
    """The cube, and whether its values are reflectances already, as in the published sets."""
    path = scene_file(scene)
    if path.is_dir():
        return read_cube(path), True
    found = {}
    if path.suffix == ".mat":
        found = matlab_variables(path, variable)
    name = variable
    if variable is None:
        name = next((v for v in VARIABLES if v in found), None)
    if name in found and found[name].ndim == 2:
        try:
            return read_cube(path, name), False  # the file says its rows and columns
        except FileFormatError:
            return _flat(path, name, found[name]), False
    scaled = variable is None and name is not None
    scale = 1.0
    if variable is None and name is not None:
        scale = VARIABLES[name]
    try:
        return read_cube(path, name, scale=scale), scaled
    except FileFormatError as error:
        if "first or last" not in str(error):
            raise
    bands: Literal["first", "last"] = "last"
    if path.suffix.lower() in (".tif", ".tiff"):
        bands = "first"  # one page per band
    return read_cube(path, name, bands=bands, scale=scale), scaled


def _flat(path: Path, variable: str, values: np.ndarray) -> SpectralCube:
    """Unmixing benchmarks store (L, H W), column-major, of square scenes."""
    side = round(values.shape[1] ** 0.5)
    if side * side != values.shape[1]:
        raise ValueError(
            f"{path}: {variable} is {values.shape}: {values.shape[1]} pixels are no square, and "
            "the file does not say its rows and columns (nRow, nCol). Reshape it to "
            "(rows, columns, bands)."
        )
    cube = values.T.reshape(side, side, -1).swapaxes(0, 1).astype(np.float32)
    note = f"{variable} {values.shape} is flat: taken as {side} x {side}, column by column"
    return SpectralCube(torch.from_numpy(np.ascontiguousarray(cube)), notes={"flat": note})
