"""Synthetic-aperture radar problems: a simulated car from a sparse aperture, or measured data."""

from __future__ import annotations

import torch

from inverse_inr import Box, Grid, Problem, Suggestion, Term, noise, regularizers
from inverse_inr.baselines import l1
from inverse_inr.io import PhaseData, read_gotcha, read_radar
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.matched_filter import backproject, check_sign
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.imaging import backprojection, least_squares, radar_figure
from inverse_inr.problems.radar.phase_data import block_numbers, gated, radar_of, spotlighted
from inverse_inr.problems.radar.scenes import car
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.stopping import HeldOut

ELEVATIONS = (43.7, 43.98, 44.5, 45.0)
"""Elevations of the simulated passes in degrees, uneven as real passes are."""


def sar(
    *,
    elevations: list[float] | None = None,
    azimuths: int = 24,
    aperture: float = 3.83,
    frequencies: int = 40,
    start_frequency: float = 9.288e9,
    stop_frequency: float = 9.910e9,
    distance: float = 10_158.0,
    snr: float = 20.0,
    pitch: float = 0.15,
    seed: int = 0,
) -> Problem:
    """A car of 1200 unit scatterers on its edges, from a few elevations of a narrow aperture.

    The scatterers lie on no lattice. The field is complex; its modulus is the amplitude of each
    voxel.

    Args:
        elevations: In degrees, one pass each; None for `ELEVATIONS`.
        azimuths: Pulses per pass.
        aperture: Azimuths that a pass spans, in degrees.
        frequencies: Number of frequencies.
        start_frequency: In Hz.
        stop_frequency: In Hz.
        distance: To the scene's centre in metres.
        snr: Mean |y|² over mean |n|² in dB, of circular complex noise.
        pitch: Of the cubic voxels in metres. It is far coarser than the wavelength, so each
            voxel's phase is random.
        seed: Of the noise.

    Returns:
        The problem, with the classical methods as suggested baselines.
    """
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


def passes(
    elevations: list[float] | tuple[float, ...],
    azimuths: int,
    aperture: float,
    distance: float,
    offset: float = 0.0,
) -> RadarGeometry:
    """Passes at constant elevation around the origin.

    Args:
        elevations: In degrees, one pass each.
        azimuths: Pulses per pass.
        aperture: Azimuths about 0 that a pass spans, in degrees.
        distance: To the origin in metres.
        offset: Of all azimuths, in steps of azimuth.

    Returns:
        A geometry referenced to the origin.
    """
    step = aperture / max(1, azimuths - 1)
    around = (torch.arange(azimuths, dtype=torch.float64) + offset) * step - 0.5 * aperture
    return RadarGeometry.spotlight(
        distance, around.deg2rad(), torch.tensor(elevations, dtype=torch.float64).deg2rad()
    )


def voxels(lengths: tuple[float, ...], pitch: float) -> tuple[int, ...]:
    """Numbers of voxels along each axis, at least one.

    Args:
        lengths: Of the box in metres.
        pitch: Of the voxels in metres.
    """
    return tuple(max(1, round(n / pitch)) for n in lengths)


def complex_problem(
    operator: RadarOperator,
    grid: Grid,
    y: torch.Tensor,
    sigma: float,
    *,
    weight: float,
    steps: int = 600,
    hold_out: HeldOut | None = None,
) -> Problem:
    """The problem of a complex reflectivity on a grid.

    The response matrix is stored where it fits into `STORE_LIMIT`. y is scaled so that the
    backprojected image's gain is 1.

    Args:
        operator: The radar with P pulses of K values.
        grid: Its voxels.
        y: (P, K) complex measurements.
        sigma: Standard deviation of the noise, in the unit of y.
        weight: Of the L1 norm, in units of the noise.
        steps: Suggested steps of the solver.
        hold_out: Suggested stopping rule; None holds out 6 % of the pulses.

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
    suggestion = Suggestion(
        prior="phased",
        options={"cells": cells, "finest": cells},
        steps=steps,
        figure=radar_figure,
        regularizers=(weight * regularizers.L1(grid=grid),),
        stopping=hold_out or HeldOut(fraction=0.06),
        baselines={
            "backprojection": backprojection,
            "L1": l1,
            "least squares": least_squares,
            "variance field": variance_field,
        },
    )
    term = Term(operator, y, noise.ComplexGaussian(sigma))
    return Problem(
        [term], grid.box, grid, suggested=suggestion, notes={"gain of y": gain}, is_complex=True
    )


def complex_gain(operator: RadarOperator, y: torch.Tensor) -> float:
    """The data's unknown scale.

    When y is divided by it, its backprojection, of largest modulus 1, explains it best.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex measurements.

    Returns:
        A gain in the unit of y.
    """
    image = backproject(operator, y, interpolate=False)
    image = (image / image.abs().max()).reshape(-1, 1)
    with torch.no_grad():
        seen = operator(torch.arange(len(operator)))[1](image)
    return float((seen.conj() * y).sum().abs() / seen.abs().square().sum())


def gotcha(
    paths: list[str],
    *,
    center: tuple[float, float] = (0.0, 0.0),
    size: tuple[float, float] = (20.0, 20.0),
    pitch: float = 0.15,
    height: float = 0.0,
    every: int = 1,
    weight: float = 10.0,
    snr: float = 10.0,
    blocks: list[int] | None = None,
) -> Problem:
    """A region of the GOTCHA parking lot (AFRL) on a horizontal plane.

    Phases are re-referenced to the region's centre and echoes from outside it are filtered out in
    range, so that the region's own phase history is left. Every tenth pulse is held out. With
    `blocks`, echoes from places next to the region are filtered out too, in each block by itself,
    and the second block is held out instead; `notes["block"]` numbers the pulses' blocks.
    Neighbouring pulses see nearly the same: whole blocks are the harder test.

    Args:
        paths: The .mat files in the order of azimuth.
        center: Of the region, (x, y) in metres.
        size: Of the region, (x, y) in metres.
        pitch: Of the pixels in metres.
        height: Of the plane in metres.
        every: Use every n-th pulse.
        weight: Of the L1 norm, in units of the noise.
        snr: Assumed, in dB, to weigh the data against L1.
        blocks: Lengths of runs of pulses; None holds out single pulses.

    Returns:
        The problem of a complex reflectivity.

    Raises:
        ValueError: If the data are out of focus, or the blocks do not fit them.
    """
    return measured(read_gotcha(paths), center, size, pitch, height, every, weight, snr, blocks)


def phase_history(
    path: str,
    *,
    center: tuple[float, float] = (0.0, 0.0),
    size: tuple[float, float] = (20.0, 20.0),
    pitch: float = 0.15,
    height: float = 0.0,
    every: int = 1,
    weight: float = 10.0,
    snr: float = 10.0,
) -> Problem:
    """A region of phase history in the HDF5 layout of `inverse_inr.io.radar`, as in `gotcha`.

    Args:
        path: The HDF5 file.
        center: Of the region, (x, y) in metres.
        size: Of the region, (x, y) in metres.
        pitch: Of the pixels in metres.
        height: Of the plane in metres.
        every: Use every n-th pulse.
        weight: Of the L1 norm, in units of the noise.
        snr: Assumed, in dB, to weigh the data against L1.

    Returns:
        The problem of a complex reflectivity; every tenth pulse is held out.

    Raises:
        ValueError: If the data are out of focus.
    """
    return measured(read_radar(path), center, size, pitch, height, every, weight, snr)


def measured(
    data: PhaseData,
    center: tuple[float, float],
    size: tuple[float, float],
    pitch: float,
    height: float,
    every: int,
    weight: float,
    snr: float,
    blocks: list[int] | None = None,
) -> Problem:
    """The problem of a region of measured phase history; `gotcha` describes the parameters.

    Raises:
        ValueError: If the sign is wrong (the data are out of focus), or the blocks do not fit.
    """
    half = [0.5 * n for n in size]
    box = Box(
        (center[0] - half[0], center[1] - half[1], height - 0.5 * pitch),
        (center[0] + half[0], center[1] + half[1], height + 0.5 * pitch),
        ("m",) * 3,
    )
    grid = Grid(box, (*voxels(size, pitch), 1))
    whole = radar_of(data, box, grid)
    check_sign(whole, data.y)
    y, local = gated(data, box)
    rows = torch.arange(0, len(y), every)
    held = torch.arange(len(rows)) % 10 == 5
    notes = {}
    if blocks is not None:
        block = block_numbers(blocks, len(y))
        y = spotlighted(y, local, box, block)
        held = block[rows] == 1
        notes = {"block": block[rows]}
    operator = radar_of(local, box, grid).pulses(rows)
    y = y[rows]
    sigma = 10 ** (-snr / 20) * float(y.abs().square().mean().sqrt())
    problem = complex_problem(
        operator, grid, y, sigma, weight=weight, hold_out=HeldOut(rows=[held.nonzero()[:, 0]])
    )
    problem.notes |= notes
    return problem
