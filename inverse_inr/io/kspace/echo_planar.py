"""Echo-planar readouts: the phase between the two polarities, and samples on gradient ramps.

Source:
    Bruder et al., MRM 23, 1992 (phase from lines without phase encoding).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.kspace.acquisitions import Acquisitions
from inverse_inr.io.kspace.header import Encoding
from inverse_inr.io.kspace.placement import Readouts, turned

RAMP = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "numSamples", "dwellTime")
"""Numbers of the header's description of a trapezoid, in µs."""


def phase_corrected(
    readouts: Readouts, corrections: Acquisitions, encoding: Encoding, notes: dict[str, str]
) -> Readouts:
    """Remove the phase between readouts of the two polarities.

    Eddy currents and delays shift the echoes of one polarity against those of the other, which is
    a phase a + b x in the image. It is fitted to the lines without phase encoding.

    Args:
        readouts: The image's readouts, turned.
        corrections: The phase-correction acquisitions of the image; may be none.
        encoding: The encoding space.
        notes: Gets a note.

    Returns:
        The readouts, those of the reversed polarity corrected.
    """
    if not readouts.reversed.any() or readouts.reversed.all():
        return readouts
    count = int(readouts.reversed.sum())
    said = f"{count} of {len(readouts.samples)} readouts turned round"
    if readouts.note:
        said = f"{said}; {readouts.note}"
    if not len(corrections) or len(np.unique(corrections.flagged(22))) < 2:
        notes["reversed readouts"] = f"{said}; no phase-correction lines of both polarities"
        return readouts
    path = corrections.path
    lines = on_uniform_samples(path, turned(corrections), encoding)
    length = encoding.encoded.size[0]
    images = np.stack(
        [_image(path, v, c, length) for v, c in zip(lines.samples, lines.centers, strict=True)]
    )
    forward = images[~lines.reversed].mean(0)
    backward = images[lines.reversed].mean(0)
    offset, slope = _linear_phase((forward.conj() * backward).sum(0))
    position = np.arange(length) - length // 2
    wave = np.exp(-1j * (offset + slope * position))
    samples, centers = list(readouts.samples), list(readouts.centers)
    for k in np.flatnonzero(readouts.reversed):
        image = _image(path, samples[k], centers[k], length) * wave
        # the corrected readout keeps its own length, so that what was not measured stays so
        whole = _centred(np.fft.fft, image)
        first = length // 2 - centers[k]
        samples[k] = whole[:, first : first + samples[k].shape[1]].astype(np.complex64)
    shift = slope * length / (2 * math.pi)
    notes["reversed readouts"] = (
        f"{said}; corrected by {len(lines.samples)} lines: phase {offset:.3g} rad, "
        f"shift {shift:.3g} samples"
    )
    return replace(readouts, samples=samples)


def _image(path: PathLike, samples: np.ndarray, center: int, length: int) -> np.ndarray:
    """The image of a readout, (channels, length), with the origin at length // 2."""
    first = length // 2 - center
    if first < 0 or first + samples.shape[1] > length:
        raise FileFormatError(
            f"{path}: a readout of {samples.shape[1]} samples with center_sample {center} does "
            f"not fit the {length} samples of encodedSpace along x."
        )
    wide = np.zeros((len(samples), length), np.complex128)
    wide[:, first : first + samples.shape[1]] = samples
    return _centred(np.fft.ifft, wide)


def _centred(transform: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    return np.fft.fftshift(transform(np.fft.ifftshift(values, -1), axis=-1), -1)


def _linear_phase(product: np.ndarray) -> tuple[float, float]:
    """Fit angle(product) by a + b x, weighted by its size: (n,) -> a at the middle, and b.

    The slope comes from the mean phase between neighbours, which does not wrap, and is then
    refined.
    """
    position = np.arange(len(product)) - len(product) // 2
    slope = float(np.angle((product[1:] * product[:-1].conj()).sum()))
    offset = 0.0
    weight = np.abs(product)
    for _ in range(3):
        rest = product * np.exp(-1j * slope * position)
        offset = float(np.angle(rest.sum()))
        phase = np.angle(rest * np.exp(-1j * offset))
        middle = (weight * position).sum() / weight.sum()
        spread = (weight * (position - middle) ** 2).sum()
        if not spread > 0:
            break
        change = float((weight * (position - middle) * phase).sum() / spread)
        slope += change
    rest = product * np.exp(-1j * slope * position)
    return float(np.angle(rest.sum())), slope


def on_uniform_samples(path: PathLike, readouts: Readouts, encoding: Encoding) -> Readouts:
    """Resample readouts that were measured while the gradient ramped.

    The header describes the trapezoid. Samples at k(t) are least-squares fitted by an image of as
    many pixels as the readout's matrix, whose Fourier transform gives uniform samples.

    Args:
        path: The file, for messages.
        readouts: Turned readouts.
        encoding: The encoding space.

    Returns:
        Uniform readouts; the same where the gradient was flat.

    Raises:
        FileFormatError: A readout has another number of samples than the header describes.
    """
    positions = ramp_positions(encoding)
    if positions is None:
        return readouts
    length = encoding.encoded.size[0]
    onto = _resampling(positions, length)
    onto_turned = _resampling(-positions[::-1], length)
    samples = []
    for values, backward in zip(readouts.samples, readouts.reversed, strict=True):
        if values.shape[1] != len(positions):
            raise FileFormatError(
                f"{path}: the header describes {len(positions)} samples on a trapezoid "
                f"(numSamples), a readout has {values.shape[1]}."
            )
        matrix = onto_turned if backward else onto
        samples.append((values @ matrix.T).astype(np.complex64))
    return replace(readouts, samples=samples, centers=[length // 2] * len(samples))


def _resampling(positions: np.ndarray, length: int) -> np.ndarray:
    """The matrix from samples at some positions to `length` uniform ones, (length, samples)."""
    pixel = np.arange(length) - length // 2
    waves = np.exp(-2j * np.pi * np.outer(positions, pixel) / length)
    uniform = np.exp(-2j * np.pi * np.outer(pixel, pixel) / length)
    return uniform @ np.linalg.pinv(waves, 1e-3)


def ramp_positions(encoding: Encoding) -> np.ndarray | None:
    """Positions of an EPI's samples in k-space, where they are not uniform.

    Args:
        encoding: The encoding space, whose description holds the trapezoid.

    Returns:
        (numSamples,) in cycles per field of view, zero at the middle of the trapezoid; None where
        all samples lie on the flat top, or nothing is described.
    """
    if encoding.trajectory != "epi" or not set(RAMP) <= set(encoding.description):
        return None
    up, flat, down, delay, count, dwell = (encoding.description[name] for name in RAMP)
    times = delay + dwell * (np.arange(int(count)) + 0.5)
    if up <= 0 or (times[0] >= up and times[-1] <= up + flat):
        return None
    edges = np.array([delay, delay + dwell * count])
    area = _trapezoid_area(np.concatenate([times, edges]), up, flat, down)
    middle = _trapezoid_area(np.array([up + flat / 2]), up, flat, down)
    covered = area[-1] - area[-2]
    return (area[:-2] - middle) / covered * encoding.encoded.size[0]


def _trapezoid_area(t: np.ndarray, up: float, flat: float, down: float) -> np.ndarray:
    """The integral of a trapezoid of height 1 from 0 to t."""
    rising = np.clip(t, 0, up) ** 2 / (2 * up)
    level = np.clip(t - up, 0, flat)
    late = np.clip(t - up - flat, 0, max(down, 1e-9))
    falling = late - late**2 / (2 * max(down, 1e-9))
    return rising + level + falling
