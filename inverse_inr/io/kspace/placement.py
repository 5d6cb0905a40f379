"""Readouts of ISMRMRD on the matrix of k-space: turned round, centred, averaged, cropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError
from inverse_inr.io.kspace.acquisitions import REVERSED, Acquisitions
from inverse_inr.io.kspace.header import Encoding, Limits
from inverse_inr.io.kspace.raw import check_size

QUIET = 0.1
"""Mean energy outside the kept field of view, relative to that inside, that is no object."""


@dataclass(frozen=True)
class Readouts:
    """Samples of acquisitions, all in the direction of increasing frequency.

    Args:
        samples: (channels, samples) complex64 of each acquisition.
        centers: The sample at zero frequency of each acquisition.
        reversed: (k,) bool, which of them were measured the other way round.
        note: What was inferred; empty if nothing was.
    """

    samples: list[np.ndarray]
    centers: list[int]
    reversed: np.ndarray
    note: str = ""


def turned(acquisitions: Acquisitions) -> Readouts:
    """Read the samples, and turn those round that were measured in the other direction.

    The center_sample of a reversed readout counts either before or after the turn; writers
    disagree. Where the two differ by more than a sample, that with more energy is taken.

    Args:
        acquisitions: The acquisitions.

    Returns:
        Their readouts.

    Raises:
        FileFormatError: Samples do not fit their headers.
    """
    samples = acquisitions.readouts()
    backward = acquisitions.flagged(REVERSED)
    centers = acquisitions.field("center_sample").astype(int)
    centers = centers - acquisitions.field("discard_pre").astype(int)
    note = ""
    if backward.any():
        samples = [v[:, ::-1] if turn else v for v, turn in zip(samples, backward, strict=True)]
        mirrored = np.array([v.shape[1] for v in samples]) - 1 - centers
        asymmetric = backward & (np.abs(mirrored - centers) > 1)
        if asymmetric.any():
            as_given, as_mirrored = (
                _energy_at(samples, c, asymmetric) for c in (centers, mirrored)
            )
            note = "center_sample counts after readouts are turned (by energy)"
            if as_mirrored > as_given:
                centers = np.where(asymmetric, mirrored, centers)
                note = "center_sample counts before readouts are turned (by energy)"
    return Readouts(samples, centers.tolist(), backward, note)


def _energy_at(samples: list[np.ndarray], centers: np.ndarray, which: np.ndarray) -> float:
    total = 0.0
    for k in np.flatnonzero(which):
        if 0 <= centers[k] < samples[k].shape[1]:
            near = samples[k][:, max(0, centers[k] - 1) : centers[k] + 2]
            total += float((np.abs(near) ** 2).sum())
    return total


def matrix_shape(acquisitions: Acquisitions, encoding: Encoding, flat: bool) -> tuple[int, ...]:
    """The shape of k-space: readout, lines and, of a volume, partitions.

    Args:
        acquisitions: The imaging acquisitions.
        encoding: Their encoding space.
        flat: Whether one partition alone was chosen.

    Returns:
        (x, y) or (x, y, z).

    Raises:
        FileFormatError: There are partitions, but the header has room for one.
    """
    x, y, z = encoding.encoded.size
    partitions = acquisitions.values("kspace_encode_step_2")
    if flat or len(partitions) == 1:
        return x, y
    if z == 1:
        raise FileFormatError(
            f"{acquisitions.path}: kspace_encode_step_2 goes from {partitions[0]} to "
            f"{partitions[-1]}, but encodedSpace has z=1. Slices in the place of partitions? "
            "Pass partition=..."
        )
    return x, y, z


def placed(
    acquisitions: Acquisitions, readouts: Readouts, encoding: Encoding, shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Put readouts on their lines; those of one line are averaged.

    Args:
        acquisitions: The acquisitions.
        readouts: Their readouts.
        encoding: Their encoding space.
        shape: The shape of k-space.

    Returns:
        (channels, *shape) complex64, and (*shape) how many measurements are in each entry.

    Raises:
        FileFormatError: A readout or a line lies outside the matrix, or channels differ.
    """
    channels = len(readouts.samples[0])
    held = acquisitions.dataset.file.id.get_filesize()
    check_size(acquisitions.path, (channels, *shape), held)
    names = ("kspace_encode_step_1", "kspace_encode_step_2")[: len(shape) - 1]
    lines = [
        _lines(acquisitions, name, n, encoding.limits.get(name), "yz"[k])
        for k, (name, n) in enumerate(zip(names, shape[1:], strict=True))
    ]
    values = np.zeros((channels, *shape), np.complex64)
    counts = np.zeros(shape, np.int32)
    centers = readouts.centers
    if center_is_missing(acquisitions, readouts, shape[0]):
        centers = [shape[0] // 2] * len(centers)
    for k, (samples, center) in enumerate(zip(readouts.samples, centers, strict=True)):
        first = shape[0] // 2 - center
        last = first + samples.shape[1]
        if len(samples) != channels:
            raise FileFormatError(
                f"{acquisitions.path}: acquisition {acquisitions.index[k]} has {len(samples)} "
                f"channels, others {channels}."
            )
        if first < 0 or last > shape[0]:
            raise FileFormatError(
                f"{acquisitions.path}: a readout of {samples.shape[1]} samples with center_sample "
                f"{center} does not fit the {shape[0]} samples of encodedSpace along x. "
                "Is readout oversampling missing in the header?"
            )
        where = (slice(first, last), *(line[k] for line in lines))
        values[(slice(None), *where)] += samples
        counts[where] += 1
    values /= np.maximum(counts, 1)
    return torch.from_numpy(values), torch.from_numpy(counts)


def center_is_missing(acquisitions: Acquisitions, readouts: Readouts, size: int) -> bool:
    """Whether no readout says where its zero frequency is, and all fill the matrix.

    Args:
        acquisitions: The acquisitions.
        readouts: Their readouts.
        size: Samples of the matrix along the readout.
    """
    whole = all(samples.shape[1] == size for samples in readouts.samples)
    return whole and not acquisitions.field("center_sample").any()


def _lines(
    acquisitions: Acquisitions, name: str, size: int, limits: Limits | None, axis: str
) -> np.ndarray:
    """Where each acquisition lies along an axis of phase encoding."""
    steps = acquisitions.field(name).astype(int)
    center = size // 2
    said = f"no encodingLimits, centre {center}"
    if limits is not None:
        center = limits.center
        said = f"encodingLimits {limits}"
    lines = steps - center + size // 2
    outside = (lines < 0) | (lines >= size)
    if outside.any():
        step = int(steps[outside][np.argmax(np.abs(lines[outside]))])
        raise FileFormatError(
            f"{acquisitions.path}: {name}={step} is line {step - center + size // 2} of the "
            f"{size} lines of encodedSpace ({axis}={size}, {said})."
        )
    return lines


def kept_readout(encoding: Encoding, values: Tensor, counts: Tensor) -> tuple[int, str]:
    """How many pixels along the readout belong to the image, and why.

    Scanners sample readouts more densely than the image needs. The header says so by a reconSpace
    of a smaller field of view.

    Args:
        encoding: The encoding space.
        values: (channels, *shape) k-space.
        counts: (*shape) measurements of each entry.

    Returns:
        The number of pixels, and a note; empty where all are kept as the header says.
    """
    length, recon = encoding.encoded.size[0], encoding.recon
    if recon is None:
        return length, ""
    ratio = length / recon.size[0]
    contradiction = ""
    if recon.view is not None and encoding.encoded.view is not None:
        by_view = encoding.encoded.view[0] / recon.view[0]
        if ratio > 1 and abs(by_view - 1) < 0.02:
            contradiction = (
                f"encodedSpace and reconSpace have {length} and {recon.size[0]} pixels in the same "
                f"field of view of {recon.view[0]:g} mm"
            )
        else:
            ratio = by_view
    kept = round(length / ratio)
    if kept >= length:
        return length, ""
    measured = counts > 0
    line = measured.any(0)
    if not bool(measured[:, line].all()):
        return length, (
            "oversampled, but kept whole: readouts are partial echoes, whose samples a crop mixes "
            "with missing ones"
        )
    if contradiction:
        energy = _readout_energy(values)
        inside = slice(length // 2 - kept // 2, length // 2 - kept // 2 + kept)
        outer = float((energy.sum() - energy[inside].sum()) / (length - kept))
        if outer > QUIET * float(energy[inside].mean()):
            return length, f"kept whole: {contradiction}, and it is filled"
        return kept, f"{kept} of {length} pixels: {contradiction}; what is cut off is empty"
    return kept, f"oversampled: {kept} of {length} pixels are the image's (reconSpace)"


def _readout_energy(values: Tensor) -> Tensor:
    images = torch.fft.fftshift(torch.fft.ifft(torch.fft.ifftshift(values, 1), dim=1), 1)
    return images.abs().square().sum((0, *range(2, values.ndim)))


def cropped_readout(values: Tensor, kept: int) -> Tensor:
    """Keep the middle of the field of view along the readout, by FFTs; unitary.

    Args:
        values: (channels, x, ...) k-space, whose readouts are whole.
        kept: Pixels to keep.

    Returns:
        (channels, kept, ...) k-space.
    """
    length = values.shape[1]
    images = torch.fft.ifft(torch.fft.ifftshift(values, 1), dim=1, norm="ortho")
    images = torch.fft.fftshift(images, 1)
    images = images[:, length // 2 - kept // 2 : length // 2 - kept // 2 + kept]
    spectra = torch.fft.fft(torch.fft.ifftshift(images, 1), dim=1, norm="ortho")
    return torch.fft.fftshift(spectra, 1)
