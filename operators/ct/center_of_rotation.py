"""The centre of rotation of a parallel-beam scan, found from its measurements."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def center_of_rotation(views: Tensor, angles: Tensor) -> float:
    """Find the axis of rotation from opposite views, to a fraction of a bin.

    A view and the one half a turn on are mirror images about the axis: their cross-correlation
    peaks at twice its position. All pairs within one angular step are averaged.

    Args:
        views: (n, detectors) line integrals.
        angles: (n,) in radians.

    Returns:
        The position of the axis from the detector's middle, in bins.

    Raises:
        ValueError: No two views lie half a turn apart, or they match best at the search's edge.
    """
    turn = (angles[None, :] - angles[:, None] - math.pi).abs()
    step = float(angles.sort().values.diff().median()) if len(angles) > 1 else 0.0
    first, second = (turn <= 1.01 * step).nonzero(as_tuple=True)
    if not len(first):
        raise ValueError(
            "center_of_rotation: no two views lie half a turn apart (to one angular step); "
            "give center."
        )
    # a pair is off by a fraction of a step: weight it by how close to half a turn it is
    weight = 1 - 0.999 * turn[first, second] / (1.01 * step)
    n = 4 * views.shape[1]
    size = 2 ** math.ceil(math.log2(n))
    # what lies outside the object is taken off, not the mean: a pedestal of the detector's width
    # pulls to its middle
    edge = torch.cat([views[:, :2], views[:, -2:]], 1).mean()
    one = torch.fft.rfft(views[first] - edge, size)
    opposite = torch.fft.rfft(views[second].flip(1) - edge, size)
    product = (one * opposite.conj() * weight[:, None].to(views.dtype)).sum(0)
    correlation = torch.fft.irfft(product, size)
    allowed = views.shape[1] // 2  # the axis lies within the middle half of the detector
    correlation[allowed + 1 : -allowed] = -math.inf
    return 0.5 * _peak(correlation)


def _peak(correlation: Tensor) -> float:
    """Position of a periodic sequence's maximum, by a parabola through its three top samples."""
    k = int(correlation.argmax())
    if not torch.isfinite(correlation[[k - 1, (k + 1) % len(correlation)]]).all():
        raise ValueError(
            "center_of_rotation: opposite views match best at the edge of the search; give center."
        )
    left, top, right = (float(correlation[(k + j) % len(correlation)]) for j in (-1, 0, 1))
    shift = 0.5 * (left - right) / min(left - 2 * top + right, -1e-30)
    if k > len(correlation) // 2:
        k -= len(correlation)
    return k + shift


def center_by_symmetry(
    views: Tensor,
    angles: Tensor,  # noqa: ARG001 - the public signature, as in `center_of_rotation`
    candidates: Tensor,
) -> float:
    """Choose the centre for which a half turn continues as its own mirror image.

    This method is independent of `center_of_rotation`. The two halves of the full turn are joined
    at each candidate. The Fourier transform of the result has the least energy, inside the double
    wedge where no object leaves any, at the right candidate.

    Args:
        views: (n, detectors) line integrals of a half turn.
        angles: (n,) in radians; not used.
        candidates: Positions of the axis from the detector's middle, in bins.

    Returns:
        The best candidate, in bins.

    Source:
        Vo et al. 2014.
    """
    energies = [_wedge_energy(views, float(c)) for c in candidates]
    k = min(range(len(energies)), key=energies.__getitem__)
    return float(candidates[k])


def _wedge_energy(views: Tensor, center: float) -> float:
    count = views.shape[1]
    frequency = torch.fft.rfftfreq(2 * count, dtype=views.dtype)
    padded = torch.nn.functional.pad(views.flip(1), (0, count))
    shift = torch.exp(-4j * math.pi * frequency * center)
    moved = torch.fft.irfft(torch.fft.rfft(padded) * shift, 2 * count)
    turn = torch.cat([views, moved[:, :count]])
    spectrum = torch.fft.fft2(turn).abs()
    per_turn = torch.fft.fftfreq(len(turn), 1 / len(turn), dtype=views.dtype)
    v = per_turn[:, None].abs()  # cycles per turn
    u = torch.fft.fftfreq(count, dtype=views.dtype)[None].abs()  # cycles per bin
    radius = 0.5 * count
    outside = (v > 2 * math.pi * u * radius + 2) & (v > 2)
    return float(spectrum[outside].mean())
