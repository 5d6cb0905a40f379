"""The classical remedies of smile and keystone: correlate, fit a polynomial, interpolate.

Smile: the lines of the air in the mean spectrum of each sample are moved against those of the known
light until they correlate best, in a window around each line (Gao et al. 2004; Guanter et al.
2006). Keystone: a band is moved across the track against the mean of its neighbours. Both are found
in windows, fitted by the polynomials that the fit uses, and taken off by cubic interpolation of the
reflectance, which is smooth where radiance is not.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.operators.spectral.pushbroom import LegendreSurface, PushBroom, legendre
from inverse_inr.problems.spectral.pushbroom.scenes import ABSORPTION
from inverse_inr.ranges import Positive
from inverse_inr.solver import Ended

SMILE_REACH = 4.0
"""The largest smile that is looked for, in nm."""
KEYSTONE_REACH = 1.5
"""The largest keystone, in samples."""
TRIES = np.linspace(-1.0, 1.0, 81)
"""Shifts that are tried, as fractions of the largest."""
WINDOW = 4
"""Bands on each side of a line that are compared."""
BLOCKS = 4
"""Parts of a line of samples whose keystone is found by itself."""
SMOOTH = 5
"""Bands whose mean a band is compared with."""


def uncorrected(problem: Problem) -> Solution:
    """Reflectance as if the spectrometer were ideal: radiance by the light of each band."""
    began = time.perf_counter()
    frames, operator = _frames(problem)
    flat = _light_at(operator, np.broadcast_to(_bands(operator), frames.shape[1:]))
    return _solution(problem, frames / flat, "uncorrected", began, {})


def corrected(
    problem: Problem,
    *,
    smile_reach: Positive = SMILE_REACH,
    keystone_reach: Positive = KEYSTONE_REACH,
) -> Solution:
    """Find smile and keystone by correlation, and take them off by interpolation.

    Args:
        problem: A problem of `pushbroom`.
        smile_reach: The largest smile that is looked for, in nm.
        keystone_reach: The largest keystone, in samples.
    """
    began = time.perf_counter()
    frames, operator = _frames(problem)
    smile = smile_by_lines(frames, operator, smile_reach)
    reflectance = frames / light_at(operator, smile)
    keystone = keystone_by_bands(reflectance, keystone_reach)
    image = interpolated(reflectance, smile / operator.grid.spacing[2], keystone)
    details = {"smile": torch.from_numpy(smile), "keystone": torch.from_numpy(keystone)}
    return _solution(problem, image, "correlation", began, details)


def with_true_distortions(problem: Problem) -> Solution:
    """The same interpolation, told smile, keystone and stray light: what correlation cannot beat.

    Args:
        problem: A simulated problem of `pushbroom`, whose notes hold them.
    """
    began = time.perf_counter()
    frames, operator = _frames(problem)
    smile, keystone = (v.double().numpy() for v in problem.notes["smile, keystone"])
    frames = without_stray(frames, problem.notes["stray"], operator.spread)
    reflectance = frames / light_at(operator, smile)
    image = interpolated(reflectance, smile / operator.grid.spacing[2], keystone)
    return _solution(problem, image, "true distortions (oracle)", began, {})


def without_stray(
    frames: np.ndarray, share: float, spread: tuple[float, float], rounds: int = 10
) -> np.ndarray:
    """Take stray light off by van Cittert's iteration d <- d + (y - (1 - β) d - β K d).

    Args:
        frames: (lines, samples, bands).
        share: β.
        spread: Standard deviations of K along samples and bands, as parts of the frame.
        rounds: Iterations; each makes the error β times as large or less.
    """
    found = frames.copy()
    for _ in range(rounds):
        found += frames - with_stray(found, share, spread)
    return found


def with_stray(frames: np.ndarray, share: float, spread: tuple[float, float]) -> np.ndarray:
    """Lay a share of each frame over all of it: (1 - β) d + β K d.

    Args:
        frames: (lines, samples, bands).
        share: β.
        spread: Standard deviations of K along samples and bands, as parts of the frame.
    """
    kernels = []
    for width, n in zip(spread, frames.shape[1:], strict=True):
        i = np.arange(n)
        kernel = np.exp(-0.5 * ((i[:, None] - i) / (width * n)) ** 2)
        kernels.append(kernel / kernel.sum(1, keepdims=True))
    laid = kernels[0] @ frames @ kernels[1].T
    return (1 - share) * frames + share * laid


def smile_by_lines(frames: np.ndarray, operator: PushBroom, reach: float) -> np.ndarray:
    """Find the smile of each sample at each line of the air, and fit the polynomials of a smile.

    Args:
        frames: (lines, samples, bands) radiances.
        operator: The spectrometer, with its light.
        reach: The largest smile, in nm.

    Returns:
        (samples, bands) in nm.
    """
    bands = _bands(operator)
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


def interpolated(reflectance: np.ndarray, smile: np.ndarray, keystone: np.ndarray) -> np.ndarray:
    """Move samples and bands to where an ideal spectrometer has them, by cubic interpolation.

    Args:
        reflectance: (lines, samples, bands) at i + keystone and j + smile.
        smile: (samples, bands) in distances of bands.
        keystone: (samples, bands) in samples.
    """
    from scipy.interpolate import CubicSpline

    _, count, bands = reflectance.shape
    found = np.empty_like(reflectance)
    j = np.arange(bands)
    for i in range(count):
        spline = CubicSpline(j + smile[i], reflectance[:, i], axis=1)
        found[:, i] = spline(np.clip(j, (j + smile[i])[0], (j + smile[i])[-1]))
    i = np.arange(count)
    for k in range(bands):
        own = i + keystone[:, k]
        found[..., k] = CubicSpline(own, found[..., k], axis=1)(np.clip(i, own[0], own[-1]))
    return found


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


def _frames(problem: Problem) -> tuple[np.ndarray, PushBroom]:
    term = problem.terms[0]
    operator: Any = term.operator
    if not isinstance(operator, PushBroom) or operator.table is None:
        raise ValueError(
            "The problem is not one of `pushbroom`, whose spectrometer knows its light."
        )
    frames = operator.unflatten(term.y).double().cpu().numpy()
    known = np.zeros(len(operator), bool)
    known[term.trusted.cpu().numpy()] = True
    return filled(frames, known.reshape(operator.shape)), operator


def filled(frames: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Put what is not known on the line between the bands beside it.

    Args:
        frames: (lines, samples, bands).
        known: The same shape, bool.
    """
    found = frames.copy()
    bands = np.arange(frames.shape[2])
    for t, i in np.argwhere(~known.all(-1)):
        good = known[t, i]
        found[t, i] = np.interp(bands, bands[good], frames[t, i, good]) if good.any() else 0.0
    return found


def _bands(operator: PushBroom) -> np.ndarray:
    return operator.bands.double().cpu().numpy()


def light_at(operator: PushBroom, smile: np.ndarray) -> np.ndarray:
    """The light of each pixel's band, (samples, bands), for a smile in nm of the same shape."""
    return _light_at(operator, _bands(operator) + smile)


def _light_at(operator: PushBroom, nm: np.ndarray) -> np.ndarray:
    """The light of bands whose centres lie at some wavelengths."""
    assert operator.table is not None
    table = operator.table.double().cpu().numpy()
    return np.interp(nm, table[:, 0], table[:, 1])


def _solution(
    problem: Problem, image: np.ndarray, name: str, began: float, details: dict[str, Any]
) -> Solution:
    values = torch.from_numpy(image[..., None]).to(problem.terms[0].y)
    seconds = time.perf_counter() - began
    return Solution(
        SampledField(values, problem.grid),
        problem,
        name,
        seconds=seconds,
        stopped=Ended("direct", "no fit"),
        details=details,
    )
