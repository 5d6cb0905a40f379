"""Where simulated snapshots take their scenes and masks from: photographs, cubes in files, published data folders.

    TSA_simu_data/   mask.mat, Truth/scene01.mat ...            `img`, 28 bands          (Meng et al. 2020)
    TSA_real_data/   mask.mat, Measurements/scene1.mat ...      `meas_real`
    cave_1024_28/    scene1.mat ...                             `img_expand`, 16 bits    (Cai et al. 2022)
    CAVE_512_28/     scene01.mat ...                            `data_slice`, 16 bits
    KAIST_CVPR2021/  1.mat ...                                  `HSI`                    (Choi et al. 2017)

and CAVE's own folders of one PNG a band (Yasuma et al. 2010). A path to such a folder with a number behind a colon,
"TSA_simu_data:3", is its third scene.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io import FileFormatError, SpectralCube, read_cube
from inverse_inr.io.matlab import matlab_variables
from inverse_inr.problems.images import EXAMPLES, load_image

VARIABLES = {"img": 1.0, "img_expand": 1 / 65536, "data_slice": 1 / 65536, "HSI": 1.0}
"""The cube in a file of a published set, and what its values are multiplied by."""


def photograph(scene: str, size: int) -> Tensor:
    """(size, size, 3) in [0, 1]: the middle of the image, averaged down."""
    from skimage.transform import resize

    if scene not in EXAMPLES and not Path(scene).suffix:
        raise ValueError(
            f"cassi: unknown scene {scene!r}; there is {', '.join(EXAMPLES)}, indian_pines, or a file or folder."
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


def is_cube(scene: str) -> bool:
    """Whether a scene is a cube: indian_pines, a folder, or a file that is not an image."""
    path = Path(_split(scene)[0])
    pictures = (".png", ".jpg", ".jpeg", "")
    return scene == "indian_pines" or path.is_dir() or path.suffix.lower() not in pictures


def scene_cube(scene: str, variable: str | None, wavelengths: Tensor, size: int) -> Tensor:
    """(H, W, bands) in [0, 1] of a cube, at most `size` pixels an axis from the corner, at `wavelengths` (nm).

    Published sets keep their scale, others become 1 at their largest. A cube that says its wavelengths and covers these
    is interpolated; one that does not has its neighbouring bands averaged to as many, and named by these wavelengths.
    Raises ValueError for fewer bands.
    """
    cube, scaled = (indian_pines(), False) if scene == "indian_pines" else _cube(scene, variable)
    values, own, bands = cube.values.clamp(min=0), cube.wavelengths, len(wavelengths)
    if own is not None and own[0] <= wavelengths[0] and wavelengths[-1] <= own[-1]:
        k = torch.searchsorted(own, wavelengths).clamp(1, len(own) - 1)
        t = ((wavelengths - own[k - 1]) / (own[k] - own[k - 1])).to(values)
        values = torch.lerp(values[..., k - 1], values[..., k], t)
    elif values.shape[-1] < bands:
        raise ValueError(
            f"{scene}: a cube of shape {tuple(values.shape)}; expected (H, W, L) with L >= {bands}. Bands first? Pass "
            "a file with cube.transpose(1, 2, 0)."
        )
    else:
        edges = [round(k * values.shape[-1] / bands) for k in range(bands + 1)]
        values = torch.stack([values[..., a:b].mean(-1) for a, b in itertools.pairwise(edges)], -1)
    values = values.clamp(max=1) if scaled else values / values.max()
    return values[:size, :size].contiguous()


def indian_pines() -> SpectralCube:
    """AVIRIS' Indian Pines, (145, 145, 200), as tensorly ships it; without its water-vapour bands, hence without nm."""
    try:
        from tensorly.datasets import load_indian_pines  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(
            "The Indian Pines cube comes with tensorly: pip install tensorly."
        ) from None
    return SpectralCube(torch.from_numpy(np.asarray(load_indian_pines().tensor, dtype=np.float32)))


def scene_file(scene: str) -> Path:
    """The file of one scene: a path, or "folder:number" of a published set."""
    name, number = _split(scene)
    folder = Path(name)
    if not folder.is_dir():
        return folder
    inner = next((folder / f for f in ("Truth", "Measurements") if (folder / f).is_dir()), folder)
    files = [p for p in inner.glob("*.mat") if p.name != "mask.mat"]
    if not files:
        return folder  # one image a band
    files.sort(key=lambda p: (int("".join(c for c in p.stem if c.isdigit()) or 0), p.name))
    if not 1 <= number <= len(files):
        raise ValueError(f"{scene}: scene {number} of {len(files)} in {inner}; they count from 1.")
    return files[number - 1]


def mask_file(scene: str) -> Path | None:
    """The calibrated mask beside the scenes of a published folder."""
    folder = Path(_split(scene)[0])
    return folder / "mask.mat" if (folder / "mask.mat").is_file() else None


def _split(scene: str) -> tuple[str, int]:
    head, colon, tail = scene.rpartition(":")
    return (head, int(tail)) if colon and tail.isdigit() else (scene, 1)


def _cube(scene: str, variable: str | None) -> tuple[SpectralCube, bool]:
    """The cube, and whether its values are reflectances already, as in the published sets."""
    path = scene_file(scene)
    if path.is_dir():
        return read_cube(path), True
    found = matlab_variables(path, variable) if path.suffix == ".mat" else {}
    name = next((v for v in VARIABLES if v in found), None) if variable is None else variable
    if name in found and found[name].ndim == 2:
        return SpectralCube(_flat(path, name, found[name])), False
    scaled = variable is None and name is not None
    scale = VARIABLES[name] if scaled and name is not None else 1.0
    try:
        return read_cube(path, name, scale=scale), scaled
    except FileFormatError as error:
        if "first or last" not in str(error):
            raise
    pages = path.suffix.lower() in (".tif", ".tiff")
    return read_cube(path, name, bands="first" if pages else "last", scale=scale), scaled


def _flat(path: Path, variable: str, values: np.ndarray) -> Tensor:
    """Unmixing benchmarks store (L, H W), column-major, of square scenes."""
    side = round(values.shape[1] ** 0.5)
    if side * side != values.shape[1]:
        raise ValueError(
            f"{path}: {variable} is {values.shape}; only square scenes are stored flat."
        )
    return torch.from_numpy(values.T.reshape(side, side, -1).swapaxes(0, 1).astype(np.float32))
