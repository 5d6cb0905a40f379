"""The classical remedies of smile and keystone: correlate, fit a polynomial, interpolate.

Smile: the lines of the air in the mean spectrum of each sample are moved against those of the known
light until they correlate best, in a window around each line (Gao et al. 2004; Guanter et al.
2006). Keystone: a band is moved across the track against the mean of its neighbours. Both are found
in windows, fitted by the polynomials that the fit uses, and taken off by cubic interpolation of the
reflectance, which is smooth where radiance is not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.operators.spectral.pushbroom import PushBroom
from inverse_inr.problems.spectral.pushbroom.correlation import (
    keystone_by_bands,
    light_at,
    smile_by_lines,
)
from inverse_inr.ranges import Positive
from inverse_inr.solver import Ended
from inverse_inr.stopping import HeldOut

SMILE_REACH = 4.0
"""The largest smile that is looked for, in nm."""
KEYSTONE_REACH = 1.5
"""The largest keystone, in samples."""


def uncorrected(problem: Problem, *, hold_out: bool = False) -> Solution:
    """Reflectance as if the spectrometer were ideal: radiance by the light of each band.

    Args:
        problem: A problem of `pushbroom`.
        hold_out: Leave out the rows by which `solve` judges.
    """
    began = time.perf_counter()
    watched = _held_out(problem) if hold_out else []
    frames, operator = _frames(problem, watched)
    flat = light_at(operator, np.zeros(frames.shape[1:]))
    return _solution(problem, frames / flat, "uncorrected", began, {}, watched)


def corrected(
    problem: Problem,
    *,
    smile_reach: Positive = SMILE_REACH,
    keystone_reach: Positive = KEYSTONE_REACH,
    hold_out: bool = False,
) -> Solution:
    """Find smile and keystone by correlation, and take them off by interpolation.

    Args:
        problem: A problem of `pushbroom`.
        smile_reach: The largest smile that is looked for, in nm.
        keystone_reach: The largest keystone, in samples.
        hold_out: Leave out the rows by which `solve` judges.
    """
    began = time.perf_counter()
    watched = _held_out(problem) if hold_out else []
    frames, operator = _frames(problem, watched)
    smile = smile_by_lines(frames, operator, smile_reach)
    reflectance = frames / light_at(operator, smile)
    keystone = keystone_by_bands(reflectance, keystone_reach)
    image = interpolated(reflectance, smile / operator.grid.spacing[2], keystone)
    details = {"smile": torch.from_numpy(smile), "keystone": torch.from_numpy(keystone)}
    return _solution(problem, image, "correlation", began, details, watched)


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


def _held_out(problem: Problem) -> list[Tensor]:
    return HeldOut().split(problem.terms, 0)[1]


def _frames(problem: Problem, watched: Sequence[Tensor] = ()) -> tuple[np.ndarray, PushBroom]:
    term = problem.terms[0]
    operator: Any = term.operator
    if not isinstance(operator, PushBroom) or operator.table is None:
        raise ValueError(
            "The problem is not one of `pushbroom`, whose spectrometer knows its light."
        )
    frames = operator.unflatten(term.y).double().cpu().numpy()
    known = np.zeros(len(operator), bool)
    known[term.trusted.cpu().numpy()] = True
    for rows in watched:
        known[rows.cpu().numpy()] = False
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


def _solution(
    problem: Problem,
    image: np.ndarray,
    name: str,
    began: float,
    details: dict[str, Any],
    watched: Sequence[Tensor] = (),
) -> Solution:
    values = torch.from_numpy(image[..., None]).to(problem.terms[0].y)
    return Solution(
        SampledField(values, problem.grid),
        problem,
        name,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "no fit"),
        watched=list(watched),
        details=details,
    )
