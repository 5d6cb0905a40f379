"""Smile and keystone found by correlation, in windows, and fitted by polynomials.

Smile: the lines of the air in the mean spectrum of each sample are moved against those of the known
light until they correlate best, in a window around each line (Gao et al. 2004; Guanter et al.
2006). Keystone: a band is moved across the track against its neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from inverse_inr.operators.spectral.pushbroom import LegendreSurface, PushBroom, legendre
from inverse_inr.problems.spectral.pushbroom.scenes import ABSORPTION

TRIES = np.linspace(-1.0, 1.0, 81)
"""Shifts that are tried, as fractions of the largest."""
WINDOW = 4
"""Bands on each side of a line that are compared."""
BLOCKS = 4
"""Parts of a line of samples whose keystone is found by itself."""
SMOOTH = 5
"""Bands whose mean a band is compared with."""


def smile_by_lines(frames: np.ndarray, operator: PushBroom, reach: float) -> np.ndarray:
    """Find the smile of each sample at each line of the air, and fit the polynomials of a smile.

    Args:
        frames: (lines, samples, bands) radiances.
        operator: The spectrometer, with its light.
        reach: The largest smile, in nm.

    Returns:
        (samples, bands) in nm.
    """
    bands = centers(operator)
    spectra = np.log(np.maximum(frames.mean(0), 1e-6))
    places: list[tuple[float, float, float]] = []
    for nm, *_ in ABSORPTION:
        j = int(np.abs(bands - nm).argmin())
        near = np.arange(j - WINDOW, j + WINDOW + 1)
        if near[0] < 0 or near[-1] >= len(bands):
            continue
        shifts = reach * TRIES
        moved = np.log(_light_at(operator, bands[near] + shifts[:, None]))
        scores = _without_line(spectra[:, near]) @ _without_line(moved).T
        scores /= np.linalg.norm(_without_line(moved), axis=1)
        found = _peak(scores, shifts)
        places += [(float(i), float(j), float(s)) for i, s in enumerate(found)]
    return _fitted(places, frames.shape[1:], operator.smile, (3, 2))


def keystone_by_bands(reflectance: np.ndarray, reach: float) -> np.ndarray:
    """Find where each band has the borders of its neighbours, block by block of samples.

    Shifts against neighbours are slopes of the keystone along the bands; they are summed.

    Args:
        reflectance: (lines, samples, bands).
        reach: The largest keystone, in samples.

    Returns:
        (samples, bands) in samples, of mean 0 over the bands.
    """
    _, count, bands = reflectance.shape
    step = max(SMOOTH, bands // 10)
    means = np.stack(
        [reflectance[..., k : k + step].mean(-1) for k in range(0, bands - step + 1, step)], -1
    )
    centers = np.arange(means.shape[-1]) * step + 0.5 * (step - 1)
    places = []
    for block in np.array_split(np.arange(count), min(BLOCKS, max(1, count // 12))):
        slopes = [
            _moved_by(means[:, block, k], means[:, block, k + 1], reach)
            for k in range(len(centers) - 1)
        ]
        path = np.concatenate([[0.0], np.cumsum(slopes)])
        places += [
            (float(block.mean()), float(j), float(v))
            for j, v in zip(centers, path - path.mean(), strict=True)
        ]
    return _fitted(places, (count, bands), None, (2, 2), without_mean=True)


def _moved_by(one: np.ndarray, other: np.ndarray, reach: float) -> float:
    """How far the samples of `other` look beyond those of `one`: the shift of least squares."""
    from scipy.ndimage import shift

    edge = int(np.ceil(reach)) + 1
    inner = slice(edge, -edge)
    rest = []
    for s in reach * TRIES:
        # other(i) = one(i + s)
        moved = shift(one, (0, -s), order=3, mode="nearest")[:, inner].ravel()
        seen = other[:, inner].ravel()
        basis = np.stack([moved, np.ones_like(moved)], 1)
        rest.append(-np.square(seen - basis @ np.linalg.lstsq(basis, seen, rcond=None)[0]).sum())
    return float(_peak(np.array(rest)[None], reach * TRIES)[0])


def _fitted(
    places: list[tuple[float, float, float]],
    shape: tuple[int, ...],
    surface: LegendreSurface | None,
    count: tuple[int, int],
    *,
    without_mean: bool = False,
) -> np.ndarray:
    """Fit Legendre polynomials to values at places (sample, band), robust to a few wrong ones."""
    if surface is not None:
        count = (surface.coefficients.shape[0], surface.coefficients.shape[1])
    table = np.array(places)

    def basis(i: Any, j: Any) -> np.ndarray:
        u = torch.as_tensor(2 * (np.asarray(i) + 0.5) / shape[0] - 1, dtype=torch.float64)
        v = torch.as_tensor(2 * (np.asarray(j) + 0.5) / shape[1] - 1, dtype=torch.float64)
        first = int(without_mean)
        parts = legendre(v, count[1] + first)[..., first:]
        return torch.einsum("...p,...q->...pq", legendre(u, count[0]), parts).flatten(-2).numpy()

    design = basis(table[:, 0], table[:, 1])
    weights = np.ones(len(table))
    a = np.zeros(design.shape[1])
    for _ in range(10):  # least moduli by reweighted squares
        root = np.sqrt(weights)
        a = np.linalg.lstsq(root[:, None] * design, root * table[:, 2], rcond=None)[0]
        weights = 1 / np.maximum(np.abs(design @ a - table[:, 2]), 1e-2)
    i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    return basis(i, j) @ a


def _without_line(values: np.ndarray) -> np.ndarray:
    """Take a straight line off each row."""
    x = np.linspace(-1, 1, values.shape[-1])
    basis = np.stack([np.ones_like(x), x])
    return values - (values @ np.linalg.pinv(basis)) @ basis


def _peak(scores: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where each row of scores is largest, by a parabola through three of them."""
    k = scores.argmax(1).clip(1, len(at) - 2)
    rows = np.arange(len(scores))
    a, b, c = scores[rows, k - 1], scores[rows, k], scores[rows, k + 1]
    bend = a - 2 * b + c
    part = np.where(bend < 0, 0.5 * (a - c) / np.where(bend < 0, bend, 1), 0).clip(-1, 1)
    return at[k] + part * (at[1] - at[0])


def centers(operator: PushBroom) -> np.ndarray:
    """The wavelengths of the bands in nm, without smile."""
    return operator.bands.double().cpu().numpy()


def light_at(operator: PushBroom, smile: np.ndarray) -> np.ndarray:
    """The light of each pixel's band, (samples, bands), for a smile in nm of the same shape."""
    return _light_at(operator, centers(operator) + smile)


def _light_at(operator: PushBroom, nm: np.ndarray) -> np.ndarray:
    """The light of bands whose centres lie at some wavelengths."""
    assert operator.table is not None
    table = operator.table.double().cpu().numpy()
    return np.interp(nm, table[:, 0], table[:, 1])
