"""Fresh inputs of computed tomography: six truths, 30 to 120 views, three noise levels and counts.

Truths: a CT slice that comes with pydicom, three microscope and telescope images that come with
scikit-image, and two generated objects with texture. None of them was used to choose anything.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

import inverse_inr as ii
from fresh_cases.case import Case
from inverse_inr import baselines, io
from inverse_inr.problems.ct import ct
from inverse_inr.problems.ct.simulated import filtered_backprojection

SIZE = 80
"""Pixels of the longest side of the grid that is shown."""
FINE = 320
"""Pixels of the truth."""


def _disc(values: np.ndarray) -> np.ndarray:
    """The image inside a disc, from 0 to 1: a scanner sees the whole object."""
    low, high = np.percentile(values, [0.5, 99.5])
    axis = np.linspace(-1, 1, len(values))
    inside = np.hypot(*np.meshgrid(axis, axis)) < 0.93
    return np.clip((values - low) / (high - low), 0, 1) * inside


def _resized(values: np.ndarray) -> np.ndarray:
    import skimage.transform

    side = min(values.shape)
    shape = (FINE, FINE)
    return np.asarray(skimage.transform.resize(values[:side, :side], shape, anti_aliasing=True))


def _patient() -> np.ndarray:
    import pydicom
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm")
    assert isinstance(path, str)
    return _resized(pydicom.dcmread(path).pixel_array.astype(float))


def _of_scikit_image(name: str) -> np.ndarray:
    import skimage.data

    values = np.asarray(getattr(skimage.data, name)(), float)
    if values.ndim == 3:
        values = values[..., :3].mean(-1)
    return _resized(values)


def _noise(seed: int, width: float) -> np.ndarray:
    """Smooth Gaussian noise of unit deviation, with a correlation of so many pixels."""
    import scipy.ndimage

    values = np.random.default_rng(seed).standard_normal((FINE, FINE))
    smooth = scipy.ndimage.gaussian_filter(values, width)
    return smooth / smooth.std()


def _trabeculae() -> np.ndarray:
    """A porous bone: thresholded noise in a cortical ring."""
    axis = np.linspace(-1, 1, FINE)
    radius = np.hypot(*np.meshgrid(axis, axis))
    bone = 1 / (1 + np.exp(-6 * (_noise(5, 6.0) - 0.3)))
    return np.where(radius > 0.82, 1.0, 0.15 + 0.75 * bone) * (radius < 0.92)


def _organs() -> np.ndarray:
    """Ellipses with smooth texture of their own, small rods of high contrast."""
    generator = np.random.default_rng(11)
    axis = np.linspace(-1, 1, FINE)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    values = 0.4 * ((x / 0.9) ** 2 + (y / 0.75) ** 2 < 1)
    for k in range(7):
        a, b = generator.uniform(0.08, 0.3, 2)
        u, v = generator.uniform(-0.5, 0.5, 2)
        turn = generator.uniform(0, np.pi)
        along = (x - u) * np.cos(turn) + (y - v) * np.sin(turn)
        across = (y - v) * np.cos(turn) - (x - u) * np.sin(turn)
        texture = generator.uniform(-0.2, 0.3) + 0.05 * _noise(20 + k, generator.uniform(2, 8))
        values = values + texture * ((along / a) ** 2 + (across / b) ** 2 < 1)
    for u, v in generator.uniform(-0.45, 0.45, (5, 2)):
        values = values + 0.5 * (np.hypot(x - u, y - v) < 0.025)
    return values


TRUTHS: dict[str, Callable[[], np.ndarray]] = {
    "patient": _patient,
    "tissue": partial(_of_scikit_image, "immunohistochemistry"),
    "galaxies": partial(_of_scikit_image, "hubble_deep_field"),
    "aneurysms": partial(_of_scikit_image, "microaneurysms"),
    "trabeculae": _trabeculae,
    "organs": _organs,
}


@cache
def _file(truth: str) -> Path:
    """The truth as a file, which the problem reads as it would a stranger's."""
    path = Path(tempfile.mkdtemp()) / f"{truth}.npz"
    values = _disc(TRUTHS[truth]()).astype(np.float32)
    grid = ii.Grid(ii.Box((-1.0, -1.0), (1.0, 1.0)), values.shape)
    io.write_image(path, torch.from_numpy(values)[..., None], grid)
    return path


def _make(truth: str, seed: int, **scan: float) -> ii.Problem:
    return ct(str(_file(truth)), size=SIZE, seed=100 + seed, **scan)  # type: ignore[arg-type]


NOISES: dict[str, dict[str, float]] = {
    "0.1 %": {"noise_level": 0.001},
    "0.5 %": {"noise_level": 0.005},
    "2 %": {"noise_level": 0.02},
    "10000 photons": {"photons": 1e4},
}


def cases() -> list[Case]:
    """Three scans of each truth, so that each number of views meets each noise level."""
    simple = {"FBP, hann": filtered_backprojection, "CGLS": baselines.cgls, "TV": baselines.tv}
    oracle = {"TV, oracle": partial(baselines.tv, weight="oracle")}
    found = []
    for k, truth in enumerate(TRUTHS):
        for j, views in enumerate((30, 60, 120)):
            name = list(NOISES)[(k + j) % len(NOISES)]
            make = partial(_make, truth, views=views, **NOISES[name])
            found.append(Case(f"{truth}, {views} views, {name}", make, simple, oracle))
    return found
