"""FMCW radar problems: a small object on a turntable, simulated from scatterers on no lattice."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Suggestion, Term, noise, regularizers
from inverse_inr.baselines import l1
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators import FMCW, Chirp, RadarGeometry
from inverse_inr.operators.radar.operator import STORE_LIMIT, RadarOperator
from inverse_inr.problems.radar.imaging import backprojection, least_squares, radar_figure
from inverse_inr.problems.radar.scenes import aeroplane
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.registry import nearest
from inverse_inr.stopping import HeldOut

SCENES = {"aeroplane": aeroplane}


def fmcw(
    scene: str = "aeroplane",
    *,
    azimuths: int = 24,
    heights: int = 8,
    start_frequency: float = 8e9,
    bandwidth: float = 4e9,
    samples: int = 64,
    radius: float = 0.5,
    reach: float = 0.4,
    snr: float = 20.0,
    pitch: float | None = None,
    window: Literal["rect", "hann", "hamming", "blackman"] = "rect",
    seed: int = 0,
) -> Problem:
    """A turntable scan of a toy object by a monostatic radar on a cylinder, in bins of the beat spectrum.

    scene            "aeroplane": 6000 isotropic unit scatterers on its surface, 0.16 m long, on no lattice
    azimuths, heights  pulses around, and rows between -reach and +reach (m) at `radius` (m)
    start_frequency, bandwidth  Hz;  samples  a chirp
    snr              decibels, mean |y|² over mean |n|², circular complex noise
    pitch            of the voxels in m; default: a quarter of the shortest wavelength

    The field is the reflectivity of each voxel (a point at its middle), not negative, in units in which a
    least-squares gain of the backprojected image is 1. `notes` hold that gain.
    """
    if scene not in SCENES:
        raise ValueError(f"Unknown scene {scene!r}. {nearest(scene, SCENES)}")
    points = SCENES[scene]()
    chirp = chirp_of(start_frequency, bandwidth, samples)
    pitch = 0.25 * SPEED_OF_LIGHT / (start_frequency + bandwidth) if pitch is None else pitch
    grid = grid_around(points, pitch)
    geometry = cylinder(azimuths, heights, radius, reach)
    operator = FMCW(grid.box, geometry, chirp, points=grid, window=window)
    mean = echoes(operator, points)
    sigma = 10 ** (-snr / 20) * float(mean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(mean, torch.Generator().manual_seed(seed))
    return radar_problem(
        operator, grid, y, sigma, steps=600, prior="hash", options=aligned(grid), weight=10.0
    )


def radar_problem(
    operator: RadarOperator,
    grid: Grid,
    y: Tensor,
    sigma: float,
    *,
    steps: int,
    prior: str,
    options: dict[str, object],
    weight: float,
) -> Problem:
    """The problem of a real, non-negative reflectivity on `grid`; its kernel is stored where that fits.

    `weight`: of L1, in units of the noise; y is scaled so that a backprojected image has gain 1.
    """
    size = len(operator) * operator.transform.count * grid.numel * 8
    operator = operator.stored() if size <= STORE_LIMIT // 2 else operator
    gain = image_gain(operator, y)
    y, sigma = (y / gain).to(torch.complex64), sigma / gain
    sparse = weight * regularizers.L1(grid=grid)
    suggestion = Suggestion(
        prior=prior,
        options=options,
        regularizers=(sparse,),
        steps=steps,
        stopping=HeldOut(fraction=0.06),
        figure=radar_figure,
        baselines={
            "backprojection": backprojection,
            "L1": l1,
            "L1, x ≥ 0": lambda p: l1(p, nonnegative=True),
            "least squares": least_squares,
            "variance field": variance_field,
        },
    )
    term = Term(operator, y, noise.ComplexGaussian(sigma))
    return Problem([term], grid.box, grid, suggested=suggestion, notes={"gain of y": gain})


def aligned(grid: Grid) -> dict[str, object]:
    """A hash prior whose finest cells are the voxels: a lattice of another pitch beats against them, in stripes."""
    return {"head": "sparse", "levels": 3, "coarsest": 8, "finest": float(max(grid.shape))}


def image_gain(operator: RadarOperator, y: Tensor) -> float:
    """What y is divided by so that its backprojection, at most 1, explains it best: the data's unknown scale."""
    rows = torch.arange(len(operator))
    _, measure = operator(rows)
    image = torch.zeros(operator.size, 1, dtype=y.dtype.to_real())
    image = torch.func.vjp(measure, image)[1](y)[0].clamp(min=0)
    seen = measure(image / image.max())
    return float((seen.conj() * y).sum().real / seen.abs().square().sum())


def chirp_of(start_frequency: float, bandwidth: float, samples: int) -> Chirp:
    """A chirp of 5 MHz sampling: the rate sets no resolution, only the time it takes."""
    return Chirp(start_frequency, bandwidth / samples * 5e6, 5e6, samples)


def cylinder(
    azimuths: int, heights: int, radius: float, reach: float, offset: float = 0.0
) -> RadarGeometry:
    """Pulses evenly around and between -reach and reach; `offset` in steps of azimuth."""
    around = 2 * math.pi * (torch.arange(azimuths, dtype=torch.float64) + offset) / azimuths
    return RadarGeometry.cylinder(
        radius, around, torch.linspace(-reach, reach, heights, dtype=torch.float64)
    )


def grid_around(points: Tensor, pitch: float, margin: float = 0.01) -> Grid:
    """Cubic voxels of `pitch` around scatterers, `margin` (m) beyond them on every side at least."""
    low, high = points.amin(0) - margin, points.amax(0) + margin
    shape = tuple(math.ceil(float(n) / pitch) for n in high - low)
    middle = 0.5 * (low + high)
    half = 0.5 * pitch * middle.new_tensor(shape)
    return Grid(
        Box(tuple((middle - half).tolist()), tuple((middle + half).tolist()), ("m",) * 3), shape
    )


def echoes(operator: RadarOperator, points: Tensor, amplitudes: Tensor | None = None) -> Tensor:
    """What scatterers send back, in float64: (P, K)."""
    amplitudes = torch.ones(len(points), dtype=torch.float64) if amplitudes is None else amplitudes
    with torch.no_grad():
        return operator.at(points)(torch.arange(len(operator)))[1](amplitudes[:, None])
