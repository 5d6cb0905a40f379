"""Coded-aperture snapshot spectral imaging: a cube from one monochrome exposure, simulated or measured.

    y = A(f_θ) + noise,     f(x, y, λ), A: mask, disperse, sum (operators.CASSI)

Space is in pixels, wavelengths in nm. The scene is simulated at the camera's own bands, as every published table does:
that is an inverse crime, and `SpectralScene` has a truth between the bands to judge by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import Box, Problem, SampledField, Solution, Suggestion, Term, noise
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI
from inverse_inr.operators.dispersion import TSA_WAVELENGTHS, steps
from inverse_inr.problems.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.images import EXAMPLES, load_image
from inverse_inr.problems.spectral_figures import spectral_figure, write_cube
from inverse_inr.problems.spectral_scenes import Reflectances, spectral_scene
from inverse_inr.stopping import HeldOut

RANK_BANDS, OMEGA_BANDS = 4, 2.0
"""Materials that a separable prior can tell apart: reflectances are smooth, three or four numbers hold 99 % of them."""


def cassi(scene: str = "astronaut", *, mask: str = "random", size: int = 128, bands: int = 28, step: float = 2.0,
          mode: Literal["single", "dual"] = "single", reflectances: Reflectances = "pigments",
          noise_level: float = 0.01, variable: str | None = None, mask_variable: str = "mask",
          seed: int = 0) -> Problem:  # fmt: skip
    """A simulated snapshot of a generated spectral scene, or of a cube from a file.

    scene        "astronaut", "coffee", "cat" ... (`images.EXAMPLES`), or an RGB image file, coloured by `reflectances`;
                 or a MATLAB file with a cube (H, W, L) or (L, H W) in `variable`, resampled to `bands` bands
    mask         "random" (half open) or a MATLAB file with a calibrated mask in `mask_variable`, cropped to `size`
    step         pixels of dispersion a band
    noise_level  standard deviation of Gaussian noise as a fraction of the largest measurement
    """
    wavelengths = _wavelengths(bands)
    cube = scene.endswith(".mat")
    values = _cube(scene, variable, bands) if cube else None
    shape = (min(size, values.shape[0]), min(size, values.shape[1])) if values is not None else (size, size)
    box = Box((0.0, 0.0, 450.0), (*map(float, shape), 650.0), ("px", "px", "nm"))
    camera = CASSI(box, _mask(mask, mask_variable, shape, mode, step * (bands - 1), seed), wavelengths,
                   steps(wavelengths, step), mode)  # fmt: skip
    grid = camera.bands
    if values is not None:
        truth: Any = SampledField(values[: shape[0], : shape[1], :, None], grid)
    else:
        truth = spectral_scene(photograph(scene, size), box, reflectances=reflectances)
    operator = camera.on(grid)
    mean = operator.snapshot(truth.sample(grid)[..., 0]).reshape(-1)
    sigma = noise_level * float(mean.max())
    y = noise.Gaussian(sigma).sample(mean, torch.Generator().manual_seed(seed)) if sigma else mean
    model = noise.Gaussian(sigma or 1e-3 * float(mean.max()))  # without noise: what a 10-bit camera would round
    return Problem([Term(operator, y, model)], box, grid, reference=truth, suggested=suggestion(shape), average=1)


def cassi_real(measurement: str, mask: str, *, variable: str = "meas_real", mask_variable: str = "mask",
               bands: int = 28, step: float = 2.0, noise_level: float = 0.01, saturation: float = 1.0,
               rows: tuple[int, int] | None = None, hold_out: float = 0.05) -> Problem:  # fmt: skip
    """A measured snapshot of a single-disperser camera with a calibrated mask, both MATLAB files (TSA-Net's layout).

    measurement  (H, W + (bands - 1) step); mask (H, W)
    noise_level  standard deviation as a fraction of the largest trusted measurement
    saturation   pixels at this fraction of the largest value or above are not trusted, nor negative ones; see `notes`
    rows         crop: first and last row (exclusive)
    Raises ValueError where measurement, mask, bands and step do not fit together.
    """
    y, code = (torch.from_numpy(read_matlab(p, v)).float() for p, v in ((measurement, variable), (mask, mask_variable)))
    if rows is not None:
        y, code = y[rows[0] : rows[1]], code[rows[0] : rows[1]]
    wide = code.shape[1] + round(step * (bands - 1))
    if y.ndim != 2 or y.shape != (code.shape[0], wide):
        raise ValueError(
            f"{measurement}: {variable} is {tuple(y.shape)}; a mask of {tuple(code.shape)} and {bands} bands {step:g} "
            f"px apart need ({code.shape[0]}, {wide}). Another number of bands, or transposed?"
        )
    wavelengths = _wavelengths(bands)
    box = Box((0.0, 0.0, 450.0), (*map(float, code.shape), 650.0), ("px", "px", "nm"))
    camera = CASSI(box, code, wavelengths, steps(wavelengths, step))
    top = float(y.max())
    bad = (y < 0) | (y > saturation * top) | ~torch.isfinite(y)
    trusted = (~bad).flatten().nonzero()[:, 0]
    term = Term(camera.on(camera.bands), y.flatten(), noise.Gaussian(noise_level * top), rows=trusted)
    return Problem([term], box, camera.bands, suggested=suggestion(tuple(code.shape), HeldOut(hold_out, limit=2**17)),
                   notes={"negative or saturated pixels": f"{int(bad.sum())} of {y.numel()}"}, average=1)  # fmt: skip


def suggestion(shape: tuple[int, ...], stopping: HeldOut | None = None) -> Suggestion:
    """Separable prior of rank a quarter of the pixels, its bandwidth 0.14 of the pixels' Nyquist frequency an axis."""
    rank = [max(4, n // 4) for n in shape[:2]] + [RANK_BANDS]
    omega0 = [max(4.0, 7.0 * n / 128) for n in shape[:2]] + [OMEGA_BANDS]
    options = {"head": "softplus", "rank": rank, "depth": 2, "omega0": omega0}
    classical: dict[str, Callable[[Problem], Solution]] = {"GAP-TV": gap_tv, "ADMM-TV": admm_tv}
    return Suggestion(prior="separable", options=options, steps=1500, stopping=stopping, baselines=classical,
                      figure=spectral_figure, write=write_cube)  # fmt: skip


# --- what is measured -------------------------------------------------------------------------------------------------


def _wavelengths(bands: int) -> Tensor:
    """The TSA camera's 28 bands, else as many evenly between 450 and 650 nm."""
    if bands < 1:
        raise ValueError(f"cassi: bands={bands} must be at least 1.")
    if bands == len(TSA_WAVELENGTHS):
        return torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    return 450 + 200 * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands


def _mask(name: str, variable: str, shape: tuple[int, int], mode: str, reach: float, seed: int) -> Tensor:
    wide = shape[1] + (0 if mode == "single" else round(reach))
    if name == "random":
        return (torch.rand(shape[0], wide, generator=torch.Generator().manual_seed(seed + 1)) < 0.5).float()
    code = torch.from_numpy(read_matlab(name, variable)).float()
    if code.ndim != 2 or code.shape[0] < shape[0] or code.shape[1] < wide:
        raise ValueError(f"{name}: the mask {tuple(code.shape)} is smaller than the scene, ({shape[0]}, {wide}).")
    return code[: shape[0], :wide].contiguous()


def photograph(scene: str, size: int) -> Tensor:
    """(size, size, 3) in [0, 1]: the middle of the image, averaged down."""
    from skimage.transform import resize

    if scene not in EXAMPLES and not Path(scene).suffix:
        raise ValueError(f"cassi: unknown scene {scene!r}; there is {', '.join(EXAMPLES)}, or a file (.png, .mat ...).")
    image, _ = load_image(scene)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"{scene}: a spectral scene needs an RGB image, got shape {tuple(image.shape)}.")
    side = min(image.shape[:2])
    top, left = ((n - side) // 2 for n in image.shape[:2])
    square = image[top : top + side, left : left + side].numpy()
    return torch.from_numpy(resize(square, (size, size), anti_aliasing=True)).float().clamp(0, 1)


def _cube(path: str, variable: str | None, bands: int) -> Tensor:
    """(H, W, bands) in [0, 1] of a cube in a MATLAB file; averages of neighbouring bands where it has more."""
    if variable is None:
        raise ValueError(f"{path}: name the cube in the file, variable='...'.")
    values = torch.from_numpy(read_matlab(path, variable).astype("float32"))
    if values.ndim == 2:  # unmixing benchmarks: (L, H W), column-major
        side = round(values.shape[1] ** 0.5)
        if side * side != values.shape[1]:
            raise ValueError(f"{path}: {variable} is {tuple(values.shape)}; only square scenes are stored flat.")
        values = values.T.reshape(side, side, -1).transpose(0, 1)
    if values.ndim != 3 or values.shape[-1] < bands:
        raise ValueError(
            f"{path}: {variable} has shape {tuple(values.shape)}; expected (H, W, L) with L >= {bands}. Bands first? "
            "Pass a file with cube.transpose(1, 2, 0)."
        )
    edges = [round(k * values.shape[-1] / bands) for k in range(bands + 1)]
    means = [values[..., a:b].mean(-1) for a, b in itertools.pairwise(edges)]
    cube = torch.stack(means, -1).clamp(min=0)
    return cube / cube.max()
