"""Blind calibration: the channels for which bright points of the scene add up most coherently."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.operators import ChannelErrors
from inverse_inr.problems.radar.autofocus.phase_gradient import brightest, range_cells
from inverse_inr.problems.radar.autofocus.phases import contributions
from inverse_inr.ranges import Count, checked

STARTS = 12
"""Range cells that each give a start, strongest first."""


@checked
@torch.no_grad()
def coherence(errors: ChannelErrors, y: Tensor, *, rounds: Count = 30) -> None:
    """Set gains, phases and delays of channels by the eigenvector of greatest coherence.

    The pixel x of a backprojected image is Σ_v conj(c_v) b_v(x). Of every range cell the brightest
    pixel is taken for a point, and c becomes the eigenvector of Σ_x b(x) b(x)ᴴ over these pixels,
    in turn. Each of the strongest range cells, taken for a single point, gives a start, and that of
    the greatest eigenvalue is kept. Then the points' amplitudes by least squares predict the
    echoes, to which `ChannelErrors.fit` fits phases and delays. Gains are those of the energies
    that channels see of the scene: in the fit, a point between two pixels would make the ends of
    the array look strong.

    The linear part of the phases is that of the start: the scene stands somewhere on its arc.

    Args:
        errors: The radar with its channels, which are set in place.
        y: (P, K) complex echoes.
        rounds: Rounds of pixels and eigenvector from each start.

    Source:
        Jakowatz & Wahl, Eigenvector method for maximum-likelihood estimation of phase errors in
        synthetic-aperture-radar imagery, 1993, here with a window of one pixel.
    """
    parts = contributions(errors.radar, y)
    channel = torch.arange(len(errors), device=y.device) % errors.array.channels
    parts = parts.new_zeros(errors.array.channels, parts.shape[1]).index_add(0, channel, parts)
    cells = range_cells(errors.radar)
    energy = parts.abs().square().sum(0)
    strongest = brightest(energy, cells, 1)
    best = None
    for pixel in strongest[energy[strongest].argsort(descending=True)[:STARTS]].tolist():
        found = _ascended(parts, cells, parts[:, pixel], rounds)
        if best is None or found[0] > best[0]:
            best = found
    assert best is not None
    _fit_points(errors, y, best[1], best[2])
    log_gains = errors.array.apart(0.5 * parts.abs().square().sum(1).log(), torch.ones(len(parts)))
    errors.log_gains.copy_(errors.array.fixed(log_gains, errors.gauge))


def _ascended(
    parts: Tensor, cells: Tensor, factors: Tensor, rounds: int
) -> tuple[float, Tensor, Tensor]:
    """(the eigenvalue, factors of the channels, the points) from some factors, in turn."""
    points = cells[:0]
    value = 0.0
    for _ in range(rounds):
        chosen = brightest((factors.conj() @ parts).abs(), cells, 1)
        if torch.equal(chosen, points):
            break
        points = chosen
        u, s, _ = torch.linalg.svd(parts[:, points], full_matrices=False)
        value, factors = float(s[0]), u[:, 0]
    return value, factors, points


def _fit_points(errors: ChannelErrors, y: Tensor, factors: Tensor, points: Tensor) -> None:
    """Fit the channels to echoes of points whose amplitudes are those of least squares."""
    channel = torch.arange(len(errors), device=y.device) % errors.array.channels
    kernel = errors.radar.kernel(torch.arange(len(errors), device=y.device))[:, :, points]
    through = (kernel * factors[channel, None, None].to(kernel)).flatten(0, 1)
    amplitudes = torch.linalg.lstsq(through, y.to(through).reshape(-1, 1)).solution[:, 0]
    errors.fit(kernel @ amplitudes, y)
