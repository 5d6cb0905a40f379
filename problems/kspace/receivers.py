"""Noise of the receivers: measured by a noise scan, given, or estimated; and its whitening.

Whitened coils W y are combinations of the coils whose noise is uncorrelated and equally large. They
see the same image through the maps W s, so that all methods may take them for coils. W keeps the
mean noise, and with it the unit of the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr.io import RawKSpace
from inverse_inr.noise.covariance import checked_covariance, whitening_matrix
from inverse_inr.problems.kspace.noise_level import (
    noise_of_coils,
    noise_of_readouts,
    outermost_noise,
)
from inverse_inr.ranges import checked

Whitening = Literal["auto", "scan", "estimate", "none"]
Sigma = float | Sequence[float] | Sequence[Sequence[float]] | Tensor
"""The noise of a sample: one number, one per coil, or a covariance (coils, coils)."""


class Receivers(NamedTuple):
    """The coils of a file as they are used."""

    values: Tensor
    """(coils, *shape) measurements, whitened."""
    calibration: Tensor | None
    """(coils, *shape) reference lines, whitened alike."""
    sigma: float
    """Noise of one measurement in the unit of the file."""
    notes: dict[str, str]
    """How the noise was found."""


def prepared(
    raw: RawKSpace,
    frequencies: Tensor,
    whiten: Whitening,
    sigma: Sigma | None,
    mask: Tensor | None = None,
) -> Receivers:
    """Leave dead coils out, and whiten the others.

    Args:
        raw: The file's k-space.
        frequencies: (*shape, d) relative to Nyquist, of the values.
        whiten: "scan": by the file's noise scan; "estimate": each coil by its own noise, as
            `estimated_noise` finds it; "auto": by the scan if there is one, else by estimation;
            "none".
        sigma: The noise if the caller knows it; then nothing is estimated.
        mask: (*shape) the measurements that will be used, in which noise is looked for; None: all.

    Returns:
        The receivers.

    Raises:
        ValueError: There is no noise scan, or `sigma` does not fit the coils.
    """
    notes: dict[str, str] = {}
    alive = raw.values.flatten(1).abs().sum(1) > 0
    if not bool(alive.all()):
        dead = (~alive).nonzero().flatten().tolist()
        notes["coils left out"] = f"{dead}, which measured nothing"
    values = raw.values[alive]
    calibration = None if raw.calibration is None else raw.calibration[alive]
    covariance = None
    if sigma is not None:
        covariance, level = _given(sigma, alive)
        if covariance is None:
            notes["receivers"] = "taken as equally noisy and uncorrelated: sigma is one number"
            return Receivers(values, calibration, level, notes)
        notes["receivers"] = "whitened by the given sigma"
    elif whiten in ("auto", "scan") and raw.noise is not None:
        covariance = raw.noise[alive][:, alive]
        notes["receivers"] = "whitened by the noise scan"
    elif whiten == "scan":
        reason = raw.notes.get("noise scan", "it has none that is flagged as one")
        raise ValueError(
            f"kspace_scan: whiten='scan', but the file gives no noise scan: {reason}. "
            "Pass noise_scan=... or whiten='estimate'."
        )
    else:
        each, place = estimated_noise(values, raw, frequencies, mask, calibration)
        level = float(each.square().mean().sqrt())
        notes["noise"] = f"estimated from {place}"
        if whiten == "none" or len(values) == 1:
            return Receivers(values, calibration, level, notes)
        covariance = torch.diag(each.double() ** 2)
        spread = f"{float(each.min() / each.mean()):.3g} to {float(each.max() / each.mean()):.3g}"
        notes["receivers"] = f"each whitened by its own noise, {spread} of the mean"
    checked_covariance("kspace_scan: sigma", covariance, is_complex=True)
    level = math.sqrt(float(covariance.diagonal().real.mean()))
    matrix = level * whitening_matrix(covariance)
    return Receivers(
        _mixed(matrix, values),
        None if calibration is None else _mixed(matrix, calibration),
        level,
        notes,
    )


def _mixed(matrix: Tensor, values: Tensor) -> Tensor:
    return torch.einsum("ij,j...->i...", matrix.to(values.dtype), values)


def _given(sigma: Sigma, alive: Tensor) -> tuple[Tensor | None, float]:
    """The covariance of a given sigma for the coils that are alive, or its one number."""
    given = torch.as_tensor(sigma)
    if not given.is_complex():
        given = given.double()
    if given.ndim == 0:
        level = float(given.real)
        if not (math.isfinite(level) and level > 0):
            raise ValueError(f"kspace_scan: sigma={level} must be a positive, finite number.")
        return None, level
    if given.ndim > 2 or any(n != len(alive) for n in given.shape):
        raise ValueError(
            f"kspace_scan: sigma of shape {tuple(given.shape)} for {len(alive)} coils; expected "
            "one number, one per coil, or a covariance (coils, coils)."
        )
    if given.ndim == 1:
        if given.is_complex() or not bool((given > 0).all() & given.isfinite().all()):
            raise ValueError("kspace_scan: sigma of each coil must be a positive, finite number.")
        return torch.diag(given[alive] ** 2), 0.0
    return given[alive][:, alive], 0.0


@checked
def estimated_noise(
    values: Tensor,
    raw: RawKSpace,
    frequencies: Tensor,
    mask: Tensor | None = None,
    calibration: Tensor | None = None,
) -> tuple[Tensor, str]:
    """The noise of each coil, found in the measurements by the best way that they allow.

    Args:
        values: (coils, *shape) complex.
        raw: The file's k-space, for its geometry.
        frequencies: (*shape, d) relative to Nyquist.
        mask: (*shape) the measurements to look at; None: all.
        calibration: (coils, *shape) separate reference lines, where the others have no centre.

    Returns:
        (coils,) the square root of E|n|² of one measurement, and where it was found.
    """
    if mask is None:
        mask = raw.mask
    measured = values[:, mask]
    if raw.counts is not None:
        measured = measured * raw.counts[mask].sqrt()
    bound = outermost_noise(measured.T, frequencies[mask])
    place = "the dimensions of k-space patches that hold no signal"
    if raw.trajectory is None:
        found = noise_of_coils(values, mask, raw.counts)
        if found is None and calibration is not None:
            found = noise_of_coils(calibration, (calibration != 0).any(0))
    else:
        place = "what readouts see beyond the field of view"
        half = torch.tensor(raw.image_shape, dtype=frequencies.dtype) / 2
        found = noise_of_readouts(values, frequencies * half)
    if found is None or float(found.square().mean()) > float(bound.square().mean()):
        return bound, "the outermost k-space, an upper bound"
    return found.to(bound), place
