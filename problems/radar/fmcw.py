"""FMCW radar problems: a small object on a turntable, simulated from scatterers on no lattice."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Suggestion, Term, memory, noise, regularizers
from inverse_inr.baselines import l1
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators import FMCW, Chirp, RadarGeometry
from inverse_inr.operators.radar.kinds import Decibels
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.imaging import (
    backprojection,
    held_out_pulses,
    least_squares,
    no_fits,
    radar_figure,
)
from inverse_inr.problems.radar.scenes import aeroplane
from inverse_inr.problems.radar.variance_field import affordable, variance_field
from inverse_inr.ranges import (
    Count,
    Finite,
    FiniteTensor,
    NonNegative,
    Positive,
    WholeNumber,
    checked,
)
from inverse_inr.registry import nearest

SCENES = {"aeroplane": aeroplane}
"""Scatterers (n, 3) in metres by the scene's name."""


@checked
def fmcw(
    scene: str = "aeroplane",
    *,
    azimuths: Count = 24,
    heights: Count = 8,
    start_frequency: NonNegative = 8e9,
    bandwidth: Positive = 4e9,
    samples: Count = 64,
    radius: Positive = 0.5,
    reach: NonNegative = 0.4,
    snr: Decibels = 20.0,
    pitch: Positive | None = None,
    window: Literal["rect", "hann", "hamming", "blackman"] = "rect",
    seed: WholeNumber = 0,
) -> Problem:
    """A turntable scan of a toy object by a monostatic radar, in bins of the beat spectrum.

    The field is the reflectivity of each voxel (a point at its middle), not negative, in units in
    which a least-squares gain of the backprojected image is 1. `notes` hold that gain.

    Args:
        scene: "aeroplane": 6000 isotropic unit scatterers on its surface, 0.16 m long, on no
            lattice.
        azimuths: Pulses around the object at each height.
        heights: Number of heights between -reach and +reach.
        start_frequency: Lowest frequency of the chirp in Hz.
        bandwidth: Bandwidth of the chirp in Hz.
        samples: Number of samples per chirp.
        radius: Radius in metres of the cylinder on which the antenna moves.
        reach: Largest height in metres.
        snr: Mean |y|² over mean |n|² in dB, of circular complex noise.
        pitch: Side of a voxel in metres; None for a quarter of the shortest wavelength.
        window: Window on the samples before the DFT, as in `FMCW`.
        seed: Seed of the noise.

    Returns:
        The problem, with the classical methods as suggested baselines.

    Raises:
        ValueError: If the scene is unknown.
    """
    if scene not in SCENES:
        raise ValueError(f"Unknown scene {scene!r}. {nearest(scene, SCENES)}")
    require_echoes("fmcw", azimuths * heights, samples)
    points = SCENES[scene]()
    chirp = chirp_of(start_frequency, bandwidth, samples)
    if pitch is None:
        pitch = 0.25 * SPEED_OF_LIGHT / (start_frequency + bandwidth)
    grid = grid_around(points, pitch)
    geometry = cylinder(azimuths, heights, radius, reach)
    operator = FMCW(grid.box, geometry, chirp, points=grid, window=window)
    mean = echoes(operator, points)
    sigma = 10 ** (-snr / 20) * float(mean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(mean, torch.Generator().manual_seed(seed))
    return radar_problem(
        operator, grid, y, sigma, steps=600, prior="hash", options=aligned(grid), weight=10.0
    )


def require_echoes(name: str, pulses: int, values: int) -> None:
    """Refuse sizes whose echoes do not fit the memory at hand.

    Args:
        name: Who asks, for the message.
        pulses: Number of pulses P.
        values: Number of complex values K of a pulse.
    """
    memory.require(
        f"{name}: {pulses} pulses of {values} values",
        # the mean, its noise, and both in the precision of the fit
        4 * 16 * pulses * values,
        "Fewer pulses, samples or frequencies.",
    )


@checked
def radar_problem(
    operator: RadarOperator,
    grid: Grid,
    y: Tensor,
    sigma: Positive,
    *,
    steps: Count,
    prior: str,
    options: dict[str, object],
    weight: NonNegative,
) -> Problem:
    """The problem of a real, non-negative reflectivity on a grid.

    The response matrix is stored where it takes at most half of `STORE_LIMIT`. y is scaled so that
    a backprojected image has gain 1.

    Args:
        operator: The radar with P pulses of K values.
        grid: Its voxels.
        y: (P, K) complex measurements, K values for each of P pulses.
        sigma: Standard deviation of the noise, in the unit of y.
        steps: Suggested steps of the solver.
        prior: Name of the suggested prior.
        options: Keywords of that prior.
        weight: Weight of the L1 norm, in units of the noise.

    Returns:
        The problem; `notes["gain of y"]` is what y was divided by.
    """
    size = len(operator) * operator.transform.count * grid.numel * 8
    if size <= STORE_LIMIT // 2:
        operator = operator.stored()
    gain = image_gain(operator, y)
    y = (y / gain).to(torch.complex64)
    sigma = sigma / gain
    sparse = weight * regularizers.L1(grid=grid)
    baselines = {
        "backprojection": backprojection,
        "L1": l1,
        "L1, x ≥ 0": lambda p: l1(p, nonnegative=True),
        "least squares": least_squares,
    }
    if affordable(operator, grid):
        baselines["variance field"] = variance_field
    suggestion = Suggestion(
        prior=prior,
        options=options,
        regularizers=(sparse,),
        steps=steps,
        candidates=no_fits,
        stopping=held_out_pulses(len(operator)),
        figure=radar_figure,
        baselines=baselines,
    )
    term = Term(operator, y, noise.ComplexGaussian(sigma))
    return Problem([term], grid.box, grid, suggested=suggestion, notes={"gain of y": gain})


@checked
def aligned(grid: Grid) -> dict[str, object]:
    """Options of a hash prior whose finest cells are the voxels.

    A lattice of another pitch beats against the voxels, which shows as stripes.

    Args:
        grid: The voxels.

    Returns:
        Keywords of `priors.create("hash", ...)`.
    """
    finest = float(max(grid.shape))
    return {"head": "sparse", "levels": 3, "coarsest": min(8.0, finest), "finest": finest}


@checked
def image_gain(operator: RadarOperator, y: Tensor) -> float:
    """The data's unknown scale.

    When y is divided by it, its real, non-negative backprojection, of largest value 1, explains it
    best.

    Args:
        operator: The radar with P pulses of K values.
        y: (P, K) complex measurements, K values for each of P pulses.

    Returns:
        A gain in the unit of y.
    """
    rows = torch.arange(len(operator))
    _, measure = operator(rows)
    image = torch.zeros(operator.size, 1, dtype=y.dtype.to_real())
    image = torch.func.vjp(measure, image)[1](y)[0].clamp(min=0)
    seen = measure(image / image.max())
    return float((seen.conj() * y).sum().real / seen.abs().square().sum())


@checked
def chirp_of(start_frequency: NonNegative, bandwidth: Positive, samples: Count) -> Chirp:
    """A chirp sampled at 5 MHz: the rate sets no resolution, only the time that a chirp takes.

    Args:
        start_frequency: In Hz.
        bandwidth: In Hz.
        samples: Number of samples.

    Returns:
        The chirp that spans the bandwidth.
    """
    return Chirp(start_frequency, bandwidth / samples * 5e6, 5e6, samples)


@checked
def cylinder(
    azimuths: Count, heights: Count, radius: Positive, reach: NonNegative, offset: Finite = 0.0
) -> RadarGeometry:
    """Pulses evenly around a cylinder, at evenly spaced heights.

    Args:
        azimuths: Pulses at each height.
        heights: Number of heights, from -reach to reach.
        radius: In metres.
        reach: In metres.
        offset: Shift of all azimuths, in steps of azimuth.

    Returns:
        A monostatic geometry of heights · azimuths pulses.
    """
    memory.require(f"{azimuths} azimuths x {heights} heights", 8 * 3 * 6 * azimuths * heights)
    around = 2 * math.pi * (torch.arange(azimuths, dtype=torch.float64) + offset) / azimuths
    return RadarGeometry.cylinder(
        radius, around, torch.linspace(-reach, reach, heights, dtype=torch.float64)
    )


@checked
def grid_around(points: FiniteTensor, pitch: Positive, margin: NonNegative = 0.01) -> Grid:
    """Cubic voxels around scatterers.

    Args:
        points: (n, 3) in metres.
        pitch: Side of a voxel in metres.
        margin: Least distance of the box's sides from the scatterers, in metres.

    Returns:
        A grid in metres.
    """
    low = points.amin(0) - margin
    high = points.amax(0) + margin
    shape = tuple(math.ceil(float(n) / pitch) for n in high - low)
    middle = 0.5 * (low + high)
    half = 0.5 * pitch * middle.new_tensor(shape)
    return Grid(
        Box(tuple((middle - half).tolist()), tuple((middle + half).tolist()), ("m",) * 3), shape
    )


@checked
def echoes(operator: RadarOperator, points: Tensor, amplitudes: Tensor | None = None) -> Tensor:
    """Noise-free echoes of scatterers in float64.

    Args:
        operator: The radar with P pulses of K values.
        points: (n, 3) in metres.
        amplitudes: (n,); None for 1.

    Returns:
        (P, K) complex: K values for each of P pulses.
    """
    if amplitudes is None:
        amplitudes = torch.ones(len(points), dtype=torch.float64)
    with torch.no_grad():
        return operator.at(points)(torch.arange(len(operator)))[1](amplitudes[:, None])
