"""Smile and keystone found by correlation, in windows, and fitted by polynomials.

Smile: the lines of the air in the mean spectrum of each sample are moved against those of the known
light until they correlate best, in a window around each line (Gao et al. 2004; Guanter et al.
2006). Keystone: a band is moved across the track against its neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from inverse_inr.operators.spectral.pushbroom import PushBroom, legendre
from inverse_inr.problems.spectral.pushbroom.scenes import ABSORPTION

TRIES = np.linspace(-1.0, 1.0, 81)
"""Shifts that are tried, as fractions of the largest."""
WINDOW = 4
"""Bands on each side of a line that are compared."""
BLOCKS = 4
"""Parts of a line of samples whose keystone is found by itself."""
SMOOTH = 5
"""Bands whose mean a band is compared with."""
CLOSEST = 1e-2
"""Least deviation of a shift that is believed, and least departure from polynomials, in samples."""


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
    places: list[tuple[int, int, float]] = []
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
        places += [(i, j, float(s)) for i, s in enumerate(found)]
    count = (3, 2)
    if operator.smile is not None:
        count = (operator.smile.coefficients.shape[0], operator.smile.coefficients.shape[1])
    sample, band, shift = np.array(places).T
    shape = frames.shape[1:]
    a = _least_moduli(_polynomials(sample, band, shape, count), shift)
    samples, columns = np.indices(shape)
    return _polynomials(samples, columns, shape, count) @ a


def keystone_by_bands(reflectance: np.ndarray, reach: float) -> np.ndarray:
    """Find where each band has the borders of its neighbours, block by block of samples.

    Shifts against neighbours are differences of the keystone along the bands, and the polynomials
    are fitted to these. Summed up, one wrong difference, where a border has no contrast between two
    bands, would spoil all bands beyond.

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
        for k in range(len(centers) - 1):
            moved = _moved_by(means[:, block, k], means[:, block, k + 1], reach)
            places.append((block.mean(), centers[k], centers[k + 1], *moved))
    sample, band, following, shift, variance = np.array(places).T
    weight = 1 / np.sqrt(variance + CLOSEST**2)
    weight = weight[:, None] / max(weight.mean(), 1e-12)
    shape = (count, bands)
    at, beyond = (_polynomials(sample, j, shape, (2, 2), 1) for j in (band, following))
    a = _least_moduli(weight * (beyond - at), weight[:, 0] * shift)
    samples, columns = np.indices(shape)
    return _polynomials(samples, columns, shape, (2, 2), 1) @ a


def _moved_by(one: np.ndarray, other: np.ndarray, reach: float) -> tuple[float, float]:
    """How far the samples of `other` look beyond those of `one`: the shift of least squares.

    Each line has a gain of its own, for lines cross borders of other materials, whose contrast
    changes from band to band in another way. One gain for all would be mended by a shift.

    Returns:
        The shift, and its variance by the bend of the squares: large where borders are weak, and
        infinite where no shift in reach is best.
    """
    from scipy.ndimage import shift

    edge = int(np.ceil(reach)) + 1
    inner = slice(edge, -edge)
    seen = _without_mean(other[:, inner])
    rest = []
    for s in reach * TRIES:
        # other(i) = one(i + s)
        moved = _without_mean(shift(one, (0, -s), order=3, mode="nearest")[:, inner])
        energy = np.maximum((moved * moved).sum(1, keepdims=True), 1e-12)
        gains = (moved * seen).sum(1, keepdims=True) / energy
        rest.append(-np.square(seen - gains * moved).sum())
    scores, shifts = np.array(rest), reach * TRIES
    k = int(scores.argmax())
    if k in (0, len(shifts) - 1):
        return float(shifts[k]), np.inf
    bend = (2 * scores[k] - scores[k - 1] - scores[k + 1]) / (shifts[1] - shifts[0]) ** 2
    variance = -2 * scores.max() / seen.size / max(bend, 1e-12)
    return float(_peak(scores[None], shifts)[0]), variance


def _polynomials(
    i: Any, j: Any, shape: tuple[int, ...], count: tuple[int, int], first: int = 0
) -> np.ndarray:
    """Products of Legendre polynomials at samples i and bands j, along bands from the first one."""
    u = torch.as_tensor(2 * (np.asarray(i) + 0.5) / shape[0] - 1, dtype=torch.float64)
    v = torch.as_tensor(2 * (np.asarray(j) + 0.5) / shape[1] - 1, dtype=torch.float64)
    parts = legendre(v, count[1] + first)[..., first:]
    return torch.einsum("...p,...q->...pq", legendre(u, count[0]), parts).flatten(-2).numpy()


def _least_moduli(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of least moduli by reweighted squares: robust to a few wrong values."""
    weights = np.ones(len(values))
    a = np.zeros(design.shape[1])
    for _ in range(10):
        root = np.sqrt(weights)
        a = np.linalg.lstsq(root[:, None] * design, root * values, rcond=None)[0]
        weights = 1 / np.maximum(np.abs(design @ a - values), CLOSEST)
    return a


def _without_mean(values: np.ndarray) -> np.ndarray:
    """Take the mean off each row."""
    return values - values.mean(1, keepdims=True)


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
