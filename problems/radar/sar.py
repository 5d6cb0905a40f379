"""Synthetic-aperture radar problems: a simulated car from a sparse aperture, and what all share."""

from __future__ import annotations

import math

import torch

from inverse_inr import Box, Grid, Problem, Suggestion, Term, memory, noise, regularizers
from inverse_inr.baselines import l1
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.kinds import Aperture, Decibels, Elevation, Hertz
from inverse_inr.operators.radar.matched_filter import backproject
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.fmcw import echoes, require_echoes
from inverse_inr.problems.radar.imaging import (
    backprojection,
    held_out_pulses,
    least_squares,
    no_fits,
    radar_figure,
)
from inverse_inr.problems.radar.scenes import car
from inverse_inr.problems.radar.variance_field import affordable, variance_field
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, WholeNumber, checked
from inverse_inr.solver.deciding import Candidates
from inverse_inr.stopping import HeldOut

ELEVATIONS = (43.7, 43.98, 44.5, 45.0)
"""Elevations of the simulated passes in degrees, uneven as real passes are."""


@checked
def sar(
    *,
    elevations: list[Elevation] | None = None,
    azimuths: Count = 24,
    aperture: Aperture = 3.83,
    frequencies: Count = 40,
    start_frequency: Hertz = 9.288e9,
    stop_frequency: Hertz = 9.910e9,
    distance: Positive = 10_158.0,
    snr: Decibels = 20.0,
    pitch: Positive = 0.15,
    seed: WholeNumber = 0,
) -> Problem:
    """A car of 1200 unit scatterers on its edges, from a few elevations of a narrow aperture.

    The scatterers lie on no lattice. The field is complex; its modulus is the amplitude of each
    voxel.

    Args:
        elevations: In degrees, one pass each; None for `ELEVATIONS`.
        azimuths: Pulses per pass.
        aperture: Azimuths that a pass spans, in degrees.
        frequencies: Number of frequencies.
        start_frequency: Lowest frequency in Hz.
        stop_frequency: Highest frequency in Hz.
        distance: Distance to the scene's centre in metres.
        snr: Mean |y|² over mean |n|² in dB, of circular complex noise.
        pitch: Side of the cubic voxels in metres. It is far coarser than the wavelength, so each
            voxel's phase is random.
        seed: Seed of the noise.

    Returns:
        The problem, with the classical methods as suggested baselines.
    """
    check_band("sar", start_frequency, stop_frequency, frequencies)
    passes_count = len(ELEVATIONS if elevations is None else elevations)
    require_echoes("sar", passes_count * azimuths, frequencies)
    grid = Grid(
        Box((-2.7, -1.35, -1.35), (2.7, 1.35, 1.35), ("m",) * 3), voxels((5.4, 2.7, 2.7), pitch)
    )
    geometry = passes(
        ELEVATIONS if elevations is None else elevations, azimuths, aperture, distance
    )
    f = torch.linspace(start_frequency, stop_frequency, frequencies, dtype=torch.float64)
    operator = PhaseHistory(grid.box, geometry, f, points=grid)
    mean = echoes(operator, car())
    sigma = 10 ** (-snr / 20) * float(mean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(mean, torch.Generator().manual_seed(seed))
    return complex_problem(operator, grid, y.to(torch.complex64), sigma, weight=60.0)


def check_band(name: str, start: float, stop: float, count: int) -> None:
    """Raise ValueError, in the name of who asks, unless the frequencies of a band ascend."""
    if count > 1 and stop <= start:
        raise ValueError(
            f"{name}: stop_frequency={stop:.6g} Hz must lie above start_frequency={start:.6g} Hz."
        )


@checked
def passes(
    elevations: list[Elevation] | tuple[Elevation, ...],
    azimuths: Count,
    aperture: Aperture,
    distance: Positive,
    offset: Finite = 0.0,
) -> RadarGeometry:
    """Passes at constant elevation around the origin.

    Args:
        elevations: In degrees, one pass each.
        azimuths: Pulses per pass.
        aperture: Azimuths about 0 that a pass spans, in degrees.
        distance: Distance to the origin in metres.
        offset: Shift of all azimuths, in steps of azimuth.

    Returns:
        A geometry referenced to the origin.
    """
    memory.require(f"{azimuths} azimuths", 8 * 3 * 6 * azimuths * len(elevations))
    step = aperture / max(1, azimuths - 1)
    around = (torch.arange(azimuths, dtype=torch.float64) + offset) * step - 0.5 * aperture
    return RadarGeometry.spotlight(
        distance, around.deg2rad(), torch.tensor(elevations, dtype=torch.float64).deg2rad()
    )


@checked
def voxels(lengths: tuple[Positive, ...], pitch: Positive) -> tuple[int, ...]:
    """Numbers of voxels along each axis, at least one.

    Args:
        lengths: Sides of the box in metres.
        pitch: Side of a voxel in metres.

    Raises:
        ValueError: The pitch is longer than all sides.
        OutOfMemoryError: There are more voxels than the memory at hand holds.
    """
    if pitch > max(lengths):
        raise ValueError(
            f"pitch={pitch:.6g} m is longer than the box of {lengths} m: there is not one voxel. "
            "Another unit?"
        )
    memory.require(
        f"voxels of pitch={pitch:.6g} m in a box of {lengths} m",
        8 * math.prod(max(1.0, n / pitch) for n in lengths),
        "A wider pitch.",
    )
    return tuple(max(1, round(n / pitch)) for n in lengths)


@checked
def complex_problem(
    operator: RadarOperator,
    grid: Grid,
    y: torch.Tensor,
    sigma: Positive,
    *,
    weight: NonNegative,
    steps: Count = 600,
    hold_out: HeldOut | None = None,
    candidates: Candidates | None = no_fits,
) -> Problem:
    """The problem of a complex reflectivity on a grid.

    The response matrix is stored where it fits into `STORE_LIMIT`. y is scaled so that the
    backprojected image's gain is 1.

    Args:
        operator: The radar with P pulses of K values.
        grid: Its voxels.
        y: (P, K) complex measurements, K values for each of P pulses.
        sigma: Standard deviation of the noise, in the unit of y.
        weight: Weight of the L1 norm, in units of the noise.
        steps: Suggested steps of the solver.
        hold_out: Suggested stopping rule; None for `held_out_pulses`.
        candidates: Fits that `solve` tries beside the suggested baselines; None for `phased`.

    Returns:
        The problem; `notes["gain of y"]` is what y was divided by.
    """
    size = len(operator) * operator.transform.count * grid.numel * 8
    if size <= STORE_LIMIT:
        operator = operator.stored()
    gain = complex_gain(operator, y)
    y = y / gain
    sigma = sigma / gain
    cells = float(max(grid.shape))
    baselines = {
        "backprojection": backprojection,
        "L1": l1,
        "least squares": least_squares,
    }
    if affordable(operator, grid):
        baselines["variance field"] = variance_field
    suggestion = Suggestion(
        prior="phased",
        options={"cells": cells, "finest": cells},
        steps=steps,
        figure=radar_figure,
        regularizers=(weight * regularizers.L1(grid=grid),),
        candidates=candidates,
        stopping=hold_out or held_out_pulses(len(operator)),
        baselines=baselines,
    )
    term = Term(operator, y, noise.ComplexGaussian(sigma))
    return Problem(
        [term], grid.box, grid, suggested=suggestion, notes={"gain of y": gain}, is_complex=True
    )


@checked
def complex_gain(operator: RadarOperator, y: torch.Tensor) -> float:
    """The data's unknown scale.

    When y is divided by it, its backprojection, of largest modulus 1, explains it best.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex measurements, K values for each of P pulses.

    Returns:
        A gain in the unit of y.
    """
    image = backproject(operator, y, interpolate=False)
    image = (image / image.abs().max()).reshape(-1, 1)
    with torch.no_grad():
        seen = operator(torch.arange(len(operator)))[1](image)
    return float((seen.conj() * y).sum().abs() / seen.abs().square().sum())
