"""Synthetic-aperture radar problems: a car-sized scene from a sparse aperture, simulated, or measured phase history."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from inverse_inr import Box, Grid, Problem, Suggestion, Term, noise, regularizers
from inverse_inr.baselines import l1
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.io import PhaseData, read_gotcha, read_radar
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.matched_filter import backproject, check_sign
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.imaging import backprojection, least_squares, radar_figure
from inverse_inr.problems.radar.scenes import car
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.stopping import HeldOut

ELEVATIONS = (43.7, 43.98, 44.5, 45.0)
"""Degrees, uneven as real passes are."""


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
    """A car of 1200 unit scatterers on its edges, on no lattice, from a few elevations of a narrow aperture.

    elevations       degrees, one pass each;  azimuths  pulses a pass over `aperture` degrees
    frequencies      from start_frequency to stop_frequency (Hz);  distance  m to the scene's centre
    snr              decibels, mean |y|² over mean |n|², circular complex noise
    pitch            of the cubic voxels in m: far coarser than the wavelength, so each voxel's phase is random

    The field is complex; its modulus is the amplitude of each voxel.
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
    """Passes at constant elevation, azimuths over `aperture` about 0 (all in degrees), `offset` in steps."""
    step = aperture / max(1, azimuths - 1)
    around = (torch.arange(azimuths, dtype=torch.float64) + offset) * step - 0.5 * aperture
    return RadarGeometry.spotlight(
        distance, around.deg2rad(), torch.tensor(elevations, dtype=torch.float64).deg2rad()
    )


def voxels(lengths: tuple[float, ...], pitch: float) -> tuple[int, ...]:
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
    """The problem of a complex reflectivity on `grid`; y is scaled so that the backprojected image's gain is 1."""
    size = len(operator) * operator.transform.count * grid.numel * 8
    operator = operator.stored() if size <= STORE_LIMIT else operator
    gain = complex_gain(operator, y)
    y, sigma = y / gain, sigma / gain
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
    """What y is divided by so that its backprojection, of largest modulus 1, explains it best."""
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
    """A region of the GOTCHA parking lot (AFRL) on a horizontal plane, from .mat files in the order of azimuth.

    center, size     of the region in m (x, y);  pitch  of the pixels;  height  of the plane
    every            use every n-th pulse
    snr              decibels assumed, to weigh the data against L1

    Phases are re-referenced to the region's centre and echoes from outside it are filtered out in range, so that the
    region's own phase history is left. Every tenth pulse is held out. Or, with `blocks`, lengths of runs of pulses,
    echoes from beside the region are filtered out too, in each block by itself, and the second block is held out;
    `notes["block"]` numbers the pulses' blocks. Neighbours see nearly the same: whole blocks are the harder test.
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
    """The same of phase history in the HDF5 layout of `inverse_inr.io.radar`."""
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
    """The problem of a region of measured phase history. Raises ValueError where the sign is wrong (out of focus)."""
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
    held, notes = torch.arange(len(rows)) % 10 == 5, {}
    if blocks is not None:
        block = block_numbers(blocks, len(y))
        y = spotlighted(y, local, box, block)
        held, notes = block[rows] == 1, {"block": block[rows]}
    operator = radar_of(local, box, grid).pulses(rows)
    y = y[rows]
    sigma = 10 ** (-snr / 20) * float(y.abs().square().mean().sqrt())
    problem = complex_problem(
        operator, grid, y, sigma, weight=weight, hold_out=HeldOut(rows=[held.nonzero()[:, 0]])
    )
    return replace(problem, notes=problem.notes | notes)


def block_numbers(blocks: list[int], pulses: int) -> torch.Tensor:
    """Which block each pulse is in. Raises ValueError where they are not that many, or the second is missing."""
    if sum(blocks) != pulses or len(blocks) < 2 or min(blocks) < 2:
        raise ValueError(
            f"blocks={blocks} hold {sum(blocks)} pulses, two or more each; the data have {pulses}."
        )
    return torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))


def spotlighted(
    y: torch.Tensor, data: PhaseData, box: Box, block: torch.Tensor, margin: float = 3.0
) -> torch.Tensor:
    """Echoes from beside the box cut: those whose phase turns faster from pulse to pulse than the box's corners do.

    `data` are referenced to the box's centre (`gated`). Each block by itself, with cosine edges of `margin` (m).
    """
    geometry = RadarGeometry(data.transmitters, data.receivers, data.sign, data.reference_path)
    corners = torch.cartesian_prod(*torch.tensor([box.lower, box.upper], dtype=torch.float64).T)
    turns = (
        geometry.path(corners, torch.arange(len(geometry)))
        * float(data.frequencies.mean())
        / SPEED_OF_LIGHT
    )
    out = torch.empty_like(y)
    for number in range(int(block.max()) + 1):
        rows = (block == number).nonzero()[:, 0]
        band = float(turns[rows].diff(dim=0).abs().max())  # cycles a pulse
        edge = band * margin / (0.5 * box.diagonal)
        cycles = torch.fft.fftfreq(2 * len(rows), dtype=torch.float64).abs()
        gate = 0.5 - 0.5 * (math.pi * ((band + edge - cycles) / edge).clamp(0, 1)).cos()
        spectrum = torch.fft.fft(y[rows], 2 * len(rows), dim=0) * gate[:, None]
        out[rows] = torch.fft.ifft(spectrum, dim=0)[: len(rows)].to(y)
    return out


def radar_of(data: PhaseData, box: Box, grid: Grid) -> PhaseHistory:
    receivers = None if torch.equal(data.transmitters, data.receivers) else data.receivers
    geometry = RadarGeometry(data.transmitters, receivers, data.sign, data.reference_path)
    return PhaseHistory(box, geometry, data.frequencies, points=grid)


def gated(data: PhaseData, box: Box, margin: float = 1.0) -> tuple[torch.Tensor, PhaseData]:
    """The phase history of the ranges of a box (and `margin` m around it), referenced to its centre, and decimated.

    A pulse's delay spectrum outside the box is cut, with cosine edges of `margin`, and as many frequencies are kept as
    the shorter swath needs.
    """
    geometry = RadarGeometry(data.transmitters, data.receivers, data.sign, data.reference_path)
    middle = torch.tensor([box.center], dtype=torch.float64)
    everything = torch.arange(len(geometry))
    shift = geometry.path(middle, everything)[:, 0]  # of the centre against the file's reference
    turns = data.frequencies * shift[:, None] / SPEED_OF_LIGHT
    phase = -data.sign * 2 * math.pi * (turns - turns.round())
    y = data.y.to(torch.complex128) * torch.polar(torch.ones_like(phase), phase)
    corners = torch.cartesian_prod(*torch.tensor([box.lower, box.upper], dtype=torch.float64).T)
    reach = 0.5 * float(
        (geometry.path(corners, everything) - geometry.path(middle, everything)).abs().max()
    )
    df = float(data.frequencies.diff().mean())
    count = len(data.frequencies)
    ranges = torch.fft.fftfreq(2 * count, dtype=torch.float64) * SPEED_OF_LIGHT / (2 * df)
    gate = ((reach + margin - ranges.abs()) / margin).clamp(0, 1)
    gate = 0.5 - 0.5 * (math.pi * gate).cos()
    profile = torch.fft.ifft(y, 2 * count) * gate
    y = torch.fft.fft(profile)[:, :count]
    step = max(1, math.floor(SPEED_OF_LIGHT / (2 * df) / (2 * (reach + margin))))
    local = data._replace(
        frequencies=data.frequencies[::step], reference_path=data.reference_path + shift
    )
    return y[:, ::step].to(torch.complex64), local
